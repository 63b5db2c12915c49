"""What a node's events mean, as numbers; the gateway turns them into sentences."""

NODE_STARTED = 1
"""The node has started; the value is the reason, a number of protocols/start_codes.py."""
INPUT_RAISED = 2
"""An input that is an alarm has gone to its alarm state; the slot is the input's point."""
INPUT_CLEARED = 3
"""The same input has gone back."""
DEVICE_LOST = 4
"""A device has stopped to answer; the slot is the first of the device's points."""
DEVICE_BACK = 5
"""It answers again."""
LAMP_FAILED = 6
"""The lamp's driver did not take or keep the commanded level; the value is the reason in the lamp's state; 0
when it has taken its level again."""
EVENTS_LOST = 7
"""The event ring was full; the value is the number of events lost since the start."""
FLASH_FAILED = 8
"""The flash could not be written; the value is the error number. The node runs on, with an epoch by chance."""

LAMP_FAULT_FIRST = 20
"""Faults of the lamp: this number plus the fault's bit in protocols/lamp_codes.py; the value is 1 when it begins, 0
when it is over, the slot is that of the lamp's power or level."""
LAMP_OVERRIDE_ENDED = 35
"""An override of the lamp has come to its end and the programme goes on; the value is the override's reason."""

MANHOLE_ALARM_FIRST = 40
"""An alarm of the manhole is raised: this number plus the alarm's bit in protocols/manhole_codes.py; the slot is the
point that is the cause, the value what it holds, for a fault its quality."""
MANHOLE_ALARM_CLEARED = 56
"""Its cause is gone; the value is the alarm's bit, the slot the point."""
MANHOLE_ACKNOWLEDGED = 57
"""Alarms of the manhole were acknowledged; the value is their bit mask."""
COVER_LEARNED = 58
"""The cover's background angle was learned; the value is its angle from upright in tenths of a degree."""

SAFE_MODE = 60
"""The node serves pole bus and update alone; the value is the mode of protocols/start_codes.py."""
SAFE_MODE_ENDED = 61
"""A good hour is over: the node is about to start again with all it has."""
SETTINGS_TAKEN = 62
"""New settings are in force from the next start on, which follows; the value is their sequence."""

UPDATE_KEPT = 70
"""A new version has stood its trial and stays."""
UPDATE_WENT_BACK = 71
"""A new version has not stood its trial, the one from before runs again; the value is the reason in update_codes."""

NO_SLOT = 0xFFFF
"""The slot of an event that belongs to no point."""
