"""Sends a signed bundle to a node over the pole bus, goes on where it stopped, and lets the node try it.

The rules are in protocols/spec/update-bundle.md. The node itself says from which byte on it wants the bundle, so
nothing about a transfer is kept here: after a restart of the gateway the same call goes on with it. Blocks are of the
lowest urgency, so that readings, events and the lamp go before.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway_agent.boards import board_names, load_board
from gateway_agent.collect.node_events import u32
from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Fault, NoAnswerError, Read, Write, WriteFile
from gateway_agent.collect.unit import UnitLink
from gateway_agent.errors import GatepostError
from protocols import bundle, modbus, node_map, update_codes, update_names

_SILENT_LIMIT_S = 120.0
_LOOK_EVERY_S = 0.5
_BUSY_PAUSE_S = 0.1
_RESTART_LIMIT_S = 30.0
_OVERTIME_S = 60.0
_COMMAND_REGISTERS = 5
_UNDER_WAY = (update_codes.PREPARING, update_codes.RECEIVING, update_codes.VERIFYING)

Progress = Callable[[int, int], None]


class BundleError(GatepostError):
    """A file that is no bundle."""


@dataclass(frozen=True, slots=True)
class NodeUpdateState:
    """The block `update` of a node."""

    state: int
    reason: int
    received_bytes: int
    running_version: int
    trial_left_s: int
    digest: int


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What came of an update: the result, the node's reason number (0 if none) and a sentence for people.

    "ready": sent and verified; "kept": the new version runs and stays; "refused": the node does not take the bundle;
    "went-back": it ran and the old version runs again; "failed": the conversation did not come to an end.
    """

    result: Literal["ready", "kept", "refused", "went-back", "failed"]
    reason: int
    sentence: str


class NodeUpdate:
    """One bundle for one node. Raises BundleError when `content` is no bundle.

    `silent_limit_s` is how long the node may be silent before the transfer is given up.
    """

    def __init__(self, link: UnitLink, name: str, content: bytes, *, silent_limit_s: float = _SILENT_LIMIT_S) -> None:
        if len(content) < bundle.HEAD_BYTES:
            raise BundleError(f"the file has only {len(content)} bytes; name a bundle that `make bundle` has built")
        reason = bundle.check_head(content, len(content))
        if reason == update_codes.BAD_MANIFEST:
            raise BundleError("the file is no bundle; name one that `make bundle` has built")
        self.version = bundle.version(content)
        self.digest = int.from_bytes(hashlib.sha256(content[: bundle.manifest_bytes(content)]).digest()[:4], "big")
        self._link = link
        self._name = name
        self._content = content
        self._silent_limit_s = silent_limit_s
        self._progressed_s = 0.0

    async def run(self, on_progress: Progress = lambda done, total: None) -> UpdateOutcome:
        """Send the bundle and let the node try it; minutes. Never raises for a node that does not answer.

        A node that runs this version already, kept or on trial, is sent nothing.
        """
        if await self._is_running():
            return await self.outcome()
        sent = await self.send(on_progress)
        return await self.try_it() if sent.result == "ready" else sent

    async def _is_running(self) -> bool:
        """Whether the node runs this version already, kept or on trial; False when it does not answer."""
        try:
            state = await self._state()
        except NoAnswerError:
            return False
        return state.running_version == self.version and state.state in (update_codes.TRIAL, update_codes.KEPT)

    async def send(self, on_progress: Progress = lambda done, total: None) -> UpdateOutcome:
        """Send what the node lacks and wait until it has verified all of it. `on_progress` gets bytes there and all."""
        loop = asyncio.get_running_loop()
        self._progressed_s = loop.time()
        has_begun = False
        while True:
            error = "the transfer does not get on"
            try:
                state = await self._state()
                outcome = self._sent(state, has_begun)
                if outcome is not None:
                    return outcome
                if state.digest != self.digest or state.state not in _UNDER_WAY:
                    await self._command(update_codes.BEGIN)
                    has_begun = True
                elif state.state == update_codes.RECEIVING:
                    on_progress(state.received_bytes, len(self._content))
                    await self._send_from(state.received_bytes, on_progress)
                elif state.state == update_codes.VERIFYING:
                    self._progressed_s = loop.time()
            except NoAnswerError as failed:
                error = str(failed)
            if loop.time() - self._progressed_s > self._silent_limit_s:
                sentence = f"{self._name}: the update stopped ({error}); start it again to go on"
                return UpdateOutcome("failed", 0, sentence)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _sent(self, state: NodeUpdateState, has_begun: bool) -> UpdateOutcome | None:
        """What the node makes of our bundle; None while that is open."""
        if state.digest != self.digest:
            return None
        if state.state == update_codes.READY:
            return UpdateOutcome("ready", 0, f"{self._name}: {self._words} is there and verified")
        if state.state == update_codes.REFUSED and has_begun:
            sentence = f"{self._name}: {self._words} is refused: {_why(state)}"
            return UpdateOutcome("refused", state.reason, sentence)
        return None

    async def try_it(self) -> UpdateOutcome:
        """Let the node start the version that it has verified, and wait until it has kept it or gone back."""
        try:
            await self._command(update_codes.TRY)
        except NoAnswerError as error:
            # The command may have arrived although its answer did not: the state below tells.
            if error.fault is Fault.EXCEPTION:
                return UpdateOutcome(
                    "failed", 0, f"{self._name}: {self._words} is not ready to be tried; send it first"
                )
        return await self.outcome()

    async def outcome(self) -> UpdateOutcome:
        """Wait until a trial that was ordered has come to its end."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _RESTART_LIMIT_S
        while loop.time() < until_s:
            await asyncio.sleep(2 * _LOOK_EVERY_S)
            try:
                state = await self._state()
            except NoAnswerError:
                continue
            if state.state == update_codes.TRIAL:
                until_s = loop.time() + state.trial_left_s + _OVERTIME_S
            elif state.state == update_codes.KEPT and state.running_version == self.version:
                return UpdateOutcome("kept", 0, f"{self._name}: {self._words} runs and stays")
            elif state.state == update_codes.WENT_BACK:
                return UpdateOutcome("went-back", state.reason, f"{self._name}: {self._running(state)}: {_why(state)}")
        return UpdateOutcome("failed", 0, f"{self._name}: it is not known what became of the trial; ask it again later")

    async def _send_from(self, offset: int, on_progress: Progress) -> None:
        """Send blocks until the end, or until the node wants no more; returns then, for its state says why."""
        loop = asyncio.get_running_loop()
        offset -= offset % 2
        while offset < len(self._content):
            block = self._block(offset)
            try:
                await self._link.write(block, Urgency.SLOW)
            except NoAnswerError as error:
                if error.fault is not Fault.EXCEPTION:
                    raise
                if error.exception_code != modbus.SERVER_DEVICE_BUSY:
                    return
                if loop.time() - self._progressed_s > self._silent_limit_s:
                    raise
                await asyncio.sleep(_BUSY_PAUSE_S)
                if (await self._state()).state != update_codes.RECEIVING:
                    return
                continue
            self._progressed_s = loop.time()
            offset += len(block.data)
            on_progress(min(offset, len(self._content)), len(self._content))

    def _block(self, offset: int) -> WriteFile:
        """The block at `offset`, which ends where its file does."""
        end = min(offset + bundle.BLOCK_BYTES, (offset // bundle.FILE_BYTES + 1) * bundle.FILE_BYTES)
        data = self._content[offset:end]
        data += bytes(len(data) % 2)
        file, at = divmod(offset, bundle.FILE_BYTES)
        return WriteFile(self._link.unit, 1 + file, at // 2, data)

    async def _command(self, command: int) -> None:
        total = len(self._content)
        registers = [command, total >> 16, total & 0xFFFF, self.digest >> 16, self.digest & 0xFFFF]
        write = Write(self._link.unit, node_map.UPDATE_COMMAND, _COMMAND_REGISTERS, lambda _end_ms: registers)
        await self._link.write(write, Urgency.SERVICE)

    async def _state(self) -> NodeUpdateState:
        read = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, node_map.UPDATE, node_map.UPDATE_REGISTERS)
        return read_state((await self._link.read(read, Urgency.SERVICE)).registers)

    @property
    def _words(self) -> str:
        return f"version {version_words(self.version)}"

    def _running(self, state: NodeUpdateState) -> str:
        return f"{self._words} was left again for {version_words(state.running_version)}"


def read_bundle(path: Path) -> bytes:
    """The bytes of a bundle. Raises BundleError when the file cannot be read, or every node would refuse it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error.strerror}); name a bundle that `make bundle` has built"
        ) from error
    if len(content) < bundle.HEAD_BYTES or content[: len(bundle.MAGIC)] != bundle.MAGIC:
        raise BundleError(f"{path} is no bundle; name one that `make bundle` has built")
    reason = bundle.check_head(content, len(content))
    if reason:
        raise BundleError(f"{path}: {update_names.REASONS[reason]}")
    return content


def check_board(content: bytes, board: str, node: str) -> None:
    """Raise BundleError when the bundle is not for `board`, which pole.toml says `node` has."""
    wanted, found = load_board(board).board.number, bundle.board(content)
    if found != wanted:
        known = {load_board(name).board.number: name for name in board_names()}
        built_for = known.get(found, f"board {found}")
        raise BundleError(f"the bundle was built for {built_for}, {node} is {board}; build it with --board {board}")


def read_state(registers: Sequence[int]) -> NodeUpdateState:
    """The state out of the registers of the block `update`."""
    first = node_map.UPDATE
    return NodeUpdateState(
        state=registers[node_map.UPDATE_STATE - first],
        reason=registers[node_map.UPDATE_REASON - first],
        received_bytes=u32(registers, node_map.UPDATE_RECEIVED_BYTES - first),
        running_version=u32(registers, node_map.UPDATE_RUNNING_VERSION - first),
        trial_left_s=registers[node_map.UPDATE_TRIAL_LEFT_S - first],
        digest=u32(registers, node_map.UPDATE_MANIFEST_DIGEST - first),
    )


def version_words(version: int) -> str:
    """A version number as people write it."""
    return f"{version >> 24}.{version >> 16 & 0xFF}.{version & 0xFFFF}"


def _why(state: NodeUpdateState) -> str:
    return update_names.REASONS.get(state.reason, f"the node gives reason {state.reason}")
