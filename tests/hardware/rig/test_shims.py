"""The machine's stand-ins for the ESP32's modules against the stubs of the ESP32 port: names, values, signatures.

A shim may leave things out, but it must not offer what no board has: a name, a constant of another value, a call with
more or with other arguments.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SHIMS = ROOT / "hardware/rig/machine/shims"
STUBS = ROOT / ".venv/esp32-stubs"
MODULES = ("machine", "esp32", "network", "select")
MANY = 99


@dataclass(frozen=True)
class Signature:
    """How something is called: fewest and most positional arguments, names of those, names of keywords only."""

    least: int
    most: int
    names: tuple[str | None, ...]
    keywords: frozenset[str]
    takes_any_keyword: bool


def signature_of(function: ast.FunctionDef, *, is_method: bool) -> Signature:
    """The signature without `self`; positional-only arguments have no name."""
    arguments = function.args
    names: list[str | None] = [None] * len(arguments.posonlyargs) + [argument.arg for argument in arguments.args]
    skipped = int(is_method and bool(names))
    count = len(names) - skipped
    return Signature(
        max(0, count - len(arguments.defaults)),
        MANY if arguments.vararg else count,
        tuple(names[skipped:]),
        frozenset(argument.arg for argument in arguments.kwonlyargs),
        arguments.kwarg is not None,
    )


class Scope:
    """Names of a module or class: functions with all their overloads, constants, classes."""

    def __init__(self, body: list[ast.stmt], *, is_class: bool) -> None:
        self.functions: dict[str, list[Signature]] = {}
        self.constants: dict[str, object] = {}
        self.classes: dict[str, Scope] = {}
        for statement in body:
            if isinstance(statement, ast.FunctionDef):
                found = signature_of(statement, is_method=is_class)
                self.functions.setdefault(statement.name, []).append(found)
            elif isinstance(statement, ast.ClassDef):
                self.classes[statement.name] = Scope(statement.body, is_class=True)
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                self.constants[statement.target.id] = literal(statement.value)
            elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                self.constants[statement.targets[0].id] = literal(statement.value)

    @property
    def names(self) -> set[str]:
        """All of them."""
        return {*self.functions, *self.constants, *self.classes}


def literal(value: ast.expr | None) -> object:
    """The value of a number or a sum of numbers, None for anything else."""
    try:
        return None if value is None else ast.literal_eval(value)
    except ValueError:
        return None


def module(path: Path) -> Scope:
    """The names of a source file."""
    return Scope(ast.parse(path.read_text(encoding="utf-8")).body, is_class=False)


def differences(shim: Scope, stub: Scope, where: str) -> Iterator[str]:
    """Every name or signature of the shim that the stub does not have."""
    for name in sorted(shim.names):
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        place = f"{where}.{name}"
        if name not in stub.names:
            yield f"{place} is not in the ESP32 port"
        elif name in shim.functions:
            for signature in shim.functions[name]:
                yield from misfits(signature, stub.functions.get(name, []), place)
        elif name in shim.classes:
            if name not in stub.classes:
                yield f"{place} is no class in the ESP32 port"
            else:
                yield from differences(shim.classes[name], stub.classes[name], place)
        else:
            known = stub.constants.get(name)
            if None not in (known, shim.constants[name]) and known is not ... and known != shim.constants[name]:
                yield f"{place} is {shim.constants[name]}, on the board {known}"


def misfits(shim: Signature, stubs: list[Signature], place: str) -> Iterator[str]:
    """How calls that the shim takes differ from those that any overload of the stub takes."""
    if not stubs:
        yield f"{place} is no function in the ESP32 port"
        return
    if shim.most > max(stub.most for stub in stubs):
        yield f"{place} takes {shim.most} arguments, on the board {max(stub.most for stub in stubs)}"
    if shim.least < min(stub.least for stub in stubs):
        yield f"{place} may be called with {shim.least} arguments, on the board it needs more"
    keywords = set().union(
        *(stub.keywords for stub in stubs), *({name for name in stub.names if name} for stub in stubs)
    )
    if not any(stub.takes_any_keyword for stub in stubs):
        for name in sorted(shim.keywords - keywords):
            yield f"{place} has the keyword {name}, which the board does not know"
    for index, name in enumerate(shim.names):
        theirs = {stub.names[index] for stub in stubs if index < len(stub.names)}
        if theirs and None not in theirs and name not in theirs and index < max(stub.most for stub in stubs):
            yield f"{place}: argument {index + 1} is named {name}, on the board {' or '.join(sorted(map(str, theirs)))}"


@pytest.mark.parametrize("name", MODULES)
def test_the_shims_offer_nothing_that_the_esp32_has_not(name: str) -> None:
    found = list(differences(module(SHIMS / f"{name}.py"), module(STUBS / f"{name}.pyi"), name))
    print("\n".join(found))
    assert found == []


def test_every_shim_of_a_module_of_the_esp32_is_compared() -> None:
    shims = {path.stem for path in SHIMS.glob("*.py")} - {"rig_boot"}
    assert shims == set(MODULES)


def test_a_shim_that_offers_too_much_is_found() -> None:
    stub = Scope(
        ast.parse(
            "class Pin:\n    IN: int = 1\n    def value(self) -> int: ...\n    def value(self, x, /): ...\n"
            "    def irq(self, handler=None, trigger=1, *, wake=None): ...\n"
        ).body,
        is_class=False,
    )
    for text, what in (
        ("class Pin:\n    def toggle(self): pass", "is not in the ESP32 port"),
        ("class Pin:\n    IN = 2", "is 2, on the board 1"),
        ("class Pin:\n    def value(self, x, y): pass", "takes 2 arguments, on the board 1"),
        ("class Pin:\n    def irq(self, handler=None, *, hard=False): pass", "keyword hard"),
        ("class Pin:\n    def irq(self, call=None): pass", "is named call, on the board handler"),
        ("class Pin:\n    IN = 1\n    def value(self, x=None): pass", ""),
    ):
        found = list(differences(Scope(ast.parse(text).body, is_class=False), stub, "machine"))
        assert len(found) == bool(what)
        assert not what or what in found[0]
