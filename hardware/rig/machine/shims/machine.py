# The ESP32 port's `machine`, on the rig's peripherals (host.mjs). Times are the rig's.
# Methods are as in the documentation of MicroPython's ESP32 port.

from binascii import hexlify, unhexlify

import js
import uctypes

_ports = js.rig_ports
_addressof = uctypes.addressof

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_NO_PARITY = -1
_LAST_PIN = 39
_FIRST_INPUT_ONLY = 34
_FLASH_PINS = (6, 7, 8, 9, 10, 11)
_ENODEV = 19


class Pin:
    """machine.Pin; pins 6 to 11 belong to the flash, 34 to 39 are inputs without pulls."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    DRIVE_0 = 0
    DRIVE_1 = 1
    DRIVE_2 = 2
    DRIVE_3 = 3

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None):
        if isinstance(id, Pin):
            id = id._id
        if not 0 <= id <= _LAST_PIN or id in _FLASH_PINS:
            raise ValueError("invalid pin")
        self._id = id
        self._handler = None
        self._trigger = 0
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None):
        if self._id >= _FIRST_INPUT_ONLY:
            if mode in (Pin.OUT, Pin.OPEN_DRAIN):
                raise ValueError("pin can only be input")
            if pull not in (-1, None):
                raise ValueError("pins 34 to 39 have no pulls")
        if pull == Pin.PULL_UP:
            _ports.pin_default(self._id, 1)
        if value is not None:
            self.value(value)

    def value(self, x=None):
        if x is None:
            return _pin_read(self._id)
        _pin_write(self._id, 1 if x else 0)

    def __call__(self, x=None):
        return self.value(x)

    def on(self):
        _pin_write(self._id, 1)

    def off(self):
        _pin_write(self._id, 0)

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, *, wake=None, hard=False):
        self._handler = handler
        self._trigger = trigger
        _ports.pin_on_change(self._id, self._changed)
        return self

    def _changed(self, level):
        if self._handler and self._trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING):
            self._handler(self)


class Signal:
    """machine.Signal: a pin with an optional inversion."""

    def __init__(self, pin, *, invert=False):
        self._pin = pin
        self._invert = invert

    def value(self, x=None):
        if x is None:
            return self._pin.value() ^ self._invert
        self._pin.value(bool(x) ^ self._invert)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)


class UART:
    """machine.UART of the ESP32 port: UARTs 0 to 2, receive buffer of `rxbuf` bytes, bytes lost when it is full."""

    INV_TX = 32
    INV_RX = 4
    INV_RTS = 64
    INV_CTS = 8
    RTS = 1
    CTS = 2
    IRQ_RX = 1
    IRQ_RXIDLE = 4096
    IRQ_BREAK = 2

    def __init__(self, id, baudrate=115200, **settings):
        if id not in (0, 1, 2):
            raise ValueError("UART(%d) does not exist" % id)
        self._id = id
        self._handler = None
        self._parity = None
        self._bits = 8
        self._stop = 1
        self._baudrate = 115200
        self._rxbuf = 256
        self.init(baudrate, **settings)

    def init(self, baudrate=None, bits=None, parity=_NO_PARITY, stop=None, *, tx=-1, rx=-1, rts=-1, cts=-1,
             txbuf=None, rxbuf=None, timeout=None, timeout_char=None, invert=None, flow=None):  # fmt: skip
        if baudrate is not None:
            self._baudrate = baudrate
        if bits is not None:
            self._bits = bits
        if parity != _NO_PARITY:
            self._parity = parity
        if stop is not None:
            self._stop = stop
        if rxbuf is not None:
            self._rxbuf = rxbuf
        parity_code = _NO_PARITY if self._parity is None else self._parity
        _ports.uart_setup(self._id, self._baudrate, self._bits, parity_code, self._stop, self._rxbuf)

    def deinit(self):
        _ports.uart_on_receive(self._id, None)

    def any(self):
        return _ports.uart_any(self._id)

    def readinto(self, buf, nbytes=-1):
        size = len(buf)
        if 0 <= nbytes < size:
            size = nbytes
        count = _read(self._id, _addressof(buf), size)
        return count if count else None

    def read(self, nbytes=-1):
        size = _any(self._id)
        if 0 <= nbytes < size:
            size = nbytes
        if not size:
            return None
        buffer = bytearray(size)
        _read(self._id, _addressof(buffer), size)
        return bytes(buffer)

    def readline(self):
        return self.read()

    def write(self, buf):
        return _write(self._id, _addressof(buf), len(buf))

    def txdone(self):
        return _tx_left_us(self._id) == 0

    def flush(self):
        _ports.spin_ms((_tx_left_us(self._id) + 999) // 1000)

    def sendbreak(self):
        pass

    def irq(self, handler=None, trigger=0, hard=False):
        self._handler = handler
        _ports.uart_on_receive(self._id, self._heard if handler else None)
        return self

    def _heard(self):
        if self._handler:
            self._handler(self)


# Kept, for each look at a name of `_ports` would take heap that an ESP32 does not.
_pin_read = _ports.pin_read
_pin_write = _ports.pin_write
_any = _ports.uart_any
_read = _ports.uart_read
_write = _ports.uart_write
_tx_left_us = _ports.uart_tx_left_us
_adc_read_uv = _ports.adc_read_uv
_i2c_read = _ports.i2c_read
_i2c_write = _ports.i2c_write
UART.any = lambda self: _any(self._id)


class WDT:
    """machine.WDT: once started it cannot be stopped; unfed, the board resets."""

    def __init__(self, *, id=0, timeout=5000):
        if timeout < 1:
            raise ValueError("WDT timeout too short")
        _ports.watchdog_start(timeout)

    def feed(self):
        _ports.watchdog_feed()


class RTC:
    """machine.RTC: only the memory that outlives a reset (not a power cut) is supplied."""

    def __init__(self, id=0):
        pass

    def memory(self, data=None):
        if data is None:
            return unhexlify(_ports.rtc_load())
        _ports.rtc_store(hexlify(data).decode())


class ADC:
    """machine.ADC: the rig sets the microvolts of a pin; 11 dB reach 3.1 V. ADC2 (0, 2, 4, 12 to 15, 25 to 27) is
    there, though a board whose radio is on cannot read it."""

    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3
    WIDTH_9BIT = 9
    WIDTH_10BIT = 10
    WIDTH_11BIT = 11
    WIDTH_12BIT = 12

    _FULL_UV = (950000, 1250000, 1750000, 3100000)
    _PINS = (0, 2, 4, 12, 13, 14, 15, 25, 26, 27, 32, 33, 34, 35, 36, 37, 38, 39)

    def __init__(self, id, *, sample_ns=-1, atten=ATTN_0DB):
        self._id = id._id if isinstance(id, Pin) else id
        if self._id not in ADC._PINS:
            raise ValueError("invalid pin")
        self.init(atten=atten)

    def init(self, *, sample_ns=-1, atten=ATTN_0DB):
        self._full_uv = ADC._FULL_UV[atten]

    def atten(self, atten):
        self._full_uv = ADC._FULL_UV[atten]

    def width(self, bits):
        pass

    def read_uv(self):
        return min(self._full_uv, _adc_read_uv(self._id))

    def read_u16(self):
        return self.read_uv() * 65535 // self._full_uv

    def read(self):
        return self.read_u16() >> 4

    def deinit(self):
        pass


class I2C:
    """machine.I2C: the devices are register files that the rig fills; an address without one does not answer."""

    def __init__(self, id, *, scl=None, sda=None, freq=400000, timeout=50000):
        if id not in (0, 1):
            raise ValueError("I2C(%d) does not exist" % id)
        for pin in (scl, sda):
            if isinstance(pin, Pin) and pin._id >= _FIRST_INPUT_ONLY:
                raise ValueError("pin can only be input")
        self._one = bytearray(1)

    def init(self, *, scl=None, sda=None, freq=400000):
        pass

    def deinit(self):
        pass

    def scan(self):
        return [int(address) for address in _ports.i2c_scan().split()]

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        if _i2c_read(addr, memaddr, _addressof(buf), len(buf)) < 0:
            raise OSError(_ENODEV)

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        buffer = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buffer)
        return bytes(buffer)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        if _i2c_write(addr, memaddr, _addressof(buf), len(buf)) < 0:
            raise OSError(_ENODEV)


class SoftI2C(I2C):
    """machine.SoftI2C: the same, on any pins."""

    def __init__(self, scl, sda, *, freq=400000, timeout=50000):
        super().__init__(0, scl=scl, sda=sda, freq=freq)


class PWM:
    """machine.PWM: remembers what it was told; the rig sees the duty as a pin that is on or off."""

    def __init__(self, dest, *, freq=5000, duty_u16=0):
        self._pin = dest
        self._freq = freq
        self._duty = 0
        self.duty_u16(duty_u16)

    def freq(self, value=None):
        if value is None:
            return self._freq
        self._freq = value

    def duty_u16(self, value=None):
        if value is None:
            return self._duty
        self._duty = value
        self._pin.value(1 if value else 0)

    def deinit(self):
        self.duty_u16(0)


class Timer:
    """machine.Timer on the rig's clock."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id, **settings):
        self._running = None
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None):
        self.deinit()
        if period < 0:
            period = 1000 // freq
        self._callback = callback
        self._running = _ports.timer_start(self._fired, period, mode == Timer.PERIODIC)

    def _fired(self):
        self._callback(self)

    def deinit(self):
        if self._running is not None:
            _ports.timer_stop(self._running)
            self._running = None


def reset():
    _end("reset")


def soft_reset():
    _end("soft_reset")


def _end(how):
    from rig_boot import Ended

    _ports.end(how, "")
    raise Ended


def reset_cause():
    return _ports.reset_cause()


def unique_id():
    return unhexlify(_ports.unique_id())


def freq(hz=None):
    return 160000000 if hz is None else None


def idle():
    pass


def disable_irq():
    return 0


def enable_irq(state):
    pass
