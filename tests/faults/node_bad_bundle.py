"""Bundles that a node must not take: truncated, flipped bits, wrong key, older, foreign, oversized, hostile paths.

Each is sent by the gateway's own sender to a running node, which must refuse it with the right reason, go on running
its version, leave the files of the slot that runs untouched, and never start the bundle. `wrong` counts bundles that
were taken, or refused for another reason. The control is a node that skips the verification.
"""

import asyncio
import hashlib
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway_agent.update_node import BundleError, UpdateOutcome
from hardware.bundle.bundle_writer import make_bundle, sign
from hardware.bundle.firmware_files import Version, firmware_files, sources
from hardware.bundle.manifest_writer import make_manifest
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash
from protocols import bundle, update_codes
from tests.faults.node import Row
from tests.firmware.update_bench import BOARD, NEW, OLD, SENSOR, UpdateBench, lay_key, linked, other_key, signing_key
from tests.firmware.workbench import START_UNIX_S, Device, Workbench, table_of

_MINIMUM: Version = (0, 1, 0)
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


def _small(names: dict[str, bytes] | None = None, version: Version = NEW, board: int = BOARD) -> bytes:
    files = names or _SMALL
    return _signed(make_manifest(files, version, (0, 0, 0), board), b"".join(files[name] for name in sorted(files)))


def _whole() -> bytes:
    return make_bundle(firmware_files(NEW), NEW, (0, 0, 0), BOARD, signing_key()).content


def bad_bundles(flips: int) -> Iterator[Bad]:
    """One of each kind; a bit flipped in each file, in the signature and at `flips` places of the manifest."""
    whole = _whole()
    head = bundle.manifest_bytes(whole)
    chance = random.Random(1)
    for place in (head + 10, len(whole) - 1, len(whole) - 20_000):
        yield Bad(f"cut off after {place} bytes", whole[:place], (update_codes.WRONG_LENGTH,))
    yield Bad("with something appended", whole + b"more", (update_codes.WRONG_LENGTH,))
    yield Bad("another key", _signed(whole[:head], whole[head + 384 :], other_key()), (update_codes.BAD_SIGNATURE,))
    yield Bad("an older version", _small(version=(0, 0, 9)), (update_codes.TOO_OLD,))
    yield Bad("another board", _small(board=BOARD + 1), (update_codes.OTHER_BOARD,))
    yield from _too_big()
    yield from _hostile_paths()
    at = bundle.HEAD_BYTES
    offset = head + bundle.SIGNATURE_BYTES
    while at < head:
        length = bundle.length_at(whole, at)
        name = bundle.name_at(whole, at).decode()
        if length:
            place = offset + chance.randrange(length)
            yield Bad(f"a bit of {name}", _flipped(whole, place, chance), (update_codes.BAD_FILE,))
        offset += length
        at = bundle.next_at(whole, at)
    small = _small()
    head = bundle.manifest_bytes(small)
    for number in range(flips):
        place = chance.randrange(head + bundle.SIGNATURE_BYTES)
        yield Bad(f"bit {number} of the manifest, byte {place}", _flipped(small, place, chance), ())


def _too_big() -> Iterator[Bad]:
    many = {f"node/m{number:03}.mpy": b"x" for number in range(bundle.MAX_FILES + 1)}
    yield Bad("too many files", _small(many), (update_codes.TOO_MANY_FILES,))
    large = {"node/app.mpy": bytes(bundle.MAX_CONTENT_BYTES + 1)}
    yield Bad("too large a file", _small(large), (update_codes.TOO_LARGE,))
    manifest = bytearray(make_manifest(_SMALL, NEW, (0, 0, 0), BOARD))
    manifest[6:8] = (bundle.MAX_MANIFEST_BYTES + 2).to_bytes(2, "big")
    padded = bytes(manifest) + bytes(bundle.MAX_MANIFEST_BYTES + 2 - len(manifest))
    yield Bad("too long a manifest", _signed(padded, b"".join(_SMALL.values())), (update_codes.TOO_LARGE,))


def _hostile_paths() -> Iterator[Bad]:
    paths = (
        "../main.mpy", "node/../../boot.mpy", "/node/app.mpy", "node//app.mpy", "boot.py", "main.py", "start/app.mpy",
        "node/app.py", "node/.mpy", "node/sub/app.mpy", "node/App.mpy", "node/a\x00.mpy", "node/ü.mpy", "update.key",
        "factory.bin", "slot_a/node/app.mpy", "node/" + "a" * 60 + ".mpy", "protocols/..mpy", "node\\app.mpy", "",
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


async def _offer(gateway: UpdateBench, bad: Bad) -> UpdateOutcome | None:
    """What the node makes of it; None where the sender itself saw that it is no bundle."""
    try:
        return await gateway.update(bad.content).send()
    except BundleError:
        return None


def _is_refused(bad: Bad, outcome: UpdateOutcome | None) -> bool:
    if outcome is None:
        return True
    return outcome.result == "refused" and (outcome.reason in bad.reasons if bad.reasons else outcome.reason > 0)


def _running_files(flash: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted((flash / "slot_a").rglob("*")) if file.is_file()}


def _run(case: str, bundles: list[Bad], changes: dict[str, str] | None) -> Row:
    problems: list[str] = []

    async def main(clock: RigClock, flash: Path) -> None:
        machine = await NodeMachine.start("node", flash, clock=clock)
        bench = Workbench(clock, machine, 9600)
        Device(bench.sensors, SENSOR, {0: 7})
        await bench.power_on()
        before = _running_files(flash)
        async with linked(bench) as gateway:
            for bad in bundles:
                outcome = await _offer(gateway, bad)
                if not _is_refused(bad, outcome):
                    problems.append(f"{bad.name}: {outcome}")
                elif await gateway.version() != OLD or machine.starts != 1 or _running_files(flash) != before:
                    problems.append(f"{bad.name}: the version that runs was touched")
                await asyncio.sleep(1)
        await machine.stop()

    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder)
        build_flash(flash, table_of((SENSOR, 1)))
        for name, content in firmware_files(OLD, changes).items():
            (flash / "slot_a" / name).write_bytes(content)
        lay_key(flash, minimum=_MINIMUM)
        run_virtual(lambda clock: main(clock, flash), start_unix_ms=START_UNIX_S * 1000)
    return {
        "case": case,
        "tried": len(bundles),
        "survived": len(bundles) - len(problems),
        "lost": 0,
        "duplicated": 0,
        "wrong": len(problems),
        "first_problem": problems[0] if problems else "",
    }


def bad_bundle(flips: int = 300, every: int = 1) -> Row:
    """Every kind, or each `every`-th bundle."""
    return _run("node/bad-bundle", list(bad_bundles(flips))[::every], None)


def bad_bundle_control(every: int = 8) -> Row:
    """The same for a node that does not verify."""
    return _run("node/bad-bundle-control", list(bad_bundles(0))[::every], _control_source())


CASES = {"node/bad-bundle": bad_bundle, "node/bad-bundle-control": bad_bundle_control}
