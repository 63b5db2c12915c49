import asyncio
import sys
from pathlib import Path
from typing import cast

import pytest

from gateway_agent.modem.dialect import Dialect
from gateway_agent.modem.hooks import HookError, hooks_of
from gateway_agent.modem.port import SerialPort
from gateway_agent.modem.rungs import take
from hardware.rig.clock import RigClock, run_virtual


def script(folder: Path, text: str) -> tuple[str, ...]:
    file = folder / "hook.py"
    file.write_text(text, encoding="utf-8")
    return (sys.executable, str(file))


def test_the_supply_is_told_off_and_on_and_time_stands_still_meanwhile(tmp_path: Path) -> None:
    words = script(tmp_path, f"import sys; open({str(tmp_path / 'log')!r}, 'a').write(' '.join(sys.argv[1:]) + ';')")
    hooks = hooks_of(supply=(*words, "rail"), power_key=(*words, "key"))

    async def main(clock: RigClock) -> int:
        assert hooks.supply_off is not None
        assert hooks.supply_on is not None
        assert hooks.power_key is not None
        await hooks.supply_off()
        await hooks.supply_on()
        await hooks.power_key()
        return clock.monotonic_ms()

    assert run_virtual(main) == 0
    assert (tmp_path / "log").read_text(encoding="utf-8") == "rail off;rail on;key;"


def test_what_is_not_wired_is_none() -> None:
    hooks = hooks_of()
    assert (hooks.power_key, hooks.supply_off, hooks.supply_on, hooks.wake) == (None, None, None, None)


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    hooks = hooks_of(power_key=script(tmp_path, "import sys; sys.exit('no such line GPIO99')"))
    assert hooks.power_key is not None
    with pytest.raises(HookError, match="has failed with 1: no such line GPIO99"):
        asyncio.run(hooks.power_key())  # type: ignore[arg-type]


def test_a_command_that_leaves_a_program_running_or_reads_is_not_waited_for(tmp_path: Path) -> None:
    left = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6)'])"
    text = f"import subprocess, sys; sys.stdin.read(); {left}; open({str(tmp_path / 'done')!r}, 'w')"
    hooks = hooks_of(power_key=script(tmp_path, text))
    assert hooks.power_key is not None

    async def main() -> None:
        assert hooks.power_key is not None
        async with asyncio.timeout(4):
            await hooks.power_key()

    asyncio.run(main())
    assert (tmp_path / "done").exists()


def test_the_supply_is_on_again_when_the_agent_stops_while_it_is_switched_off(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pause = "time.sleep(0.5 * (sys.argv[1] == 'off'))"
    words = script(tmp_path, f"import sys, time; {pause}; open({str(log)!r}, 'a').write(sys.argv[1] + ';')")
    hooks = hooks_of(supply=words)

    async def main() -> None:
        port = SerialPort("/dev/none", lambda data: None, lambda problem: None)
        taking = asyncio.create_task(take("supply", cast(Dialect, None), port, hooks))
        await asyncio.sleep(0.1)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert taking.cancelled()

    asyncio.run(main())
    assert log.read_text(encoding="utf-8") == "off;on;"


def test_a_command_that_is_not_there_is_told_with_the_mend() -> None:
    hooks = hooks_of(wake=("/none/wake",))
    assert hooks.wake is not None
    with pytest.raises(HookError, match=r"/none/wake .* cannot be run .* mend it in pole.toml"):
        asyncio.run(hooks.wake())  # type: ignore[arg-type]
