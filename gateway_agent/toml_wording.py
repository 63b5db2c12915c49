"""Pydantic's errors in the words of whoever wrote the TOML file: what is wrong, and the mend.

Each error becomes (key path, what, mend). An unknown key names the nearest known one, a wrong type names the type
that is wanted with an example that the model accepts.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from gateway_agent.toml_example import required_keys, slots_at, toml_text
from gateway_agent.toml_lines import Loc
from gateway_agent.toml_spelling import SPELLING

Wording = tuple[Loc, str, str]

_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "an array",
    "list_type": "an array",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}

_UNQUOTED = {
    "a whole number": re.compile("0|-?[1-9][0-9]*"),
    "a number": re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"),
    "true or false": re.compile("true|false"),
}
_NOTHING = re.compile("(?!)")

_LIMITS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}

_SIZES = {
    "too_short": ("min_length", "at least", "element"),
    "too_long": ("max_length", "at most", "element"),
    "string_too_short": ("min_length", "at least", "character"),
    "string_too_long": ("max_length", "at most", "character"),
}


_SECRETS = frozenset({"pin", "password"})
"""Keys whose values are not repeated: what is told here is logged, and goes to the platform."""


def findings_of(
    error: pydantic.ValidationError, model: type[pydantic.BaseModel], data: Mapping[str, Any]
) -> list[Wording]:
    """One wording for each fault of a validation error; the branches of a union are told as one."""
    by_place: dict[Loc, list[ErrorDetails]] = {}
    for details in error.errors():
        if not _only_elements_are_bad(details):
            by_place.setdefault(_place(details, data), []).append(details)
    misspelled = {
        (*loc[:-1], guess)
        for loc, group in by_place.items()
        if group[0]["type"] == "extra_forbidden" and (guess := nearest(str(loc[-1]), _known_keys(loc, model)))
    }
    wordings: list[Wording] = []
    for loc, group in by_place.items():
        wanted = [details for details in group if details["type"] in _WANTED]
        if loc and loc[-1] in _SECRETS and group[0]["type"] in (SPELLING, *_WANTED):
            wordings.append(_wrong_secret(loc, group[0], model))
        elif _is_no_number(group[0]["input"]):
            what = f"{key_path(loc)} is {group[0]['input']}, which is not a number that can be used"
            wordings.append((loc, what, _write_example(loc, model)))
        elif len(wanted) == len(group):
            wordings.append(_wrong_type(loc, wanted, model))
        elif group[0]["type"] != "missing" or loc not in misspelled:
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


def _only_elements_are_bad(details: ErrorDetails) -> bool:
    """Whether pydantic calls an array too short only because it does not count the elements that are wrong."""
    return details["type"] == "too_short" and _length(details["input"]) >= details.get("ctx", {})["min_length"]


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


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
    wanted = " or ".join(kind for kind in kinds if kind != "a whole number" or "a number" not in kinds)
    if _is_key(group[0]):
        keys = [key for slot in slots_at(model, loc[:-1]) for key in slot.key_slots()]
        example = keys[0].example() if keys else "1"
        return loc, f"{key_path(loc)}: a key there must be {wanted}", f"write for example {example} = ..."
    value = group[0]["input"]
    slots = slots_at(model, loc)
    header = ".".join(part for part in loc if isinstance(part, str))
    if isinstance(value, Mapping) and any(slot.element_model for slot in slots):
        what = f"{key_path(loc)} is one table, but must be a list of tables"
        return loc, what, f"write [[{header}]] with two brackets"
    if isinstance(value, list) and any(slot.model for slot in slots) and isinstance(loc[-1], str):
        return loc, f"{key_path(loc)} is a list, but must be one table", f"write [{header}] with one bracket"
    table = _table(loc, model)
    mend = f"write it as {table}" if table else _write_example(loc, model)
    if isinstance(value, str) and any(_UNQUOTED.get(kind, _NOTHING).fullmatch(value) for kind in kinds):
        mend = f"write {_assigned(loc, value)} without quotes"
    return loc, f"{key_path(loc)} is {toml_text(value)}, but must be {wanted}", mend


def _wording(loc: Loc, details: ErrorDetails, model: type[pydantic.BaseModel]) -> Wording:
    kind = details["type"]
    context = details.get("ctx", {})
    value = toml_text(details["input"])
    if kind == "extra_forbidden":
        return _unknown_key(loc, model)
    if kind == "missing":
        return _missing(loc, model)
    if kind == "literal_error":
        return _not_a_choice(loc, details)
    if kind == SPELLING and _is_key(details):
        what = f"{key_path(loc[:-1])} has a key {value}, but {context['words']}"
        return loc, what, f"write for example {context['example']} = ..."
    if kind == SPELLING:
        return loc, f"{key_path(loc)} is {value}, but {context['words']}", _write_example(loc, model)
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return loc, f"{key_path(loc)} is {value}", f"it must be {words} {_plain(context[key])}"
    if kind in _SIZES:
        return _wrong_size(loc, details, model)
    if kind == "string_pattern_mismatch":
        return loc, f"{key_path(loc)} may not be {value}", f"it must match {context['pattern']}"
    return loc, f"{key_path(loc)} is {value}: {details['msg']}", "mend the value"


def _wrong_secret(loc: Loc, details: ErrorDetails, model: type[pydantic.BaseModel]) -> Wording:
    words = details["ctx"]["words"] if details["type"] == SPELLING else f"it must be {_WANTED[details['type']]}"
    return loc, f"{key_path(loc)} is not right (it is not shown here): {words}", _write_example(loc, model)


def _unknown_key(loc: Loc, model: type[pydantic.BaseModel]) -> Wording:
    known = _known_keys(loc, model)
    key = str(loc[-1])
    guess = nearest(key, known)
    mend = f"did you mean {guess}?" if guess else f"the keys it knows: {', '.join(sorted(known))}"
    return loc, f"{key_path(loc[:-1])} has no key named {key}", mend


def _known_keys(loc: Loc, model: type[pydantic.BaseModel]) -> list[str]:
    """The keys of the table in which a key stands."""
    owner = next((slot.model for slot in slots_at(model, loc[:-1]) if slot.model), None)
    return [] if owner is None else [field.alias or name for name, field in owner.model_fields.items()]


def _missing(loc: Loc, model: type[pydantic.BaseModel]) -> Wording:
    owner, key = key_path(loc[:-1]), loc[-1]
    if isinstance(key, int):
        return loc, f"{owner} has no element {key + 1}", "add it"
    table = _table(loc, model)
    if table:
        return loc, f"{owner} has no table {key}", f"add {table}"
    return loc, f"{owner} has no key {key}", f"add {key} = {_example(loc, model)}"


def _not_a_choice(loc: Loc, details: ErrorDetails) -> Wording:
    expected = details.get("ctx", {})["expected"].replace("'", '"')
    choices = {word.strip('"'): word for word in expected.replace(" or ", ", ").split(", ")}
    value = details["input"]
    what = f"{key_path(loc)} is {toml_text(value)}, which is not one of {expected}"
    guess = nearest(str(value), list(choices)) if isinstance(value, str) or str(value) in choices else None
    if guess is None:
        return loc, what, f"choose {expected}"
    in_quotes = choices[guess].startswith('"')
    if in_quotes == isinstance(value, str):
        return loc, what, f"did you mean {choices[guess]}?"
    return loc, what, f"write {_assigned(loc, choices[guess])} {'in' if in_quotes else 'without'} quotes"


def _wrong_size(loc: Loc, details: ErrorDetails, model: type[pydantic.BaseModel]) -> Wording:
    key, words, thing = _SIZES[details["type"]]
    length = _length(details["input"])
    what = f"{key_path(loc)} has {length} {thing}{'' if length == 1 else 's'}"
    table = _table(loc, model)
    if key == "min_length" and table:
        return loc, what, f"add {table}"
    if details["type"] == "string_too_short":
        return loc, what, _write_example(loc, model)
    return loc, what, f"it takes {words} {details.get('ctx', {})[key]}"


def _table(loc: Loc, model: type[pydantic.BaseModel]) -> str | None:
    """Words for a table of the file itself, with the brackets of its header and what it needs; None for other keys."""
    if len(loc) != 1:
        return None  # a table within a table may stand in one line, where no header can follow
    for slot in slots_at(model, loc):
        inner = slot.model or slot.element_model
        if inner is not None:
            header = f"[{loc[0]}]" if slot.model else f"[[{loc[0]}]]"
            keys = required_keys(inner)
            needs = f" with the key{'s' if len(keys) > 1 else ''} {_enumerated(keys)}" if keys else ""
            return f"a table {header}{needs}"
    return None


def _enumerated(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _write_example(loc: Loc, model: type[pydantic.BaseModel]) -> str:
    if isinstance(loc[-1], int):
        return f"write for example {_example(loc, model)} in its place"
    return f"write for example {loc[-1]} = {_example(loc, model)}"


def _assigned(loc: Loc, text: str) -> str:
    return f"{loc[-1]} = {text}" if isinstance(loc[-1], str) else text


def _example(loc: Loc, model: type[pydantic.BaseModel]) -> str:
    slots = slots_at(model, loc)
    return slots[0].example() if slots else "..."


def _is_key(details: ErrorDetails) -> bool:
    """Whether the error is about a key of a table, not about the value there."""
    return details["loc"][-1] == "[key]"


def _plain(limit: Any) -> str:
    """A limit without the decimals that it does not need."""
    return str(int(limit)) if isinstance(limit, float) and limit.is_integer() else str(limit)


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0
