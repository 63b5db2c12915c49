"""The emulators answer as the recordings of real modems have it, on any firmware that a seed picks."""

import asyncio
import re

import pytest

from hardware.rig.modem.models import MODELS
from tests.hardware.rig.modem.desk import Desk, at_a_desk
from tests.modem_transcripts.transcript import FOLDER, Step, Transcript, filled, matches, read_all

TRANSCRIPTS = read_all()
PLAYED = [(model, transcript) for transcript in TRANSCRIPTS for model in transcript.models]
SEEDS = (0, 1)
ANSWER_S, URC_S = 15.0, 90.0


class Replay:
    """Types the recording at a desk and compares what comes."""

    def __init__(self, transcript: Transcript, desk: Desk) -> None:
        self.transcript = transcript
        self.desk = desk
        host, port = desk.platform.address
        self.values = {"host": host, "port": str(port)}
        self.asides: list[str] = []
        self.expected: list[tuple[Step, bytes]] = []

    async def play(self) -> None:
        steps = self.transcript.steps
        position = 0
        while position < len(steps):
            step = steps[position]
            position += 1
            if step.mark == "@":
                await self._all_asides()
                await self._outside(step)
                continue
            if step.mark in ("~", "~~"):
                position = self._expect_aside(position - 1)
                continue
            assert step.mark in (">", ">>"), f"{self.transcript.name}:{step.line}: nobody has asked for this"
            answer = []
            while position < len(steps) and steps[position].mark in ("<", "<<", "~", "~~"):
                if steps[position].mark in ("~", "~~"):
                    position = self._expect_aside(position)
                else:
                    answer.append(steps[position])
                    position += 1
            await self._asides_have_come_before(step)
            self._send(step)
            await self._answered(step, answer)
        await self._all_asides()

    def _send(self, step: Step) -> None:
        if step.mark == ">>":
            self.desk.write(step.data)
        else:
            self.desk.type(filled(step.text, self.values))

    async def _asides_have_come_before(self, step: Step) -> None:
        """Values that the next line needs may stand in a line that comes by itself; a boot must be over."""
        await asyncio.sleep(0.3)
        if step.text == "AT" or self.expected:
            assert await self.desk.until(lambda: self.desk.modem.state == "on")
            await asyncio.sleep(1.5)
        if re.match(r"AT\+C(EREG|GATT)\?", step.text):
            assert await self.desk.registered()
            await asyncio.sleep(6)
        self._collect()

    async def _answered(self, step: Step, answer: list[Step]) -> None:
        if not answer:
            return
        place = f"{self.transcript.name}:{step.line}: {step.text}"
        desk = self.desk
        wanted = [line for line in answer if line.text != "..."]
        takes_more = len(wanted) < len(answer)
        end_s = desk.loop.time() + ANSWER_S
        while wanted and desk.loop.time() < end_s:
            if self._is_prompt(wanted[0]) or self._are_bytes(wanted[0]):
                wanted.pop(0)
                continue
            line = self._next_line()
            if line is None:
                await asyncio.sleep(0.01)
            elif wanted[0].mark == "<" and matches(wanted[0].text, line, self.values):
                wanted.pop(0)
            else:
                assert self._is_aside(line) or takes_more, f"{place}: {line!r} was not recorded"
        assert not wanted, f"{place}: {wanted[0].text!r} (line {wanted[0].line}) never came"

    def _is_prompt(self, wanted: Step) -> bool:
        found = wanted.text == ">" and self.desk.heard.strip().startswith(b">")
        if found:
            self.desk.heard.clear()
        return found

    def _are_bytes(self, wanted: Step) -> bool:
        found = wanted.mark == "<<" and self.desk.heard.startswith(wanted.data)
        if found:
            del self.desk.heard[: len(wanted.data)]
        return found

    def _next_line(self) -> str | None:
        """The next line from the modem, without the line end before it."""
        match = re.match(rb"[\r\n]*([^\r\n]+)\r(?:\n|(?=\r))", bytes(self.desk.heard))
        if match is None:
            return None
        line, rest = match[1].decode("latin-1"), len(self.desk.heard) - match.end()
        for step, raw in self.expected:
            if rest < len(raw) and matches(step.text, line, dict(self.values)):
                # Its bytes are still on the line.
                return None
        del self.desk.heard[: match.end()]
        return line

    def _is_aside(self, line: str) -> bool:
        for item in self.expected:
            step, raw = item
            if matches(step.text, line, self.values):
                if raw:
                    assert self.desk.heard.startswith(raw), f"{self.transcript.name}:{step.line}: other bytes follow"
                    del self.desk.heard[: len(raw)]
                self.expected.remove(item)
                return True
        # Readiness, registration and the like, which no recording has.
        return re.match(r"[+*^]|RDY|SMS|PB|APP|Neul|OK$|REBOOT|RECV|POWERED", line) is not None or line.startswith("AT")

    def _collect(self) -> None:
        while True:
            line = self._next_line()
            if line is None:
                return
            self._is_aside(line)

    def _expect_aside(self, position: int) -> int:
        steps = self.transcript.steps
        raw = b""
        if position + 1 < len(steps) and steps[position + 1].mark == "~~":
            raw = steps[position + 1].data
        self.expected.append((steps[position], raw))
        return position + (2 if raw else 1)

    async def _outside(self, step: Step) -> None:
        desk = self.desk
        what, _, data = step.text.partition(" ")
        place = f"{self.transcript.name}:{step.line}"
        if what == "start":
            desk.modem.start()
            assert await desk.until(lambda: desk.modem.state == "on")
            await asyncio.sleep(2)
            for _ in range(3):
                # The rate is found, or an echo is heard.
                desk.type("AT")
                await asyncio.sleep(0.3)
        elif what == "up":
            assert await desk.until(lambda: bytes.fromhex(data) in desk.platform.received, 20), f"{place}: never came"
        elif what == "down":
            desk.platform.answer(bytes.fromhex(data))
        elif what in ("lost", "closed"):
            desk.faults.inject("pdp-drop" if what == "lost" else "socket-closed")
        else:
            raise AssertionError(f"{place}: nobody knows how to do {what!r}")

    async def _all_asides(self) -> None:
        def all_came() -> bool:
            self._collect()
            return not self.expected

        came = await self.desk.until(all_came, URC_S)
        assert came, f"{self.transcript.name}: {[step.text for step, _ in self.expected]} never came"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("model", "transcript"), PLAYED, ids=[model for model, _ in PLAYED])
def test_an_emulator_answers_as_recorded(model: str, transcript: Transcript, seed: int) -> None:
    async def play(desk: Desk) -> None:
        await Replay(transcript, desk).play()

    at_a_desk(model, play, seed=seed)


def test_each_model_has_a_recording() -> None:
    assert {model for model, _ in PLAYED} == set(MODELS)


def test_each_recording_names_its_source() -> None:
    for transcript in TRANSCRIPTS:
        text = (FOLDER / f"{transcript.name}.txt").read_text(encoding="ascii")
        assert re.search(r"^# source: \S{3,}", text, re.MULTILINE), transcript.name
