"""Sentences for the codes of log_codes, for whoever shows a node's log; a node does not load this."""

from protocols import update_names

SENTENCES = {
    1: "started ({value})",
    2: "a task no longer got round and the watchdog reset the node: {value}",
    3: "an error that nobody caught ended the firmware: {value}",
    4: "pole bus and update only: {value}",
    5: "a good hour is over; safe mode ends",
    6: "the flash failed with error {value}",
    7: "new settings taken, number {value}",
    8: "new settings refused ({value})",
    9: "no whole node table: {value}",
    10: "a version was left ({value})",
    11: "the clock was set, {value} s off",
    12: "{value} events of an earlier start were found on the flash",
    13: "{value} events lost: the ring was full",
    14: "only {value} bytes of heap left",
    15: "the identity in the NVS is lost or not whole: no guarded write is taken until it is written again",
}
"""What each code says; `{value}` stands where the value, or the word for it, belongs."""

TROUBLES = frozenset((2, 3, 4, 6, 8, 9, 13, 14, 15))
"""Codes of which somebody should hear; the others tell how an ordinary day went."""

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
    20: update_names.REASONS[20],
    21: update_names.REASONS[21],
}
"""Why a slot was left, by number of start_codes, or of update_codes where a trial was judged."""

TASKS = {
    1: "server on the pole bus",
    2: "poller",
    3: "inputs",
    4: "lamp driver",
    5: "housekeeping",
    6: "event keeper",
    7: "update",
    9: "manhole",
    10: "lamp schedule",
    11: "settings",
    12: "console",
}
"""Tasks, by number of task_codes."""

TABLE_REASONS = {
    1: "there is none, or it ends too early",
    2: "damaged",
    7: "of a wrong length",
    8: "with a value that is not allowed",
    9: "of another version of the format",
}
"""What is wrong with a node table, by number of errors."""

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

_WORDS = {1: START_REASONS, 2: TASKS, 4: MODES, 8: SETTINGS_REASONS, 9: TABLE_REASONS, 10: LEFT_REASONS}


_ERRORS = (
    "AssertionError",
    "AttributeError",
    "ImportError",
    "IndexError",
    "KeyError",
    "MemoryError",
    "NameError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "TypeError",
    "UnicodeError",
    "ValueError",
    "WireError",
    "ZeroDivisionError",
)


def sentence(code: int, value: int) -> str:
    """What a log entry says, in words; an unknown code is told by its number."""
    if code not in SENTENCES:
        return f"code {code}, value {value}"
    if code == 3:
        return SENTENCES[code].format(value=_error(value))
    if code == 11 and value == 0:
        return "the clock was set for the first time"
    return SENTENCES[code].format(value=_WORDS.get(code, {}).get(value, value))


def _error(value: int) -> str:
    """The name of an error of which the node keeps the first four letters."""
    letters = (value & 0xFFFFFFFF).to_bytes(4, "big").rstrip(b"\0")
    if not letters.isalpha():
        return f"number {value}"
    name = letters.decode()
    return next((known for known in _ERRORS if known.startswith(name)), name)
