"""The answer to one AT command, as it comes line by line: what belongs to it, and when it is whole."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from gateway_agent.modem.errors import RefusedError
from gateway_agent.modem.stream import Line

OK = re.compile("OK")
REFUSED = re.compile(r"ERROR|\+CM[ES] ERROR: ?(?P<code>\d+)?.*")
"""How a modem refuses, with the number of the error where it gives one (TS 27.007, 9.1)."""
ANY_LINE = "*"
"""For `answer`: every line that is no known URC belongs to it, as with AT+CGSN, whose answer is a bare number."""

_OK_GRACE_S = 0.3
_LEAST_RESTORED = 4
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a command: its lines of information, and for each of `needs` the match that fulfilled it."""

    lines: tuple[Line, ...]
    found: tuple[re.Match[str] | None, ...]

    @property
    def text(self) -> str:
        """The first line of information, empty where there is none."""
        return self.lines[0].text if self.lines else ""


class Verdict(Enum):
    """What a line is to an answer: a part of it, the end of an older one, or nothing of it."""

    MINE = auto()
    STALE = auto()
    OTHER = auto()


@dataclass
class Answer:
    """A command and what has come of its answer; made inside a running loop. The words are those of `AtEngine.ask`."""

    command: str
    answer: str = ""
    must: bool = False
    needs: Sequence[re.Pattern[str]] = (OK,)
    fails: re.Pattern[str] | None = None
    aborts: re.Pattern[str] | None = None
    secret: bool = False
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    prompted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the modem asks for data, and at the end in any case."""
    is_without_ok: bool = False
    """Whether it was taken for whole without the OK that may still come."""
    _lines: list[Line] = field(default_factory=list)
    _found: dict[int, re.Match[str]] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The command as it may stand in a text: not too long, and without its secret."""
        if self.secret:
            return self.command.partition("=")[0] + "=..."
        return self.command if len(self.command) <= _SHOWN_CHARACTERS else self.command[:_SHOWN_CHARACTERS] + "..."

    @property
    def has_begun(self) -> bool:
        """Whether one of `needs` has come."""
        return bool(self._found)

    @property
    def reply(self) -> Reply:
        """What has come."""
        return Reply(tuple(self._lines), tuple(self._found.get(index) for index in range(len(self.needs))))

    def end(self, error: Exception | None = None) -> None:
        """It is whole, or will not be: whoever waits, also for the prompt, goes on. A second end counts nothing."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self.prompted.set()

    def without_echo(self, text: str) -> str:
        """What is left of a line without the command that a modem repeats, also where it has lost its beginning."""
        if text == self.command or (len(text) > 3 and "+" in text and self.command.endswith(text)):
            return ""
        return text.removeprefix(self.command).strip()

    def without_secret(self, text: str) -> str:
        """A line as it may stand in a log: where the command holds a secret, what may repeat it is not shown."""
        is_plain = not self.secret or text == "OK" or REFUSED.fullmatch(text)
        return text if is_plain else "(not shown)"

    def take(self, line: Line, urcs: tuple[str, ...]) -> Verdict:
        """Take a line, and end with it where it is the last. `urcs` are what does not belong to ANY_LINE."""
        for index, need in enumerate(self.needs):
            match = need.fullmatch(line.text)
            if match is None or index in self._found:
                continue
            if need is OK and self.must and not self._lines:
                return Verdict.STALE
            self._found[index] = match
            self._end_if_whole()
            return Verdict.MINE
        if (refused := self._refused(line.text)) is not None:
            self.end(refused)
            return Verdict.MINE
        belongs = not line.text.startswith(urcs) if self.answer == ANY_LINE else self._begins_right(line.text)
        if belongs:
            self._lines.append(line)
        return Verdict.MINE if belongs else Verdict.OTHER

    def _begins_right(self, text: str) -> bool:
        return bool(self.answer) and text.startswith(self.answer)

    def _refused(self, text: str) -> RefusedError | None:
        match = REFUSED.fullmatch(text) or (self.fails.fullmatch(text) if self.fails is not None else None)
        if match is None:
            return None
        code = match.groupdict().get("code")
        return RefusedError(self.shown, text, int(code) if code else None)

    def _end_if_whole(self) -> None:
        missing = [need for index, need in enumerate(self.needs) if index not in self._found]
        if not missing:
            self.end()
        elif missing == [OK]:
            # Some firmware leaves out the OK where a result says it all. Should it come after all, it is an old one.
            asyncio.get_running_loop().call_later(_OK_GRACE_S, self._do_without_ok)

    def _do_without_ok(self) -> None:
        if not self.done.done():
            self.is_without_ok = True
            self.end()


def restored(text: str, beginnings: tuple[str, ...]) -> str:
    """The line with the one or two characters put back that a waking UART has lost at its front."""
    for whole in beginnings:
        for lost in (1, 2):
            if len(whole) - lost >= _LEAST_RESTORED and text.startswith(whole[lost:]):
                return whole[:lost] + text
    return text
