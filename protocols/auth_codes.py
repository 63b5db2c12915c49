"""Why a node with a key refused a guarded write, as numbers in the block `auth`."""

NONE = 0
"""Nothing was refused since the start."""
WRONG_TAG = 1
"""The tag was made with another key, or of other content."""
OLD_COUNTER = 2
"""The counter is not above the last one: a write that was recorded and sent again, or a gateway that has lost count."""
NOT_WHOLE = 3
"""Only a part of the block was written."""
NO_KEY = 4
"""A write to all nodes, and this node has no key for those."""
FLASH_FAILED = 5
"""The counter could not be put on the flash."""
