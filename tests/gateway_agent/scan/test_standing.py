"""Whether somebody is on an id, from what came back to the same question several times."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway_agent.scan.findings import Standing
from gateway_agent.scan.question import Kind, Question, Verdict
from gateway_agent.scan.standing import look

GOOD, BAD, NONE = Verdict(Kind.GOOD), Verdict(Kind.DAMAGED), Verdict(Kind.SILENT)


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [
        ([GOOD] * 4, Standing.ONE),
        ([GOOD, BAD] * 4, Standing.DAMAGED),
        ([BAD] * 8, Standing.TWO),
        ([NONE] * 4, None),
        ([NONE, BAD, *[NONE] * 6], None),
    ],
)
def test_who_is_there(verdicts: Sequence[Verdict], standing: Standing | None) -> None:
    left = list(verdicts)

    async def ask(question: Question) -> Verdict:
        return left.pop(0)

    found = asyncio.run(look(ask, None))  # type: ignore[arg-type]
    assert (found and found.standing) == standing
