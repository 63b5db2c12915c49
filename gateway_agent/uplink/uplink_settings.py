"""What an uplink is told of its platform and its link."""

from dataclasses import dataclass, field

from gateway_agent.uplink import forms
from gateway_agent.uplink.batches import PAYLOAD_BYTES
from gateway_agent.uplink.confirmation import ANSWERS_WITHIN_S
from gateway_agent.uplink.security import Clear, Security
from gateway_agent.uplink.timing import Timing


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where the platform is and how often it hears from us. Times in seconds.

    `security` is CLEAR, which is for a laboratory, or what gives the keys. `form` is one of forms.AUTO, SENML_ONLY and
    SELF_CONTAINED. A command may take `command_delay_s` to arrive: where that is less than `batch_s` the mailbox is
    observed. After a failed exchange the pause begins with
    `retry_first_s` and doubles up to `retry_longest_s`, each shortened at random by up to half. The past is sent at
    `backfill_bytes_per_hour` on the air, headers and answers included; 0 is as fast as it goes.
    """

    gateway: str
    url: str
    security: Clear | Security
    batch_s: float = 900.0
    batch_readings: int = 4000
    payload_bytes: int = PAYLOAD_BYTES
    command_delay_s: float = 3600.0
    form: str = forms.AUTO
    backfill_bytes_per_hour: int = 0
    retry_first_s: float = 2.0
    retry_longest_s: float = 60.0
    timing: Timing = field(default_factory=Timing)

    @property
    def is_observed(self) -> bool:
        """Whether the mailbox is observed, because a command may not wait for the answer to a batch."""
        return self.command_delay_s < self.batch_s

    @property
    def answers_within_s(self) -> float:
        """How far apart answers to batches may be: as long as a command may take, unless the mailbox is observed."""
        return max(self.command_delay_s, ANSWERS_WITHIN_S) if self.is_observed else self.command_delay_s
