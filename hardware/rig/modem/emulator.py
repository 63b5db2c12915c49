"""An emulated modem: supply, power key, boot, sleep, and the firmware of its dialect on a UART.

    uart = Uart(baud=115200)
    port = uart.as_url("modem")                        # or as_pty(Path(...))
    modem = Emulator("bc660k", uart, Radio("nbiot-bad", seed=1))
    modem.start()

`modem.faults.inject("reboot")` and the like script it (`faults.FAULTS`); `counters` tells what happened. Everything
takes its time from the running loop. Where it hurts: a module's analogue life (brown-outs, antenna) is not here.
"""

import asyncio
from collections import Counter
from random import Random
from typing import Any

from hardware.rig.clock import RigClock
from hardware.rig.modem.body import Body
from hardware.rig.modem.console import Console
from hardware.rig.modem.dialects import DIALECTS
from hardware.rig.modem.faults import AT_ONCE, ModemFaults
from hardware.rig.modem.firmware import Firmware
from hardware.rig.modem.lasting_faults import LastingFaults
from hardware.rig.modem.models import MODELS
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.sim import Sim
from hardware.rig.modem.sleep import Sleep
from hardware.rig.modem.uart import Uart
from hardware.rig.modem.wording import Wording

_KEY_S = 0.5
_LATCHED_OFF_S = 10.0
_SLOW = 4.0


class Emulator:
    """One module of `model` (a name of `MODELS`) at the far end of `uart`. `seed` picks its firmware's habits too.

    `state` is "off", "booting", "on" or "asleep". Raises ValueError for a model that there is not.
    """

    def __init__(
        self,
        model: str,
        uart: Uart,
        radio: Radio,
        *,
        sim: Sim | None = None,
        faults: ModemFaults | None = None,
        seed: int = 0,
        clock: RigClock | None = None,
    ) -> None:
        if model not in MODELS:
            raise ValueError(f'there is no modem "{model}": take one of {", ".join(MODELS)}')
        self.model = MODELS[model]
        self.radio = radio
        self.sim = sim or Sim()
        self.faults = faults or ModemFaults(seed=seed)
        self.counters: Counter[str] = Counter()
        self.state = "off"
        self.firmware: Firmware | None = None
        self._uart = uart
        self._end = uart.attach(f"modem:{model}", self._receive, baud=self.model.baud)
        self._loop = asyncio.get_running_loop()
        self._clock = clock or RigClock(self._loop)
        self._random = Random(f"emulator/{model}/{seed}")
        self._wording = Wording(f"{model}/{seed}")
        self._kept: dict[str, Any] = {"imei": f"86{self._random.randrange(10**13):013d}"}
        self._supplied = False
        self._off_since_s = float("-inf")
        self._boot: asyncio.TimerHandle | None = None
        self._sim_timer: asyncio.TimerHandle | None = None
        self._sleep = Sleep(self._kept, self._rested, self._wake_up)
        self._task: asyncio.Task[None] | None = None
        self._console = self._new_console()
        self.faults.on_change = LastingFaults(uart, radio, self.sim, self._look_again).change
        self.faults.on_event = self._hear_of
        radio.on_connection = self._connection_changed
        radio.on_coverage = lambda _there_is: self._look_again()

    @property
    def end_name(self) -> str:
        """The name of the module's end of the UART."""
        return self._end.name

    def start(self) -> None:
        """Give it supply; it boots by itself, as boards wire it."""
        self.supply(True)

    def stop(self) -> None:
        """Take the supply away and leave the UART."""
        self.supply(False)
        self._end.detach()

    def supply(self, on: bool) -> None:
        """Switch the supply rail. With it off for ten seconds, everything that hung is well again."""
        now = self._loop.time()
        if not on:
            if self._supplied:
                self._supplied = False
                self._off_since_s = now
                self._end_life()
            return
        if self._supplied:
            return
        self._supplied = True
        if now - self._off_since_s >= _LATCHED_OFF_S and self.faults.lasts("latched"):
            self.faults.clear("latched")
        self._recovered()
        self.sim.restart()
        self._begin_boot("supply")

    def power_key(self) -> None:
        """Press the power key (or the reset pin) as the hook of a board does: it ends in a module that starts."""
        self.counters["power keys"] += 1
        if not self._supplied:
            return
        self._recovered()
        self._end_life()
        self._begin_boot("power key", after_s=_KEY_S)

    def wake(self) -> None:
        """Press the wake pin (PSM_EINT, DTR)."""
        self.counters["wake pins"] += 1
        self._wake_up()

    def fall_asleep(self, *, reachable: bool = True) -> None:
        """Go to sleep now; not `reachable`: nor does the network get through (PSM)."""
        if self.state not in ("on", "asleep") or self.firmware is None:
            return
        if self.state == "on":
            self._stop_command()
            self.firmware.falls_asleep()
            self.state = "asleep"
            self.counters["sleeps"] += 1
        self.radio.is_reachable = reachable

    def restart(self, cause: str) -> None:
        """Restart by itself or by command, as told in `cause`."""
        self.counters[f"restarts: {cause}"] += 1
        if cause == "command" and self.faults.lasts("radio-stuck"):
            self.faults.clear("radio-stuck")
        self._kept["cause"] = cause
        self._loop.call_soon(self._restart)

    def power_off(self) -> None:
        """Switch off by command; power key or supply bring it back."""
        self._loop.call_soon(self._end_life)

    def _restart(self) -> None:
        if self._supplied and self.state != "off":
            cause = self._kept["cause"]
            # What was being said before a command's restart is still said.
            self._end_life(is_silent=cause != "command")
            self._begin_boot(cause)

    def _begin_boot(self, cause: str, after_s: float = 0.0) -> None:
        self.state = "booting"
        self.counters["boots"] += 1
        self._kept["cause"] = cause
        boot_s = self.model.boot_s * self._random.uniform(0.9, 1.3)
        if self.faults.strikes("slow-boot"):
            boot_s *= _SLOW
        self._boot = self._loop.call_later(after_s + boot_s, self._booted)

    def _booted(self) -> None:
        self._boot = None
        self.state = "on"
        self.radio.is_reachable = True
        self._console = self._new_console()
        body = Body(
            self.model,
            self._console,
            self.radio,
            self.sim,
            self.faults,
            self._wording,
            self.counters,
            self._random,
            self.restart,
            self.power_off,
            self._set_baud,
            self._clock,
            self._kept,
        )
        self.firmware = DIALECTS[self.model.dialect](body)
        self._console.chatter = self.firmware.chatter
        if not self._is_deaf():
            self._console.raw(self._wording.boot_noise)
            for line in self.firmware.boot_lines():
                self._console.urc(line)
        self._sim_timer = self._loop.call_later(self.sim.ready_s, self.firmware.started)
        self._rest_begins()

    def _new_console(self) -> Console:
        console = Console(self._end, self.faults, self._wording, self.counters, self.model.line_limit)
        console.echo = self.model.echoes
        console.on_line = self._command
        console.on_overflow = lambda: console.say("ERROR")
        return console

    def _end_life(self, *, is_silent: bool = True) -> None:
        for timer in (self._boot, self._sim_timer):
            if timer is not None:
                timer.cancel()
        self._boot = self._sim_timer = None
        self._sleep.stop()
        self._stop_command()
        if is_silent:
            self._console.reset()
        if self.firmware is not None:
            self.firmware.stop()
            self.firmware = None
        self.radio.disconnect()
        self.radio.is_reachable = False
        self.state = "off"

    def _recovered(self) -> None:
        for name in ("deaf", "radio-stuck"):
            if self.faults.lasts(name):
                self.faults.clear(name)

    def _is_deaf(self) -> bool:
        return self.faults.lasts("deaf") or self.faults.lasts("latched")

    def _receive(self, data: bytes) -> None:
        if self.state == "asleep":
            self.counters["swallowed bytes"] += len(data)
            self._sleep.line_is_active()
            return
        if self.state != "on" or self._is_deaf():
            self.counters["unheard bytes"] += len(data)
            return
        peer = self._end.peer_settings
        if self.model.finds_baud and peer is not None and peer.baud != self._end.settings.baud:
            # The rate is found by measuring the first characters, which are lost by that.
            self._end.configure(peer.baud)
            self.counters["unheard bytes"] += len(data)
            return
        self._console.receive(data)

    def _command(self, line: str) -> None:
        for name in AT_ONCE:
            if self.faults.strikes(name):
                self._hear_of(name)
        if self.state != "on" or self.firmware is None:
            return
        if self._task is not None and not self._task.done():
            self.counters["commands while busy"] += 1
            return
        self._task = self._loop.create_task(self.firmware.execute(line), name=f"modem {self.model.name}: {line[:40]}")
        self._task.add_done_callback(self._executed)

    def _executed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.result()
        self._rest_begins()

    def _stop_command(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _rest_begins(self) -> None:
        if self.state == "on" and self.firmware is not None and not self.radio.is_connected:
            self._sleep.rest_begins(self.firmware.sleep_after_s, self.firmware.network.is_registered)

    def _rested(self, reachable: bool) -> None:
        # The end of a connection or of a command begins the rest anew.
        if not self.radio.is_connected and (self._task is None or self._task.done()):
            self.fall_asleep(reachable=reachable)

    def _wake_up(self) -> None:
        self._sleep.stop()
        if self.state == "asleep" and self.firmware is not None:
            self.state = "on"
            self.radio.is_reachable = True
            self.firmware.wakes_up()
        self._rest_begins()

    def _connection_changed(self, is_connected: bool) -> None:
        if self.firmware is None:
            return
        if is_connected:
            # A page wakes the module before it brings the datagram.
            self._wake_up()
        self.firmware.connection_changed(is_connected)
        if not is_connected:
            self._rest_begins()

    def _set_baud(self, baud: int) -> None:
        self._loop.call_later(0.05, self._end.configure, baud)

    def _hear_of(self, name: str) -> None:
        """A fault that happens at once."""
        firmware = self.firmware
        if firmware is None:
            return
        if name == "reboot":
            self.restart("reboot")
        elif name == "sleep":
            self.fall_asleep()
        elif name == "pdp-drop":
            firmware.drop_data()
        elif name == "socket-closed":
            firmware.close_one()
        elif name == "echo":
            self._console.echo = True

    def _look_again(self) -> None:
        if self.firmware is not None:
            self.firmware.outside_changed()
