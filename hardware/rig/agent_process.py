"""The agent as a process of its own, as systemd would run it: started, watched over its status socket, killed."""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

_TRY_AGAIN_S = 0.05


class AgentError(Exception):
    """The agent ended by itself; the text holds its last words."""


class AgentProcess:
    """`gatepost run` on one pole.toml. `latest` is its newest status line, `starts` how often it was started."""

    def __init__(self, pole_toml: Path, folder: Path) -> None:
        self._latest: dict[str, Any] = {}
        self.finished: list[dict[str, Any]] = []
        self.starts = 0
        self._pole_toml = pole_toml
        # A unix socket's path must be short (107 bytes), and the folder of a run need not be.
        self._short = tempfile.TemporaryDirectory(prefix="gatepost-")
        self._socket = Path(self._short.name) / "status"
        self._log = folder / "agent.log"
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and follow its status. Raises OSError when no process can be made."""
        self._socket.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-m", "gateway_agent", "run", str(self._pole_toml), "--status", str(self._socket)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at a terminal is for the rig, which then lets the agent finish
            )
        self.starts += 1
        self._reader = asyncio.create_task(self._follow())

    @property
    def latest(self) -> dict[str, Any]:
        """The newest status, empty until there is one."""
        return self._latest

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    def check(self) -> None:
        """Raise AgentError when the agent has ended although nobody asked it to."""
        if self._process is not None and self._process.returncode is not None:
            raise AgentError(f"the agent ended with exit code {self._process.returncode}:\n{self.last_words()}")

    async def kill(self) -> None:
        """End it as a power cut does (SIGKILL), after a last look at its status."""
        await self._look_once()
        await self._end(signal.SIGKILL, within_s=10)

    async def stop(self, within_s: float) -> None:
        """Ask it to finish (SIGTERM) and wait; AgentError when it does not within `within_s` seconds, or ends badly.

        An agent that has just been started is asked only when it has begun to tell its status.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.running and not self._latest:
                    await asyncio.sleep(_TRY_AGAIN_S)
        code = await self._end(signal.SIGTERM, within_s)
        self._short.cleanup()
        if code:
            raise AgentError(f"the agent ended with exit code {code}:\n{self.last_words()}")

    def last_words(self, lines: int = 15) -> str:
        """Return the end of the agent's log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    async def _end(self, how: signal.Signals, within_s: float) -> int:
        """Send a signal, wait for the end and return the exit code (0 when there is no process)."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            return await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise AgentError(f"the agent did not finish within {within_s:.0f} s:\n{self.last_words()}") from error
        finally:
            if self._reader is not None:
                await asyncio.wait([self._reader], timeout=1)
                self._reader.cancel()
            if self._latest:
                self.finished.append(self._latest)
            self._latest = {}

    async def _look_once(self) -> None:
        """Whoever connects gets the present status at once."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 20)
                with contextlib.closing(writer):
                    self._latest = json.loads(await reader.readline())

    async def _follow(self) -> None:
        while self.running:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 20)
            except OSError:
                await asyncio.sleep(_TRY_AGAIN_S)
                continue
            with contextlib.closing(writer):
                async for line in reader:
                    self._latest = json.loads(line)
