"""The platform's files, whatever blocks come and in whatever order: a file is whole only with its own bytes."""

from pathlib import Path
from random import Random

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.uplink.coap_message import Block, Reply, Request
from gateway_agent.uplink.transfer_format import LEDGER, MAX_WAITING_UPLOADS, UPDATE, decode_stored, digest_of
from hardware.rig.platform_files import TABLES, PlatformFiles

GATEWAY = "gp-test-1"
DATA = Random(1).randbytes(700)


def files_at(path: str = ":memory:") -> PlatformFiles:
    connection = apsw.Connection(path)
    connection.execute(TABLES)
    return PlatformFiles(connection)


def put(files: PlatformFiles, data: bytes, number: int, exponent: int, digest: bytes | None = None) -> Reply:
    size = 16 << exponent
    block = Block(number, (number + 1) * size < len(data), exponent)
    query = ("d=" + (digest or digest_of(data)).hex(),)
    payload = data[number * size : (number + 1) * size]
    return files.handle_upload(GATEWAY, Request("PUT", ("u", LEDGER), query, payload, block1=block))


def stored(files: PlatformFiles) -> int:
    reply = files.handle_upload(GATEWAY, Request("GET", ("u", LEDGER), ("d=" + digest_of(DATA).hex(),)))
    return decode_stored(reply.payload).stored_bytes


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(2, 6)), max_size=40))
def test_blocks_in_any_order_and_size_are_stored_in_order_or_refused(blocks: list[tuple[int, int]]) -> None:
    files = files_at()
    for number, exponent in blocks:
        start, size = number * (16 << exponent), 16 << exponent
        if start >= len(DATA):
            continue
        before = stored(files)
        reply = put(files, DATA, number, exponent)
        if before == len(DATA):
            assert reply.code == "2.04"
        elif start > before:
            assert reply.code == "4.08"
            assert decode_stored(reply.payload).stored_bytes == before == stored(files)
        elif start + size >= len(DATA):
            assert reply.code == "2.04"
            assert files.whole(GATEWAY, LEDGER) == DATA
        else:
            assert reply.code == "2.31"
            assert stored(files) == max(before, start + size)


def test_another_digest_is_refused_and_what_came_is_forgotten() -> None:
    files = files_at()
    wrong = digest_of(b"another file")
    assert put(files, DATA, 0, 5, wrong).code == "2.31"
    assert put(files, DATA, 1, 5, wrong).code == "4.12"
    assert files.whole(GATEWAY, LEDGER) is None
    assert put(files, DATA, 1, 5, wrong).code == "4.08"


def test_unfinished_uploads_are_bounded_and_the_newest_stay() -> None:
    files = files_at()
    for number in range(3 * MAX_WAITING_UPLOADS):
        digest = digest_of(bytes([number]))
        assert put(files, DATA, 0, 5, digest).code == "2.31"
    find = "SELECT count(*), sum(length(data)) FROM uploads"
    assert files._connection.execute(find).fetchone() == (MAX_WAITING_UPLOADS, 512 * MAX_WAITING_UPLOADS)
    assert put(files, DATA, 1, 5, digest).code == "4.12"  # it goes on, and only its digest is another


def test_what_was_stored_is_there_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "files.sqlite")
    files = files_at(path)
    put(files, DATA, 0, 5)
    files.offer(GATEWAY, UPDATE, DATA)
    files._connection.close()
    again = PlatformFiles(apsw.Connection(path))
    assert stored(again) == 512
    assert put(again, DATA, 1, 5).code == "2.04"
    assert [(offer.kind, offer.digest, offer.size) for offer in again.offers(GATEWAY)] == [
        (UPDATE, digest_of(DATA), len(DATA))
    ]


def test_a_download_has_one_etag_and_a_new_offer_another() -> None:
    files = files_at()
    for data in (DATA, DATA[:-1]):
        files.offer(GATEWAY, UPDATE, data)
        replies = [
            files.handle_download(GATEWAY, Request("GET", ("d", UPDATE), block2=Block(number, False, 4)))
            for number in range(3)
        ]
        assert b"".join(reply.payload for reply in replies) == data
        assert {reply.etag for reply in replies} == {digest_of(data)}
        assert [reply.block2 for reply in replies] == [Block(n, n < 2, 4) for n in range(3)]
