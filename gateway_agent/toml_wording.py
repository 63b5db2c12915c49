"""Pydantic's errors in the words of whoever wrote the TOML file: what is wrong, and the mend.

Each error becomes (key path, what, mend). An unknown key names the nearest known one, a wrong type names the type
that is wanted with an example.
"""

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway_agent.toml_lines import Loc

Wording = tuple[Loc, str, str]

_WANTED = {
    "int_type": ("a whole number", "9600"),
    "int_from_float": ("a whole number", "9600"),
    "float_type": ("a number", "0.5"),
    "bool_type": ("true or false", "true"),
    "string_type": ("text in quotes", '"air"'),
    "tuple_type": ("an array", "[1, 2]"),
    "list_type": ("an array", "[1, 2]"),
    "dict_type": ("a table", "{ key = 1 }"),
    "model_type": ("a table", "{ key = 1 }"),
    "model_attributes_type": ("a table", "{ key = 1 }"),
}

_CONTAINERS = (dict, list, tuple, Mapping, Sequence)

_LIMITS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}

_SIZES = {
    "too_short": ("min_length", "at least", "elements"),
    "too_long": ("max_length", "at most", "elements"),
    "string_too_short": ("min_length", "at least", "characters"),
    "string_too_long": ("max_length", "at most", "characters"),
}


def findings_of(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], data: Mapping[str, Any]
) -> list[Wording]:
    """One wording for each complaint of a validation error; the branches of a union are told as one."""
    by_place: dict[Loc, list[ErrorDetails]] = {}
    for details in error.errors():
        by_place.setdefault(_place(details, data), []).append(details)
    wordings = []
    for loc, group in by_place.items():
        wanted = [details for details in group if details["type"] in _WANTED]
        if len(wanted) == len(group):
            wordings.append(_wrong_type(loc, wanted, model))
        else:
            wordings.extend(_wording(loc, details, model) for details in group if details not in wanted)
    return wordings


def key_path(loc: Loc) -> str:
    """A key path as TOML writes it, elements of arrays counted from 1: `nodes[2].devices[1].unit`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f".{part}" if text else part
    return text or "the file"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word most like `word`, or None when none is like it."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.55)
    return by_lower[close[0]] if close else None


def _place(details: ErrorDetails, data: Mapping[str, Any]) -> Loc:
    """The error's path without the parts that pydantic adds for unions and dictionary keys."""
    loc = tuple(part for part in details["loc"] if part != "[key]")
    value: Any = data
    for depth, part in enumerate(loc):
        if _holds(value, part):
            value = value[part]
        elif depth == len(loc) - 1 and details["type"] == "missing":
            return loc
        else:
            return loc[:depth]
    return loc


def _holds(value: Any, part: str | int) -> bool:
    """Whether a table has the key, or an array the element."""
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _wrong_type(loc: Loc, group: list[ErrorDetails], model: type[pydantic.BaseModel]) -> Wording:
    kinds = list(dict.fromkeys(_WANTED[details["type"]] for details in group))
    wanted = " or ".join(kind for kind, _ in kinds)
    if group[0]["loc"][-1] == "[key]":
        return loc, f"{key_path(loc)}: a key there must be {wanted}", f"write for example {kinds[0][1]} = ..."
    field = _field_at(model, loc)
    example = _toml_text(field.examples[0]) if field and field.examples else " or ".join(text for _, text in kinds)
    name = loc[-1] if loc and isinstance(loc[-1], str) else "it"
    what = f"{key_path(loc)} is {_toml_text(group[0]['input'])}, but must be {wanted}"
    return loc, what, f"write for example {name} = {example}"


def _wording(loc: Loc, details: ErrorDetails, model: type[pydantic.BaseModel]) -> Wording:
    kind = details["type"]
    context = details.get("ctx", {})
    value = _toml_text(details["input"])
    if kind == "extra_forbidden":
        return _unknown_key(loc, model)
    if kind == "missing" and isinstance(loc[-1], int):
        return loc, f"{key_path(loc[:-1])} has no element {loc[-1] + 1}", "add it"
    if kind == "missing":
        return loc, f"{key_path(loc[:-1])} has no key {loc[-1]}", f"add {loc[-1]} = {_example(loc, model)}"
    if kind == "literal_error":
        return _not_a_choice(loc, details)
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return loc, f"{key_path(loc)} is {value}", f"it must be {words} {context[key]}"
    if kind in _SIZES:
        key, words, things = _SIZES[kind]
        return loc, f"{key_path(loc)} has {_length(details['input'])} {things}", f"it takes {words} {context[key]}"
    if kind == "string_pattern_mismatch":
        return loc, f"{key_path(loc)} may not be {value}", f"it must match {context['pattern']}"
    return loc, f"{key_path(loc)} is {value}: {details['msg']}", "mend the value"


def _unknown_key(loc: Loc, model: type[pydantic.BaseModel]) -> Wording:
    owner = _model_at(model, loc[:-1])
    known = [] if owner is None else [field.alias or name for name, field in owner.model_fields.items()]
    key = str(loc[-1])
    guess = nearest(key, known)
    mend = f"did you mean {guess}?" if guess else f"the keys it knows: {', '.join(sorted(known))}"
    return loc, f"{key_path(loc[:-1])} has no key named {key}", mend


def _not_a_choice(loc: Loc, details: ErrorDetails) -> Wording:
    expected = details.get("ctx", {})["expected"].replace("'", '"')
    words = [word.strip('"') for word in expected.replace(" or ", ", ").split(", ")]
    value = details["input"]
    guess = nearest(value, words) if isinstance(value, str) else None
    mend = f'did you mean "{guess}"?' if guess else f"choose {expected}"
    return loc, f"{key_path(loc)} is {_toml_text(value)}, which is not one of {expected}", mend


def _example(loc: Loc, model: type[pydantic.BaseModel]) -> str:
    """An example value for a missing key: the field's own `examples`, else one of its type."""
    field = _field_at(model, loc)
    if field is None:
        return "..."
    if field.examples:
        return _toml_text(field.examples[0])
    for kind in _branches(field.annotation):
        if typing.get_origin(kind) is typing.Literal:
            return _toml_text(typing.get_args(kind)[0])
        text = {int: "1", float: "0.5", bool: "true", str: '"..."', tuple: "[...]"}.get(typing.get_origin(kind) or kind)
        if text:
            return text
    return "{ ... }"


def _field_at(model: type[pydantic.BaseModel], loc: Loc) -> FieldInfo | None:
    """The field that stands at a key path, by the name that TOML knows it by."""
    owner = _model_at(model, loc[:-1]) if loc else None
    fields = {} if owner is None else owner.model_fields
    return next((field for name, field in fields.items() if (field.alias or name) == loc[-1]), None)


def _model_at(annotation: Any, loc: Sequence[str | int]) -> type[pydantic.BaseModel] | None:
    """The model that stands at a key path below `annotation`."""
    for kind in _branches(annotation):
        is_model = isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
        if not loc:
            if is_model:
                return typing.cast(type[pydantic.BaseModel], kind)
            continue
        if is_model:
            fields = {field.alias or name: field for name, field in kind.model_fields.items()}
            inner = fields[loc[0]].annotation if loc[0] in fields else None
        else:
            arguments = [argument for argument in typing.get_args(kind) if argument is not Ellipsis]
            inner = arguments[-1] if arguments and typing.get_origin(kind) in _CONTAINERS else None
        found = None if inner is None else _model_at(inner, loc[1:])
        if found is not None:
            return found
    return None


def _branches(annotation: Any) -> list[Any]:
    """The parts of a union without its None, `Annotated` taken off; a plain type as the only part."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _branches(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [part for argument in typing.get_args(annotation) for part in _branches(argument)]
    return [] if annotation is type(None) else [annotation]


def _toml_text(value: Any) -> str:
    """A value as TOML writes it, shortened where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if isinstance(value, Mapping):
        return (
            "a table" if len(value) > 3 else "{ " + ", ".join(f"{k} = {_toml_text(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_toml_text(item) for item in value[:6])
        return f"[{shown}, ...]" if len(value) > 6 else f"[{shown}]"
    return str(value)


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0
