"""`gatepost update-node`: the bundle is looked at first, then goes to the real firmware in its machine."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway_agent.commands import update_node
from gateway_agent.update_node import BundleError, check_board, read_bundle
from hardware.rig.serial_url import SerialPort
from protocols import update_codes
from tests.firmware.update_bench import NEW, ballast_bundle, bundle_of, lay_key, lay_new
from tests.firmware.workbench import Workbench, on_bench, table_of
from tests.gateway_agent.commands.test_node_commands import pole_at

WHOLE = ballast_bundle(NEW).content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no bundle"),
        (b"PK" + bytes(1000), "is no bundle"),
        (WHOLE[:-1], "it is cut off or has something appended"),
        (WHOLE + b"x", "it is cut off or has something appended"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_every_node_would_refuse_is_not_sent(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "new.gpb"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BundleError, match=said):
        read_bundle(file)


def test_a_bundle_for_another_board_is_told_with_both_names() -> None:
    check_board(WHOLE, "esp32-devkitc", "lamp")
    with pytest.raises(
        BundleError, match="built for esp32-devkitc, lamp is kc868-a16; build it with --board kc868-a16"
    ):
        check_board(WHOLE, "kc868-a16", "lamp")


def test_the_command_tells_a_bundle_that_is_none(tmp_path: Path) -> None:
    pole_at(tmp_path, "/dev/null")
    application = typer.Typer()
    application.command()(update_node.command)
    done = CliRunner().invoke(application, [str(tmp_path / "pole.toml"), "lamp_node", str(tmp_path / "no.gpb")])
    assert isinstance(done.exception, BundleError)
    assert "no.gpb cannot be read" in str(done.exception)


@pytest.mark.parametrize("has_table", [True, False])
def test_a_node_is_updated_over_the_port_of_its_pole(tmp_path: Path, has_table: bool) -> None:
    async def body(bench: Workbench) -> None:
        if has_table:
            lay_new(tmp_path)
        else:
            lay_key(tmp_path)
            (tmp_path / "node.tab").write_bytes(b"")
        await bench.power_on()
        port = SerialPort("command", bench.pole)
        pole = pole_at(tmp_path, port.path)
        content = bundle_of(NEW, board=1 if has_table else 2).content
        outcome = await update_node.send(pole, pole.nodes[0], content, bench.clock, has_table=has_table, quiet=True)
        expected = ("kept", 0) if has_table else ("refused", update_codes.OTHER_BOARD)
        assert (outcome.result, outcome.reason) == expected, outcome
        port.close()

    on_bench(tmp_path, table_of(), body)
