"""A board's power, pins, buttons and application, in virtual time and with an end made by hand."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.esp32.board import SimulatedBoard
from hardware.rig.esp32.chip import Loader, SimulatedChip
from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.line_noise import LineNoise
from hardware.rig.esp32.numbers import SYNC, SYNC_BODY
from hardware.rig.esp32.slip import encode
from hardware.rig.esp32.stand_in_image import IMAGE_OFFSET, stand_in_image

SYNC_FRAME = encode(bytes([0, SYNC, 36, 0, 0, 0, 0, 0]) + SYNC_BODY)
IMAGE = b"\xff" * IMAGE_OFFSET + stand_in_image(app_bytes=4096)


class HandMadeEnd:
    def __init__(self) -> None:
        self.baud: int | None = 115200
        self.heard = b""
        self.plugged = 0

    def deliver(self, data: bytes, *, may_be_lost: bool) -> None:
        self.heard += data

    def plug(self) -> None:
        self.plugged += 1

    def unplug(self) -> None:
        self.plugged -= 1


class Echo:
    def __init__(self, say: Callable[[bytes], None]) -> None:
        self.receive = say
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True


class Bench:
    """A board with `faults`, an end, and an application that echoes."""

    def __init__(self, faults: ChipFaults | None = None, *, blank: bool = False, attended: bool = False) -> None:
        flash = None if blank else bytearray(IMAGE.ljust(4 << 20, b"\xff"))
        self.chip = SimulatedChip(flash=flash, faults=faults)
        self.end = HandMadeEnd()
        self.echoes: list[Echo] = []
        self.board = SimulatedBoard(self.chip, attended=attended, application=self.start)
        self.board.connect(self.end)
        self.board.plug()

    async def start(self, flash: bytes, say: Callable[[bytes], None]) -> Echo:
        assert flash[: len(IMAGE)] == IMAGE
        await asyncio.sleep(0.1)
        self.echoes.append(Echo(say))
        return self.echoes[-1]


def on_bench(act: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main(_clock: RigClock) -> None:
        await act()

    run_virtual(main)


def test_the_application_starts_and_a_reset_or_a_pulled_cable_stops_it():
    async def act() -> None:
        bench = Bench()
        await asyncio.sleep(1)
        bench.board.from_host(b"?")
        assert bench.end.heard.endswith(b"entry 0x400805b0\r\n?")
        bench.board.press_reset()
        await asyncio.sleep(1)
        assert [echo.stopped for echo in bench.echoes] == [True, False]
        bench.board.unplug()
        await asyncio.sleep(1)
        assert [echo.stopped for echo in bench.echoes] == [True, True]
        assert bench.end.plugged == 0
        bench.board.plug()
        bench.board.press_reset()  # while the application is still starting
        await asyncio.sleep(1)
        assert [echo.stopped for echo in bench.echoes[2:]] in ([False], [True, False])
        await bench.board.close()
        assert all(echo.stopped for echo in bench.echoes)

    on_bench(act)


def test_modem_lines_reset_into_the_loader_and_out_of_it():
    async def act() -> None:
        bench = Bench(blank=True)
        board = bench.board
        for dtr, rts in ((False, True), (True, True), (True, False), (False, False)):
            board.set_lines(dtr, rts)
            await asyncio.sleep(0.05)
        assert bench.chip.loader is Loader.ROM
        assert b"waiting for download" in bench.end.heard
        board.set_lines(True, True)
        assert bench.chip.loader is Loader.ROM, "both lines together do nothing"
        board.set_lines(False, True)
        assert bench.chip.loader is Loader.NONE
        board.set_lines(False, False)
        assert bench.end.heard.endswith(b"invalid header: 0xffffffff\r\n")
        heard = len(bench.end.heard)
        await asyncio.sleep(1)
        assert b"RTCWDT_RTC_RESET" in bench.end.heard[heard:], "the watchdog tries again and again"
        await board.close()

    on_bench(act)


def test_a_silent_rom_wants_a_hand_on_boot():
    async def act() -> None:
        bench = Bench(ChipFaults(rom_silent=True))
        for dtr, rts in ((False, True), (True, False), (False, False)):
            bench.board.set_lines(dtr, rts)
        assert bench.chip.loader is Loader.NONE
        bench.board.press_boot()
        bench.board.set_lines(False, True)
        bench.board.set_lines(False, False)
        assert bench.chip.loader is Loader.ROM
        bench.chip.faults.boot_dead = True
        bench.board.press_reset()
        assert bench.chip.loader is Loader.NONE
        await bench.board.close()

    on_bench(act)


def test_a_hand_beside_the_board_helps_where_there_are_no_lines():
    async def act() -> None:
        bench = Bench(attended=True)
        await asyncio.sleep(1)
        bench.board.from_host(SYNC_FRAME)
        assert bench.chip.loader is Loader.ROM
        bench.board.from_host(SYNC_FRAME)
        assert bench.end.heard.count(b"\x01\x08\x04\x00") == 8
        bench.board.host_left()
        await asyncio.sleep(2)
        assert bench.board.is_running
        await bench.board.close()

    on_bench(act)


def test_the_cable_is_pulled_at_the_very_byte_and_put_in_again():
    async def act() -> None:
        bench = Bench(ChipFaults(unplug_after_bytes=5, plug_again_after_s=3.0))
        await asyncio.sleep(1)
        bench.board.from_host(b"123")
        bench.board.from_host(b"4567")
        assert bench.end.heard.endswith(b"12345")
        assert not bench.board.is_plugged
        await asyncio.sleep(4)
        assert bench.board.is_running
        bench.chip.faults.unplug_at_question = True
        bench.board.from_host(b"?")
        assert not bench.board.is_plugged
        await bench.board.close()

    on_bench(act)


def test_a_wrong_rate_is_garbage_both_ways():
    async def act() -> None:
        bench = Bench()
        await asyncio.sleep(1)
        bench.end.baud = 9600
        before = len(bench.end.heard)
        bench.board.from_host(b"hello")
        assert len(bench.end.heard) == before + 5
        assert not bench.end.heard.endswith(b"hello")
        bench.chip.faults.max_baud = 57600
        bench.end.baud = 115200
        bench.board.from_host(b"hello")
        assert not bench.end.heard.endswith(b"hello")
        await bench.board.close()

    on_bench(act)


def test_bit_errors_come_at_their_rate():
    noise = LineNoise(ChipFaults(line_error_rate=1e-4))
    data = Random(1).randbytes(100_000)
    carried = noise.carry(data, None, None)
    turned = sum((a ^ b).bit_count() for a, b in zip(data, carried, strict=True))
    assert turned == noise.errors
    assert 50 < turned < 120
