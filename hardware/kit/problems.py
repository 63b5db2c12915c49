"""Everything that is wrong with a work order and with the poles that it names, told at once."""

from collections.abc import Iterable

from gateway_agent.errors import GatepostError
from gateway_agent.toml_source import Problem


class KitProblems(GatepostError):  # noqa: N818 - it is what they are
    """Why no kit can be made: `problems`, each with its file, line and mend, one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))
