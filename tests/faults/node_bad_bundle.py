"""Bundles that a node must not take: truncated, flipped bits, wrong key, older, foreign, oversized, hostile paths.

Each is sent to a running node as the gateway sends a bundle, also what the gateway itself would see to be none. The
node must refuse it with the right reason, go on running its version, leave the files of the slot that runs untouched,
and never start the bundle; after all of them its power is cut, and it must come back as it was. `wrong` counts bundles
that were taken, or refused for another reason. The control is a node that skips the verification.
"""

import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway_agent.collect.unit import UnitLink
from gateway_agent.update_node import NodeUpdate, UpdateOutcome
from hardware.bundle.bundle_writer import make_bundle, sign
from hardware.bundle.firmware_files import Version, firmware_files, sources
from hardware.bundle.manifest_writer import make_manifest
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash
from protocols import bundle, update_codes
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress, silent
from tests.faults.node import Row
from tests.firmware.update_bench import BOARD, NEW, OLD, SENSOR, lay_key, linked, other_key, signing_key
from tests.firmware.workbench import START_UNIX_S, Device, Workbench, table_of

SEED = 1
_MINIMUM: Version = (0, 1, 0)
_FEW_BYTES = 64
_SHARES = 4
_SILENT_LIMIT_S = 20.0
_REASONS = (
    "NONE", "TOO_LARGE", "BAD_MANIFEST", "BAD_SIGNATURE", "NO_KEY", "OTHER_BOARD", "OTHER_BYTECODE", "TOO_OLD",
    "BAD_PATH", "TOO_MANY_FILES", "WRONG_LENGTH", "BAD_FILE", "FLASH_FAILED", "INTERRUPTED", "ABANDONED", "NO_MEMORY",
)  # fmt: skip
_NAMES = {getattr(update_codes, name): name.lower().replace("_", "-") for name in _REASONS}
_VERIFICATION = (
    "return update_codes.BAD_SIGNATURE",
    "return 0",
)
_HASH = ("if self._running_hash.digest() != bundle.hash_at(self._head, self._at):", "if False:")
_HASH_AGAIN = ("if digest != bundle.hash_at(self._head, at):", "if False:")
_SMALL = {"node/__init__.mpy": b"M\x06\x00\x1f" + bytes(60), "node/app.mpy": bytes(range(256)) * 4}


@dataclass(frozen=True)
class Bad:
    """A bundle, its length and digest as they are announced, and the reasons for which it may be refused."""

    name: str
    content: bytes
    reasons: tuple[int, ...]


def _signed(manifest: bytes, content: bytes, key: RSAPrivateKey | None = None) -> bytes:
    return manifest + sign(manifest, key or signing_key()) + content


def _signed_files(
    files: dict[str, bytes], version: Version = NEW, minimum: Version = (0, 0, 0), board: int = BOARD
) -> bytes:
    content = b"".join(files[name] for name in sorted(files))
    return _signed(make_manifest(files, version, minimum, board), content)


def _whole() -> bytes:
    return make_bundle(firmware_files(NEW), NEW, (0, 0, 0), BOARD, signing_key()).content


def bad_bundles(flips: int) -> Iterator[Bad]:
    """One of each kind; a bit flipped in each file, and at `flips` places of manifest and signature."""
    whole = _whole()
    named = _signed_files({name: content[:_FEW_BYTES] for name, content in firmware_files(NEW).items()})
    chance = random.Random(SEED)
    yield from _wrong_lengths(whole)
    head = bundle.manifest_bytes(whole)
    signed_by_other = _signed(whole[:head], whole[head + bundle.SIGNATURE_BYTES :], other_key())
    yield Bad("another key", signed_by_other, (update_codes.BAD_SIGNATURE,))
    yield Bad("no signature", whole[:head] + bytes(bundle.SIGNATURE_BYTES) + whole[head + 384 :], _FORGED)
    yield Bad("an older version", _signed_files(_SMALL, version=(0, 0, 9)), (update_codes.TOO_OLD,))
    yield Bad("a version below its own minimum", _signed_files(_SMALL, minimum=(0, 3, 0)), (update_codes.TOO_OLD,))
    yield Bad("another board", _signed_files(_SMALL, board=BOARD + 1), (update_codes.OTHER_BOARD,))
    manifest = bytearray(make_manifest(_SMALL, NEW, (0, 0, 0), BOARD))
    manifest[18] += 1
    yield Bad("another bytecode", _signed(bytes(manifest), b"".join(_SMALL.values())), (update_codes.OTHER_BYTECODE,))
    yield from _too_big()
    yield from _hostile_paths()
    yield from _flipped_files(named, chance)
    places = list(_places(whole))
    for name, place in (places[0], places[len(places) // 2], places[-1]):
        yield Bad(f"a bit of {name}, in full", _flipped(whole, place, chance), (update_codes.BAD_FILE,))
    small = _signed_files(_SMALL)
    for number in range(flips):
        place = chance.randrange(bundle.manifest_bytes(small) + bundle.SIGNATURE_BYTES)
        yield Bad(f"bit {number} of the manifest, byte {place}", _flipped(small, place, chance), ())


def _wrong_lengths(whole: bytes) -> Iterator[Bad]:
    head = bundle.manifest_bytes(whole)
    ends = (1, bundle.HEAD_BYTES - 1, bundle.HEAD_BYTES, head // 2, head, head + 10, head + bundle.SIGNATURE_BYTES)
    for place in (*ends, *(place for _, place in _places(whole)), len(whole) - 1):
        yield Bad(f"cut off after {place} bytes", whole[:place], (update_codes.WRONG_LENGTH,))
    yield Bad("with something appended", whole + b"more", (update_codes.WRONG_LENGTH,))


def _flipped_files(named: bytes, chance: random.Random) -> Iterator[Bad]:
    ends = [place for _, place in _places(named)][1:] + [len(named)]
    for (name, place), end in zip(_places(named), ends, strict=True):
        if end > place:
            changed = _flipped(named, chance.randrange(place, end), chance)
            yield Bad(f"a bit of {name}", changed, (update_codes.BAD_FILE,))


def _places(whole: bytes) -> Iterator[tuple[str, int]]:
    """Name of each file, and where its content begins."""
    at = bundle.HEAD_BYTES
    offset = bundle.manifest_bytes(whole) + bundle.SIGNATURE_BYTES
    while at < bundle.manifest_bytes(whole):
        yield bundle.name_at(whole, at).decode(), offset
        offset += bundle.length_at(whole, at)
        at = bundle.next_at(whole, at)


def _too_big() -> Iterator[Bad]:
    many = {f"node/m{number:03}.mpy": b"x" for number in range(bundle.MAX_FILES + 1)}
    yield Bad("too many files", _signed_files(many), (update_codes.TOO_MANY_FILES,))
    large = {"node/app.mpy": bytes(bundle.MAX_CONTENT_BYTES + 1)}
    yield Bad("too large a file", _signed_files(large), (update_codes.TOO_LARGE,))
    manifest = bytearray(make_manifest(_SMALL, NEW, (0, 0, 0), BOARD))
    manifest[6:8] = (bundle.MAX_MANIFEST_BYTES + 2).to_bytes(2, "big")
    padded = bytes(manifest) + bytes(bundle.MAX_MANIFEST_BYTES + 2 - len(manifest))
    yield Bad("too long a manifest", _signed(padded, b"".join(_SMALL.values())), (update_codes.TOO_LARGE,))


def _hostile_paths() -> Iterator[Bad]:
    paths = (
        "../main.mpy", "node/../../boot.mpy", "/node/app.mpy", "node//app.mpy", "boot.py", "main.py", "start/app.mpy",
        "node/app.py", "node/.mpy", "node/sub/app.mpy", "node/App.mpy", "node/a\x00.mpy", "node/ü.mpy", "update.key",
        "node.tab", "slot_a/node/app.mpy", "node/" + "a" * 60 + ".mpy", "protocols/..mpy", "node\\app.mpy", "",
    )  # fmt: skip
    for path in paths:
        content = b"print('never')\n"
        entry = len(content).to_bytes(4, "big") + hashlib.sha256(content).digest()
        name = path.encode()
        yield Bad(f"the path {path!r}", _with_entries([entry + bytes([len(name)]) + name], content), _PATH)
    entry = (1).to_bytes(4, "big") + hashlib.sha256(b"x").digest()
    twice = [entry + bytes([12]) + b"node/app.mpy"] * 2
    yield Bad("the same path twice", _with_entries(twice, b"xx"), _PATH)


_PATH = (update_codes.BAD_PATH,)
_FORGED = (update_codes.BAD_SIGNATURE,)


def _with_entries(entries: list[bytes], content: bytes) -> bytes:
    body = b"".join(entries)
    manifest = bytearray(make_manifest({"a": content}, NEW, (0, 0, 0), BOARD)[: bundle.HEAD_BYTES])
    manifest[5] = len(entries)
    manifest[6:8] = (bundle.HEAD_BYTES + len(body)).to_bytes(2, "big")
    manifest[20:24] = len(content).to_bytes(4, "big")
    return _signed(bytes(manifest) + body, content)


def _flipped(content: bytes, place: int, chance: random.Random) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _control_source() -> dict[str, str]:
    source = sources()["node/update.py"]
    for old, new in (_VERIFICATION, _HASH, _HASH_AGAIN):
        if old not in source:
            raise LookupError(f"node/update.py no longer has {old!r}, which the control takes out")
        source = source.replace(old, new)
    return {"node/update.py": source}


class Careless(NodeUpdate):
    """The gateway's sender without its own look at the bundle, so that the node sees all of them."""

    def __init__(self, link: UnitLink, content: bytes) -> None:
        self.version = 0
        head = content[: bundle.manifest_bytes(content)] if len(content) >= bundle.HEAD_BYTES else content
        self.digest = int.from_bytes(hashlib.sha256(head).digest()[:4], "big")
        self._link = link
        self._name = "node"
        self._content = content
        self._silent_limit_s = _SILENT_LIMIT_S
        self._progressed_s = 0.0


def _is_refused(bad: Bad, outcome: UpdateOutcome) -> bool:
    return outcome.result == "refused" and (outcome.reason in bad.reasons if bad.reasons else outcome.reason > 0)


def _running_files(flash: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted((flash / "slot_a").rglob("*")) if file.is_file()}


@dataclass
class Found:
    """What a node made of some bundles: how often it gave each reason, and what was not as it should be."""

    reasons: Counter[int]
    problems: list[str]


def _offer(bundles: list[Bad], changes: dict[str, str]) -> Found:
    """Offer the bundles to one node, one after the other."""
    found = Found(Counter(), [])

    async def main(clock: RigClock, flash: Path) -> None:
        machine = await NodeMachine.start("node", flash, clock=clock)
        bench = Workbench(clock, machine, 9600)
        Device(bench.sensors, SENSOR, {0: 7})
        await bench.power_on()
        before = _running_files(flash)
        async with linked(bench) as gateway:
            for bad in bundles:
                outcome = await Careless(gateway.link, bad.content).send()
                found.reasons[outcome.reason] += 1
                if not _is_refused(bad, outcome):
                    found.problems.append(f"{bad.name}: {outcome}")
                elif await gateway.version() != OLD or machine.starts != 1 or _running_files(flash) != before:
                    found.problems.append(f"{bad.name}: the version that runs was touched")
            machine.kill()
            await bench.power_on()
            if await gateway.version() != OLD or _running_files(flash) != before:
                found.problems.append("after the power was cut another version runs")
        await machine.stop()

    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder)
        build_flash(flash, table_of((SENSOR, 1)))
        for name, content in firmware_files(OLD, changes).items():
            (flash / "slot_a" / name).write_bytes(content)
        lay_key(flash, minimum=_MINIMUM)
        run_virtual(lambda clock: main(clock, flash), start_unix_ms=START_UNIX_S * 1000)
    return found


def _row(case: str, bundles: list[Bad], changes: dict[str, str], on_progress: OnProgress) -> Row:
    shares = [bundles[first::_SHARES] for first in range(_SHARES)]
    found = on_all_cores(_offer, [(share, changes) for share in shares if share], on_progress)
    problems = [problem for one in found for problem in one.problems]
    reasons = sum((one.reasons for one in found), Counter[int]())
    return {
        "case": case,
        "tried": len(bundles),
        "survived": len(bundles) - len(problems),
        "lost": 0,
        "duplicated": 0,
        "wrong": len(problems),
        "seed": SEED,
        "reasons": ", ".join(f"{_NAMES.get(code, code)} {count}" for code, count in sorted(reasons.items())),
        "first_problem": problems[0] if problems else "",
    }


def bad_bundle(on_progress: OnProgress = silent, flips: int = 300, every: int = 1) -> Row:
    """Every kind, or each `every`-th bundle."""
    return _row("node/bad-bundle", list(bad_bundles(flips))[::every], {}, on_progress)


def bad_bundle_control(on_progress: OnProgress = silent, every: int = 8) -> Row:
    """The same for a node that does not verify."""
    return _row("node/bad-bundle-control", list(bad_bundles(0))[::every], _control_source(), on_progress)


CASES = {"node/bad-bundle": bad_bundle, "node/bad-bundle-control": bad_bundle_control}
