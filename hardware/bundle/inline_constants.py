"""Puts constants, numbers and words, in the place of their names, before the firmware is compiled.

A name in a module is an entry in its dictionary, in the heap of every node that loads it: the register map alone would
take five kilobytes. So `node_map.HEALTH` becomes `0x0020` wherever it stands, a constant that nobody needs any more is
not defined, a module that is left with nothing is not imported, and neither is one that only annotations name. Lines
stay where they are, for the tracebacks. What is compiled does the same as the sources; they need no such step to run.
"""

import ast
import operator
from collections.abc import Callable, Collection, Iterator, Mapping

_OPERATORS: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
_PACKAGES = ("node", "protocols")

Edit = tuple[ast.AST, str]
Constant = int | str


class _Module:
    """One source text with what it defines, imports and uses."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.tree = ast.parse(text)
        annotations = set(_annotations(self.tree))
        self.nodes = [node for node in ast.walk(self.tree) if node not in annotations]
        self.bound = {node.id for node in self.nodes if isinstance(node, ast.Name) and not _is_load(node)}
        self.arguments = {node.arg for node in ast.walk(self.tree) if isinstance(node, ast.arg)}
        self.aliases = dict(self._imported_modules())
        self.constants = self._own_constants()

    def _imported_modules(self) -> Iterator[tuple[str, str]]:
        """Name here and full name of each module of ours that `from package import module` binds."""
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.module in _PACKAGES:
                for alias in node.names:
                    yield alias.asname or alias.name, f"{node.module}.{alias.name}"

    def _own_constants(self) -> dict[str, Constant]:
        """The names that the module binds once, at its top level, to an integer or a string."""
        found: dict[str, Constant] = {}
        stores = [node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name) and not _is_load(node)]
        for statement in self.tree.body:
            target = _target(statement)
            if target is None or stores.count(target) != 1 or target in self.arguments:
                continue
            value = _constant(statement.value, found)  # type: ignore[attr-defined]
            if value is not None:
                found[target] = value
        return found


def inline_constants(sources: dict[str, str], kept: Collection[str] = ()) -> dict[str, str]:
    """The same modules (path within a slot to source text) with their numbers in place; some may be gone.

    Constants whose names are in `kept` stay defined all the same, for somebody outside uses them.
    """
    modules = {name: _Module(name, text) for name, text in sources.items()}
    known = {module_name(name): module for name, module in modules.items()}
    needed: set[tuple[str, str]] = set()
    edits = {name: list(_uses(module, known, needed)) for name, module in modules.items()}
    texts: dict[str, str] = {}
    for name, module in modules.items():
        unneeded = [
            statement
            for statement in module.tree.body
            if _target(statement) in module.constants
            and (module_name(name), _target(statement)) not in needed
            and _target(statement) not in kept
        ]
        gone = {node for statement in unneeded for node in ast.walk(statement)}
        changes = [(node, number) for node, number in edits[name] if node not in gone]
        changes += [(statement, "pass") for statement in unneeded]
        texts[name] = _without_idle_imports(name, _edited(module.text, changes))
    return _reached(texts)


def module_name(path: str) -> str:
    """The name by which the module at a path within a slot is imported."""
    return path.removesuffix(".py").replace("/", ".")


def imported_modules(text: str) -> Iterator[str]:
    """Full names of the modules, and perhaps of the things in them, that a source imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _uses(module: _Module, known: dict[str, _Module], needed: set[tuple[str, str]]) -> Iterator[Edit]:
    """Yield each use of a constant and the number for it; note in `needed` those that keep their names."""
    for node in module.nodes:
        if isinstance(node, ast.Name) and _is_load(node) and node.id in module.constants:
            yield node, _literal(module.constants[node.id])
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            needed.update((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in module.aliases:
            full_name = module.aliases[node.value.id]
            is_shadowed = node.value.id in module.bound | module.arguments
            value = known[full_name].constants.get(node.attr) if full_name in known else None
            if value is None or is_shadowed or not _is_load(node):
                needed.add((full_name, node.attr))
            else:
                yield node, _literal(value)


def _without_idle_imports(name: str, text: str) -> str:
    """The text without imports of our modules of which nothing is used; `as` the same name keeps one for others."""
    module = _Module(name, text)
    used = {node.id for node in module.nodes if isinstance(node, ast.Name)}
    edits: list[Edit] = []
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _PACKAGES:
            kept = [alias for alias in node.names if (alias.asname or alias.name) in used or alias.asname == alias.name]
            if len(kept) < len(node.names):
                edits.append((node, ast.unparse(ast.ImportFrom(node.module, kept, 0)) if kept else "pass"))
    return _edited(text, edits)


def _reached(texts: dict[str, str]) -> dict[str, str]:
    """The modules of `node`, but for empty ones, and those of `protocols` that something imports."""
    found: dict[str, str] = {}
    waiting = [name for name in texts if name.startswith("node/")]
    while waiting:
        name = waiting.pop()
        if name in found or name not in texts:
            continue
        found[name] = texts[name]
        for imported in imported_modules(texts[name]):
            package = imported.partition(".")[0]
            waiting += [imported.replace(".", "/") + ".py", f"{package}/__init__.py"]
    return dict(sorted(found.items()))


def _edited(text: str, edits: list[Edit]) -> str:
    """The text with each node replaced; one that went over several lines leaves as many."""
    lines = text.encode().split(b"\n")
    for node, replacement in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset), reverse=True):  # type: ignore[attr-defined]
        first, last = node.lineno - 1, node.end_lineno - 1  # type: ignore[attr-defined]
        head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset :]  # type: ignore[attr-defined]
        lines[first : last + 1] = [head + replacement.encode() + tail] + [b""] * (last - first)
    return b"\n".join(lines).decode()


def _annotations(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node within an annotation: MicroPython's compiler passes over them."""
    for node in ast.walk(tree):
        for place in ("annotation", "returns"):
            inner = getattr(node, place, None)
            if isinstance(inner, ast.AST):
                yield from ast.walk(inner)


def _target(statement: ast.stmt) -> str | None:
    """The name that a plain assignment binds."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _constant(value: ast.expr, known: Mapping[str, Constant]) -> Constant | None:
    """What an expression stands for when it is a string or, by `_number`, an integer; None for any other."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return _number(value, known)


def _literal(value: Constant) -> str:
    return f"({value})" if isinstance(value, int) and value < 0 else repr(value)


def _number(value: ast.AST, known: Mapping[str, Constant]) -> int | None:
    """The integer that an expression of literals, `const` and constants stands for; None for any other."""
    if isinstance(value, ast.Constant):
        return value.value if type(value.value) is int else None
    if isinstance(value, ast.Name):
        number = known.get(value.id)
        return number if isinstance(number, int) else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const":
        return _number(value.args[0], known)
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        inner = _number(value.operand, known)
        return None if inner is None else -inner
    if isinstance(value, ast.BinOp) and type(value.op) in _OPERATORS:
        left, right = _number(value.left, known), _number(value.right, known)
        return None if left is None or right is None else _OPERATORS[type(value.op)](left, right)
    return None


def _is_load(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)
