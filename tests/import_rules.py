"""The import rules of the folders, read from the sources with ast, without importing anything.

Imports point one way: `protocols` imports nothing of ours and only what MicroPython has; `firmware` only `protocols`
and MicroPython; `gateway_agent` never the rig; nobody imports `firmware` or `tests`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OURS = frozenset({"protocols", "gateway_agent", "hardware", "firmware", "tests", "node"})
BOARD = "firmware/node/board.py"
HARDWARE_MODULES = frozenset({"machine", "esp32", "network"})
PROTOCOL_MODULES = frozenset({"array", "binascii", "hashlib", "struct", "sys"})
PROGRAMS = frozenset({"esptool", "espefuse", "espsecure"})
"""Under the GPL, so run as programs of their own and never imported by what we ship."""
GUARDED_MODULES = frozenset({"micropython"})
FIRMWARE_MODULES = PROTOCOL_MODULES | frozenset(
    {"asyncio", "errno", "gc", "hashlib", "io", "json", "math", "micropython", "os", "random", "select", "time"}
)
FOLDERS = ("protocols", "firmware", "gateway_agent", "hardware", "requirements", "deploy")
MICROPYTHON_FOLDERS = ("hardware/rig/machine/shims",)


@dataclass(frozen=True)
class Import:
    """One imported module: its full name, its line, and whether an ImportError of it is caught."""

    module: str
    line: int
    guarded: bool

    @property
    def top(self) -> str:
        """The first part of the name."""
        return self.module.partition(".")[0]


def find_violations(root: Path) -> list[str]:
    """Return `file:line: what` for each import below `root` that breaks a rule, in the order of files and lines."""
    found = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if "node_modules" in path.parts:
                continue
            for imported in read_imports(path.read_text(encoding="utf-8"), name):
                reason = _broken_rule(name, imported)
                if reason:
                    found.append(f"{name}:{imported.line}: imports {imported.module}, but {reason}")
    return found


def read_imports(source: str, name: str) -> Iterator[Import]:
    """Yield every module that the source of file `name` imports: statements anywhere, and calls with a literal name."""
    tree = ast.parse(source, name)
    guarded = {id(node) for outer in ast.walk(tree) if _catches_import_error(outer) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        for module in _imported_names(node, name):
            yield Import(module, getattr(node, "lineno", 0), id(node) in guarded)


def _imported_names(node: ast.AST, name: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = name.split("/")[: -node.level] if node.level else []
        return [".".join([*package, *([node.module] if node.module else [])])]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
            return [node.args[0].value]
    return []


def _catches_import_error(node: ast.AST) -> bool:
    if not isinstance(node, ast.Try):
        return False
    caught = {part.id for one in node.handlers if one.type for part in ast.walk(one.type) if isinstance(part, ast.Name)}
    return bool(caught & {"ImportError", "ModuleNotFoundError"})


def _broken_rule(name: str, imported: Import) -> str:
    top = imported.top
    folder = name.partition("/")[0]
    if top in ("firmware", "tests") or (top == "node" and folder != "firmware"):
        return f"nobody imports {'firmware' if top == 'node' else top}"
    if top in PROGRAMS:
        return "it is under the GPL: run it as a program"
    if top in HARDWARE_MODULES and name != BOARD and not name.startswith(MICROPYTHON_FOLDERS):
        return f"only {BOARD} may"
    if folder == "protocols":
        return _broken_protocol_rule(imported)
    if folder == "firmware" and top not in FIRMWARE_MODULES | HARDWARE_MODULES | {"protocols", "node"}:
        return "firmware imports only protocols and what MicroPython has"
    if folder == "gateway_agent" and top == "hardware":
        return "gateway_agent reads the data of hardware and imports none of it"
    return ""


def _broken_protocol_rule(imported: Import) -> str:
    if imported.top == "protocols" or imported.top in PROTOCOL_MODULES:
        return ""
    if imported.top in GUARDED_MODULES:
        return "" if imported.guarded else "CPython has none: catch its ImportError"
    return "protocols imports nothing of ours" if imported.top in OURS else "it does not run on both interpreters"
