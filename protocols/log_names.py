"""Sentences for the codes of log_codes, for whoever shows a node's log; a node does not load this."""

from protocols import update_names

SENTENCES = {
    1: "started ({value})",
    2: "the task {value} no longer got round; the watchdog reset the node",
    3: "an error that nobody caught ended the firmware: {value}",
    4: "safe mode: pole bus and update only ({value})",
    5: "a good hour is over; safe mode ends",
    6: "the flash failed with error {value}",
    7: "new settings taken, number {value}",
    8: "new settings refused ({value})",
    9: "no whole node table ({value})",
    10: "a version was left ({value})",
    11: "the clock was set, {value} s off",
    12: "{value} events of an earlier start were found on the flash",
    13: "{value} events lost: the ring was full",
    14: "only {value} bytes of heap left",
}
"""What each code says; `{value}` stands where the value, or the word for it, belongs."""

START_REASONS = {
    1: "power came",
    2: "brown-out",
    3: "panic below MicroPython",
    4: "watchdog",
    5: "own reset",
    6: "woke from deep sleep",
    7: "error that nobody caught",
}
"""Why a node started, by number of start_codes."""

LEFT_REASONS = {
    0: "never",
    1: "a newer version proved itself",
    2: "the trial came to a restart before the version was kept",
    3: "the version could not be loaded",
    4: "it went on crashing even in safe mode",
}
"""Why a slot was left, by number of start_codes; a trial that failed has a reason of update_codes, from 20 on."""

MODES = {0: "full", 1: "safe mode after crashes", 2: "safe mode without a node table"}
"""What the node serves, by number of start_codes."""

SETTINGS_REASONS = {
    0: "none",
    1: "not whole",
    2: "another version of the format",
    3: "a section that is not known, or not right",
    4: "the node table is not right",
    5: "the flash could not be written",
    6: "not enough memory to check them",
    7: "they are for another terminal",
    8: "nothing has been sent",
}
"""Why settings were refused, by number of settings_codes."""

TASKS = {
    1: "server",
    2: "poller",
    3: "inputs",
    4: "lamp",
    5: "housekeeping",
    6: "event keeper",
    7: "update",
    9: "manhole",
    10: "schedule",
    11: "settings",
}
"""Name of each task, by number of task_codes."""

_WORDS = {1: START_REASONS, 2: TASKS, 4: MODES, 8: SETTINGS_REASONS, 10: {**update_names.REASONS, **LEFT_REASONS}}


def sentence(code: int, value: int) -> str:
    """What a log entry says, in words; an unknown code is told by its number."""
    if code not in SENTENCES:
        return f"code {code}, value {value}"
    if code == 3:
        name = value.to_bytes(4, "big", signed=True).rstrip(b"\0").decode("ascii", "replace")
        return SENTENCES[code].format(value=name or "unknown")
    return SENTENCES[code].format(value=_WORDS.get(code, {}).get(value, value))
