"""Run one emulated modem by hand, on a pseudo-terminal, and print what passes.

    python -m hardware.rig.modem --model bc660k --radio nbiot-bad --link /dev/shm/modem

Datagrams go to their real addresses from 127.0.0.1. Pins and faults from another terminal: `hardware.rig.modem.pins`.
"""

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from hardware.rig.clock import RigClock, run_real
from hardware.rig.modem.faults import FAULTS
from hardware.rig.modem.models import MODELS
from hardware.rig.modem.pins import PinServer
from hardware.rig.modem.ported import PortedModem
from hardware.rig.modem.radio_profiles import PROFILES
from hardware.rig.modem.sim import Sim
from hardware.rig.modem.uart import UartEnd


class Printer:
    """Prints lines of the UART and datagrams of the radio, with seconds since the start."""

    def __init__(self, loop: asyncio.AbstractEventLoop, modem_end: str) -> None:
        self._loop = loop
        self._start_s = loop.time()
        self._modem_end = modem_end
        self._lines: dict[str, bytearray] = {}

    def line(self, end: UartEnd, data: bytes) -> None:
        """Take what one end of the UART sends."""
        mark = "<" if end.name == self._modem_end else ">"
        held = self._lines.setdefault(mark, bytearray())
        held += data
        while b"\r" in held or b"\n" in held:
            text, held[:] = _first_line(held)
            if text:
                self._print(f"{mark} {_readable(text)}")
        if held.strip() == b">":
            self._print(f"{mark} {_readable(bytes(held))}")
            held.clear()

    def up(self, data: bytes, delivered: bool) -> None:
        """Take a datagram of the module."""
        self._print(f"  up {len(data)} B{'' if delivered else ', lost'}: {data.hex()}")

    def down(self, data: bytes, delivered: bool) -> None:
        """Take a datagram for the module."""
        self._print(f"  down {len(data)} B{'' if delivered else ', lost'}: {data.hex()}")

    def _print(self, text: str) -> None:
        print(f"{self._loop.time() - self._start_s:9.3f} {text}", flush=True)


def _first_line(held: bytearray) -> tuple[bytes, bytes]:
    at = min(index for index in (held.find(b"\r"), held.find(b"\n")) if index >= 0)
    return bytes(held[:at]), bytes(held[at + 1 :])


def _readable(text: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text)


def command(
    model: Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.")] = "bc660k",
    radio: Annotated[str, typer.Option(help=f"One of {', '.join(PROFILES)}.")] = "nbiot-good",
    link: Annotated[Path, typer.Option(help="The symbolic link that becomes the serial device.")] = Path("modem"),
    control: Annotated[Path | None, typer.Option(help="A Unix socket for pins and faults.")] = None,
    seed: Annotated[int, typer.Option(help="Picks the firmware's habits and all chance.")] = 0,
    pin: Annotated[str | None, typer.Option(help="The card asks for this PIN.")] = None,
    apn: Annotated[str | None, typer.Option(help="The only access point that the network takes.")] = None,
    fault: Annotated[list[str] | None, typer.Option(help="NAME, or NAME=RATE for each opportunity.")] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Print the names of faults and end.")] = False,
) -> None:
    """Run one emulated modem until Ctrl-C."""
    if list_faults:
        for name, sentence in FAULTS.items():
            print(f"{name:15} {sentence}")
        return

    async def main(clock: RigClock) -> None:
        await _run(clock, model, radio, link, control, seed, Sim(pin=pin, apn=apn), fault or [])

    try:
        run_real(main)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from error


async def _run(
    clock: RigClock, model: str, radio: str, link: Path, control: Path | None, seed: int, sim: Sim, wanted: list[str]
) -> None:
    rates = dict(_rate(item) for item in wanted if "=" in item)
    ported = PortedModem(model, radio, link=link, seed=seed, sim=sim, rates=rates, clock=clock)
    modem = ported.emulator
    printer = Printer(clock.loop, modem.end_name)
    ported.uart.on_sent = printer.line
    ported.radio.observe(printer.up, printer.down)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        clock.loop.add_signal_handler(number, ended.set)
    async with AsyncExitStack() as stack:
        stack.callback(ported.close)
        if control is not None:
            await stack.enter_async_context(PinServer(modem, control))
        print(f"{model} on {radio} at {ported.path}, {modem.model.baud} baud; Ctrl-C ends", flush=True)
        ported.start()
        for name in wanted:
            if "=" not in name:
                modem.faults.inject(name)
        await ended.wait()
    for name, count in sorted(modem.counters.items()):
        print(f"{name}: {count}")


def _rate(item: str) -> tuple[str, float]:
    name, _, rate = item.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise ValueError(f"--fault {item}: a rate is a number such as {name}=0.01") from None


if __name__ == "__main__":
    typer.run(command)
