"""Which passwords are taken for the keys of a kit."""

import pytest

from hardware.kit.password import PasswordError, new_password, password_to_open, password_to_set, weakness

NAMES = ["gp-east-12", "monday", "110108-0004711"]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "0 characters"),
        ("short-but-9", "11 characters"),
        ("aaaaaaaaaaaaab", "only 2 different"),
        ("password12345", "little is left"),
        ("Gatepost-2026!", "little is left"),
        ("GP-EAST-12-mon", "little is left"),
        ("110108-0004711", "little is left"),
        ("qwertyuiop123", "little is left"),
        ("9876543210abc", "little is left"),
        ("xkvwplxkvwpl", "it repeats xkvwpl"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password, why):
    reason = weakness(password, NAMES)
    assert reason is not None
    assert why in reason


@pytest.mark.parametrize(
    "password", ["correct-horse-battery", "路灯控制器在东街十二号杆上", "mV7#kk2pQz!s", "tea at nine, oxen"]
)
def test_a_good_password_is_taken(password):
    assert weakness(password, NAMES) is None


def test_a_made_password_is_a_good_one_and_never_the_same():
    made = {new_password() for _ in range(50)}
    assert len(made) == 50
    assert all(weakness(password, NAMES) is None for password in made)


def test_where_nobody_can_be_asked_the_variable_is_named(monkeypatch):
    monkeypatch.delenv("GATEPOST_KIT_PASSWORD", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(PasswordError, match="set GATEPOST_KIT_PASSWORD"):
        password_to_set([])
    with pytest.raises(PasswordError, match="set GATEPOST_KIT_PASSWORD"):
        password_to_open("monday.gpkit")
