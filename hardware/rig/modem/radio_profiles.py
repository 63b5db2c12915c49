"""The three radio links that the rig knows: narrow band good and bad, and LTE Cat 1. Figures are a project's choice
within what operators of NB-IoT and Cat 1 networks show; each direction has half of the round trip.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Weather:
    """One state of a link: the probability that a datagram is lost and the seconds that it takes one way."""

    loss: float
    one_way_s: tuple[float, float]


@dataclass(frozen=True)
class RadioProfile:
    """A radio link. Ranges are (least, greatest) seconds, drawn evenly.

    The link is in its `fair` weather, or in `foul` for `foul_s` in the mean, `foul_share` of the time: losses and
    delays come in bursts then. `connect_s`: from idle to connected. `inactivity_s`: the network releases an idle
    connection. `paging_s`: how long an idle module may take to hear that something waits for it. `attach_s`,
    `activate_s`: registration, and the data connection. `nat_s`: a binding is forgotten after this without traffic up.
    `keeps_order`: a datagram never overtakes an earlier one of its direction.
    """

    name: str
    bit_per_s: float
    fair: Weather
    foul: Weather
    foul_share: float
    foul_s: float
    connect_s: tuple[float, float]
    inactivity_s: float
    paging_s: float
    attach_s: tuple[float, float]
    activate_s: tuple[float, float]
    rsrp_dbm: tuple[int, int]
    nat_s: float = 60.0
    keeps_order: bool = True


def _steady(loss: float, one_way_s: tuple[float, float]) -> tuple[Weather, Weather]:
    weather = Weather(loss, one_way_s)
    return weather, weather


_GOOD = _steady(0.01, (0.8, 1.5))
_CAT1 = _steady(0.005, (0.03, 0.1))

PROFILES = {
    profile.name: profile
    for profile in (
        RadioProfile(
            "nbiot-good",
            bit_per_s=60_000,
            fair=_GOOD[0],
            foul=_GOOD[1],
            foul_share=0.0,
            foul_s=0.0,
            connect_s=(0.5, 1.5),
            inactivity_s=20.0,
            paging_s=2.56,
            attach_s=(3.0, 10.0),
            activate_s=(0.5, 2.0),
            rsrp_dbm=(-95, -85),
        ),
        RadioProfile(
            "nbiot-bad",
            bit_per_s=20_000,
            # 0.8 x 0.025 + 0.2 x 0.4 = 0.1 each way
            fair=Weather(0.025, (1.0, 2.5)),
            foul=Weather(0.4, (2.5, 5.0)),
            foul_share=0.2,
            foul_s=20.0,
            connect_s=(1.5, 5.0),
            inactivity_s=20.0,
            paging_s=2.56,
            attach_s=(10.0, 40.0),
            activate_s=(1.0, 5.0),
            rsrp_dbm=(-125, -115),
        ),
        RadioProfile(
            "cat1",
            bit_per_s=5_000_000,
            fair=_CAT1[0],
            foul=_CAT1[1],
            foul_share=0.0,
            foul_s=0.0,
            connect_s=(0.05, 0.2),
            inactivity_s=10.0,
            paging_s=1.28,
            attach_s=(1.0, 5.0),
            activate_s=(0.2, 1.0),
            rsrp_dbm=(-105, -80),
        ),
    )
}
