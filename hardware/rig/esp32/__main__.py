"""A simulated ESP32 by hand: `python -m hardware.rig.esp32 --link /tmp/ttyESP --flash board.bin`.

Prints what happens; type b, r, u or p and Enter to press its buttons or pull its cable. The flash is read from and
written to the file. Ends with Ctrl-C.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from hardware.rig.esp32.board import SimulatedBoard
from hardware.rig.esp32.chip import MEBIBYTE, SimulatedChip
from hardware.rig.esp32.kinds import KINDS
from hardware.rig.esp32.node_application import NodeApplication
from hardware.rig.esp32.serial_ends import PtyEnd, Rfc2217End, SocketEnd

_KEYS = "b = BOOT and RESET, r = RESET, u = pull the cable, p = plug it in; each with Enter"


def main(
    link: Annotated[Path | None, typer.Option(help="Make a serial device, and this link to it.")] = None,
    rfc2217: Annotated[bool, typer.Option(help="Listen for rfc2217:// (with auto-reset).")] = False,
    flash: Annotated[Path | None, typer.Option(help="Keep the flash in this file.")] = None,
    kind: Annotated[str, typer.Option(help="Which chip: " + ", ".join(KINDS))] = "esp32",
    attended: Annotated[bool, typer.Option(help="Let a hand press the buttons when they are needed.")] = False,
) -> None:
    """Run one board until Ctrl-C; without --link or --rfc2217 it listens for socket://."""
    if kind not in KINDS:
        raise typer.BadParameter(f"there is no chip {kind}; there are: {', '.join(KINDS)}")
    if link is not None and link.exists() and not link.is_symlink():
        raise typer.BadParameter(f"{link} is there and is no link: name another place for the port")
    content = bytearray(flash.read_bytes()) if flash is not None and flash.exists() else None
    flash_bytes = len(content) if content is not None else 4 * MEBIBYTE
    if flash_bytes.bit_count() != 1:
        raise typer.BadParameter(f"{flash} has {flash_bytes} bytes, and a flash a power of two; give a whole image")
    chip = SimulatedChip(kind, flash_bytes=flash_bytes, flash=content)
    with tempfile.TemporaryDirectory() as folder:
        application = NodeApplication(Path(folder, "node"), chip.efuses.mac)
        try:
            asyncio.run(_run(chip, link, rfc2217, attended, application))
        except KeyboardInterrupt:
            print("ended", file=sys.stderr)
    if flash is not None:
        flash.write_bytes(chip.memory.content)


async def _run(
    chip: SimulatedChip, link: Path | None, rfc2217: bool, attended: bool, application: NodeApplication
) -> None:
    board = SimulatedBoard(chip, attended=attended, application=application, on_event=_print)
    end = PtyEnd(board, link) if link is not None else Rfc2217End(board) if rfc2217 else SocketEnd(board)
    board.plug()
    print(f"{end.url}\n{_KEYS}" if sys.stdin.isatty() else end.url, flush=True)
    loop = asyncio.get_running_loop()
    if sys.stdin.isatty():
        loop.add_reader(sys.stdin.fileno(), _obey_key, board)
    try:
        await asyncio.Event().wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        await board.close()


def _print(event: str) -> None:
    print(event, flush=True)


def _obey_key(board: SimulatedBoard) -> None:
    key = sys.stdin.readline()
    if not key:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    elif key[:1] == "b":
        board.enter_loader_by_hand()
    elif key[:1] == "r":
        board.press_reset()
    elif key[:1] == "u":
        board.unplug()
    elif key[:1] == "p":
        board.plug()


if __name__ == "__main__":
    typer.run(main)
