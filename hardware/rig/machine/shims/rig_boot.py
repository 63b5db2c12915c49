# Prepares a MicroPython WebAssembly machine to look like a stock ESP32 and runs the files on its flash.

import asyncio
import builtins
import gc
import io
import os
import sys
from asyncio import core

import js
import micropython

_ports = js.rig_ports

# What help("modules") shows on a stock ESP32 build of MicroPython 1.24 and newer, plus the flash's own files.
_ON_ESP32 = (
    "__main__ array asyncio binascii bluetooth builtins cmath collections cryptolib deflate errno esp esp32 espnow "
    "framebuf gc hashlib heapq io json machine math micropython network neopixel onewire os platform random re select "
    "socket ssl struct sys time tls uctypes vfs _thread"
).split()
_own_import = builtins.__import__


class Ended(BaseException):
    """Unwinds a program that has handed itself over to the event loop, or reset the board."""


class ThreadSafeFlag:
    """asyncio.ThreadSafeFlag: set from an interrupt, awaited by one task; waiting clears it."""

    def __init__(self):
        self._raised = False
        self._waiting = core.TaskQueue()

    def set(self):
        self._raised = True
        if self._waiting.peek():
            core._task_queue.push(self._waiting.pop())

    def clear(self):
        self._raised = False

    async def wait(self):
        if not self._raised:
            self._waiting.push(core.cur_task)
            core.cur_task.data = self._waiting
            await _parked()
        self._raised = False


class _Parked:
    def __iter__(self):
        return self

    def __next__(self):
        if self.fresh:
            self.fresh = False
            return None
        raise StopIteration

    def send(self, _value):
        return next(self)

    def throw(self, error):
        raise error


def _parked():
    waiter = _Parked()
    waiter.fresh = True
    return waiter


class _Gc:
    # The WebAssembly heap may grow, so its own mem_free tells of room that no board has.
    collect = staticmethod(gc.collect)
    mem_alloc = staticmethod(gc.mem_alloc)
    enable = staticmethod(gc.enable)
    disable = staticmethod(gc.disable)
    isenabled = staticmethod(gc.isenabled)
    threshold = staticmethod(gc.threshold)

    def __init__(self, heap_bytes, ours):
        self._board_bytes = heap_bytes + ours

    def mem_free(self):
        return self._board_bytes - gc.mem_alloc()


async def _guard(task):
    try:
        await task
        _ports.end("exit", "")
    except BaseException as error:
        if isinstance(error, Ended):
            return
        text = io.StringIO()
        sys.print_exception(error, text)
        _ports.end("crash", text.getvalue())


def _asyncio_run(coroutine):
    # The host's event loop is the machine's: start the task and leave the program that called us.
    core.create_task(_guard(coroutine))
    raise Ended


_inside_frozen = [0]


def _looks_like_esp32(name, *rest):
    # A frozen module may import what it likes: on the ESP32 it is C, or frozen with other insides.
    dot = name.find(".")
    top = name if dot < 0 else name[:dot]
    if _inside_frozen[0] or (name in sys.modules and top in _ON_ESP32) or _is_file(top):
        return _own_import(name, *rest)
    if top not in _ON_ESP32 and not top.startswith("rig_"):
        raise ImportError("no module named '" + name + "'")
    _inside_frozen[0] += 1
    try:
        return _own_import(name, *rest)
    finally:
        _inside_frozen[0] -= 1


def _is_file(name):
    for folder in sys.path:
        for ending in ("", ".py", ".mpy"):
            try:
                os.stat(folder + "/" + name + ending if folder else name + ending)
                return True
            except OSError:
                continue
    return False


def prepare(hide):
    asyncio.run = _asyncio_run
    asyncio.ThreadSafeFlag = ThreadSafeFlag
    import select

    import esp32
    import machine
    import network

    for module in ("js", "jsffi"):
        sys.modules.pop(module, None)
    if hide:
        builtins.__import__ = _looks_like_esp32
    gc.collect()


def measure():
    # Only now has the collection that prepare() asked for been done.
    sys.modules["gc"] = _Gc(_ports.heap_bytes(), gc.mem_alloc())


def run(name):
    with open(name) as file:
        program = compile(file.read(), name, "exec")
    try:
        exec(program, {"__name__": "__main__"})
    except Ended:
        pass


def report():
    print(sys.implementation)
    print(sys.version)
    print(gc.mem_alloc())
    show_heap()


def show_heap():
    micropython.mem_info()
