"""Gives the firmware's own names short ones, before it is compiled.

A node keeps every name of its code in its heap, with some seven bytes beside the letters: what classes, functions,
arguments and attributes are called takes a fifth of the heap of a whole node. So each name that is ours becomes one or
two letters, the same in every module. A name is ours when our sources bind it and neither MicroPython (its
stubs tell) nor a string nor a program outside of the slot uses it; modules and exceptions keep theirs, for the log and
the console. A traceback on the console tells file and line as before, and those have not moved.
"""

import ast
import io
import keyword
import string
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, product
from pathlib import Path

_LETTERS = string.ascii_letters
_STUB_FOLDERS = ("*.pyi", "_mpy_shed/**/*.pyi", "stdlib/asyncio/*.pyi")
_STUB_MODULES = ("array", "builtins", "collections/__init__", "io", "os/__init__", "re", "struct", "sys/__init__")


def short_names(sources: dict[str, str], stubs: Path, beside: Iterable[str] = ()) -> dict[str, str]:
    """The same modules (path within a slot to source text) under short names.

    `stubs` is the folder of MicroPython's stubs. The names that the programs `beside` use stay as they are, for they
    are not compiled together with the modules.
    """
    trees = [ast.parse(text) for text in sources.values()]
    tokens = {name: _name_tokens(text) for name, text in sources.items()}
    used = Counter(token.string for found in tokens.values() for token in found)
    fixed = micropython_names(stubs) | _module_names(sources) | _other_names(trees)
    fixed.update(name for text in beside for name in names_in(text))
    ours = {name for tree in trees for name in _bound_names(tree)} - fixed
    fresh = (name for name in _letters() if name not in used and name not in fixed)
    names = {name: next(fresh) for name in sorted(ours, key=lambda name: (-used[name], name)) if used[name]}
    return {name: _renamed(text, tokens[name], names) for name, text in sources.items()}


def names_in(text: str) -> set[str]:
    """Every name that a source uses, special ones such as __init__ left out."""
    return {token.string for token in _name_tokens(text)}


@lru_cache(maxsize=2)
def micropython_names(stubs: Path) -> set[str]:
    """Every name that MicroPython's modules and their things have, arguments included. Raises FileNotFoundError."""
    files = [*chain(*(stubs.glob(pattern) for pattern in _STUB_FOLDERS))]
    files += [stubs / "stdlib" / f"{name}.pyi" for name in _STUB_MODULES]
    found: set[str] = set()
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found |= {file.stem, file.parent.name}
        found.update(_bound_names(tree))
    return found


def _bound_names(tree: ast.AST) -> Iterator[str]:
    """Names that a source defines, binds or takes as arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.attr
        elif isinstance(node, ast.alias) and node.asname is not None:
            yield node.asname


def _module_names(sources: Iterable[str]) -> set[str]:
    return {part for name in sources for part in name.removesuffix(".py").split("/")}


def _other_names(trees: Iterable[ast.AST]) -> set[str]:
    """Names that must stay: exceptions, keywords, strings that are a name or hold one."""
    found = {*keyword.kwlist, *keyword.softkwlist}
    for node in chain(*(ast.walk(tree) for tree in trees)):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
            found.add(node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.update(name.id for name in ast.walk(node) if isinstance(name, ast.Name))
            found.update(name.attr for name in ast.walk(node) if isinstance(name, ast.Attribute))
    return found


def _name_tokens(text: str) -> list[tokenize.TokenInfo]:
    """The names in a source, special ones such as __init__ left out."""
    words = tokenize.generate_tokens(io.StringIO(text).readline)
    return [word for word in words if word.type == tokenize.NAME and not word.string.startswith("__")]


def _letters() -> Iterator[str]:
    """A, B, ... then pairs of letters and so on."""
    for length in range(1, 4):
        yield from ("".join(letters) for letters in product(_LETTERS, repeat=length))


def _renamed(text: str, tokens: Iterable[tokenize.TokenInfo], names: dict[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    for token in reversed(list(tokens)):
        if token.string in names:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + names[token.string] + line[column + len(token.string) :]
    return "".join(lines)
