"""What the platform says back: what it has stored, its clock, its mailbox of commands, and what it wants or offers.

A CBOR map, Content-Format 60; protocols/spec/uplink.md tells it in words and bytes. Nothing at all says that everything
is stored that was asked for, that the clocks agree and that the mailbox is empty. Both directions are here: the
gateway reads answers, the platform stand-in writes them. Reading is strict: any bytes give an Answer or a FormatError.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import cbor2

from gateway_agent.records import Command
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.strict_cbor import Limits, decode

CONTENT_FORMAT = 60
"""application/cbor (RFC 8949, 9.4)."""

ACKNOWLEDGED, PLATFORM_MS, MAILBOX, HIGHEST, OFFERS, WANTED_TABLES, FILES = 1, 2, 3, 4, 5, 6, 7

MAX_ANSWER_BYTES = 1024
MAX_RANGES = 256
MAX_COMMANDS = 8
MAX_ARGUMENTS = 8
MAX_OFFERS = 8
MAX_FILES = 8
MAX_DIGEST_BYTES = 32
LIMITS = Limits(size_bytes=MAX_ANSWER_BYTES, depth=4, items=2048, decimal_fractions=False)

_MAX_SEQUENCE = (1 << 63) - 1
_MAX_MS = 1 << 53
_MAX_ARGUMENT = (1 << 31) - 1
_MAX_FORMAT = (1 << 16) - 1
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileOffer:
    """A file that waits for the gateway at the platform: what it is for, its digest and its length in bytes."""

    kind: str
    digest: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`acknowledged` are ranges of journal sequences, first and last included, ascending and apart, None for all that
    was asked for; `platform_ms` is the platform's clock (unix milliseconds) when it answered, None when it agrees with
    what the gateway said. `highest` is the highest sequence that it has of the epoch, told when it was asked for that;
    0 for none. `offers` are the content formats that it takes, `wanted_tables` digests of channel tables that it lacks,
    `files` what waits to be fetched."""

    acknowledged: tuple[tuple[int, int], ...] | None = None
    platform_ms: int | None = None
    commands: tuple[Command, ...] = ()
    highest: int | None = None
    offers: tuple[int, ...] = ()
    wanted_tables: tuple[bytes, ...] = ()
    files: tuple[FileOffer, ...] = ()


def ranges(sequences: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """The sequences as ascending ranges (first, last) that do not touch."""
    found: list[tuple[int, int]] = []
    for sequence in sorted(set(sequences)):
        if found and found[-1][1] == sequence - 1:
            found[-1] = (found[-1][0], sequence)
        else:
            found.append((sequence, sequence))
    return tuple(found)


def encode_answer(answer: Answer) -> bytes:
    """The answer's bytes; equal answers give equal bytes. What there is nothing to say of is left out."""
    fields: dict[int, object] = {}
    if answer.acknowledged is not None:
        fields[ACKNOWLEDGED] = [list(span) for span in answer.acknowledged]
    if answer.platform_ms is not None:
        fields[PLATFORM_MS] = answer.platform_ms
    if answer.commands:
        fields[MAILBOX] = [
            [command.id, command.action, command.target, dict(command.arguments), command.expires_ms]
            for command in answer.commands
        ]
    if answer.highest is not None:
        fields[HIGHEST] = answer.highest
    if answer.offers:
        fields[OFFERS] = list(answer.offers)
    if answer.wanted_tables:
        fields[WANTED_TABLES] = list(answer.wanted_tables)
    if answer.files:
        fields[FILES] = [[file.kind, file.digest, file.size] for file in answer.files]
    return cbor2.dumps(fields) if fields else b""


def decode_answer(data: bytes) -> Answer:
    """Read an answer's bytes; unknown keys are passed over. Raises FormatError with the field that is wrong."""
    if not data:
        return Answer()
    fields = decode(data, LIMITS)
    if not isinstance(fields, dict):
        raise FormatError("an answer is a map")
    return Answer(
        _read_ranges(fields[ACKNOWLEDGED]) if ACKNOWLEDGED in fields else None,
        _integer(fields[PLATFORM_MS], 0, _MAX_MS, "the platform's clock") if PLATFORM_MS in fields else None,
        _read_mailbox(fields.get(MAILBOX, [])),
        _integer(fields[HIGHEST], 0, _MAX_SEQUENCE, "the highest sequence") if HIGHEST in fields else None,
        tuple(
            _integer(offer, 0, _MAX_FORMAT, "a content format")
            for offer in _list(fields.get(OFFERS, []), MAX_OFFERS, "the formats on offer")
        ),
        tuple(_digest(digest) for digest in _list(fields.get(WANTED_TABLES, []), MAX_OFFERS, "the wanted tables")),
        _read_files(fields.get(FILES, [])),
    )


def _read_files(value: object) -> tuple[FileOffer, ...]:
    files = []
    for entry in _list(value, MAX_FILES, "the files"):
        kind, digest, size = _list_of(entry, 3, "a file")
        files.append(
            FileOffer(_text(kind, _WORD, "a file's kind"), _digest(digest), _integer(size, 0, _MAX_MS, "a file's size"))
        )
    return tuple(files)


def _read_ranges(value: object) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    floor = 1
    for span in _list(value, MAX_RANGES, "acknowledged"):
        first, last = _list_of(span, 2, "an acknowledged range")
        low = _integer(first, floor, _MAX_SEQUENCE, "the first of an acknowledged range")
        high = _integer(last, low, _MAX_SEQUENCE, "the last of an acknowledged range")
        spans.append((low, high))
        floor = high + 1
    return tuple(spans)


def _read_mailbox(value: object) -> tuple[Command, ...]:
    commands = []
    for entry in _list(value, MAX_COMMANDS, "the mailbox"):
        id_, action, target, arguments, expires = _list_of(entry, 5, "a command")
        commands.append(
            Command(
                _text(id_, _ID, "a command's id"),
                _text(action, _WORD, "a command's action"),
                _text(target, _WORD, "a command's target"),
                _read_arguments(arguments),
                _integer(expires, 0, _MAX_MS, "a command's expiry"),
            )
        )
    return tuple(commands)


def _read_arguments(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > MAX_ARGUMENTS:
        raise FormatError(f"a command's arguments are a map of at most {MAX_ARGUMENTS}")
    return {
        _text(name, _WORD, "an argument's name"): _integer(argument, -_MAX_ARGUMENT, _MAX_ARGUMENT, "an argument")
        for name, argument in value.items()
    }


def _list(value: object, limit: int, what: str) -> list[object]:
    if not isinstance(value, list) or len(value) > limit:
        raise FormatError(f"{what} is an array of at most {limit}")
    return value


def _list_of(value: object, length: int, what: str) -> list[object]:
    if not isinstance(value, list) or len(value) != length:
        raise FormatError(f"{what} is an array of {length}")
    return value


def _integer(value: object, low: int, high: int, what: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise FormatError(f"{what} is an integer from {low} to {high}")
    return value


def _text(value: object, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise FormatError(f"{what} is text like {pattern.pattern}")
    return value


def _digest(value: object) -> bytes:
    if not isinstance(value, bytes) or not 1 <= len(value) <= MAX_DIGEST_BYTES:
        raise FormatError(f"a digest is 1 to {MAX_DIGEST_BYTES} bytes")
    return value
