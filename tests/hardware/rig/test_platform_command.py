"""`gatepost platform` as an integrator runs it: a process, a port, a database, an end."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import apsw
from aiocoap import POST, Context, Message

from gateway_agent.journal import TELEMETRY, Record
from gateway_agent.records import Reading
from gateway_agent.uplink.answer import Answer, decode_answer
from gateway_agent.uplink.batches import build_batch
from gateway_agent.uplink.identity import new_platform

GATEPOST = (sys.executable, "-m", "gateway_agent", "platform")


async def post(url: str) -> Answer:
    record = Record(1, TELEMETRY, (Reading("air/pm2_5", 1_781_740_800_000, 35, 0),))
    payload = build_batch([record], "gp-1", {}).payload
    context = await Context.create_client_context(transports=["simple6"])
    request = Message(code=POST, payload=payload, uri=f"{url}/senml?g=gp-1&e=7", content_format=112)
    try:
        answer = await context.request(request).response
    finally:
        await context.shutdown()
    return decode_answer(answer.payload)


def test_it_stores_answers_with_its_command_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    own = ("--clear", "--port", "0", "--database", tmp_path / "city.sqlite", "--lamp", "street_lamp=40/2", "--json")
    words = (*GATEPOST, *own)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            answer = asyncio.run(post(json.loads(process.stdout.readline())["url"]))
            told = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert answer.acknowledged is None  # all of it
    assert [(each.target, each.arguments) for each in answer.commands] == [
        ("street_lamp", {"level_pct": 40, "fade_s": 2})
    ]
    assert (told["gateway"], told["records"], told["readings"]) == ("gp-1", [1], 1)
    database = apsw.Connection(str(tmp_path / "city.sqlite"))
    assert database.execute("SELECT point, value FROM readings").fetchall() == [("air/pm2_5", 35)]
    database.close()


def test_without_keys_it_is_in_the_clear_only_when_that_is_said(tmp_path: Path) -> None:
    words = (*GATEPOST, "--port", "0", "--database", tmp_path / "city.sqlite")
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "--clear" in ended.stderr
    assert not (tmp_path / "city.sqlite").exists()


def test_wrong_words_and_an_unusable_database_have_their_exit_codes(tmp_path: Path) -> None:
    for words, code in (
        (("--clear", "--lamp", "street_lamp=140"), 2),
        (("--port", "0"), 2),
        (("--database", tmp_path / "absent" / "city.sqlite", "--clear", "--port", "0"), 1),
    ):
        ended = subprocess.run((*GATEPOST, *words), capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, "Traceback" in ended.stderr) == (code, False)
        assert ended.stderr


def test_files_of_keys_that_cannot_be_used_are_told_with_the_mend(tmp_path: Path) -> None:
    keys = keys_of_a_platform(tmp_path)
    (tmp_path / "text.sqlite.keys").write_text("no database, and long enough to be taken for one" * 30)
    (tmp_path / "other.sqlite.keys.numbers").write_text("no database, and long enough to be taken for one" * 30)
    apsw.Connection(str(tmp_path / "foreign.sqlite.keys")).execute("CREATE TABLE letters (text)")
    for name, place in (
        ("absent/city", "absent/city.sqlite.keys"),
        ("text", "text.sqlite.keys"),
        ("other", "other.sqlite.keys.numbers"),
        ("foreign", "foreign.sqlite.keys"),
    ):
        ended = run("--identity", keys, "--port", "0", "--database", tmp_path / f"{name}.sqlite")
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
        assert ended.stderr.startswith(f"{tmp_path / place}: ")


def test_a_platform_that_runs_has_its_keys_alone(tmp_path: Path) -> None:
    """Else both would use the same numbers, and who is revoked would go on speaking with the one that runs."""
    own = ("--identity", keys_of_a_platform(tmp_path), "--port", "0", "--database", tmp_path / "city.sqlite")
    with subprocess.Popen((*GATEPOST, *own), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "listening" in process.stdout.readline()
            ended = run(*own, "--revoke", "gp-1")
        finally:
            process.send_signal(signal.SIGINT)
    assert ended.returncode == 1
    assert "another platform uses these keys" in ended.stderr
    assert "revoked" not in ended.stderr


def keys_of_a_platform(folder: Path) -> Path:
    identity, _public = new_platform("city")
    (folder / "city.identity.toml").write_text(identity)
    return folder / "city.identity.toml"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run((*GATEPOST, *words), capture_output=True, text=True, timeout=60, check=False)


def test_it_offers_files_and_asks_for_the_log(tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text("[pole]\n")
    own = ("--clear", "--port", "0", "--database", tmp_path / "city.sqlite", "--send-log", "--json")
    offered = ("--configuration", f"gp-1={tmp_path / 'new.toml'}", "--configuration", f"gp-2={tmp_path / 'new.toml'}")
    with subprocess.Popen((*GATEPOST, *own, *offered), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            answer = asyncio.run(post(json.loads(process.stdout.readline())["url"]))
        finally:
            process.send_signal(signal.SIGINT)
    assert [(each.action, each.target) for each in answer.commands] == [("send_log", "gateway")]
    assert [(each.kind, each.size) for each in answer.files] == [("configuration", 7)]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    own = ("--clear", "--port", "0", "--database", tmp_path / "city.sqlite", "--update", "gp-1=missing.bin")
    ended = subprocess.run((*GATEPOST, *own), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "GATEWAY=FILE" in ended.stderr
