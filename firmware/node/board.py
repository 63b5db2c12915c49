"""The contract with the hardware, and the only module that imports `machine` and `esp32`.

The pins are those of `board_pins`, which is made from one file of hardware/boards and is another on another board; that
they break no rule of the ESP32 is checked where it is made. UART1's own pins belong to the flash and are always
remapped. 34 to 39 are inputs without pulls.
"""

import asyncio
import gc
import select
import sys

import esp32
import machine
from micropython import const

from node import board_pins

BOARD_NUMBER = board_pins.NUMBER
"""Which board this is, in the identity registers and in an update's manifest."""

INPUT_PINS = board_pins.INPUTS
"""Pins that a point of a pin device may name; from 34 on they have no pull of their own."""

OUTPUT_PINS = board_pins.OUTPUTS
"""Pins that a lamp may hang on."""

ADC_PINS = board_pins.ANALOG
"""Pins of ADC1 that are led out; ADC2 does not work while Wi-Fi is on."""

_NO_PIN = const(-1)
_DIMMER_HZ = const(1000)
_FULL_DUTY = const(65535)
_BUFFER_BYTES = const(512)
_PIN_MASK = const(63)
_LEVEL_SHIFT = const(6)
_FIRST_PIN_WITHOUT_PULL = const(34)

PARITY_NONE = const(0)
PARITY_EVEN = const(1)
PARITY_ODD = const(2)


class _NoDirection:
    """In the place of the direction pin of a transceiver that turns round by itself."""

    def value(self, _level: int) -> None:
        """Nothing has to be turned."""


class Port:
    """A UART with a direction pin, and the settings that it was opened with.

    `heard` is set whenever bytes have come in, if `notifies`; `echoes` says that the board hears what it sends.
    """

    def __init__(
        self,
        uart: machine.UART,
        direction: "machine.Pin | _NoDirection",
        baud: int,
        parity: int,
        stop_bits: int,
        notifies: bool,
        echoes: bool,
    ) -> None:
        self.uart = uart
        self.direction = direction
        self.baud = baud
        self.has_parity = parity != PARITY_NONE
        self.stop_bits = stop_bits
        self.echoes = echoes
        self.heard = asyncio.ThreadSafeFlag()
        if notifies:
            uart.irq(self._on_bytes, machine.UART.IRQ_RX)

    def _on_bytes(self, _uart: machine.UART) -> None:
        self.heard.set()


def open_pole_port(baud: int, parity: int, stop_bits: int) -> Port:
    """The port of the pole bus, where the node is a server; it tells when bytes come in."""
    direction = _direction(board_pins.POLE_DIRECTION)
    uart = _open(board_pins.POLE_UART, board_pins.POLE_TX, board_pins.POLE_RX, baud, parity, stop_bits)
    return Port(uart, direction, baud, parity, stop_bits, True, bool(board_pins.POLE_ECHOES))


def open_sensor_port(baud: int, parity: int, stop_bits: int) -> Port:
    """The port of the sensor bus or of a serial sensor, where the node looks for bytes when they are due."""
    direction = _direction(board_pins.SENSOR_DIRECTION)
    uart = _open(board_pins.SENSOR_UART, board_pins.SENSOR_TX, board_pins.SENSOR_RX, baud, parity, stop_bits)
    return Port(uart, direction, baud, parity, stop_bits, False, bool(board_pins.SENSOR_ECHOES))


def _direction(number: int) -> "machine.Pin | _NoDirection":
    """The pin that turns a transceiver round, turned to listening; what the board needs switched on is on then."""
    for pin in board_pins.ENABLES:
        machine.Pin(pin & _PIN_MASK, machine.Pin.OUT, value=pin >> _LEVEL_SHIFT)
    return _NoDirection() if number == _NO_PIN else machine.Pin(number, machine.Pin.OUT, value=0)


def _open(number: int, tx: int, rx: int, baud: int, parity: int, stop_bits: int) -> machine.UART:
    return machine.UART(
        number,
        baudrate=baud,
        bits=8,
        parity=None if parity == PARITY_NONE else parity - 1,
        stop=stop_bits,
        tx=tx,
        rx=rx,
        txbuf=_BUFFER_BYTES,
        rxbuf=_BUFFER_BYTES,
        timeout=0,
        timeout_char=0,
    )


PULL_NONE = const(0)
PULL_UP = const(1)
PULL_DOWN = const(2)


class Input:
    """An input pin of INPUT_PINS with a pull, where the pin has one; `changed` is set at every edge."""

    def __init__(self, number: int, pull: int, changed: asyncio.ThreadSafeFlag) -> None:
        own_pull = -1
        if number < _FIRST_PIN_WITHOUT_PULL and pull != PULL_NONE:
            own_pull = machine.Pin.PULL_UP if pull == PULL_UP else machine.Pin.PULL_DOWN
        self._changed = changed
        self._pin = machine.Pin(number, machine.Pin.IN, own_pull)
        self._pin.irq(self._on_edge, machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING)

    def _on_edge(self, _pin: machine.Pin) -> None:
        self._changed.set()

    def level(self) -> int:
        """0 or 1, now."""
        return self._pin.value()


class Dimmer:
    """A pin with PWM into a 0-10 V stage, at full from the beginning."""

    def __init__(self, number: int, is_inverted: bool) -> None:
        self._is_inverted = is_inverted
        self._pwm = machine.PWM(machine.Pin(number), freq=_DIMMER_HZ, duty_u16=0 if is_inverted else _FULL_DUTY)

    def set(self, percent: int) -> None:
        """Give 0 to 100 per cent of 10 V."""
        duty = percent * _FULL_DUTY // 100
        self._pwm.duty_u16(_FULL_DUTY - duty if self._is_inverted else duty)


class Relay:
    """A pin at a relay whose contact is closed while the relay has no power: the lamp is lit from the beginning."""

    def __init__(self, number: int, is_active_low: bool) -> None:
        self._dark = 0 if is_active_low else 1
        self._pin = machine.Pin(number, machine.Pin.OUT, value=self._dark ^ 1)

    def set(self, is_lit: bool) -> None:
        """Close or open the contact."""
        self._pin.value(self._dark ^ 1 if is_lit else self._dark)


def open_adc(number: int) -> machine.ADC:
    """An analogue input of ADC_PINS for 0 to 3.1 V, `read_uv` in microvolts, calibrated by the chip's own fuses."""
    return machine.ADC(machine.Pin(number), atten=machine.ADC.ATTN_11DB)


def open_i2c(sda: int, scl: int) -> machine.I2C:
    """An I2C bus at 100 kHz; it needs pull-ups of its own, as most modules have them."""
    return machine.I2C(0, scl=machine.Pin(scl), sda=machine.Pin(sda), freq=100000)


def open_counter(number: int, pull: int, rising: bool, on_edge) -> machine.Pin:  # type: ignore[no-untyped-def]
    """An input pin that calls `on_edge(pin)` at each edge of one kind."""
    own_pull = -1
    if number < _FIRST_PIN_WITHOUT_PULL and pull != PULL_NONE:
        own_pull = machine.Pin.PULL_UP if pull == PULL_UP else machine.Pin.PULL_DOWN
    pin = machine.Pin(number, machine.Pin.IN, own_pull)
    pin.irq(on_edge, machine.Pin.IRQ_RISING if rising else machine.Pin.IRQ_FALLING)
    return pin


def reset_cause() -> int:
    """Why the node started: 1 power, 2 hard reset, 3 watchdog, 4 deep sleep, 5 soft reset."""
    return machine.reset_cause()


WATCHDOG_MS = const(10000)
"""The board resets when the watchdog has not been fed for so long."""

POWER_ON = const(1)
HARD_RESET = const(2)
WATCHDOG_RESET = const(3)
DEEP_SLEEP_RESET = const(4)
"""Reset causes, as `machine` numbers them; a soft reset is 5."""

STAMP_NONE = const(0)
STAMP_OWN_RESET = const(1)
STAMP_EXCEPTION = const(2)
STAMP_MISSING_TASK = const(3)
STAMP_RUNNING = const(4)
STAMP_CONSOLE = const(5)

_STAMP_MARK = b"GPs"
_STAMP_BYTES = const(7)
_watchdogs: "list[machine.WDT]" = []


def start_watchdog() -> None:
    """Start the hardware watchdog; from now on it wants `feed_watchdog`. Nothing but a reset ends it."""
    if not _watchdogs:
        _watchdogs.append(machine.WDT(timeout=WATCHDOG_MS))


def feed_watchdog() -> None:
    """Tell the hardware watchdog that all is well; does nothing before it is started. Allocates nothing."""
    for watchdog in _watchdogs:
        watchdog.feed()


def stamp(what: int, detail: int = 0) -> None:
    """Write into the memory that outlives a reset, though not a power cut, why the board is about to reset.

    A panic and our own `machine.reset()` have the same reset cause: only the stamp tells one from the other.
    """
    record = bytearray(_STAMP_MARK)
    record.append(what)
    record.append(detail & 0xFF)
    record.append(~what & 0xFF)
    record.append(~detail & 0xFF)
    machine.RTC().memory(record)


def take_stamp() -> "tuple[int, int]":
    """What was stamped before this start and its detail; (STAMP_NONE, 0) if nothing was.

    From now on the stamp says STAMP_RUNNING: whoever finds that was ended by a crash, and who finds none had no power.
    """
    record = machine.RTC().memory()
    stamp(STAMP_RUNNING)
    if len(record) != _STAMP_BYTES or record[:3] != _STAMP_MARK:
        return STAMP_NONE, 0
    if record[3] ^ record[5] != 0xFF or record[4] ^ record[6] != 0xFF:
        return STAMP_NONE, 0
    return record[3], record[4]


_BLOB_BYTES = const(512)
_NVS_NOT_FOUND = const(-0x1102)


def read_nvs(namespace: str, key: str) -> bytes:
    """A blob out of the ESP32's non-volatile storage, up to 512 bytes; empty where none was written.

    Raises OSError where one may be there and cannot be read. ESP-IDF, NVS library: 0x1102 is "no such entry".
    """
    buffer = bytearray(_BLOB_BYTES)
    try:
        length = esp32.NVS(namespace).get_blob(key, buffer)
    except OSError as error:
        if error.errno == _NVS_NOT_FOUND:
            return b""
        raise
    return bytes(buffer[:length])


class Console:
    """The serial line of the USB port, UART0 at 115200 8N1, which MicroPython holds as standard input and output.

    It keeps 259 bytes that nobody has taken yet; more are lost. What is written waits once 128 bytes are on their way.
    """

    def __init__(self) -> None:
        self._typed = sys.stdin.buffer
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)
        self._one = bytearray(1)

    def take(self) -> int:
        """The next byte that was typed, -1 if there is none. Allocates nothing."""
        for _ready in self._poll.ipoll(0):
            self._typed.readinto(self._one)
            return self._one[0]
        return -1

    def give(self, text: str) -> None:
        """Write `text`; each LF goes out as CR LF."""
        sys.stdout.write(text)


def mac() -> bytes:
    """The six bytes of the chip's own address."""
    return machine.unique_id()


def heap_free_bytes() -> int:
    """Bytes of heap that are free now, without a collection."""
    return gc.mem_free()


def reset(reason: int = STAMP_OWN_RESET, detail: int = 0) -> None:
    """Stamp the reason and restart the board; does not come back."""
    stamp(reason, detail)
    machine.reset()
