"""Why a node has started and why it has left a slot, as numbers in the block `boot`; names are in event_names."""

POWER = 1
"""The power came, or it fell too low and came back (a brown-out reads the same), whatever the chip says about it."""
BROWN_OUT = 2
"""Kept for boards that can tell it from POWER; an ESP32 under MicroPython cannot."""
PANIC = 3
"""The firmware below MicroPython gave up. It reads as a hard reset that nobody has announced, out of a running node."""
WATCHDOG = 4
"""A task did not check in, or nothing ran at all."""
OWN_RESET = 5
"""The node wanted it: new settings, an update, the end of safe mode."""
DEEP_SLEEP = 6
"""It woke up."""
EXCEPTION = 7
"""An error that no task had an answer to."""

IS_CRASH = (False, False, False, True, True, False, False, True)
"""By number: whether such a start counts towards safe mode."""

NOT_LEFT = 0
"""No slot has been left yet."""
UPDATED = 1
"""A newer version has proved itself in the other slot."""
TRIAL_ENDED = 2
"""The trial came to a restart before the version was kept."""
NOT_STARTING = 3
"""The version could not be loaded."""
CRASHED = 4
"""It went on crashing even in safe mode."""

FULL_MODE = 0
"""All is served."""
SAFE_AFTER_CRASHES = 1
"""Pole bus and update alone, because of repeated crashes."""
SAFE_WITHOUT_TABLE = 2
"""The same, because there is no whole node table."""
