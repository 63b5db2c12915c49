"""The udev rules have the grammar of udev(7) and name each device that hardware/ knows on USB."""

import re
import shutil
import subprocess

import pytest

from gateway_agent.modem.dialect import load_modem, modem_names
from hardware.drawings.made import repository
from hardware.drawings.udev_rules import RULES_FILE, load_chips, udev_rules

RULES = repository() / "deploy" / RULES_FILE
TOKEN = re.compile(
    r'(?P<key>[A-Z_]+)(?:\{(?P<name>[^}]+)\})?(?P<operator>==|!=|\+=|-=|:=|=)"(?P<value>[^"]*)"(?:, *|$)'
)
MATCHES = {"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "DRIVER", "ATTR", "ATTRS", "ENV"}
SETS = {"SYMLINK", "GROUP", "MODE", "ENV", "ATTR", "GOTO", "LABEL"}
NAMED = {"ATTR", "ATTRS", "ENV"}


def parsed(line: str) -> list[tuple[str, str | None, str, str]]:
    """The tokens of one rule. Raises ValueError with the rest of the line that is no token."""
    tokens, at = [], 0
    while at < len(line):
        found = TOKEN.match(line, at)
        if found is None:
            raise ValueError(f"not udev: {line[at:]}")
        key, name, operator, value = found.group("key", "name", "operator", "value")
        compares = operator in ("==", "!=")
        if key not in (MATCHES if compares else SETS):
            raise ValueError(f"{key} does not go with {operator}")
        if (key in NAMED) != (name is not None):
            raise ValueError(f"{key} {'wants' if key in NAMED else 'takes no'} name in braces")
        tokens.append((key, name, operator, value))
        at = found.end()
    return tokens


def rules() -> list[list[tuple[str, str | None, str, str]]]:
    lines = RULES.read_text(encoding="utf-8").splitlines()
    return [parsed(line) for line in lines if line and not line.startswith("#")]


def test_every_line_is_a_rule_and_every_jump_has_its_label() -> None:
    found = rules()
    assert len(found) > 10
    jumps = {value for rule in found for key, _, _, value in rule if key == "GOTO"}
    labels = {value for rule in found for key, _, _, value in rule if key == "LABEL"}
    assert jumps == labels == {"gatepost_end"}


@pytest.mark.parametrize(
    "line",
    ['SUBSYSTEM="tty"', 'GROUP=="dialout"', 'ATTR=="x"', 'KERNEL=="a" KERNEL=="b"', 'SYMLINK+="a', 'MODE{x}="0660"'],
)
def test_the_parser_refuses_what_udev_would(line: str) -> None:
    with pytest.raises(ValueError, match=r"udev|go with|name in braces"):
        parsed(line)


def test_each_rule_that_sets_something_first_compares() -> None:
    for rule in rules():
        operators = [operator for key, _, operator, _ in rule if key not in ("GOTO", "LABEL")]
        if operators:
            assert operators[0] == "=="
            assert operators[-1] in ("=", "+=") or operators == ["=="]


def values(rule: list[tuple[str, str | None, str, str]]) -> dict[tuple[str, str | None], str]:
    return {(key, name): value for key, name, _, value in rule}


def is_of(rule: dict[tuple[str, str | None], str], key: str, vendor: str, product: str) -> bool:
    return (rule.get((key, "idVendor")), rule.get((key, "idProduct"))) == (vendor, product)


def test_every_chip_and_modem_has_its_group_and_is_left_alone_by_modemmanager() -> None:
    known = [(chip.vendor, chip.product) for chip in load_chips()]
    usb = [load_modem(name).usb for name in modem_names()]
    known += [(one.vendor, product) for one in usb if one is not None for product in one.products]
    assert len(known) == len(set(known))
    found = [values(rule) for rule in rules()]
    for vendor, product in known:
        ports = [one for one in found if is_of(one, "ATTRS", vendor, product)]
        groups = {(one.get(("GROUP", None)), one.get(("ENV", "ID_MM_PORT_IGNORE"))) for one in ports}
        assert ("dialout", "1") in groups
        devices = [one for one in found if is_of(one, "ATTR", vendor, product)]
        assert [one.get(("ENV", "ID_MM_DEVICE_IGNORE")) for one in devices] == ["1"]


def test_a_chip_without_a_number_is_named_by_its_socket_and_the_modem_by_its_interface() -> None:
    text = udev_rules()
    (ch340,) = [line for line in text.splitlines() if '"7523"' in line and "SYMLINK" in line]
    assert 'SYMLINK+="gatepost/serial-$env{ID_PATH}"' in ch340
    modems = [line for line in text.splitlines() if "gatepost-modem" in line and "SYMLINK" in line]
    assert len(modems) == 6
    assert all('ENV{ID_USB_INTERFACE_NUM}=="02"' in line for line in modems)
    assert 'DRIVER=="ftdi_sio", ATTR{latency_timer}="1"' in text


@pytest.mark.skipif(shutil.which("udevadm") is None, reason="udev is not on this computer")
def test_udev_itself_finds_nothing_wrong() -> None:
    shown = subprocess.run(["udevadm", "verify", "--help"], capture_output=True, text=True, timeout=30, check=False)
    if shown.returncode:
        pytest.skip("this udevadm is too old to verify")
    done = subprocess.run(["udevadm", "verify", str(RULES)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
