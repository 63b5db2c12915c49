"""The pins of an emulated modem for another process: what a hook command of the gateway's ladder would switch.

    python -m hardware.rig.modem.pins SOCKET power-key | supply-off | supply-on | wake | state
    python -m hardware.rig.modem.pins SOCKET inject FAULT | clear FAULT

`PinServer` listens on a Unix socket: one line in, one line out ("ok ..." or "error ...").
"""

import asyncio
import socket
import sys
from pathlib import Path

from hardware.rig.modem.emulator import Emulator

PINS = ("power-key", "supply-off", "supply-on", "wake", "state", "inject", "clear")
_WAIT_S = 10.0


class PinServer:
    """Serves the pins of one emulator at the Unix socket `path`. Use `async with`, in real time."""

    def __init__(self, modem: Emulator, path: Path) -> None:
        self.path = path
        self._modem = modem
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "PinServer":
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode("utf-8", "replace").split()
        writer.write(f"{self.switch(line)}\n".encode())
        await writer.drain()
        writer.close()

    def switch(self, words: list[str]) -> str:
        """Do what a line asks for and return the answer to it."""
        modem = self._modem
        match words:
            case ["power-key"]:
                modem.power_key()
            case ["supply-off"]:
                modem.supply(False)
            case ["supply-on"]:
                modem.supply(True)
            case ["wake"]:
                modem.wake()
            case ["state"]:
                pass
            case ["inject" | "clear" as what, name]:
                try:
                    (modem.faults.inject if what == "inject" else modem.faults.clear)(name)
                except ValueError as error:
                    return f"error {error}"
            case _:
                return f"error say one of {', '.join(PINS)}"
        return f"ok {modem.state}"


def press(path: Path, words: list[str]) -> str:
    """Send a line to a `PinServer` and return its answer. Raises OSError where nobody listens."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_WAIT_S)
        line.connect(str(path))
        line.sendall(f"{' '.join(words)}\n".encode())
        with line.makefile(encoding="utf-8") as answer:
            return answer.readline().strip()


def main(arguments: list[str]) -> int:
    """The command; 0 when it was done, 1 when the emulator refused, 2 when the words were off."""
    if len(arguments) < 2 or arguments[1] not in PINS:
        print(f"usage: python -m hardware.rig.modem.pins SOCKET {'|'.join(PINS)} [FAULT]", file=sys.stderr)
        return 2
    try:
        answer = press(Path(arguments[0]), arguments[1:])
    except OSError as error:
        print(f"{arguments[0]}: {error.strerror or error}: is the emulator running?", file=sys.stderr)
        return 1
    print(answer)
    return 0 if answer.startswith("ok") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
