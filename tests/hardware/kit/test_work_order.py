"""Work orders as table programs write them, and everything that may be wrong with one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.kit.problems import KitProblems
from hardware.kit.work_order import read_work_order
from tests.hardware.kit.desk import REPOSITORY

HEAD = "terminal,type,pole,node,board,mount,settings\n"


def problems_of(path, content) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(KitProblems) as caught:
        read_work_order(path)
    return str(caught.value).replace(str(path), "it").splitlines()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "it.csv"


def test_the_example_is_right():
    order = read_work_order(REPOSITORY / "hardware/nodes/work-order.csv")
    assert [(one.terminal, one.node) for one in order.lines] == [
        ("110108-0004711", "lamp_node"),
        ("110108-0004712", "manhole_node"),
    ]
    assert order.lines[0].mount == "mast arm, 6 m"
    assert order.lines[0].settings == {"unit": "17", "baud": "9600"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_delimiter_mark_and_line_ends_are_those_of_any_table_program(path, delimiter, mark, ending):
    rows = [["Terminal", "POLE", "mount"], ["A-1", "p.toml", '"横臂, 6 m; oben"'], ["", "", ""], ["A-2", " p ", ""]]
    path.write_bytes(mark + ending.join(delimiter.join(row) for row in rows).encode())
    lines = read_work_order(path).lines
    assert [(one.line, one.terminal, one.pole, one.mount) for one in lines] == [
        (2, "A-1", "p.toml", "横臂, 6 m; oben"),
        (4, "A-2", "p", ""),
    ]


def test_a_separator_inside_a_note_ends_no_line(path):
    path.write_text("terminal,pole,note\nA-1,p.toml,above\u2028below\x85\x0c\nA-2,p.toml,\n", encoding="utf-8")
    assert [(one.line, one.terminal) for one in read_work_order(path).lines] == [(2, "A-1"), (3, "A-2")]


def test_every_bad_line_is_told_at_once_with_its_number_and_the_mend(path):
    text = (
        HEAD
        + "A-1,,p,n,,,\n"
        + "A-1,,p,m,,,\n"
        + ",,p,m,,,\n"
        + "A 3,,p,m,,,\n"
        + "A-4,,,m,,,\n"
        + "A-5,,p,m,,mast, 6 m,unit=1\n"
        + "A-6,,p,m,,,unit 17\n"
        + "A-7,,p,m,,,unti=17\n"
        + "A-8,,p,m,,,unit=1 unit=2\n"
        + "1.10108E+12,,p,m,,,\n"
        + f"A-9,,p,m,,{'x' * 201},\n"
    )
    assert [one.split(": ", 1) for one in problems_of(path, text)] == [
        ["it:3", "terminal A-1 stands on line 2 already; each terminal has one line: remove or mend one of them"],
        [
            "it:4",
            "the terminal code is empty; write the code as it stands in the city's ledger: 1 to 32 ASCII characters, "
            "no blanks",
        ],
        [
            "it:5",
            "'A 3' is no terminal code; write the code as it stands in the city's ledger: 1 to 32 ASCII characters, "
            "no blanks",
        ],
        ["it:6", "no pole is named; write the path of its pole.toml, seen from the work order's folder"],
        [
            "it:7",
            "there are 8 cells for 7 columns; a cell with a comma in it stands in quotes; the last one here is "
            '"unit=1"',
        ],
        ["it:8", "settings has unit; write pairs with blanks between them: unit=17 baud=9600"],
        ["it:8", "settings has 17; write pairs with blanks between them: unit=17 baud=9600"],
        ["it:9", "settings knows no unti; did you mean unit?; all else stands in the pole.toml"],
        ["it:10", "settings says unit twice; remove one of them"],
        [
            "it:11",
            "1.10108E+12 is no terminal code; the table program has made a number of the code: set the column to text, "
            "enter it again, export again",
        ],
        ["it:12", "mount has 201 characters; it takes up to 200"],
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "it: the file is empty; write a line of column names"),
        (HEAD, "it: there is no line below the column names"),
        ("terminal,poel,node\nA,b,c\n", "it:1: there is no column poel; did you mean pole?"),
        ("terminal,node\nA,b\n", "it:1: the column pole is missing; the first line names the columns"),
        ("terminal,pole,street\nA,b,c\n", "it:1: there is no column street; remove it"),
        ("terminal,pole,,node\nA,b,c,d\n", "it:1: there is no column without a name"),
        ("terminal,pole,pole\nA,b,c\n", "it:1: the column pole stands twice"),
        (HEAD + 'A-1,"lamp,p,n\nA-2,,p,n\n', "it:2: this is not CSV"),
        (HEAD.encode() + "A-1,路灯,p,n".encode("gb18030"), "it:2: this is not UTF-8 text; save it as UTF-8: in Excel"),
        (HEAD.encode("utf-16"), "it:1: this is not UTF-8 text"),
        (HEAD + "A-1,a\0b,p,n\n", "it:2: "),
        (HEAD + 'A-1,"two\nlines",p,n\n', "it:2: type has a line end"),
    ],
)
def test_a_file_of_a_wrong_shape_is_told_with_its_mend(path, content, told):
    assert problems_of(path, content)[0].startswith(told)


def test_a_file_that_is_not_there_and_a_folder_are_told(tmp_path):
    with pytest.raises(KitProblems, match="there is no such file; check the path"):
        read_work_order(tmp_path / "none.csv")
    with pytest.raises(KitProblems, match="cannot be read"):
        read_work_order(tmp_path)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_work_order_or_problems(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        read_work_order(path)
    except KitProblems as problems:
        assert problems.problems
