"""What a node is told and tells about its own update, as numbers; update_names.py has the words."""

BEGIN = 1
"""Commands: receive (or go on receiving) the bundle of which length and digest stand beside the command."""
TRY = 2
"""Start the version that is ready, on trial."""
ABANDON = 3
"""Stop receiving. What has come is kept, and `BEGIN` with the same digest goes on with it."""

IDLE = 0
"""States: no update under way."""
PREPARING = 1
"""The node looks at what it already has; `received_bytes` does not count yet."""
RECEIVING = 2
"""Blocks are taken from `received_bytes` on."""
VERIFYING = 3
"""All bytes are there; every file is read back and compared with the manifest."""
READY = 4
"""The bundle is whole and genuine and may be tried."""
TRIAL = 5
"""The new version runs, for `trial_left_s` more seconds at most unless it is kept."""
KEPT = 6
"""The version that runs has stood its trial since the last start of an update."""
REFUSED = 7
"""The bundle was refused, `reason` says why; the version that runs was not touched."""
WENT_BACK = 8
"""The new version did not stand its trial, `reason` says why; the one from before runs again."""

NONE = 0
"""Reasons: none."""
TOO_LARGE = 1
"""The bundle, its manifest or its content is longer than a node takes."""
BAD_MANIFEST = 2
"""The manifest is no manifest: magic, layout, lengths or its digest do not fit."""
BAD_SIGNATURE = 3
"""The manifest is not signed with the key that this node trusts."""
NO_KEY = 4
"""The node was given no key for updates at provisioning."""
OTHER_BOARD = 5
"""The bundle was built for another board."""
OTHER_BYTECODE = 6
"""The bundle holds bytecode of another version than the node's MicroPython reads."""
TOO_OLD = 7
"""The version is below the lowest that this node may go back to."""
BAD_PATH = 8
"""A file is not a plain module name in one of the two folders, or they are not in order."""
TOO_MANY_FILES = 9
"""The manifest names no file, or more than a node takes."""
WRONG_LENGTH = 10
"""The bytes announced are more or fewer than the manifest adds up to."""
BAD_FILE = 11
"""A file is not what the manifest says."""
FLASH_FAILED = 12
"""The flash could not be read or written."""
INTERRUPTED = 13
"""No block came for a long time; the node keeps what it has."""
ABANDONED = 14
"""The gateway ended the transfer; the node keeps what it has."""
NO_MEMORY = 15
"""There was not enough heap for the update."""
FLASH_FULL = 16
"""The flash has not enough free blocks for the bundle's files."""
GATEWAY_SILENT = 20
"""On trial: nobody read the node over the pole bus in time."""
DEVICES_SILENT = 21
"""On trial: a device that answered before the update did not answer in time."""
RESTARTED = 22
"""On trial: the node was switched off or restarted before the version was kept."""
CRASHED = 23
"""On trial: the new version ended by an error, or the watchdog ended it."""
CANNOT_START = 24
"""On trial: the new version could not be loaded."""
