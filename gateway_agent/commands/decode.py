"""`gatepost decode`: what a captured message of a gateway says, compact or SenML."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway_agent.compact import ChannelTable, State, UnknownState, UnknownTable, decode_batch
from gateway_agent.compact.plain import plain_batch
from gateway_agent.errors import GatepostError
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.senml_cbor import decode_pack

_HEX = set(b"0123456789abcdefABCDEF \t\r\n")


def command(
    messages: Annotated[
        list[Path] | None, typer.Argument(help="Payloads, binary or hexadecimal, oldest first; - or none reads stdin.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="The channel table as the gateway sent it (/u/channels), for compact batches.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per message.")] = False,
) -> None:
    """Tell what messages say: compact batches (with their channel table) and SenML-CBOR.

    A compact batch builds on the one before it, so give them in the order in which they were sent, from one on that
    builds on nothing. What is given is the CoAP payload, after OSCORE.

    Example: gatepost decode --table channels.cbor batch-1.bin batch-2.bin
    """
    known = None if table is None else _read_table(table)
    states: dict[bytes, State] = {}
    for path in messages or [Path("-")]:
        data = _bytes_of(path)
        try:
            said = _decode(data, known, states)
        except FormatError as error:
            raise GatepostError(f"{path}: {_mend(error, known)}") from error
        _tell(str(path), said, as_json)


def _decode(data: bytes, table: ChannelTable | None, states: dict[bytes, State]) -> dict[str, Any]:
    if data[:1] and data[0] >> 5 == 4:
        return {"format": "senml", "records": [_senml(fields) for fields in decode_pack(data)]}
    decoded = decode_batch(data, lambda digest: table if table and table.digest == digest else None, states.get)
    states[decoded.state.id] = decoded.state
    return {"format": "compact", **plain_batch(decoded)}


def _mend(error: FormatError, table: ChannelTable | None) -> str:
    if isinstance(error, UnknownTable):
        if table is None:
            return f"{error}; name it with --table (the gateway sends it to /u/channels)"
        return f"{error}; --table has {table.digest.hex()}: it is of another gateway or another pole.toml"
    if isinstance(error, UnknownState):
        return f"{error}; give the batches before it too, from one on that builds on nothing"
    return f"{error}; a message is the CoAP payload, after OSCORE, binary or in hexadecimal"


def _read_table(path: Path) -> ChannelTable:
    try:
        return ChannelTable.decode(_bytes_of(path))
    except FormatError as error:
        raise GatepostError(f"{path}: {error}; the table is the file that the gateway sends to /u/channels") from error


def _bytes_of(path: Path) -> bytes:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise GatepostError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if data and set(data) <= _HEX:
        try:
            return bytes.fromhex(data.decode("ascii"))
        except ValueError as error:
            raise GatepostError(f"{path}: an odd number of hexadecimal digits; copy all of it") from error
    return data


def _senml(fields: dict[int | str, object]) -> dict[str, object]:
    return {str(label): list(value) if isinstance(value, tuple) else value for label, value in fields.items()}


def _tell(name: str, said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"message": name, **said}, default=bytes.hex))
        return
    facts = ", ".join(f"{key} {value}" for key, value in said.items() if key != "records")
    table = Table(title=f"{name}: {facts}", title_justify="left")
    for column in ("sequence", "what", "time (ms)", "value"):
        table.add_column(column, justify="right" if column in ("sequence", "time (ms)") else "left")
    for record in said["records"]:
        for row in _rows(record):
            table.add_row(*row)
    Console().print(table)


def _rows(record: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    if "sequence" not in record:
        return [("", ", ".join(f"{label}: {value}" for label, value in record.items()), "", "")]
    number = str(record["sequence"]) + (" (untrusted clock)" if record.get("untrusted") else "")
    rows: list[tuple[str, str, str, str]] = []
    for point, kind, exponent, time_ms, value in record.get("readings", ()):
        rows.append((number, point if kind == "sample" else f"{point}:{kind}", str(time_ms), f"{value}e{exponent}"))
    for point, kind, exponent, time_ms, span_s, count, least, greatest, total in record.get("windows", ()):
        figures = f"{count} of {least} to {greatest}, sum {total}, e{exponent}, {span_s} s"
        rows.append((number, f"{point}:{kind}", str(time_ms), figures))
    if "event" in record:
        event = record["event"]
        rest = ", ".join(f"{key} {value}" for key, value in event.items() if key not in ("name", "time_ms"))
        rows.append((number, event.get("name", ""), str(event["time_ms"]), rest))
    if "result" in record:
        command_id, state, detail, time_ms, level = record["result"]
        rows.append(
            (number, f"command {command_id}", str(time_ms), f"{state} {detail} {level if level else ''}".strip())
        )
    return rows
