"""What esptool 5.6.0 says, and what becomes of it. The texts are its own."""

import pytest

from hardware.flash.esptool_words import Chip, differing, has_no_lines, percent_of, problem_of, read_chip
from hardware.flash.problem import Kind

FLASH_ID = """esptool v5.6.0
Serial port /dev/ttyUSB0:
Connecting....
Detecting chip type... ESP32
Connected to ESP32 on /dev/ttyUSB0:
Chip type:          ESP32-D0WD-V3 (revision v3.1)
Features:           Wi-Fi, BT, Dual Core + LP Core, Coding Scheme None
Crystal frequency:  40MHz
MAC:                24:0a:c4:01:02:03

Detected flash size: 4MB
"""
OPEN = "A fatal error occurred: Could not open /dev/ttyUSB0, the port is busy or doesn't exist.\n"
CONNECT = "A fatal error occurred: Failed to connect to Espressif device: "


def test_the_chip_is_read() -> None:
    assert read_chip(FLASH_ID) == Chip("ESP32", "ESP32-D0WD-V3 (revision v3.1)", "24:0a:c4:01:02:03", 4 << 20)
    assert read_chip("Connecting....") is None


@pytest.mark.parametrize(
    ("output", "kind", "told"),
    [
        (OPEN + "([Errno 2] could not open port: No such file or directory)", Kind.NO_PORT, "no port /dev/ttyUSB0"),
        (OPEN + "([Errno 13] Permission denied: '/dev/ttyUSB0')", Kind.PORT_TAKEN, "usermod -aG dialout"),
        (OPEN + "(Could not exclusively lock port: [Errno 11] Resource busy)", Kind.PORT_TAKEN, "another program"),
        (OPEN + "(Could not open port: [Errno 111] Connection refused)", Kind.NO_PORT, "nobody answers"),
        (CONNECT + "No serial data received.", Kind.SILENT, "BOOT"),
        (CONNECT + "Wrong boot mode detected (0x13)! The chip needs to be in download mode.", Kind.SILENT, "BOOT"),
        (CONNECT + "Download mode successfully detected, but getting no sync reply: x", Kind.SILENT, "hears nothing"),
        (CONNECT + "Invalid head of packet (0x65): Possible serial noise or corruption.", Kind.SILENT, "BOOT"),
        ("This chip is ESP32-S3, not ESP32. Wrong chip argument?", Kind.WRONG_CHIP, "an ESP32-S3, not an ESP32"),
        (
            "File 'x' (length 9) at offset 0x00200000 will not fit in 2097152 bytes of flash.",
            Kind.SMALL_FLASH,
            "2097152",
        ),
        ("Unexpected chip magic value 0x00000009. Failed to autodetect chip type.", Kind.LINE, "no ESP32"),
        ("Secure Boot V1 detected, writing to flash regions < 0x8000 is disabled", Kind.LOCKED_CHIP, "secure boot"),
        ("A fatal error occurred: MD5 of file does not match data in flash!", Kind.BAD_FLASH, "does not keep"),
        ("A fatal error occurred: Verification failed.", Kind.BAD_FLASH, "does not hold"),
        ("A serial exception error occurred: write failed: [Errno 5] Input/output error", Kind.CABLE, "broke off"),
        ("Failed to start stub flasher. There was no response.", Kind.LINE, "--no-stub"),
        ("Failed to write to target RAM (result was 0107: Checksum error)", Kind.LINE, "damages data"),
        ("The chip stopped responding.", Kind.LINE, "damages data"),
        ("/usr/bin/python: No module named esptool", Kind.TOOL, r"gatepost\[flash\]"),
        ("Something new.", Kind.TOOL, "said: Something new."),
        ("", Kind.TOOL, "said: nothing"),
    ],
)
def test_every_failure_has_its_kind_and_its_next_step(output: str, kind: Kind, told: str) -> None:
    problem = problem_of(output, "/dev/ttyUSB0")
    assert problem.kind is kind
    assert told.replace("\\", "") in str(problem)


def test_progress_and_what_differs_are_read() -> None:
    bar = "Writing at 0x0001581c \u2501\u2501\u2501\u2501          34.7% 16.00kB/46.04kB [0s] "
    assert percent_of(bar) == 34.7
    assert percent_of("Writing '/tmp/x/4-MicroPython' at 0x00010000...") is None
    told = (
        "Verifying 0xdf0 (3568) bytes at 0x00001000 in flash against 'a'...\nVerification failed (digest mismatch).\n"
        "Verifying 0x1000 (4096) bytes at 0x00008000 in flash against 'b'...\nVerification successful (digest matched)."
    )
    assert differing(told) == (0x1000,)
    assert has_no_lines("Chip was NOT reset. Setting RTS/DTR lines is not supported for port 'x'.")
