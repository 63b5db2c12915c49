"""Giving one device another unit id, with a look before and after.

Only a model whose profile says where its unit id stands and how it is written can be moved; what is written is that one
setting. It is refused unless one device alone answers on the old id and nobody on the new one, at this line setting.
"""

import asyncio
import struct
from collections.abc import Sequence

from gateway_agent.profiles.writes import ConfigurationSection
from gateway_agent.scan.findings import Found, Standing
from gateway_agent.scan.fingerprint import Fingerprint
from gateway_agent.scan.port import LATENCY_S, ScanError, ScanPort
from gateway_agent.scan.question import Kind, Question, Verdict, judge
from gateway_agent.scan.setting import Setting
from gateway_agent.scan.standing import Ask, look
from protocols import modbus, rtu

_WRITE_BYTES = 32
_SETTLE_S = 1.0
_TRIES = 4


def device_to_move(found: Sequence[Found], old: int, new: int) -> Found:
    """The device on the id `old` that may be given `new`. Raises ScanError with the reason why there is none.

    `found` is what the scan has found; an id that another device has, at whatever setting, is refused as new.
    """
    here = [one for one in found if one.unit <= old < one.unit + one.units]
    if not here:
        raise ScanError(f"nobody answers on id {old}; scan without --move to see who is there")
    if len(here) > 1:
        places = " and at ".join(str(one.setting) for one in here)
        raise ScanError(f"id {old} is taken at {places}; unplug all but the one to be moved")
    one = here[0]
    if one.standing is not Standing.ONE:
        raise ScanError(f"{one.standing.value} ({old}): nothing is written; unplug all but one and scan again")
    holder = next((other for other in found if other.unit <= new < other.unit + other.units), None)
    if holder is not None:
        raise ScanError(f"id {new} is taken by {holder.model} at {holder.setting}; choose another id")
    if one.unit != old:
        raise ScanError(f"id {old} is one of the ids {one.ids} of one {one.model}; move its first id, {one.unit}")
    way = _way_of(_fingerprint_of(one))
    if way.range is not None and not way.range[0] <= new <= way.range[1]:
        raise ScanError(f"{one.model} takes the ids {way.range[0]} to {way.range[1]}, not {new}")
    return one


async def move(port: ScanPort, one: Found, new: int) -> None:
    """Give the device `one` the id `new` and see that it answers there. Raises ScanError with what to do if not.

    The two ids are looked at once more directly before the write.
    """
    fingerprint = _fingerprint_of(one)
    question = fingerprint.first_question(one.unit)

    async def ask(question: Question) -> Verdict:
        return await _ask(port, one.setting, fingerprint, question)

    before = await look(ask, question)
    if before is None or before.standing is not Standing.ONE:
        raise ScanError(f"id {one.unit} no longer answers as one device alone; nothing was written, scan again")
    if await look(ask, fingerprint.first_question(new)) is not None:
        raise ScanError(f"somebody answers on id {new} now; nothing was written, choose another id")
    await asyncio.sleep(fingerprint.gap_s)
    frame = _write_frame(_way_of(fingerprint), one.unit, new)
    await port.ask(frame, one.setting, fingerprint.reply_s + LATENCY_S, linger=True)
    for _ in range(_TRIES):
        await asyncio.sleep(_SETTLE_S)
        if (await ask(fingerprint.first_question(new))).kind.is_answer:
            break
    else:
        raise ScanError(await _what_became(ask, question, one, new))
    if (await ask(question)).kind is not Kind.SILENT:
        raise ScanError(
            f"id {new} answers, and so does {one.unit}: there were two devices; unplug one and scan again to see which"
        )


async def _what_became(ask: Ask, question: Question, one: Found, new: int) -> str:
    if (await ask(question)).kind.is_answer:
        return (
            f"{one.model} was told to take id {new} and still answers on {one.unit}. Switch its power off and on and "
            f"scan again; some models take it only then, or only while their set-up button was held. As it is, it "
            f"works on {one.unit} as before"
        )
    return (
        f"{one.model} was told to take id {new} and answers neither there nor on {one.unit}. Switch its power off and "
        f"on and scan again; if it is gone then, go back by its button or by the maker's program to {one.unit}"
    )


async def _ask(port: ScanPort, setting: Setting, fingerprint: Fingerprint, question: Question) -> Verdict:
    await asyncio.sleep(fingerprint.gap_s)
    heard = await port.ask(question.frame(), setting, fingerprint.reply_s + LATENCY_S, linger=True)
    return judge(heard.data, question)


def _fingerprint_of(one: Found) -> Fingerprint:
    if one.profile is None:
        raise ScanError(f"the device on id {one.unit} is {one.model}: only a model that is known for sure can be moved")
    return one.matches[0].fingerprint


def _way_of(fingerprint: Fingerprint) -> ConfigurationSection:
    for section in fingerprint.profile.configuration.values():
        if section.sets == "unit-id" and section.register_at.address is not None and section.codes is None:
            return section
    raise ScanError(
        f"the profile {fingerprint.name} does not say how {fingerprint.model} is given an id; use its own switches "
        "or the maker's program"
    )


def _write_frame(way: ConfigurationSection, unit: int, new: int) -> bytes:
    """The request that writes the new id as the profile says."""
    address = way.register_at.address or 0
    buffer = bytearray(_WRITE_BYTES)
    if way.write == modbus.WRITE_SINGLE_REGISTER:
        return bytes(buffer[: rtu.build_write_single(buffer, unit, address, new)])
    data = struct.pack(">f", new) if way.register_at.type == "f32" else struct.pack(">H", new)
    registers = [word for (word,) in struct.iter_unpack(">H", data)]
    return bytes(buffer[: rtu.build_write_multiple(buffer, unit, address, registers, len(registers))])
