"""Random and mutated frames at the node's Modbus server: inside its machine, and through its UART.

Inside, 100,000 frames go straight to the server of a whole node (lamp, settings, update), among its running tasks; each
answer's form is checked there. Through the UART some thousands more are compared with what a second implementation of
the rules expects. The control is a server that trusts lengths and checksums. Another case sends frames to a node that
has a key: without it no write may be taken; its control is the same node without a key.
"""

import asyncio
import random
import struct
import tempfile
from pathlib import Path

from gateway_agent.node_keys import GUARDED
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash
from hardware.rig.modbus_side import pack, unpack
from protocols import factory_record, node_map
from protocols.node_table_writer import NodeTableWriter
from tests.faults._progress import OnProgress, silent
from tests.faults.fuzz_modbus_program import CHECKED_BLOCKS, program
from tests.faults.node import Row
from tests.firmware.workbench import NODE, START_UNIX_S, Device, Workbench, identity

SEED = 7
FRAMES = 100_000
UART_FRAMES = 3_000
FORGED_FRAMES = 20_000
CONTROL_FRAMES = 5_000
_CODES = {1, 2, 3, 4, 6}


def fuzz(on_progress: OnProgress = silent, frames: int = FRAMES) -> Row:
    """The case: frames inside the machine, then through the UART, then the heap once more."""
    return _run("node/fuzz-modbus", frames, frames * UART_FRAMES // FRAMES, on_progress)


def fuzz_control(on_progress: OnProgress = silent, frames: int = CONTROL_FRAMES) -> Row:
    """The same against a server that takes any bytes of its unit for a request."""
    return _run("node/fuzz-modbus-control", frames, 0, on_progress, trusting=True)


def forge(on_progress: OnProgress = silent, frames: int = FORGED_FRAMES) -> Row:
    """Writes without the key at a node that has one; `wrong` are those that it took."""
    return _run("node/forged-writes", frames, 0, on_progress, expects_key=True, has_key=True)


def forge_control(on_progress: OnProgress = silent, frames: int = CONTROL_FRAMES) -> Row:
    """The same writes at a node that was given no key."""
    return _run("node/forged-writes-control", frames, 0, on_progress, expects_key=True)


CASES = {
    "node/fuzz-modbus": fuzz,
    "node/fuzz-modbus-control": fuzz_control,
    "node/forged-writes": forge,
    "node/forged-writes-control": forge_control,
}


def table() -> bytes:
    """A node with all that has registers: a bus device, a lamp on pins, a cover."""
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(1000, 1, 200, 5, 1)
    writer.add_request(1, 3, 0, 8)
    for register in range(8):
        writer.add_point("u16", 0, 0, 65535, register=register)
    writer.set_lamp_pins(dimmer=18, relay=19)
    return writer.table()


def _run(
    case: str,
    inside: int,
    through_uart: int,
    on_progress: OnProgress,
    *,
    trusting: bool = False,
    expects_key: bool = False,
    has_key: bool = False,
) -> Row:
    counts: dict[str, int] = {}

    async def main(clock: RigClock) -> None:
        with tempfile.TemporaryDirectory() as folder:
            requests = [*valid_requests(), *(tagged_writes() if expects_key else ())]
            fuzzer = program(requests, inside, SEED, trusting=trusting, keyed=expects_key)
            flash = build_flash(Path(folder), table(), beside=[fuzzer])
            (flash / "main.py").write_text(fuzzer)
            keys = {factory_record.NODE_KEY: bytes(range(32)), factory_record.BROADCAST_KEY: bytes(range(32, 64))}
            machine = await NodeMachine.start(
                "fuzzed", flash, clock=clock, heap_bytes=1 << 20, nvs=identity(keys) if has_key else {}
            )
            bench = Workbench(clock, machine, 9600)
            Device(bench.sensors, 1, dict.fromkeys(range(8), 7))
            try:
                await bench.power_on()
                counts.update(await _inside(machine, inside, on_progress))
                if through_uart:
                    counts.update(await _through_uart(bench, through_uart))
                counts["restarts"] = machine.starts - 1 + len(machine.ends)
            finally:
                await machine.stop()

    run_virtual(main, start_unix_ms=START_UNIX_S * 1000)
    wrong = counts["wrong"] + counts.get("uart_wrong", 0)
    bad = wrong + counts["crashed"] + counts["lost"] + counts["restarts"]
    tried = counts["tried"] + counts.get("uart_tried", 0)
    return {
        "case": case,
        "tried": tried,
        "survived": tried - bad,
        "lost": counts.pop("lost"),
        "duplicated": counts.pop("uart_doubled", 0),
        "wrong": wrong,
        "seed": SEED,
        **{name: count for name, count in counts.items() if name not in ("tried", "wrong", "uart_wrong")},
    }


async def _inside(machine: NodeMachine, frames: int, on_progress: OnProgress) -> dict[str, int]:
    """Wait until the program in the machine is through; its counts, and the heap before and after in one state."""
    used: dict[str, int] = {}
    for _ in range(100_000):
        await asyncio.sleep(1)
        for line in machine.printed:
            words = line.split()
            if words[:1] == ["done"]:
                on_progress(int(words[1]), frames)
            if words[:1] == ["heap"] and words[1] not in used:
                used[words[1]] = int(machine.info()["heap_used_bytes"])
            if words[:1] == ["counts"]:
                found = {name: int(count) for name, count in zip(words[1::2], words[2::2], strict=True)}
                growth = used["after"] - used["before"] if len(used) == 2 else 0
                return {**found, "heap_growth_bytes": growth}
        if not machine.running or machine.ends:
            break
    told = "\n".join(machine.printed[-20:])
    return {"tried": 1, "answered": 0, "refused": 0, "crashed": 1, "lost": 0, "wrong": 0} | (
        {} if not told else {"told": len(told)}
    )


async def _through_uart(bench: Workbench, frames: int) -> dict[str, int]:
    chance = random.Random(SEED)
    requests = valid_requests()
    answered = wrong = doubled = 0
    for _ in range(frames):
        frame, is_due = _frame(chance, requests)
        heard = await bench.master.say(frame, timeout_s=0.4)
        answered += bool(heard)
        if not is_due:
            wrong += bool(heard)
            continue
        answer = unpack(heard)
        if answer is None or not _fits(frame[1:-2], answer[0], answer[1]):
            wrong += 1
            doubled += answer is None and len(heard) > 8
    identity = await bench.master.read(node_map.IDENTITY, 1)
    wrong += identity[0] != node_map.IDENTITY_MAGIC_VALUE
    return {"uart_tried": frames, "uart_answered": answered, "uart_wrong": wrong, "uart_doubled": doubled}


def _frame(chance: random.Random, requests: list[bytes]) -> tuple[bytes, bool]:
    """A frame, and whether the node must answer it: what looks like another node's exception it must not."""
    kind = chance.random()
    if kind < 0.2:
        return bytes([NODE + 1]) + chance.randbytes(chance.randrange(1, 280)), False
    pdu = bytearray(chance.choice(requests))
    for _ in range(chance.randrange(4)):
        pdu[chance.randrange(len(pdu))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    if kind < 0.4:
        broken = bytearray(pack(NODE, bytes(pdu)))
        broken[-1] ^= 1 + chance.randrange(255)
        return bytes(broken), False
    unit = 0 if chance.random() < 0.1 else NODE
    frame = pack(unit, bytes(pdu))
    return frame, unit == NODE and frame[1] < 0x80 and _is_one_request(frame)


def _is_one_request(frame: bytes) -> bool:
    """Whether the frame is as long as its function and byte count say, by our second implementation of the rules."""
    function = frame[1]
    if function in (3, 4, 6):
        return len(frame) == 8
    if function == 16:
        return len(frame) >= 9 and len(frame) == 9 + frame[6]
    if function in (20, 21):
        return len(frame) == 5 + frame[2]
    return True


def _fits(request: bytes, unit: int, answer: bytes) -> bool:
    """Whether an answer is right: an exception where one is due, with the right code where the rules give one."""
    function = request[0]
    expected = _expected_code(request)
    if answer[0] == function | 0x80:
        return unit == NODE and len(answer) == 2 and answer[1] in _CODES and expected in (None, answer[1])
    if unit != NODE or answer[0] != function or expected:
        return False
    if function in (3, 4):
        (count,) = struct.unpack_from(">H", request, 3)
        return bool(answer[1] == 2 * count == len(answer) - 2)
    if function == 6 or function == 21:
        return answer == request
    if function == 16:
        return answer == request[:5]
    return len(answer) == 2 + answer[1]


def _expected_code(request: bytes) -> int | None:
    """The exception that the rules call for, 0 for none, None where it is the owner of a register who decides."""
    function = request[0]
    if function not in (3, 4, 6, 16, 20, 21):
        return 1
    if function in (3, 4):
        address, count = struct.unpack_from(">HH", request, 1)
        if not 1 <= count <= 125:
            return 3
        return 0 if _is_known(address, count) else 2
    if function == 16:
        address, count = struct.unpack_from(">HH", request, 1)
        if not 1 <= count <= 123 or request[5] != 2 * count:
            return 3
    return None


def _is_known(address: int, count: int) -> bool:
    return any(first <= address and address + count <= first + length for first, length in CHECKED_BLOCKS)


def valid_requests() -> list[bytes]:
    """One PDU of each kind that the node serves."""
    found = [struct.pack(">BHH", 3 + index % 2, first, length) for index, (first, length) in enumerate(CHECKED_BLOCKS)]
    found += [struct.pack(">BHH", 6, address, 1) for address in (node_map.TIME, node_map.LAMP_COMMAND, 0x50, 0xA0)]
    for address, values in (
        (node_map.TIME, (0x6A32, 0x1234, 500)),
        (node_map.LAMP_COMMAND, (7, 50, 3, 0, 0)),
        (node_map.BROADCAST, (1, 0xFFFF, 30, 2, 60, 1, 0, 0)),
        (node_map.BROADCAST, (2, 0, 100, 0, 60, 0, 0, 0)),
        (node_map.EVENT_ACKNOWLEDGEMENT, (0, 1, 0, 1)),
        (node_map.SETTINGS, (9,)),
        (node_map.UPDATE_COMMAND, (3, 0, 0, 0, 0)),
        (node_map.SCHEDULE_COMMAND, (1, 2)),
    ):
        found.append(struct.pack(f">BHHB{len(values)}H", 16, address, len(values), 2 * len(values), *values))
    for file in (1, 60001, 60002, 60003):
        found.append(struct.pack(">BBBHHH", 20, 7, 6, file, 0, 10))
        found.append(struct.pack(">BBBHHH", 21, 27, 6, file, 0, 10) + bytes(range(20)))
    return found


def tagged_writes() -> list[bytes]:
    """A write to each guarded block as a whole, with counter and tag of somebody who has no key."""
    found = []
    for address, fields in GUARDED.items():
        body = bytes([0, 1] * fields) + b"\x7f\xff\xff\xff" + bytes(range(8))
        found.append(struct.pack(">BHHB", 16, address, fields + 6, len(body)) + body)
    return found
