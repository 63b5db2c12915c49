"""`gatepost node-settings` and `gatepost node-log`, against the real firmware in its machine."""

import asyncio
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway_agent.collect.request import NoAnswerError
from gateway_agent.commands import node_log, node_settings
from gateway_agent.config import PoleConfig, load_pole
from gateway_agent.errors import GatepostError
from gateway_agent.provision import digest, node_table
from hardware.rig.serial_url import SerialPort
from protocols import node_map
from protocols.node_settings import NODE_TABLE, pack
from tests.firmware.workbench import NODE, Workbench, on_bench, table_of

POLE = """
[pole]
gateway = "gp-1"
[[buses]]
name = "pole"
port = "{port}"
baud = 19200
[[nodes]]
name = "lamp_node"
bus = "pole"
unit = {unit}
every_s = 10
[journal]
path = "journal.sqlite"
[uplink]
url = "coap://127.0.0.1:9"
security = "clear"
"""


def pole_at(folder: Path, port: str) -> PoleConfig:
    """The pole of the tests, with its bus at `port`."""
    file = folder / "pole.toml"
    file.write_text(POLE.format(port=port, unit=NODE))
    return load_pole(file)


def test_a_node_gets_the_table_of_its_pole_and_tells_its_log(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        (tmp_path / "node.tab").write_bytes(b"")
        await bench.power_on()
        port = SerialPort("commands", bench.pole)
        pole = pole_at(tmp_path, port.path)
        node = pole.nodes[0]
        content = pack([(NODE_TABLE, node_table(pole, node.name))])
        outcome = await node_settings.send(pole, node, content, bench.clock, has_table=False)
        assert outcome.result == "taken", outcome
        await asyncio.sleep(3)
        assert await bench.master.health(node_map.IDENTITY_CONFIG_DIGEST) == digest(node_table(pole, node.name))
        entries = await node_log.read(pole, node, bench.clock, has_table=True)
        said = [entry.sentence for entry in entries]
        assert "no whole node table: there is none, or it ends too early" in said
        assert "new settings taken, number 1" in said
        assert "started (own reset)" in said
        bench.machine.kill()
        with pytest.raises(NoAnswerError, match="no answer"):
            await node_log.read(pole, node, bench.clock, has_table=True)
        port.close()

    on_bench(tmp_path, table_of((1, 1)), body)


def test_a_node_that_is_not_in_the_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "pole.toml"
    file.write_text(POLE.format(port="/dev/none", unit=NODE))
    for module in (node_log, node_settings):
        application = typer.Typer()
        application.command()(module.command)
        result = CliRunner().invoke(application, [str(file), "no_node"])
        assert isinstance(result.exception, GatepostError)
        assert "its nodes are: lamp_node" in str(result.exception)
