"""What esptool 5.6.0 says, read: the chip, how far it is, and what went wrong.

esptool is run as a program (docs/decisions/0701), so its words are its interface; they are read here and nowhere else,
and pyproject.toml holds the version to which they belong.
"""

import re
from dataclasses import dataclass

from hardware.flash.problem import FlashProblem, Kind

_CHIP = re.compile(r"^Connected to (\S+) on ", re.MULTILINE)
_MODEL = re.compile(r"^Chip type:\s+(.+?) *$", re.MULTILINE)
_MAC = re.compile(r"^MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})", re.MULTILINE)
_FLASH_SIZE = re.compile(r"^Detected flash size: (\d+)(KB|MB)", re.MULTILINE)
_PROGRESS = re.compile(r"^Writing at 0x[0-9a-f]+ .*?(\d+(?:\.\d+)?)%")
_PIECE = re.compile(r"^Writing '(.+)' at 0x[0-9a-f]+")
_VERIFIED = re.compile(r"^Verifying 0x[0-9a-f]+ \(\d+\) bytes at (0x[0-9a-f]+) in flash")
_DIGEST_DIFFERS = "Verification failed (digest mismatch)."
_NO_LINES = "Setting RTS/DTR lines is not supported"
_AGAIN = "run the same command again: nothing on the chip is broken, its ROM cannot be overwritten"


@dataclass(frozen=True, slots=True)
class Chip:
    """What esptool tells of a chip: `family` such as "ESP32", `model` with its revision, `mac` as six hexadecimal
    bytes with colons, and the size of the flash by its id, None where that is unknown."""  # fmt: skip

    family: str
    model: str
    mac: str
    flash_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Cause:
    """A pattern in the output, the kind of problem it is, what to tell and what to do. `{port}` stands for the port,
    `{0}` and on for the groups of the pattern."""  # fmt: skip

    pattern: re.Pattern[str]
    kind: Kind
    what: str
    mend: str


def _cause(pattern: str, kind: Kind, what: str, mend: str) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE | re.DOTALL), kind, what, mend)


HOLD_BOOT = "hold the button BOOT (IO0) down, press EN (RST) once, and let BOOT go when the chip answers"
_CAUSES = (
    _cause(
        r"could not open .*(?:permission denied|errno 13)",
        Kind.PORT_TAKEN,
        "this user may not use {port}",
        "join the group that may (sudo usermod -aG dialout $USER), then log out and in again",
    ),
    _cause(
        r"could not open .*(?:exclusively lock|errno 11\b|errno 16\b|resource busy|access is denied)",
        Kind.PORT_TAKEN,
        "another program has {port} open",
        "close the terminal, IDE or gatepost that uses it (on Linux `fuser -v {port}` names it), then run this again",
    ),
    _cause(
        r"could not open .*(?:connection refused|timed out|name or service|no route|unreachable|not resolve)",
        Kind.NO_PORT,
        "nobody answers at {port}",
        "start the serial server there, and check address and port",
    ),
    _cause(
        r"could not open ",
        Kind.NO_PORT,
        "there is no port {port}",
        "plug the node in, check the cable (many carry power only), and look at the name again",
    ),
    _cause(
        r"this chip is (\S+), not (\S+?)\.",
        Kind.WRONG_CHIP,
        "the board has an {0}, not an {1}; nothing was written",
        "take the board that was ordered, or name the right one with --board",
    ),
    _cause(
        r"failed to autodetect chip type|doesn't appear to be an",
        Kind.LINE,
        "the chip names itself by a number that nobody knows: the line damages data, or it is no ESP32",
        "take a shorter or another cable, plug it straight into the laptop, and run this again, or another board",
    ),
    _cause(
        r"wrong boot mode detected",
        Kind.SILENT,
        "the chip restarted into its program instead of its loader",
        HOLD_BOOT,
    ),
    _cause(
        r"getting no sync reply",
        Kind.SILENT,
        "the chip is in its loader, but hears nothing: the wire from the laptop's TX to its RX is dead",
        "take another cable or adapter, and unplug what else hangs on the pins RX0 and TX0",
    ),
    _cause(
        r"failed to connect to .*(?:invalid head of packet|packet content|noise or corruption|guru meditation)",
        Kind.SILENT,
        "what comes from {port} is not the chip's loader: its program runs, or the cable damages data",
        HOLD_BOOT + "; if that does not help, take another cable",
    ),
    _cause(
        r"failed to connect to ",
        Kind.SILENT,
        "the chip does not answer on {port}",
        HOLD_BOOT,
    ),
    _cause(
        r"will not fit in (\d+) bytes of flash|goes past",
        Kind.SMALL_FLASH,
        "the flash of this module is too small ({0} bytes); nothing was written",
        "take a module with 4 MB of flash",
    ),
    _cause(
        r"secure boot v1 detected|detected flash encryption",
        Kind.LOCKED_CHIP,
        "the chip has secure boot or flash encryption on; nothing was written",
        "take another board: this one starts only what its maker has signed",
    ),
    _cause(
        r"written flash region is empty|md5 of file does not match|flash (?:write|read) error|failed spi",
        Kind.BAD_FLASH,
        "the flash does not keep what is written to it",
        "run this once more; if it fails again, the module is worn or broken: take another one",
    ),
    _cause(
        r"verification failed",
        Kind.BAD_FLASH,
        "the flash does not hold what was written",
        "run this once more; if it fails again, the module is worn or broken: take another one",
    ),
    _cause(
        r"serial exception error occurred|lost connection, retrying|input/output error|device disconnected|errno 5\b",
        Kind.CABLE,
        "the connection broke off",
        f"plug the cable in again and {_AGAIN}",
    ),
    _cause(
        r"failed to start stub flasher",
        Kind.LINE,
        "the loader that esptool sends did not start",
        "run this again with --no-stub, which is slower",
    ),
    _cause(
        r"failed to set baud rate",
        Kind.LINE,
        "the USB adapter does not take this rate",
        "run this again with --baud 115200",
    ),
    _cause(
        r"noise or corruption|invalid head of packet|packet content|data stream stopped|no serial data|stopped "
        r"responding|checksum|inflate error|deflate|bad data|not enough data|too much data|response doesn't match"
        r"|failed to |no more data|digest mismatch|guru meditation",
        Kind.LINE,
        "the line to the chip damages data",
        "take a shorter or another cable, plug it straight into the laptop, and run this again",
    ),
    _cause(
        r"no module named esptool",
        Kind.TOOL,
        "esptool is not installed",
        "install gatepost with its extra: pip install 'gatepost[flash]', or run `make setup`",
    ),
)


def read_chip(output: str) -> Chip | None:
    """The chip that esptool has connected to; None where the output does not tell."""
    family, mac = _CHIP.search(output), _MAC.search(output)
    if family is None or mac is None:
        return None
    model, size = _MODEL.search(output), _FLASH_SIZE.search(output)
    flash_bytes = None if size is None else int(size[1]) << (10 if size[2] == "KB" else 20)
    return Chip(family[1], family[1] if model is None else model[1], mac[1], flash_bytes)


def has_no_lines(output: str) -> bool:
    """Whether the port has no lines by which the chip could be reset."""
    return _NO_LINES in output


def percent_of(line: str) -> float | None:
    """How much of the present file is written, 0 to 100, where the line tells it."""
    found = _PROGRESS.match(line)
    return None if found is None else float(found[1])


def file_of(line: str) -> str | None:
    """The file that is begun, where the line tells it."""
    found = _PIECE.match(line)
    return None if found is None else found[1]


def differing(output: str) -> tuple[int, ...]:
    """Offsets of the files that a verification has found to differ."""
    found: list[int] = []
    at = None
    for line in output.splitlines():
        begun = _VERIFIED.match(line)
        if begun is not None:
            at = int(begun[1], 16)
        elif line.startswith(_DIGEST_DIFFERS) and at is not None:
            found.append(at)
    return tuple(found)


def problem_of(output: str, port: str) -> FlashProblem:
    """What went wrong, out of the output of an esptool that has failed."""
    for cause in _CAUSES:
        found = cause.pattern.search(output)
        if found is not None:
            groups = [group or "unknown" for group in found.groups()]
            return FlashProblem(
                cause.kind, cause.what.format(*groups, port=port), cause.mend.format(*groups, port=port)
            )
    said = " / ".join(line.strip() for line in output.splitlines()[-3:] if line.strip()) or "nothing"
    return FlashProblem(Kind.TOOL, f"esptool failed and said: {said}", "run this again; if it stays, show these words")
