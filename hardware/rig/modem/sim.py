"""The SIM card of an emulated modem, and what it says (3GPP TS 27.007, 9.2: CME errors 10 to 16)."""

from dataclasses import dataclass

CME_NOT_INSERTED, CME_PIN, CME_PUK, CME_FAILURE, CME_BUSY, CME_WRONG, CME_PASSWORD = 10, 11, 12, 13, 14, 15, 16
_PIN_TRIES = 3


@dataclass
class Sim:
    """A card. `apn`: the only access point that the network takes for it (None: any). `pin` None: it asks for none.

    `pin_attempts` counts; after three wrong ones it asks for the PUK. `ready_s`: seconds from supply to ready.
    """

    imsi: str = "460040000000101"
    iccid: str = "89860000000000000101"
    apn: str | None = None
    pin: str | None = None
    present: bool = True
    dead: int = 0
    ready_s: float = 1.0
    pin_attempts: int = 0
    wrong_pins: int = 0
    unlocked: bool = False

    def restart(self) -> None:
        """The card lost its supply: a PIN is asked for again."""
        self.unlocked = False

    def trouble(self) -> int | None:
        """The CME error of a command that needs the card, or None when it is ready."""
        if not self.present:
            return CME_NOT_INSERTED
        if self.dead:
            return self.dead
        if self.wrong_pins >= _PIN_TRIES:
            return CME_PUK
        if self.pin is not None and not self.unlocked:
            return CME_PIN
        return None

    def enter(self, pin: str) -> bool:
        """Try a PIN; wrong ones are counted as on a real card."""
        self.pin_attempts += 1
        if self.wrong_pins >= _PIN_TRIES:
            return False
        if pin == self.pin:
            self.unlocked = True
            self.wrong_pins = 0
            return True
        self.wrong_pins += 1
        return False
