from pathlib import Path

import pytest

from gateway_agent.modem.dialect import UnknownModemError, load_modem, modem_directory, modem_names, modem_of
from gateway_agent.toml_source import ConfigError, parse_toml

FAMILY = {
    *("bc95", "bc35", "bc28", "bc26", "bc66", "bc660k", "bg95", "ec200", "ec800"),
    *("ml307", "sim7020", "sim7600", "a7670", "air780"),
}


def test_all_models_are_there_and_sound() -> None:
    assert set(modem_names()) == FAMILY
    for name in modem_names():
        data = load_modem(name)
        assert data.socket.limit_bytes <= 1500
        if data.modem.radio == "nb-iot":
            assert data.socket.form == "hex"


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownModemError, match=r"there is no modem bc660; did you mean bc66"):
        load_modem("bc660")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# Source", "# Sauce", "modem.toml:1: the head does not say where the commands come from"),
        ('dialect = "quectel-nb"', 'dialect = "quectel-mb"', "modem.toml:4:"),
        ("limit_bytes = 512", "limit_bytes = 1400", "modem.toml:18: no modem takes 1400 bytes as hexadecimal text"),
        ('send = "hex-rai"', 'length_counts = "bytes"', "length_counts says nothing to the dialect quectel-nb"),
        ("boot_s = 15", "boot_s = -1", "modem.toml:12:"),
        ("gap_ms", "gab_ms", "modem.toml:9:"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(old: str, new: str, complaint: str) -> None:
    text = (modem_directory() / "bc660k.toml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ConfigError) as caught:
        modem_of(parse_toml(text.replace(old, new), Path("modem.toml")))
    assert complaint in str(caught.value)
