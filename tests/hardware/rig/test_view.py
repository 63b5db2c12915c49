"""The view shows what matters on any terminal."""

import pytest
from rich.console import Console

from hardware.rig.view import BusLine, PointLine, Snapshot, draw

POINTS = [PointLine(f"air/quantity_{number}", f"{number}.5", "Cel", 900, "good") for number in range(59)]
DEAD = PointLine("well/level", "0.408", "m", 34_000, "no answer")
SNAPSHOT = Snapshot(
    gateway="gp-demo-1",
    now_ms=1_781_740_800_000,
    running_s=1.0,
    points=[DEAD, *POINTS],
    buses=[BusLine("pole", 0.17, 250, 0), BusLine("mains", 0.37, 69, 2)],
    machines=[("lamp_node", 69_000, 147_664), ("manhole_node", 70_000, 147_664)],
    journal=[("measured", "242"), ("committed", "227"), ("pending", "15"), ("depth", "0")],
    uplink=[("at the platform", "227"), ("exchanges", "26"), ("bytes on air", "12099"), ("last error", "none")],
    notes=[(1_781_740_800_000, "red", f"note {number}") for number in range(6)],
)


def drawn(width: int, height: int, snapshot: Snapshot = SNAPSHOT) -> list[str]:
    """The lines of one frame."""
    console = Console(width=width, height=height, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(draw(snapshot, width, height))
    return console.export_text().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (120, 40), (150, 50), (200, 60)])
def test_state_and_notes_are_on_the_screen_whatever_its_size(width, height):
    lines = drawn(width, height)
    text = "\n".join(lines)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    for words in ("pole", "250 ok", "2 failed", "committed", "bytes on air", "12099", "depth", "note 5"):
        assert words in text


def test_points_show_value_age_and_quality():
    text = "\n".join(drawn(80, 24))
    assert "no answer" in text
    assert "34.0 s" in text
    assert "good" in text


def test_points_that_do_not_fit_take_turns():
    seen = set()
    for second in range(0, 40, 4):
        frame = drawn(
            80, 24, Snapshot(**{**{name: getattr(SNAPSHOT, name) for name in SNAPSHOT.__slots__}, "running_s": second})
        )
        seen.update(line.split()[0] for line in frame if "/" in line.split(" ")[0])
    assert {point.name for point in SNAPSHOT.points} <= seen
