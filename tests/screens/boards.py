"""Boards that a hand plugs in one after the other, for a batch: `python -m tests.screens.boards LINK COUNT`.

Each is taken out some seconds after its node has started, and the next one put in. Prints "ready" first, runs until it
is ended.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from hardware.rig.esp32.board import SimulatedBoard
from hardware.rig.esp32.chip import SimulatedChip
from hardware.rig.esp32.node_application import NodeApplication
from hardware.rig.esp32.serial_ends import PtyEnd

_ASKED_WITHIN_S = 20
_HAND_S = 3


async def serve(link: Path, count: int, folder: Path) -> None:
    """Put the boards in, one by one."""
    print("ready", flush=True)
    for number in range(count):
        await asyncio.sleep(_HAND_S)
        started = asyncio.Event()

        def hear(event: str, started: asyncio.Event = started) -> None:
            if event == "starts from flash":
                started.set()

        chip = SimulatedChip("esp32", mac=bytes((0x24, 0x0A, 0xC4, 1, 2, 3 + number)))
        application = NodeApplication(folder / str(number), chip.efuses.mac)
        board = SimulatedBoard(chip, attended=True, application=application, on_event=hear)
        PtyEnd(board, link)
        board.plug()
        await started.wait()
        await asyncio.sleep(_ASKED_WITHIN_S)
        board.unplug()
        await board.close()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), Path(place)))
