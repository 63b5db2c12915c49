"""The search: who answers on a bus, at which line settings and ids.

1. It listens for who speaks unasked.
2. It asks the known models at their factory settings and ids.
3. It asks every id at the settings at which anything answered, then
4. at all other rates and parities, those first that known models can be set to.
5. It asks every id a second time where anybody answers, and at the settings that several known models can have: a line
   loses an answer now and then.

From 3 on it does not wait out the longest reply timeout after each id, only so long that it hears a usual answer begin.
An answer that comes later falls between the next questions: it tells its own unit, or it is a sound where there should
be silence, and the ids before it are asked once more with all the time there is. It is missed where it falls wholly
into a question, for an adapter does not hear while it sends. So the second time the questions stand closer together.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from gateway_agent.scan.findings import Found, Progress, Result, Sign, Standing, Talker
from gateway_agent.scan.fingerprint import Fingerprint, recognise
from gateway_agent.scan.line_signs import FirstSounds, Tally, sign_of_first_sounds, signs_of_damage
from gateway_agent.scan.port import LATENCY_S, ScanPort, SettingRefusedError
from gateway_agent.scan.question import Kind, Question, Verdict, judge
from gateway_agent.scan.setting import Setting, all_settings, set_by_a_box
from gateway_agent.scan.standing import look
from gateway_agent.scan.talkers import listen
from protocols import modbus, rtu

RECOVERY_UNIT = 247
"""A Gatepost node without a table listens here at 19200 8N1."""
_USUAL_REPLY_S = 0.025
_SHORTER = 0.75
"""The second wait is to the first as three to four, not one to two: an answer that falls into a question the first
time, however many questions later, seldom falls into one the second time."""
_LATE_S = 0.4
"""How long after its question an answer may come and still be looked for when it came damaged."""
_SEVERAL_MODELS = 3
_TALLY_TRIES = 8
_LONG_REGISTERS = 16
_MOST_SUSPICIONS = 24


class Search:
    """One scan of one port. `on_change` is called with how far it is whenever that, or what was found, has changed.

    `found`, `talkers` and `progress` may be looked at while it runs; `result` makes the whole of it, also when `run`
    was cancelled in the middle. With `is_quick` only those settings are searched with which known models leave the
    factory, and those at which anything answered.
    """

    def __init__(
        self,
        port: ScanPort,
        fingerprints: list[Fingerprint],
        on_change: Callable[["Search"], None] = lambda search: None,
        *,
        is_quick: bool = False,
    ) -> None:
        self.found: list[Found] = []
        self.talkers: list[Talker] = []
        self.progress = Progress("listening", 0, 0)
        self.questions = 0
        self._port = port
        self._fingerprints = fingerprints
        self._on_change = on_change
        self._is_quick = is_quick
        self._settings = all_settings() if port.has_settings else [set_by_a_box()]
        self._longest_s = LATENCY_S + max(fingerprint.reply_s for fingerprint in fingerprints)
        self._gap_s = max(fingerprint.gap_s for fingerprint in fingerprints)
        self._looked: set[tuple[Setting, int]] = set()
        self._sounds = FirstSounds(set())
        self._tallies: list[Tally] = []
        self._found_s = 0.0
        self._is_whole = False
        self._refused: list[Setting] = []

    async def run(self) -> None:
        """Search until all is found. Raises ScanError when the port goes away."""
        self.talkers = await listen(self._port)
        self._on_change(self)
        await self.ask_known()
        if self._sounds.is_swapped:
            return
        asked: set[Setting] = set()
        while lively := [setting for setting in self._lively() if setting not in asked]:
            for setting in lively:
                asked.add(setting)
                await self._sweep(setting)
        if not self.talkers:
            for setting in self._by_likelihood():
                if setting not in asked:
                    asked.add(setting)
                    await self._sweep(setting)
        for setting in self._worth_asking_again():
            if setting in asked:
                await self._sweep(setting, is_again=True)
        await self._tally()
        self._is_whole = not self.talkers

    def result(self) -> Result:
        """All that is known so far."""
        signs = [
            *sign_of_first_sounds(self._sounds),
            *signs_of_damage(self._tallies),
            *_sign_of_talkers(self.talkers),
            *_sign_of_refused(self._refused),
        ]
        found = tuple(sorted(self.found, key=lambda one: (one.setting.baud, one.setting.parity, one.unit)))
        return Result(
            found=found,
            talkers=tuple(self.talkers),
            signs=tuple(signs),
            questions=self.questions,
            bus_s=self._port.busy_s,
            found_s=self._found_s,
            plain_s=sum(self._plain_s(setting, self._longest_s) for setting in self._settings),
            is_whole=self._is_whole,
        )

    def short_s(self, wait_s: float) -> float:
        """Seconds of asking every id at every setting once with a short wait, and nothing else."""
        return sum(self._plain_s(setting, wait_s) for setting in self._settings)

    def _plain_s(self, setting: Setting, wait_s: float) -> float:
        each_s = rtu.READ_REQUEST_BYTES * setting.byte_s + setting.silence_s + wait_s
        return len(list(self._units())) * each_s

    async def ask_known(self) -> None:
        """Ask the known models at their factory settings and ids, which is the first step of `run`."""
        asked: set[tuple[Setting, Question]] = set()
        damaged: list[tuple[Setting, int]] = []
        wanted = []
        for fingerprint in self._fingerprints:
            wanted.append((fingerprint.factory, fingerprint.first_question(fingerprint.unit), fingerprint.reply_s))
            if fingerprint.profile.blocks:
                wanted.append((fingerprint.factory, fingerprint.first_question(RECOVERY_UNIT), fingerprint.reply_s))
        wanted.sort(key=lambda one: (one[0].baud != 9600, one[0].baud))
        for index, (factory, question, reply_s) in enumerate(wanted):
            setting = self._at(factory)
            self._show(Progress("known models as they leave the factory", index, len(wanted)))
            if (setting, question) in asked or (setting, question.unit) in self._looked:
                continue
            asked.add((setting, question))
            try:
                verdict = await self._ask(setting, question, reply_s + LATENCY_S)
            except SettingRefusedError:
                continue
            self._sounds.rates.add(setting.baud)
            self._sounds.asked += 1
            self._sounds.echoed += verdict.is_echoed
            self._sounds.noisy += verdict.kind is Kind.DAMAGED
            self._sounds.answered += verdict.kind.is_answer or verdict.kind is Kind.TWO
            if verdict.kind.is_answer or verdict.kind is Kind.TWO:
                await self._look_at(setting, question.unit)
            elif verdict.kind is Kind.DAMAGED:
                damaged.append((setting, question.unit))
        if not self._sounds.is_swapped and not self.talkers:
            for setting, unit in damaged:
                await self._look_at(setting, unit)

    async def _sweep(self, setting: Setting, *, is_again: bool = False) -> None:
        """Ask every id at a setting that is not known to be somebody's."""
        try:
            await self._ask_all(setting, _SHORTER if is_again else 1.0, "once more " if is_again else "")
        except SettingRefusedError:
            if not is_again:
                self._refused.append(setting)

    async def _ask_all(self, setting: Setting, share: float, how: str) -> None:
        """Ask every id with this share of the usual wait, and look at those that may have answered late."""
        recent: deque[tuple[int, float]] = deque()
        units = list(self._units())
        suspicions = 0
        for index, unit in enumerate(units):
            self._show(Progress(f"every id at {setting} {how}".strip(), index, len(units)))
            if (setting, unit) in self._looked:
                continue
            # What comes late after the last id has no later wait to fall into.
            wait_s = self._longest_s if unit == units[-1] else share * self._wait_s(setting)
            verdict = await self._ask(setting, _first_question(unit), wait_s)
            for stranger in (*verdict.late_units, *verdict.strangers):
                await self._look_at(setting, stranger)
            has_sound = verdict.kind is Kind.DAMAGED or verdict.noise or verdict.late_noise
            if verdict.kind.is_answer or verdict.kind is Kind.TWO:
                await self._look_at(setting, unit)
            elif has_sound and suspicions < _MOST_SUSPICIONS:
                suspicions += 1
                own = (unit,) if verdict.kind is Kind.DAMAGED else ()
                await self._look_for_one_of(setting, [*own, *(earlier for earlier, _ in reversed(recent))])
            recent.append((unit, self._port.busy_s))
            while recent and self._port.busy_s - recent[0][1] > _LATE_S:
                recent.popleft()

    async def _look_for_one_of(self, setting: Setting, units: list[int]) -> None:
        """Find who of these units it was that answered damaged: each is asked once with all the time there is."""
        for unit in units:
            if (setting, unit) in self._looked:
                continue
            await asyncio.sleep(self._gap_s)
            verdict = await self._ask(setting, _first_question(unit), self._longest_s)
            if verdict.kind is not Kind.SILENT and await self._look_at(setting, unit):
                return

    async def _look_at(self, setting: Setting, unit: int) -> bool:
        """Find out who has an id; whether anybody has. An id is looked at once."""
        if (setting, unit) in self._looked:
            return False

        async def slowly(question: Question) -> Verdict:
            await asyncio.sleep(self._gap_s)
            return await self._ask(setting, question, self._longest_s, linger=True)

        async def calmly(question: Question) -> Verdict:
            await asyncio.sleep(self._gap_s)
            return await self._ask(setting, question, self._longest_s)

        count = await look(slowly, _first_question(unit))
        if count is None:
            return False
        self._looked.add((setting, unit))
        matches = [] if count.standing is Standing.TWO else await recognise(calmly, unit, self._fingerprints)
        if matches:
            # Two of one model that answer in step make one clean frame as long as they say the same: measured values
            # they do not have in common.
            again = await look(slowly, matches[0].fingerprint.first_question(unit))
            if again is not None and again.standing is not Standing.ONE:
                count = again
            if count.standing is Standing.TWO:
                matches = []
        if count.standing is Standing.TWO:
            # The slower one may still have answers to give, which would fall on those of others.
            await self._port.listen(setting, self._longest_s)
        units = matches[0].fingerprint.units if len(matches) == 1 else 1
        self._looked.update((setting, unit + offset) for offset in range(units))
        self.found = [one for one in self.found if not (one.setting == setting and unit <= one.unit < unit + units)]
        found = Found(setting, unit, units, count.standing, tuple(matches), count.asked, count.damaged)
        self.found.append(found)
        self._found_s = self._port.busy_s
        self._on_change(self)
        return True

    async def _tally(self) -> None:
        """Ask what was found for short and for long answers, to see what gets damaged."""
        for index, one in enumerate(found for found in self.found if found.standing is not Standing.TWO):
            self._show(Progress("how well the line carries", index, len(self.found)))
            for question in self._short_and_long(one):
                failed = 0
                for _ in range(_TALLY_TRIES):
                    await asyncio.sleep(self._gap_s)
                    verdict = await self._ask(one.setting, question, self._longest_s)
                    failed += not verdict.kind.is_answer
                answer_bytes = 5 + 2 * question.count
                self._tallies.append(Tally(one.setting, answer_bytes, _TALLY_TRIES, failed))

    def _short_and_long(self, one: Found) -> Iterator[Question]:
        """A question with a short answer, and one with a long answer where the model is known to have one."""
        yield _first_question(one.unit)
        if one.matches:
            requests = one.matches[0].fingerprint.requests
            request = max(requests, key=lambda request: request.count, default=None)
            if request is not None:
                unit = one.unit + request.unit_offset
                yield Question(unit, request.function, request.address, min(request.count, _LONG_REGISTERS))

    async def _ask(self, setting: Setting, question: Question, wait_s: float, *, linger: bool = False) -> Verdict:
        self.questions += 1
        heard = await self._port.ask(question.frame(), setting, wait_s, linger=linger)
        return judge(heard.data, question, heard.late)

    def _wait_s(self, setting: Setting) -> float:
        """How long an id is given while all are asked: until a usual answer is heard to begin."""
        return setting.silence_s + _USUAL_REPLY_S + setting.byte_s + LATENCY_S

    def _at(self, setting: Setting) -> Setting:
        """The setting by which this port asks for `setting`."""
        return setting if self._port.has_settings else self._settings[0]

    def _lively(self) -> list[Setting]:
        return list(dict.fromkeys(one.setting for one in self.found))

    def _weights(self) -> dict[Setting, int]:
        """How many known models each setting may be of."""
        weights = dict.fromkeys(self._settings, 0)
        for fingerprint in self._fingerprints:
            for setting in {self._at(setting): None for setting in (fingerprint.factory, *fingerprint.choices)}:
                weights[setting] += 1
        return weights

    def _worth_asking_again(self) -> list[Setting]:
        """Where anybody answers, then the settings that several known models can have."""
        weights = self._weights()
        likely = [] if self.talkers else [one for one in self._by_likelihood() if weights[one] >= _SEVERAL_MODELS]
        return list(dict.fromkeys((*self._lively(), *likely)))

    def _by_likelihood(self) -> list[Setting]:
        """All settings, those first that most known models leave the factory with or can be set to."""
        weights = self._weights()
        factory = {self._at(fingerprint.factory) for fingerprint in self._fingerprints}
        likely = sorted(weights, key=lambda setting: (setting not in factory, -weights[setting]))
        return [setting for setting in likely if setting in factory or not self._is_quick]

    def _units(self) -> Iterable[int]:
        """Every id, the known ones first; those above 247 only where a known model has them."""
        known = [fingerprint.unit for fingerprint in self._fingerprints]
        return dict.fromkeys((*known, *range(modbus.MIN_UNIT, modbus.MAX_UNIT + 1)))

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        self._on_change(self)


def _first_question(unit: int) -> Question:
    """What nearly every device answers, if only with a refusal."""
    return Question(unit, modbus.READ_HOLDING_REGISTERS, 0, 1)


def _sign_of_talkers(talkers: list[Talker]) -> list[Sign]:
    return [
        Sign(
            "talker",
            f"something sends all the time at {talker.setting}: {talker.model or 'bytes like no sensor that is known'}",
            "a sensor that speaks by itself needs a line of its own: unplug one after the other until it is quiet, "
            "then scan again",
        )
        for talker in talkers
    ]


def _sign_of_refused(refused: list[Setting]) -> list[Sign]:
    if not refused:
        return []
    names = ", ".join(map(str, refused))
    return [Sign("rates", f"the adapter does not take {names}", "scan with another adapter to look there too")]
