"""`gatepost enrol`, and what `gatepost check` and `gatepost platform` make of its files."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway_agent.cli import main
from gateway_agent.journal import Journal
from gateway_agent.toml_source import ConfigError
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import Request
from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.identity import load_identity, load_platform_identity, load_record
from gateway_agent.uplink.key_ring import KeyRing
from hardware.rig.clock import RigClock, run_real
from tests.over_ip import over_ip

NAME = "gp-1"
POLE = """
[pole]
gateway = "{gateway}"
[[buses]]
name = "pole"
port = "/dev/serial/by-id/a"
[journal]
path = "journal.sqlite"
[uplink]
{uplink}
"""
OSCORE = 'url = "coap://city.example"\nsecurity = "oscore"\n'


def gatepost(*words: str | Path) -> int:
    """Run the command; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    code = ended.value.code
    assert isinstance(code, int)
    return code


def enrol_gateway(folder: Path, *more: str | Path) -> int:
    return gatepost("enrol", "gateway", NAME, "--platform", folder / "city.public.toml", "--folder", folder, *more)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the keys of a platform and a gateway."""
    assert gatepost("enrol", "platform", "city", "--folder", tmp_path) == 0
    assert enrol_gateway(tmp_path) == 0
    return tmp_path


def test_each_file_is_its_owners_and_the_record_has_no_private_key(keys: Path) -> None:
    identity, record = load_identity(keys / "gp-1.identity.toml"), load_record(keys / "gp-1.record.toml")
    platform = load_platform_identity(keys / "city.identity.toml")
    assert (identity.key, identity.context) == (record.key, record.context)
    assert identity.platform.key == platform.key
    for path in keys.glob("*.toml"):
        assert path.stat().st_mode & 0o777 == 0o600, path
        assert (identity.secret in path.read_text()) == (path.name == "gp-1.identity.toml"), path
        assert (platform.secret in path.read_text()) == (path.name == "city.identity.toml"), path


def test_keys_are_never_written_over(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in keys.glob("*.toml")}
    assert enrol_gateway(keys) == 1
    assert gatepost("enrol", "platform", "city", "--folder", keys) == 1
    assert capsys.readouterr().err.count("never written over: move it away, or use --folder") == 2
    assert {path: path.read_bytes() for path in keys.glob("*.toml")} == before


def test_a_replacement_has_other_keys_and_its_record_revokes_the_former(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    former = load_record(keys / "gp-1.record.toml")
    capsys.readouterr()
    words: Sequence[str | Path] = ("--platform", keys / "city.public.toml", "--folder", keys / "new", "--json")
    assert gatepost("enrol", "gateway", NAME, *words, "--replaces", keys / "gp-1.record.toml") == 0
    told = json.loads(capsys.readouterr().out)
    record = load_record(told["record"])
    assert told["revokes"] == record.revokes == former.key.kid
    assert record.key.kid != former.key.kid
    assert record.context.master_secret != former.context.master_secret


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("gateway", NAME, "--platform", "none.toml"), "none.toml: there is no such file"),
        (("gateway", NAME, "--platform", "gp-1.record.toml"), "gp-1.record.toml:"),
        (("gateway", NAME, "--platform", "city.public.toml", "--replaces", "city.public.toml"), "city.public.toml:"),
        (("platform", "other", "--folder", "city.public.toml/x"), "name a folder with --folder"),
    ],
)
def test_wrong_files_are_told(
    keys: Path, words: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(keys)
    assert gatepost("enrol", *words) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "../gp", "gp 1", "-gp", "g" * 33, "gp\n1", "gép"])
def test_a_name_that_could_lead_elsewhere_is_not_taken(tmp_path: Path, name: str) -> None:
    assert gatepost("enrol", "platform", "--folder", tmp_path, "--", name) == 2
    assert not list(tmp_path.iterdir())


def test_a_key_that_does_not_belong_to_the_secret_is_told_with_its_line(keys: Path) -> None:
    file = keys / "gp-1.identity.toml"
    lines = file.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("x = "))
    lines[at] = 'x = "' + "00" * 32 + '"'
    file.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="the public key does not belong to the secret"):
        load_identity(file)


@pytest.mark.parametrize(
    ("gateway", "uplink", "told"),
    [
        (NAME, OSCORE, "OSCORE needs the identity of this gateway"),
        (NAME, 'url = "coap://city.example"\nsecurity = "clear"\n', "in the clear; write security"),
        (
            NAME,
            'url = "coap://127.0.0.1"\nsecurity = "clear"\nidentity_file = "gp-1.identity.toml"\n',
            "there are keys, and they are not used",
        ),
        ("gp-2", OSCORE + 'identity_file = "gp-1.identity.toml"\n', "is the identity of gp-1, and this is gp-2"),
        (NAME, OSCORE + 'identity_file = "gp-1.record.toml"\n', "gatepost enrol gateway --help"),
    ],
)
def test_check_refuses_what_would_send_in_clear_or_with_wrong_keys(
    keys: Path, gateway: str, uplink: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pole = keys / "pole.toml"
    pole.write_text(POLE.format(gateway=gateway, uplink=uplink))
    assert gatepost("check", pole) == 1
    said = capsys.readouterr()
    assert told in said.out + said.err


def test_check_takes_the_identity_and_advises_when_others_may_read_it(
    keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pole = keys / "pole.toml"
    pole.write_text(POLE.format(gateway=NAME, uplink=OSCORE + 'identity_file = "gp-1.identity.toml"\n'))
    assert gatepost("check", pole) == 0
    assert "other users" not in capsys.readouterr().out
    (keys / "gp-1.identity.toml").chmod(0o644)
    assert gatepost("check", pole) == 0
    said = capsys.readouterr()
    assert "other users of this computer may read the keys" in said.out + said.err
    (keys / "gp-1.identity.toml").unlink()
    assert gatepost("check", pole) == 0
    said = capsys.readouterr()
    assert "is not on this computer" in said.out + said.err


async def asks(url: str, keys: Path, clock: RigClock) -> bool:
    """Whether the platform answers the gateway of the identity in `keys`."""
    journal = Journal.open(keys / "journal.sqlite", clock)
    identity = load_identity(keys / "gp-1.identity.toml")
    ring = KeyRing(identity, journal, keys / "journal.keys", keys / "used", clock)
    try:
        async with CoapClient(url, over_ip(0.2, 1), security=ring) as client:
            await client.ask(Request("GET", ("senml",), ("e=7",)))
            return True
    except ExchangeFailed:
        return False
    finally:
        await ring.close()
        await journal.close()


def test_the_platform_takes_who_is_enrolled_until_it_is_revoked(keys: Path) -> None:
    def run(*words: str | Path) -> tuple[bool, list[str]]:
        own = ("--port", "0", "--database", keys / "city.sqlite", "--identity", keys / "city.identity.toml", "--json")
        command = (sys.executable, "-m", "gateway_agent", "platform", *own, *words)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                assert process.stdout is not None
                greeting = json.loads(process.stdout.readline())
                is_answered = run_real(lambda clock: asks(greeting["url"], keys, clock))
            finally:
                process.send_signal(signal.SIGINT)
        assert process.returncode == 0
        return is_answered, greeting["gateways"]

    assert run() == (False, [])
    assert run("--enrol", keys / "gp-1.record.toml") == (True, [NAME])
    assert run() == (True, [NAME])
    assert run("--revoke", NAME) == (False, [])
    # A record that is brought again does not bring the revoked one back.
    assert run("--enrol", keys / "gp-1.record.toml") == (False, [])


def test_the_platform_tells_of_each_agreement_so_that_a_copied_card_shows(keys: Path) -> None:
    (keys / "used").touch()
    words = ("--port", "0", "--database", keys / "city.sqlite", "--identity", keys / "city.identity.toml", "--json")
    command = (sys.executable, "-m", "gateway_agent", "platform", *words, "--enrol", keys / "gp-1.record.toml")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert run_real(lambda clock: asks(url, keys, clock))
        finally:
            process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert f"{NAME} has spoken under its new keys" in told


def test_a_name_that_nobody_has_cannot_be_revoked(keys: Path) -> None:
    words = ("--database", keys / "city.sqlite", "--identity", keys / "city.identity.toml", "--revoke", "gp-9")
    command = (sys.executable, "-m", "gateway_agent", "platform", "--port", "0", *words)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip() == "no gateway gp-9 is enrolled; there are: none"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('secret = "', 'secret = "0', "3: secret is (not shown), but 32 bytes are written in 64 hexadecimal digits"),
        ('master_secret = "', 'master_secret = "z', "context.master_secret is (not shown), but 16 bytes"),
        ("[context]", "[[context]]", "context is a list"),
    ],
)
def test_no_message_shows_a_secret(keys: Path, old: str, new: str, told: str) -> None:
    text = (keys / "gp-1.identity.toml").read_text()
    secrets = [line.split('"')[1] for line in text.splitlines() if "secret = " in line]
    (keys / "wrong.toml").write_text(text.replace(f"\n{old}", f"\n{new}", 1))
    with pytest.raises(ConfigError) as caught:
        load_identity(keys / "wrong.toml")
    assert told in str(caught.value)
    assert len(secrets) == 2
    assert not any(secret[:24] in str(caught.value) for secret in secrets)
    assert caught.value.__cause__ is None


def test_a_secret_that_is_no_key_is_told_with_its_line(keys: Path) -> None:
    lines = (keys / "gp-1.identity.toml").read_text().splitlines()
    lines[2] = f'secret = "{"f" * 64}"'
    (keys / "wrong.toml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=r"wrong\.toml:3: the secret of a static key is a number below"):
        load_identity(keys / "wrong.toml")


def test_nobody_is_told_to_let_others_read_a_secret(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "no")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for load in (load_identity, load_record, load_platform_identity):
        with pytest.raises(ConfigError, match="chown") as caught:
            load(keys / "gp-1.identity.toml")
        assert "a+r" not in str(caught.value)
