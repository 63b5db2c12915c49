"""Text that must be spelled in a certain way, with words for whoever spelled it otherwise.

A pattern alone tells a technician nothing, so it stands together with what it means: `Annotated[str, Spelling(...)]`.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

SPELLING = "spelling"


@dataclass(frozen=True, slots=True)
class Spelling:
    """The whole text matches the regular expression `pattern`; `words` say the same as a phrase, `example` does it."""

    pattern: str
    words: str
    example: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """What pydantic asks for: the checks of the text that stand before, then this one."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise PydanticCustomError(SPELLING, "{words}", {"words": self.words, "example": self.example})
        return text
