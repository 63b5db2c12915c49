"""What a node writes into its log, as numbers; sentences are made of them at the gateway, by log_names."""

STARTED = 1
"""The node has started; the value is the reason of start_codes."""
TASK_MISSING = 2
"""A task did not check in and the watchdog took over; the value is the task's number."""
EXCEPTION = 3
"""An error that nobody caught; the value is the first letters of its name."""
SAFE_MODE = 4
"""Only pole bus and update are served; the value is the mode of start_codes."""
SAFE_MODE_ENDED = 5
"""A good hour is over; the node starts again with all it has."""
FLASH_FAILED = 6
"""The flash could not be written or read; the value is the error number."""
SETTINGS_TAKEN = 7
"""New settings are safe; the value is their sequence."""
SETTINGS_REFUSED = 8
"""New settings were not taken; the value is the reason of settings_codes."""
TABLE_BROKEN = 9
"""There is no whole node table; the value is the reason of protocols/errors.py, SHORT where there is no file."""
SLOT_LEFT = 10
"""Another version runs than before; the value is the reason of start_codes or update_codes."""
CLOCK_SET = 11
"""The clock was set, or moved by more than two seconds; the value is by how many seconds, 0 for the first time."""
EVENTS_RESTORED = 12
"""Events of an earlier start were found on the flash; the value is how many."""
EVENTS_LOST = 13
"""The ring of events was full; the value is how many were lost since the start."""
MEMORY_SHORT = 14
"""Little heap is left after a collection; the value is how many bytes."""
IDENTITY_BROKEN = 15
"""The identity in the NVS is lost, not whole or cannot be read: no guarded write is taken until it is written again."""
