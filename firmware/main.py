"""Starts the node: lets `start/` choose a slot and runs what is in it. Neither this file nor `start/` is updated."""

import sys
import time

import micropython

_PAUSE_S = 5


def _import_from(folder: str) -> None:
    """Let `import` look into `folder`, and forget what came from another one."""
    sys.path[0] = folder
    for name in list(sys.modules):
        if name == "node" or name.startswith("node."):
            del sys.modules[name]


micropython.kbd_intr(-1)  # a byte of noise on an open line must not stop a lamp: the node's console hears Ctrl-C itself
# Nothing of ours is in the other folders, and each look there is a walk through the flash.
sys.path[:] = ["start"] + [folder for folder in sys.path if folder not in ("", "/lib")]
_slot = ""

try:
    import node.boot_choice

    _slot = node.boot_choice.choose()
    print("gatepost node starts from", _slot)
    _import_from(_slot)
    import node.app

    node.app.main()
except Exception as error:
    sys.print_exception(error)
    try:
        _import_from("start")
        import node.boot_choice

        node.boot_choice.give_up(_slot)
    except Exception as worse:  # a flash that cannot be read or written must not end at a prompt that nobody sees
        sys.print_exception(worse)
    time.sleep(_PAUSE_S)
    sys.exit()  # a soft reset on the ESP32
