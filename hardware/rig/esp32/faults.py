"""What can be wrong with a board, its flash or its cable. Each field is one fault; as made, nothing is wrong."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ChipFaults:
    """Faults of one board. They may be set and cleared while it runs."""

    unplug_after_bytes: int | None = None
    """The cable is pulled when the host has sent so many bytes from now on; the chip then has no power."""
    unplug_at_question: bool = False
    """The cable is pulled when the host first speaks to the application."""
    plug_again_after_s: float | None = None
    """Whoever pulled the cable puts it in again after so long; None leaves it out until `plug`."""
    bad_cells: frozenset[int] = field(default_factory=frozenset)
    """Addresses whose byte takes nothing: an erase leaves it, a program leaves it."""
    flash_dies_after_bytes: int | None = None
    """After so many programmed bytes the flash takes nothing more, reads as 0xFF and names no id."""
    chip_hangs_after_bytes: int | None = None
    """After so many programmed bytes the chip answers nothing more until it is reset."""
    real_flash_bytes: int | None = None
    """The flash is smaller than its id states: an address beyond its end is the one that many bytes lower."""
    line_error_rate: float = 0.0
    """The chance of each bit on the line to be turned over, either way."""
    line_seed: int = 0
    """Which errors these are."""
    max_baud: int | None = None
    """The adapter or the cable carries garbage above this rate."""
    rom_silent: bool = False
    """The auto-reset circuit does not reach IO0: the ROM loader answers only when a hand holds BOOT at a reset."""
    boot_dead: bool = False
    """BOOT does nothing either: the chip can be started from flash only."""
    serial_receive_dead: bool = False
    """Nothing that the host sends arrives, while the chip is heard."""
