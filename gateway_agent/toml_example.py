"""What may stand at a key path of a model, and an example of it that the model accepts.

An example is the field's own `examples`, else its spelling's, else its default, else a value of its type within its
limits.
"""

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pydantic
from pydantic.fields import FieldInfo

from gateway_agent.toml_lines import Loc
from gateway_agent.toml_spelling import Spelling

_MAPPINGS = (dict, Mapping)
_ARRAYS = (list, tuple, Sequence)
_LONGEST_TEXT = 60
_LONGEST_ARRAY = 6
_LONGEST_TABLE = 3


@dataclass(frozen=True, slots=True)
class Slot:
    """One type that is allowed at a place, with the field and the annotations that speak of it, outermost first."""

    annotation: Any
    notes: tuple[Any, ...] = ()

    @property
    def model(self) -> type[pydantic.BaseModel] | None:
        """The model of a table, None where no table with known keys stands."""
        is_model = isinstance(self.annotation, type) and issubclass(self.annotation, pydantic.BaseModel)
        return typing.cast(type[pydantic.BaseModel], self.annotation) if is_model else None

    @property
    def element_model(self) -> type[pydantic.BaseModel] | None:
        """The model of each element of an array of tables, None for anything else."""
        if typing.get_origin(self.annotation) not in _ARRAYS:
            return None
        return next((slot.model for slot in self.inside(0) if slot.model), None)

    def inside(self, part: str | int) -> list["Slot"]:
        """What may stand at a key of this table, or at an index of this array."""
        if self.model is not None:
            fields = self.model.model_fields.items()
            return [
                slot
                for name, field in fields
                if (field.alias or name) == part
                for slot in _slots(field.annotation, (field,))
            ]
        origin, arguments = typing.get_origin(self.annotation), typing.get_args(self.annotation)
        if origin in _MAPPINGS and isinstance(part, str):
            return _slots(arguments[1])
        if origin in _ARRAYS and isinstance(part, int):
            fixed = origin is tuple and Ellipsis not in arguments
            return _slots(arguments[min(part, len(arguments) - 1) if fixed else 0])
        return []

    def key_slots(self) -> list["Slot"]:
        """What a key of this table must be, where its keys are not known beforehand."""
        return _slots(typing.get_args(self.annotation)[0]) if typing.get_origin(self.annotation) in _MAPPINGS else []

    def example(self) -> str:
        """A value for this place as TOML writes it."""
        for note in self.notes:
            if isinstance(note, FieldInfo) and note.examples:
                return toml_text(note.examples[0])
            if isinstance(note, Spelling):
                return toml_text(note.example)
        for note in self.notes:
            if isinstance(note, FieldInfo) and _says_something(note.default):
                return toml_text(note.default)
        return self._example_of_type()

    def _example_of_type(self) -> str:
        origin, arguments = typing.get_origin(self.annotation), typing.get_args(self.annotation)
        if self.model is not None:
            return self._example_table(self.model)
        if origin is typing.Literal:
            return toml_text(arguments[0])
        if origin in _ARRAYS:
            count = 1 if Ellipsis in arguments or origin is not tuple else len(arguments)
            return "[" + ", ".join(self.inside(index)[0].example() for index in range(count)) + "]"
        if origin in _MAPPINGS:
            return f"{{ {self.key_slots()[0].example().strip(chr(34))} = {self.inside('')[0].example()} }}"
        if self.annotation in (int, float):
            return str(self._number_within_limits())
        return {bool: "true", str: '"text"'}.get(self.annotation, "...")

    def _example_table(self, model: type[pydantic.BaseModel]) -> str:
        names = required_keys(model) or [field.alias or name for name, field in list(model.model_fields.items())[:1]]
        return "{ " + ", ".join(f"{name} = {self.inside(name)[0].example()}" for name in names) + " }"

    def _number_within_limits(self) -> int | float:
        limits: dict[str, int | float] = {
            name: limit
            for constraint in self._constraints()
            for name in ("ge", "gt", "le", "lt")
            if (limit := getattr(constraint, name, None)) is not None
        }
        value = max(1, limits.get("ge", 1), limits.get("gt", 0) + 1)
        return min(value, limits.get("le", value), limits.get("lt", value + 1) - 1)

    def _constraints(self) -> Iterator[Any]:
        for note in self.notes:
            if isinstance(note, FieldInfo):
                yield from note.metadata
            else:
                yield note


def slots_at(model: type[pydantic.BaseModel], loc: Loc) -> list[Slot]:
    """The types that are allowed at a key path, by the names that TOML knows; empty where nothing may stand."""
    slots = _slots(model)
    for part in loc:
        slots = [inner for slot in slots for inner in slot.inside(part)]
    return slots


def required_keys(model: type[pydantic.BaseModel]) -> list[str]:
    """The keys that a table must have, by the names that TOML knows."""
    return [field.alias or name for name, field in model.model_fields.items() if field.is_required()]


def toml_text(value: Any) -> str:
    """A value as TOML writes it, shortened where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _LONGEST_TEXT else f'"{value[: _LONGEST_TEXT - 3]}..."'
    if isinstance(value, Mapping):
        if len(value) > _LONGEST_TABLE:
            return "a table"
        return "{ " + ", ".join(f"{key} = {toml_text(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        shown = ", ".join(toml_text(item) for item in value[:_LONGEST_ARRAY])
        return f"[{shown}, ...]" if len(value) > _LONGEST_ARRAY else f"[{shown}]"
    return str(value)


def _says_something(default: Any) -> bool:
    """Whether a default is a value that can be written down and shows the shape that is wanted."""
    if isinstance(default, bool):
        return False  # whoever sets a switch wants the other way
    return isinstance(default, (int, float)) or (isinstance(default, (str, tuple)) and len(default) > 0)


def _slots(annotation: Any, notes: tuple[Any, ...] = ()) -> list[Slot]:
    """The parts of a union without its None; what `Annotated` and fields say goes into the notes."""
    spelled = [item for note in notes if isinstance(note, FieldInfo) for item in note.metadata]
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *said = typing.get_args(annotation)
        return _slots(inner, (*notes, *said))
    if origin in (typing.Union, types.UnionType):
        return [slot for argument in typing.get_args(annotation) for slot in _slots(argument, notes)]
    notes = (*notes, *(item for item in spelled if isinstance(item, Spelling)))
    return [] if annotation is type(None) else [Slot(annotation, notes)]
