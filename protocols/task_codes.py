"""The tasks of a node, as numbers: who no longer got round when the watchdog took over."""

SERVER = 1
"""The server on the pole bus."""
POLLER = 2
"""The poller of the sensor bus."""
INPUTS = 3
"""The input pins."""
LAMP = 4
"""The lamp's driver or pins."""
HOUSEKEEPING = 5
"""Collecting garbage, saving the log, forgetting crashes."""
EVENT_KEEPER = 6
"""Putting events on the flash."""
UPDATE = 7
"""Receiving, trying and judging updates."""
MANHOLE = 9
"""The manhole and its cover."""
SCHEDULE = 10
"""Which level the lamp shall have."""
SETTINGS = 11
"""Taking settings."""
CONSOLE = 12
"""Answering at the USB port."""
