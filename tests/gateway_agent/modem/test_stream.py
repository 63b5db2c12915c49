import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.modem.stream import LONGEST_LINE_BYTES, AtStream, Line, Prompt

HEADERS = (re.compile(r"\+IPD(?P<length>\d+)"), re.compile(r"\+RECEIVE,(?P<socket>\d+),(?P<length>\d+):"))
MARKS = ("+RECEIVE,", "+IPD")
WORDS = st.sampled_from(["OK", "ERROR", "+CSQ: 21,99", '+QIURC: "closed",0', "0, CLOSED", "867725030000017", "SEND OK"])
PAYLOADS = st.binary(min_size=1, max_size=60).map(lambda data: (f"+IPD{len(data)}", data))


def items_of(pieces: list[bytes]) -> list[Line]:
    stream = AtStream(HEADERS, MARKS)
    return [item for piece in pieces for item in stream.feed(piece) if isinstance(item, Line)]


@given(st.lists(WORDS | PAYLOADS, max_size=12), st.lists(st.integers(0, 900), max_size=12))
def test_any_cut_of_the_stream_gives_the_same_lines(told: list[str | tuple[str, bytes]], cuts: list[int]) -> None:
    sent = b"".join(
        f"\r\n{one}\r\n".encode() if isinstance(one, str) else f"\r\n{one[0]}\r\n".encode() + one[1] for one in told
    )
    at = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    pieces = [sent[begin:end] for begin, end in pairwise(at)]
    expected = [Line(one) if isinstance(one, str) else Line(*one) for one in told]
    assert items_of(pieces) == expected
    assert items_of([bytes([byte]) for byte in sent]) == expected


@given(st.binary(max_size=600))
def test_any_bytes_give_lines_and_the_next_line_is_read(noise: bytes) -> None:
    stream = AtStream(HEADERS, MARKS)
    list(stream.feed(noise))
    while stream.is_inside_payload:
        list(stream.give_up_payload())
    list(stream.feed(b"\r\n"))
    while stream.is_inside_payload:
        list(stream.give_up_payload())
    assert list(stream.feed(b"+CSQ: 1,99\r\n")) == [Line("+CSQ: 1,99")]


@given(st.text(alphabet="0123456789ABCDEF", min_size=1, max_size=30))
def test_glued_lines_are_cut_where_the_next_begins(digits: str) -> None:
    glued = f'+QIURC: "recv",0,{digits}+CEREG: 1+RECEIVE,1,3:\r\nabcOK\r\n'.encode()
    assert items_of([glued]) == [
        Line(f'+QIURC: "recv",0,{digits}'),
        Line("+CEREG: 1"),
        Line("+RECEIVE,1,3:", b"abc"),
        Line("OK"),
    ]


def test_a_final_that_is_glued_to_its_line_is_cut_off() -> None:
    assert items_of([b"+CSQ: 21,99OK\r\n"]) == [Line("+CSQ: 21,99"), Line("OK")]
    assert items_of([b"2,60OK\r\n"]) == [Line("2,60"), Line("OK")]
    assert items_of([b"10.0.0.7ERROR\r\n"]) == [Line("10.0.0.7"), Line("ERROR")]
    assert items_of([b"OKSEND OK\r\nSEND OKOK\r\n"]) == [Line("OK"), Line("SEND OK"), Line("SEND OK"), Line("OK")]
    assert items_of([b"0, CONNECT OK\r\n+CME ERROR: 3\r\n"]) == [Line("0, CONNECT OK"), Line("+CME ERROR: 3")]


def test_the_prompt_needs_no_line_end_and_is_seen_only_when_it_is_waited_for() -> None:
    stream = AtStream(HEADERS, MARKS)
    assert list(stream.feed(b"\r\n> ")) == []
    stream.clear()
    stream.wants_prompt = True
    items = list(stream.feed(b"+CEREG: 1\r\n\xff> "))
    assert isinstance(items[-1], Prompt)
    assert items[0] == Line("+CEREG: 1")


def test_noise_without_an_end_is_forgotten() -> None:
    stream = AtStream(HEADERS, MARKS)
    for _ in range(100):
        assert list(stream.feed(b"x" * 1000)) == []
    assert stream.damaged >= 100_000 // LONGEST_LINE_BYTES - 1
    list(stream.feed(b"\r\n"))
    assert list(stream.feed(b"OK\r\n")) == [Line("OK")]
