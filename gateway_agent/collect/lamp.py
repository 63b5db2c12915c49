"""Setting the lamp of a node and waiting until its driver confirms."""

import asyncio
from collections.abc import Sequence

from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import NoAnswerError, Read, Write
from gateway_agent.collect.unit import UnitLink
from gateway_agent.records import LampOutcome
from protocols import lamp_codes, modbus, node_map

CONFIRM_WITHIN_S = 15.0
"""How long a node may take beyond the fade: its own tries, the driver's settling, the bus."""
_LOOK_EVERY_S = 0.2
_COMMAND_REGISTERS = node_map.LAMP_COMMAND_AUTH_COUNTER - node_map.LAMP_COMMAND
_SENTENCES = {
    lamp_codes.LEVEL_OUT_OF_RANGE: "the level is above 100 %",
    lamp_codes.NO_LAMP: "the node's table has no lamp; write the table of this pole.toml to the node",
    lamp_codes.EXPIRED: "the command had expired by the node's clock",
    lamp_codes.DRIVER_SILENT: "the lamp's driver does not answer; check its bus and power",
    lamp_codes.DRIVER_REFUSED: "the lamp's driver refuses the level",
    lamp_codes.NOT_KEPT: "the lamp's driver reads back another level",
    lamp_codes.OUTRANKED: "an emergency holds, which goes before every command",
}


class LampDialog:
    """The lamp of one node: one command at a time, urgent on the bus, a fresh sequence for each."""

    def __init__(self, link: UnitLink) -> None:
        self._link = link
        self._turn = asyncio.Lock()

    async def set(
        self, level_pct: int, fade_s: int, expires_ms: int = 0, hold_s: int = 0, reason: int = 0
    ) -> LampOutcome:
        """Let the lamp go to `level_pct` (0 to 100) within `fade_s` seconds, and wait for the outcome.

        lamp_codes.RESUME as level ends the override. `expires_ms` is unix time after which the node refuses the
        command, 0 for never; the level holds for `hold_s` (0: as the node's schedule says), for a `reason` of
        lamp_codes. Never raises for a node that does not answer: that is an outcome.
        """
        is_level = 0 <= level_pct <= 100 or level_pct == lamp_codes.RESUME
        if not is_level or not 0 <= fade_s <= 0xFFFF:
            return LampOutcome("refused", None, f"level {level_pct} % within {fade_s} s is out of range")
        async with self._turn:
            try:
                before = await self._state()
            except NoAnswerError as error:
                return LampOutcome("failed", None, f"the node does not answer ({error})")
            sequence = before[0] % 0xFFFF + 1
            expires_s = expires_ms // 1000
            command = [sequence, level_pct, fade_s]
            for number in (expires_s, hold_s):
                command += [number >> 16 & 0xFFFF, number & 0xFFFF]
            return await self._carry_out([*command, reason])

    async def look(self, fade_s: int) -> LampOutcome:
        """What has become of the last command, without giving one; waits for it no longer than `set` would."""
        async with self._turn:
            loop = asyncio.get_running_loop()
            until_s = loop.time() + fade_s + CONFIRM_WITHIN_S
            detail = "the lamp's driver has not confirmed"
            while loop.time() < until_s:
                try:
                    outcome = _outcome(await self._state())
                except NoAnswerError as error:
                    detail = f"the node does not answer ({error})"
                else:
                    if outcome is not None:
                        return outcome
                await asyncio.sleep(_LOOK_EVERY_S)
            return LampOutcome("failed", None, detail)

    async def _carry_out(self, command: list[int]) -> LampOutcome:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + command[2] + CONFIRM_WITHIN_S
        write = Write(self._link.unit, node_map.LAMP_COMMAND, _COMMAND_REGISTERS, lambda _end_ms: command)
        is_taken = False
        last_error = "the node did not take the command"
        while loop.time() < until_s:
            try:
                if not is_taken:
                    # The node takes a sequence once, so the write may be repeated when its answer was lost.
                    await self._link.write(write, Urgency.COMMAND)
                state = await self._state()
            except NoAnswerError as error:
                last_error = f"the node does not answer ({error})"
            else:
                is_taken = state[0] == command[0]
                outcome = _outcome(state) if is_taken else None
                if outcome is not None:
                    return outcome
                last_error = "the lamp's driver has not confirmed" if is_taken else last_error
            await asyncio.sleep(_LOOK_EVERY_S)
        return LampOutcome("failed", None, f"{last_error} within {command[2] + CONFIRM_WITHIN_S:.0f} s")

    async def _state(self) -> Sequence[int]:
        read = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, node_map.LAMP_STATE, node_map.LAMP_STATE_REGISTERS)
        return (await self._link.read(read, Urgency.COMMAND)).registers


def _outcome(state: Sequence[int]) -> LampOutcome | None:
    """What the registers of the lamp's state say; None while the node works on it."""
    first = node_map.LAMP_STATE
    result = state[node_map.LAMP_STATE_RESULT - first]
    reason = state[node_map.LAMP_STATE_REASON - first]
    actual = state[node_map.LAMP_STATE_ACTUAL_PCT - first]
    actual_pct = None if actual == lamp_codes.LEVEL_UNKNOWN else actual
    if result == lamp_codes.CONFIRMED:
        return LampOutcome("confirmed", actual_pct, f"the driver reads back {actual_pct} %")
    if result in (lamp_codes.FAILED, lamp_codes.REFUSED):
        sentence = _SENTENCES.get(reason, f"the node gives reason {reason}")
        return LampOutcome("failed" if result == lamp_codes.FAILED else "refused", actual_pct, sentence)
    return None
