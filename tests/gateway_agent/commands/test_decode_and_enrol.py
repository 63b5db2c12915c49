"""`gatepost decode` and `gatepost enrol`: what they print, what they write, and what they say when it is wrong."""

import json
from pathlib import Path

import pytest

from gateway_agent.cli import main
from gateway_agent.uplink.identity import load_identity, load_record

ROOT = Path(__file__).parents[3]
VECTORS = json.loads((ROOT / "protocols" / "vectors" / "telemetry.json").read_text())
CHAIN = VECTORS["chains"][0]


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    table = next(table for table in VECTORS["tables"] if table["digest"] == CHAIN["table"])
    (tmp_path / "table.hex").write_text(table["hex"])
    for number, batch in enumerate(CHAIN["batches"], 1):
        (tmp_path / f"{number}.bin").write_bytes(bytes.fromhex(batch["hex"]))
    return tmp_path


def test_a_chain_of_batches_is_told_as_the_vectors_say(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [files / f"{number}.bin" for number in range(1, len(CHAIN["batches"]) + 1)]
    assert run("decode", "--json", "--table", files / "table.hex", *names) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line, batch in zip(lines, CHAIN["batches"], strict=True):
        assert line["state"] == batch["state"].replace(" ", "")
        assert [record["sequence"] for record in line["records"]] == [record[0] for record in batch["records"]]
    assert run("decode", "--table", files / "table.hex", *names) == 0
    assert "meter/voltage" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (("1.bin",), "--table"),
        (("--table", "table.hex", "2.bin"), "give the batches before it too"),
        (("--table", "1.bin", "1.bin"), "/u/channels"),
        (("--table", "table.hex", "table.hex"), "after OSCORE"),
        (("absent.bin",), "check the path"),
        (("odd.hex",), "copy all of it"),
    ],
)
def test_what_cannot_be_decoded_is_told_with_what_to_do(
    files: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], mend: str
) -> None:
    (files / "odd.hex").write_text("a1b")
    assert run("decode", *(word if word.startswith("--") else files / word for word in words)) == 1
    assert mend in capsys.readouterr().err


def test_senml_is_told_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alarm.hex").write_text(
        "81a7216a67702d64656d6f2d312f22c482221b0000019ed807189a00736d616e686f6c652f636f7665723a616c61726d04f5"
        "64636f6465666f70656e656466736f757263656c6d616e686f6c655f6e6f646561711829"
    )
    assert run("decode", "--json", tmp_path / "alarm.hex") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["format"], said["records"][0]["code"], said["records"][0]["q"]) == ("senml", "opened", 41)


def test_a_gateway_is_enrolled_and_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enrol", "platform", "city", "--folder", tmp_path) == 0
    words = ("enrol", "gateway", "gp-1", "--platform", tmp_path / "city.public.toml", "--folder", tmp_path)
    assert run(*words, "--json") == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    identity, record = load_identity(facts["identity"]), load_record(facts["record"])
    assert (identity.gateway, record.revokes) == ("gp-1", None)
    assert identity.context == record.context
    assert run(*words) == 1
    assert "never written over" in capsys.readouterr().err
    assert run(*words[:-1], tmp_path / "new", "--replaces", facts["record"]) == 0
    new = load_record(tmp_path / "new" / "gp-1.record.toml")
    assert new.revokes == record.key.kid
    assert new.context.kid != record.context.kid or new.context.master_secret != record.context.master_secret


def test_a_name_that_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enrol", "platform", "a/b", "--folder", tmp_path) == 2
    assert list(tmp_path.iterdir()) == []
