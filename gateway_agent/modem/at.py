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
from dataclasses import dataclass

from gateway_agent.modem.answer import ANY_LINE, OK, REFUSED, Answer, Reply, Verdict, restored
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

_NEVER = re.compile("(?!)")
_SYNC_QUESTIONS = {"AT+CSQ": "+CSQ:", "AT+CGATT?": "+CGATT:", "AT+CESQ": "+CESQ:", "AT+CFUN?": "+CFUN:"}
_SYNC_ROUNDS = 2
_OWED_S = 3.0
_SYNC_S = 1.0
_ESCAPE = b"\x1b"
_WAKE_TRIES = 10
_QUIET_TRIES = 10
_WAKE_S = 0.3
_PAYLOAD_STALL_S = 1.0
_PROMPT_S = 5.0


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
        self._ask: Answer | None = None
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
            made = Answer(command, answer, must, needs, fails, aborts, secret)
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
        """Send AT until an OK comes, at most `tries` times; whether one came. For the first contact at a baud rate.

        Whose OK it was nobody knows, so the engine is out of step after it.
        """
        async with self._lock:
            answers = await self._knock(tries)
            self._in_step = False
            return answers

    async def _exchange(
        self, ask: Answer, timeout_s: float, data: bytes | None = None, begin_s: float | None = None
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
        self._in_step = not ask.is_without_ok
        if self._in_step and ask.command in self._owed:
            self._owed[ask.command] = max(0, self._owed[ask.command] - 1)
        return ask.reply

    async def _end_of(self, ask: Answer, timeout_s: float, begin_s: float | None, out_s: float) -> None:
        """Wait for the end of an answer, and before that for its beginning. Raises TimeoutError."""
        if begin_s is not None:
            await asyncio.wait({ask.done}, timeout=begin_s + out_s)
            if not ask.done.done() and not ask.has_begun:
                raise TimeoutError
            timeout_s, out_s = timeout_s - begin_s, 0.0
        async with asyncio.timeout(timeout_s + out_s):
            await ask.done

    async def _send_data(self, ask: Answer, data: bytes, command_bytes: int) -> None:
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
        ask = self._ask
        _LOG.debug("< %s", line.text if ask is None else ask.without_secret(line.text))
        known = self._rules.urcs if ask is None or ask.answer == ANY_LINE else (ask.answer, *self._rules.urcs)
        line = Line(restored(line.text, known), line.payload)
        if self._rules.boots.fullmatch(line.text):
            self.counters.reboots += 1
            self._in_step = False
            self._on_urc(line)
            self._fail(RebootedError(f"the modem has started anew ({line.text})"))
        elif ask is None or ask.done.done():
            self._unasked(line)
        elif ask.aborts is not None and ask.aborts.fullmatch(line.text):
            self._on_urc(line)
            self._fail(InterruptedCommandError(f"{line.text} came while {ask.shown} was waited for"))
        elif text := ask.without_echo(line.text):
            line = Line(text, line.payload)
            verdict = ask.take(line, self._rules.urcs)
            if verdict is Verdict.STALE:
                self.counters.stale += 1
            elif verdict is Verdict.OTHER:
                self._unasked(line)

    def _unasked(self, line: Line) -> None:
        if line.text == "OK" or REFUSED.fullmatch(line.text):
            self.counters.stale += 1
            if self._ask is None:
                # Then perhaps the end before this one was not that of its command either.
                self._in_step = False
            return
        self._on_urc(line)

    def _fail(self, error: AtError | PortGoneError) -> None:
        if self._ask is not None:
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
                await self._exchange(Answer("AT"), _WAKE_S)
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
                await self._exchange(Answer(command, _SYNC_QUESTIONS[command], must=True), _SYNC_S)
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
