"""A person at a desk who brings each dialect online and types datagrams, patiently and one thing at a time."""

import asyncio
import re

from tests.hardware.rig.modem.desk import Desk

PAUSE_S = 0.3
SEND_S = 20.0

OPENINGS = {
    "neul": ("AT+NSONMI=2", "AT+NSOCR=DGRAM,17,40000,1"),
    "quectel_nb": (
        "AT+QSCLK=0",
        'AT+QICFG="dataformat",1,1',
        'AT+QIOPEN={context},0,"UDP","127.0.0.1",{port},0,1',
    ),
    "quectel_qi": ('AT+QICSGP=1,1,"cmiot","","",0', "AT+QIACT=1", 'AT+QIOPEN=1,0,"UDP","127.0.0.1",{port},0,1'),
    "ml307": ("AT+MIPCALL=1,1", 'AT+MIPCFG="encoding",0,0,1', 'AT+MIPOPEN=0,"UDP","127.0.0.1",{port},,0'),
    "simcom_nb": ("AT+CSOC=1,2,1", 'AT+CSOCON=0,{port},"127.0.0.1"'),
    "simcom": ("AT+CIPSRIP=0", "AT+NETOPEN", 'AT+CIPOPEN=0,"UDP",,,40000'),
    "sim800": (
        *("AT+CIPSHUT", "AT+CIPMUX=1", "AT+CIPQSEND=1", 'AT+CSTT="cmiot","",""', "AT+CIICR", "AT+CIFSR"),
        'AT+CIPSTART=0,"UDP","127.0.0.1",{port}',
    ),
}
"""What opens a socket to the platform, by dialect, on a module that is registered."""

_FINAL = r"OK|ERROR|SHUT OK|SEND OK|SEND FAIL|CLOSE OK|\+CME ERROR: ?\d+"


async def say(desk: Desk, *lines: str) -> list[str]:
    """Type some commands with pauses, and return the answer to the last."""
    answer: list[str] = []
    for line in lines:
        await asyncio.sleep(PAUSE_S)
        answer = await desk.ask(line, 30.0, final=_FINAL)
    return answer


async def go_online(desk: Desk) -> None:
    """From a registered module to an open socket to the platform."""
    assert await desk.registered()
    await asyncio.sleep(8)
    # It may have fallen asleep meanwhile.
    await desk.ask("AT", 1.0)
    model = desk.modem.model
    for line in OPENINGS[model.dialect]:
        if line == "AT+CIFSR":
            # Its answer has no OK.
            await asyncio.sleep(PAUSE_S)
            desk.type(line)
            await asyncio.sleep(1)
            continue
        context = 0 if model.name == "bc660k" else 1
        await say(desk, line.format(port=desk.platform.address[1], context=context))
        if line == "AT+NETOPEN":
            await asyncio.sleep(3)
    await asyncio.sleep(2)
    desk.heard.clear()


def command_of(desk: Desk, data: bytes) -> tuple[str, bytes]:
    """The command that sends `data` over the open socket, and what follows its prompt (empty: there is none)."""
    host, port = desk.platform.address
    digits, size, name = data.hex().upper(), len(data), desk.modem.model.name
    dialect = desk.modem.model.dialect
    if dialect == "neul":
        return f"AT+NSOST=0,{host},{port},{size},{digits}", b""
    if dialect == "quectel_nb":
        if name == "bc26":
            return f"AT+QISEND=0,{size}", digits.encode()
        return f"AT+QISEND{'EX' if name == 'bc66' else ''}=0,{size},{digits}", b""
    if dialect == "simcom_nb":
        return f"AT+CSOSEND=0,{len(digits)},{digits}", b""
    if dialect == "simcom":
        return f'AT+CIPSEND=0,{size},"{host}",{port}', data
    name = {"quectel_qi": "QISEND", "ml307": "MIPSEND", "sim800": "CIPSEND"}[dialect]
    return f"AT+{name}=0,{size}", data


def success_of(desk: Desk) -> str:
    """What a module says when it has taken a payload, as a regular expression."""
    dialect = desk.modem.model.dialect
    if dialect in ("quectel_nb", "quectel_qi"):
        return "SEND OK"
    return {"sim800": r"DATA ACCEPT: ?0,\d+", "simcom": r"\+CIPSEND: ?0,\d+,\d+"}.get(dialect, "OK")


async def send(desk: Desk, data: bytes, within_s: float = SEND_S) -> bool:
    """Send a datagram; whether the module has said that it took it. What it said stays in `desk.heard`."""
    await asyncio.sleep(PAUSE_S)
    desk.heard.clear()
    line, payload = command_of(desk, data)
    failure = re.compile(rb"(?:^|[\r\n])(?:ERROR|SEND FAIL|\d, SEND FAIL|\+CME ERROR: ?\d+)\r\n")
    success = re.compile(rb"(?:^|[\r\n])" + success_of(desk).encode() + rb"\r\n")
    desk.type(line)
    if payload:
        await desk.until(lambda: b">" in desk.heard or failure.search(desk.heard), within_s)
        if b">" not in desk.heard:
            return False
        await asyncio.sleep(0.05)
        desk.write(payload)
    await desk.until(lambda: success.search(desk.heard) or failure.search(desk.heard), within_s)
    return success.search(desk.heard) is not None


def has_come(desk: Desk, data: bytes) -> bool:
    """Whether a datagram stands in what the module has said, as bytes or as digits."""
    return data in desk.heard or data.hex().encode() in bytes(desk.heard).lower()
