import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.scan.line_signs import FirstSounds, Tally, sign_of_first_sounds, signs_of_damage
from gateway_agent.scan.question import Kind, Question, judge
from gateway_agent.scan.setting import Setting
from hardware.rig import modbus_side

_QUESTION = Question(5, 3, 0, 1)
_ANSWER = modbus_side.pack(5, bytes([3, 2, 0, 9]))


@pytest.mark.parametrize(
    ("tallies", "sign"),
    [
        ([Tally(Setting(2400), 7, 40, 0), Tally(Setting(115200), 7, 40, 9)], "termination"),
        ([Tally(Setting(9600), 7, 40, 1), Tally(Setting(9600), 37, 40, 9)], "noise"),
        ([Tally(Setting(9600), 7, 40, 8), Tally(Setting(9600), 37, 40, 9)], "unsteady"),
        ([Tally(Setting(9600), 7, 40, 1), Tally(Setting(9600), 37, 40, 1)], None),
        ([], None),
    ],
)
def test_how_damage_goes_with_rate_and_length_says_what_is_wrong(tallies, sign):
    assert [one.name for one in signs_of_damage(tallies)] == ([] if sign is None else [sign])


def test_one_real_answer_is_enough_to_say_that_the_wires_are_not_swapped():
    assert [one.name for one in sign_of_first_sounds(FirstSounds({9600, 2400}, 8, 8, 0))] == ["swapped"]
    assert sign_of_first_sounds(FirstSounds({9600, 2400}, 8, 7, 1)) == []
    assert sign_of_first_sounds(FirstSounds({9600}, 8, 8, 0)) == []


def test_an_adapter_that_hears_itself_is_allowed_for():
    verdict = judge(_QUESTION.frame() + _ANSWER, _QUESTION)
    assert (verdict.kind, verdict.registers, verdict.is_echoed) == (Kind.GOOD, (9,), True)
    assert judge(_QUESTION.frame(), _QUESTION).kind is Kind.SILENT
    assert [one.name for one in sign_of_first_sounds(FirstSounds({9600}, 8, 0, 2, 8))] == ["echo"]


@pytest.mark.parametrize(
    ("heard", "kind", "strangers"),
    [
        (b"", Kind.SILENT, ()),
        (_ANSWER, Kind.GOOD, ()),
        (b"\x00" + _ANSWER, Kind.GOOD, ()),
        (modbus_side.pack(5, b"\x83\x02"), Kind.REFUSED, ()),
        (_ANSWER + modbus_side.pack(5, bytes([3, 2, 0, 8])), Kind.TWO, ()),
        (_ANSWER[:-1], Kind.DAMAGED, ()),
        (modbus_side.pack(6, bytes([3, 2, 0, 9])), Kind.SILENT, (6,)),
        (modbus_side.pack(5, bytes([3, 4, 0, 9, 0, 9])), Kind.DAMAGED, ()),
    ],
)
def test_what_comes_after_a_question_is_told_apart(heard, kind, strangers):
    verdict = judge(heard, _QUESTION)
    assert (verdict.kind, verdict.strangers) == (kind, strangers)


@given(st.binary(max_size=300))
def test_any_bytes_are_judged(heard):
    assert judge(heard, _QUESTION).kind in Kind


def test_what_came_before_a_question_is_told_beside_what_came_after_it():
    late = modbus_side.pack(9, bytes([3, 2, 0, 1])) + b"\x55"
    verdict = judge(_ANSWER, _QUESTION, late)
    assert (verdict.kind, verdict.strangers, verdict.noise) == (Kind.GOOD, (), b"")
    assert (verdict.late_units, verdict.late_noise) == ((9,), b"\x55")
