"""What an uplink is told of its platform, whichever bearer it is spoken to over."""

from dataclasses import dataclass

from gateway_agent.uplink import forms
from gateway_agent.uplink.security import Clear, Security

ANSWERS_WITHIN_S = 3600.0
"""While the mailbox is observed an answer to a batch need only tell what has arrived."""


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where the platform is and how often it hears from us. Times in seconds.

    `security` is CLEAR, which is for a laboratory, or what gives the keys. `form` is one of forms.AUTO, SENML_ONLY and
    SELF_CONTAINED. After a failed exchange the pause begins with `retry_first_s` and doubles up to `retry_longest_s`,
    each shortened at random by up to half. The past is sent at `backfill_bytes_per_hour` on the air, headers and
    answers included; 0 is as fast as it goes.
    """

    gateway: str
    url: str
    security: Clear | Security
    batch_s: float = 900.0
    batch_readings: int = 4000
    form: str = forms.AUTO
    backfill_bytes_per_hour: int = 0
    retry_first_s: float = 2.0
    retry_longest_s: float = 60.0
