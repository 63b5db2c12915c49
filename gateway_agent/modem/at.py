"""One AT command in flight: what it was answered, or why nobody knows.

AT answers carry no number, so an answer that comes after its command was given up could be taken for the next one's.
Therefore whoever gives up a command leaves the engine out of step, and before the next command is sent it asks
questions whose answers begin with their own word, in turn (`_SYNC_QUESTIONS`), until one is answered by its own word:
a modem answers in order, so nothing older can come behind that. Where the same question was asked before and not
answered, nobody knows which of the two it was, and what is still owed is waited for.

What nobody has asked for, an URC, is handed to `on_urc` wherever it stands, even inside an answer.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway_agent.modem.errors import (
    AtError,
    InterruptedCommandError,
    NoAnswerError,
    NoPromptError,
    PortGoneError,
    RebootedError,
    RefusedError,
    SilentError,
)
from gateway_agent.modem.port import Port
from gateway_agent.modem.stream import AtStream, Item, Line, Prompt

_LOG = logging.getLogger("gatepost.modem.at")

OK = re.compile("OK")
ANY_LINE = "*"
"""For `answer`: every line that is no known URC belongs to it, as with AT+CGSN, whose answer is a bare number."""

_NEVER = re.compile("(?!)")
_REFUSED = re.compile(r"ERROR|\+CM[ES] ERROR: ?(?P<code>\d+)?.*")
_SYNC_QUESTIONS = {"AT+CSQ": "+CSQ:", "AT+CGATT?": "+CGATT:", "AT+CESQ": "+CESQ:", "AT+CFUN?": "+CFUN:"}
_SYNC_ROUNDS = 2
_OWED_S = 3.0
_SYNC_S = 1.0
_ESCAPE = b"\x1b"
_WAKE_TRIES = 10
_QUIET_TRIES = 10
_WAKE_S = 0.3
_OK_GRACE_S = 0.3
_PAYLOAD_STALL_S = 1.0
_PROMPT_S = 5.0
_LEAST_RESTORED = 5
_SHOWN_CHARACTERS = 40


@dataclass
class AtCounters:
    """What has happened on the port since the start; the engine's own questions are not among the commands."""

    commands: int = 0
    timeouts: int = 0
    refused: int = 0
    resyncs: int = 0
    stale: int = 0
    """Ends of answers that nobody was waiting for."""
    damaged: int = 0
    """Lines and payloads that could not be used."""
    reboots: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a command: its lines of information, and for each of `needs` the match that fulfilled it."""

    lines: tuple[Line, ...]
    found: tuple[re.Match[str] | None, ...]

    @property
    def text(self) -> str:
        """The first line of information, empty where there is none."""
        return self.lines[0].text if self.lines else ""


@dataclass
class _Ask:
    command: str
    shown: str
    answer: str
    must: bool
    needs: tuple[re.Pattern[str], ...]
    fails: re.Pattern[str] | None
    aborts: re.Pattern[str] | None
    done: asyncio.Future[None]
    prompted: asyncio.Event = field(default_factory=asyncio.Event)
    lines: list[Line] = field(default_factory=list)
    found: list[re.Match[str] | None] = field(default_factory=list)
    without_ok: bool = False

    def end(self, error: Exception | None = None) -> None:
        """It is answered, or will not be: whoever waits, also for the prompt, goes on."""
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self.prompted.set()


@dataclass(frozen=True)
class AtRules:
    """What an engine has to know of a dialect's lines.

    `urcs` are the beginnings of URCs, with which characters lost at the front of a line are put back; `boots` is what
    a modem says when it has started; `raw_headers` see AtStream. `gap_s` is left between an answer and the next
    command; after `awake_s` without a word the modem may sleep and is woken first, None where it never sleeps.
    """

    urcs: tuple[str, ...] = ()
    boots: re.Pattern[str] = _NEVER
    raw_headers: tuple[re.Pattern[str], ...] = ()
    gap_s: float = 0.02
    awake_s: float | None = None


class AtEngine:
    """Speaks AT over a port. `heard` takes the port's bytes; `on_urc` gets every line that belongs to no answer."""

    def __init__(self, port: Port, on_urc: Callable[[Line], None]) -> None:
        self.counters = AtCounters()
        self.wake: Callable[[], Awaitable[None]] | None = None
        """Awaited before the modem is woken by AT, for a wake pin; None where there is none."""
        self._port = port
        self._on_urc = on_urc
        self._lock = asyncio.Lock()
        self._ask: _Ask | None = None
        self._in_step = False
        self._owed = dict.fromkeys(_SYNC_QUESTIONS, 0)
        self._filler = 0
        self._saw_prompt = False
        self._last_heard_s = float("-inf")
        self._stall: asyncio.TimerHandle | None = None
        self.use(AtRules())

    @property
    def may_sleep(self) -> bool:
        """Whether the modem may sleep between two commands."""
        return self._rules.awake_s is not None

    def use(self, rules: AtRules) -> None:
        """Follow these rules from now on."""
        self._rules = rules
        self._stream = AtStream(rules.raw_headers, rules.urcs)

    def restart(self) -> None:
        """The port is new: forget what was heard, and be in step with nothing."""
        self._stream.clear()
        self._in_step = False
        self._owed = dict.fromkeys(_SYNC_QUESTIONS, 0)
        self._filler = 0
        self._last_heard_s = float("-inf")

    def heard(self, data: bytes) -> None:
        """Take bytes that the port has received."""
        self._last_heard_s = asyncio.get_running_loop().time()
        self._handle(self._stream.feed(data))
        self._watch_payload()

    def port_gone(self, problem: PortGoneError) -> None:
        """The port has closed: fail the command in flight."""
        self._in_step = False
        self._fail(problem)

    async def ask(
        self,
        command: str,
        *,
        timeout_s: float = 2.0,
        begin_s: float | None = None,
        answer: str = "",
        must: bool = False,
        needs: Sequence[re.Pattern[str]] = (OK,),
        fails: re.Pattern[str] | None = None,
        aborts: re.Pattern[str] | None = None,
        data: bytes | None = None,
        secret: bool = False,
    ) -> Reply:
        """Send a command and return its answer.

        `answer` begins the lines of information that belong to it (see ANY_LINE), and with `must` an OK without one is
        not believed. It ends when each of `needs` was heard, in any order: OK, and results that come later, as
        `+QIOPEN: 0,0`. `fails` are more lines that refuse it; `aborts` are URCs that make it worthless. `data` is sent
        when the modem prompts for it. `timeout_s` counts from when the command is out; within `begin_s` one of `needs`
        must have been heard, where the rest may take long. `secret` keeps it out of texts.

        Raises NoAnswerError (SilentError: it was not even sent), RefusedError, InterruptedCommandError, RebootedError,
        PortGoneError.
        """
        async with self._lock:
            if not self._in_step:
                await self._synchronise()
            elif self._may_be_asleep():
                await self._wake_up()
            await self._leave_gap()
            shown = _shown(command, secret)
            made = self._ask_of(command, shown, answer, must, needs, fails, aborts)
            self.counters.commands += 1
            try:
                return await self._exchange(made, timeout_s, data, begin_s)
            except NoAnswerError:
                self.counters.timeouts += 1
                raise
            except RefusedError:
                self.counters.refused += 1
                raise

    async def knock(self, tries: int) -> bool:
        """Send AT until an OK comes, at most `tries` times; whether one came. For the first contact at a baud rate."""
        async with self._lock:
            return await self._knock(tries)

    def _ask_of(
        self,
        command: str,
        shown: str,
        answer: str = "",
        must: bool = False,
        needs: Sequence[re.Pattern[str]] = (OK,),
        fails: re.Pattern[str] | None = None,
        aborts: re.Pattern[str] | None = None,
    ) -> _Ask:
        done = asyncio.get_running_loop().create_future()
        found: list[re.Match[str] | None] = [None] * len(needs)
        return _Ask(command, shown, answer, must, tuple(needs), fails, aborts, done, found=found)

    async def _exchange(
        self, ask: _Ask, timeout_s: float, data: bytes | None = None, begin_s: float | None = None
    ) -> Reply:
        """Send and wait. Leaves the engine out of step when it ends otherwise than with an answer."""
        self._in_step = False
        self._ask = ask
        if ask.command in self._owed:
            self._owed[ask.command] += 1
        self._stream.wants_prompt = data is not None or self._filler > 0
        line = ask.command.encode("ascii") + b"\r"
        try:
            self._port.write(line)
            if data is not None:
                await self._send_data(ask, data, len(line))
                line = data
            await self._end_of(ask, timeout_s, begin_s, len(line) * self._port.byte_s)
        except TimeoutError:
            raise NoAnswerError(f"the modem has not answered {ask.shown} in {timeout_s:g} s") from None
        except RefusedError:
            self._in_step = True
            raise
        finally:
            self._ask = None
            if ask.done.done() and not ask.done.cancelled():
                ask.done.exception()  # seen, also where the wait for it was cut short
            self._stream.wants_prompt = False
            self._stream.expect_echo(b"")
        self._in_step = not ask.without_ok
        if self._in_step and ask.command in self._owed:
            self._owed[ask.command] = max(0, self._owed[ask.command] - 1)
        return Reply(tuple(ask.lines), tuple(ask.found))

    async def _end_of(self, ask: _Ask, timeout_s: float, begin_s: float | None, out_s: float) -> None:
        """Wait for the end of an answer, and before that for its beginning. Raises TimeoutError."""
        if begin_s is not None:
            await asyncio.wait({ask.done}, timeout=begin_s + out_s)
            if not ask.done.done() and not any(ask.found):
                raise TimeoutError
            timeout_s, out_s = timeout_s - begin_s, 0.0
        async with asyncio.timeout(timeout_s + out_s):
            await ask.done

    async def _send_data(self, ask: _Ask, data: bytes, command_bytes: int) -> None:
        """Wait for the prompt, or for the refusal that comes in its place, and send the data."""
        self._filler = len(data)
        try:
            async with asyncio.timeout(_PROMPT_S + command_bytes * self._port.byte_s):
                await ask.prompted.wait()
        except TimeoutError:
            raise NoPromptError(f"the modem has not asked for the data of {ask.shown}") from None
        if ask.done.done():
            self._filler = 0
            return
        self._stream.expect_echo(data)
        self._port.write(data)
        self._filler = 0

    def _handle(self, items: Iterable[Item]) -> None:
        for item in items:
            if isinstance(item, Prompt):
                self._saw_prompt = True
                if self._ask is not None:
                    self._ask.prompted.set()
            else:
                self._line(item)

    def _line(self, line: Line) -> None:
        """Say what a line is: part of the present answer, its end, or an URC."""
        _LOG.debug("< %s", line.text)
        ask = self._ask
        text = self._restored(line.text)
        if text is not line.text:
            line = Line(text, line.payload)
        if self._rules.boots.fullmatch(text):
            self.counters.reboots += 1
            self._in_step = False
            self._on_urc(line)
            self._fail(RebootedError(f"the modem has started anew ({text})"))
            return
        if ask is None or ask.done.done():
            self._unasked(line)
            return
        if ask.aborts is not None and ask.aborts.fullmatch(text):
            self._on_urc(line)
            self._fail(InterruptedCommandError(f"{text} came while {ask.shown} was waited for"))
            return
        if _is_echo(text, ask.command):
            return
        if text.startswith(ask.command) and text[len(ask.command) :].strip():
            self._line(Line(text[len(ask.command) :].strip(), line.payload))
            return
        if self._is_end(ask, text):
            return
        if self._is_information(ask, text):
            ask.lines.append(line)
        else:
            self._unasked(line)

    def _is_information(self, ask: _Ask, text: str) -> bool:
        if ask.answer == ANY_LINE:
            return not text.startswith(self._rules.urcs)
        return bool(ask.answer) and text.startswith(ask.answer)

    def _is_end(self, ask: _Ask, text: str) -> bool:
        """Whether a line is one of those that end the answer, and end it when it was the last."""
        for index, need in enumerate(ask.needs):
            match = need.fullmatch(text)
            if match is None or ask.found[index] is not None:
                continue
            if need is OK and ask.must and not ask.lines:
                self.counters.stale += 1
                return True
            ask.found[index] = match
            self._end_if_whole(ask)
            return True
        refused = _REFUSED.fullmatch(text)
        if refused is None and ask.fails is not None and ask.fails.fullmatch(text) is not None:
            refused = re.fullmatch("(?P<code>)?.*", text)
        if refused is None:
            return False
        code = refused["code"]
        ask.end(RefusedError(ask.shown, text, int(code) if code else None))
        return True

    def _end_if_whole(self, ask: _Ask) -> None:
        missing = [need for need, match in zip(ask.needs, ask.found) if match is None]
        if not missing:
            ask.end()
        elif missing == [OK]:
            # Some firmware leaves out the OK where a result says it all. Should it come after all, it is an old one.
            asyncio.get_running_loop().call_later(_OK_GRACE_S, self._do_without_ok, ask)

    def _do_without_ok(self, ask: _Ask) -> None:
        if not ask.done.done():
            ask.without_ok = True
            ask.end()

    def _unasked(self, line: Line) -> None:
        if line.text == "OK" or _REFUSED.fullmatch(line.text):
            self.counters.stale += 1
            if self._ask is None:
                # Then perhaps the end before this one was not that of its command either.
                self._in_step = False
            return
        self._on_urc(line)

    def _restored(self, text: str) -> str:
        """The line with the one or two characters put back that a waking UART has lost at its front."""
        wanted = self._rules.urcs
        if self._ask is not None and self._ask.answer not in ("", ANY_LINE):
            wanted = (self._ask.answer, *wanted)
        for whole in wanted:
            for lost in (1, 2):
                if len(whole) - lost >= _LEAST_RESTORED - 1 and text.startswith(whole[lost:]):
                    return whole[:lost] + text
        return text

    def _fail(self, error: AtError | PortGoneError) -> None:
        if self._ask is not None and not self._ask.done.done():
            self._ask.end(error)

    def _watch_payload(self) -> None:
        """A payload whose rest does not come must not swallow what follows."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._stream.is_inside_payload:
            self._stall = asyncio.get_running_loop().call_later(_PAYLOAD_STALL_S, self._give_up_payload)

    def _give_up_payload(self) -> None:
        self._stall = None
        self.counters.damaged += 1
        self._handle(self._stream.give_up_payload())
        self._watch_payload()

    def _may_be_asleep(self) -> bool:
        awake_s = self._rules.awake_s
        return awake_s is not None and asyncio.get_running_loop().time() - self._last_heard_s > awake_s

    async def _wake_up(self) -> None:
        """Make sure that the modem hears whole commands. Raises NoAnswerError."""
        if self.wake is not None:
            await self.wake()
        if not await self._knock(_WAKE_TRIES):
            raise SilentError("the modem does not wake up")
        if not self._in_step:
            await self._synchronise()

    async def _knock(self, tries: int) -> bool:
        """AT until OK; in step only when the first was answered."""
        for sent in range(tries):
            try:
                await self._exchange(self._ask_of("AT", "AT"), _WAKE_S)
            except (RefusedError, NoAnswerError, RebootedError):
                continue
            # Nobody knows which of several was answered.
            self._in_step = sent == 0
            return True
        return False

    async def _synchronise(self) -> None:
        """Get into step again, after a command was given up or the modem has started. Raises NoAnswerError."""
        self.counters.resyncs += 1
        if self._filler:
            self._port.write(_ESCAPE)
        if self.wake is not None and self._may_be_asleep():
            await self.wake()
        for sent in range(len(_SYNC_QUESTIONS) * _SYNC_ROUNDS):
            self._fill_prompt(unseen=sent >= len(_SYNC_QUESTIONS))
            command = min(self._owed, key=lambda one: self._owed[one])
            with contextlib.suppress(RefusedError, NoAnswerError, RebootedError):
                await self._exchange(self._ask_of(command, command, _SYNC_QUESTIONS[command], must=True), _SYNC_S)
                self._filler = 0
                if self._owed[command]:
                    await self._become_quiet()
                self._in_step = True
                self._owed = dict.fromkeys(_SYNC_QUESTIONS, 0)
                return
            self._in_step = False
        self._filler = 0
        raise SilentError("the modem answers nothing")

    def _fill_prompt(self, *, unseen: bool) -> None:
        """A modem that still waits for the data of a send swallows commands: give it its bytes. As commands, empty
        lines do nothing. `unseen`: do so even though no prompt was seen, for it may have been lost."""
        if self._filler and (self._saw_prompt or unseen):
            self._port.write(b"\r" * self._filler)
            self._filler = 0
        self._saw_prompt = False

    async def _become_quiet(self) -> None:
        """Wait until nothing was heard for a while, but not for ever: a modem may have much to tell."""
        loop = asyncio.get_running_loop()
        for _ in range(_QUIET_TRIES):
            rest_s = self._last_heard_s + _OWED_S - loop.time()
            if rest_s <= 0:
                return
            await asyncio.sleep(rest_s)

    async def _leave_gap(self) -> None:
        rest_s = self._last_heard_s + self._rules.gap_s - asyncio.get_running_loop().time()
        if rest_s > 0:
            await asyncio.sleep(min(rest_s, self._rules.gap_s))


def _is_echo(text: str, command: str) -> bool:
    """Whether a line is the command come back, perhaps without its first characters."""
    return text == command or (len(text) > 3 and command.endswith(text) and "+" in text)


def _shown(command: str, secret: bool) -> str:
    if secret:
        return command.partition("=")[0] + "=..."
    return command if len(command) <= _SHOWN_CHARACTERS else command[:_SHOWN_CHARACTERS] + "..."
