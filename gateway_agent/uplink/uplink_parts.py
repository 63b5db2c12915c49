"""What the parts of one uplink share: the journal, the client, and what is known of the platform."""

from dataclasses import dataclass

from gateway_agent.clock import Clock
from gateway_agent.journal import Journal
from gateway_agent.uplink.alarm_first import AlarmFirst
from gateway_agent.uplink.batches import Batcher
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.confirmation import Confirmation
from gateway_agent.uplink.forms import Forms
from gateway_agent.uplink.spending import Spending
from gateway_agent.uplink.transfers import Transfers
from gateway_agent.uplink.unconfirmed import Unconfirmed
from gateway_agent.uplink.uplink_counters import UplinkCounters
from gateway_agent.uplink.uplink_settings import UplinkSettings


@dataclass(frozen=True, slots=True)
class UplinkParts:
    """Made by Uplink."""

    settings: UplinkSettings
    counters: UplinkCounters
    journal: Journal
    clock: Clock
    client: CoapClient
    spending: Spending
    alarms: AlarmFirst
    batcher: Batcher
    forms: Forms
    confirmation: Confirmation
    unconfirmed: Unconfirmed
    transfers: Transfers

    @property
    def command_delay_s(self) -> float:
        """How long a command may take to arrive over the bearer that is used now, in seconds."""
        return self.client.bearers.current.settings.command_delay_s

    @property
    def is_observed(self) -> bool:
        """Whether the mailbox is observed, because a command may not wait for the answer to a batch."""
        return self.command_delay_s < self.settings.batch_s

    def note_success(self) -> None:
        """The platform has answered."""
        self.counters.note_success(self.settings.url)
