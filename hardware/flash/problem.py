"""What can go wrong between a laptop and a node, as errors that a person can act on."""

from enum import StrEnum

from gateway_agent.errors import GatepostError


class Kind(StrEnum):
    """What sort of problem it is: what the code acts on, and what stands in the results file."""

    FILES = "files"
    """Something on the laptop: an image, a node file, a kit, an option."""
    NO_PORT = "no-port"
    """There is no such port, or several and none was named."""
    PORT_TAKEN = "port-taken"
    """Another program has it, or this user may not."""
    CABLE = "cable"
    """The port went away in the middle."""
    SILENT = "silent"
    """The chip's ROM does not answer."""
    LINE = "line"
    """What comes over the line is damaged, also at the slowest rate."""
    WRONG_CHIP = "wrong-chip"
    SMALL_FLASH = "small-flash"
    LOCKED_CHIP = "locked-chip"
    """Flash encryption or secure boot is on: what we write would never start."""
    BAD_FLASH = "bad-flash"
    """What was written does not read back."""
    TOOL = "tool"
    """esptool itself is missing or says what nobody here knows."""
    NOT_STARTED = "not-started"
    """Written and verified, but the node does not answer."""
    NODE = "node"
    """The node answers and something is wrong with it."""
    STOPPED = "stopped"
    """Somebody pressed Ctrl-C."""
    TWICE = "twice"
    """This board, or this order, was done already."""


class FlashProblem(GatepostError):  # noqa: N818 - the word that the technician reads
    """It did not work: `what` happened and where, the `mend` (what to do next), and its `kind`."""

    def __init__(self, kind: Kind, what: str, mend: str) -> None:
        self.kind = kind
        self.what = what
        self.mend = mend
        super().__init__(f"{what}; {mend}")
