"""What a batch may hold at most; telemetry.md, "Limits" and beside what they limit. A batch beyond one is refused."""

MAX_RECORDS = 4096
MAX_PARTS = 512
MAX_SKIPS = 32
"""Groups that were due and are said not to come before the one that does."""
MAX_TEXT = 1024
MAX_DETAIL = 160
"""Characters of a detail that are sent, as in SenML."""
MAX_WINDOWS, MAX_RANGES = 64, 1024
MAX_LEVEL = 0xFFFF
MAX_STEPS = 1 << 16
"""Steps of one batch, so that few bytes cannot make much work: one for each reading, window and range of sequences, and
one for each channel of which a record says whether it comes."""
LARGEST = (1 << 63) - 1
"""The largest value, with either sign, and the largest sequence."""
END_MS = 1 << 53
"""All times are before it."""
