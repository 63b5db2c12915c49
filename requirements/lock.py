"""Write the lock files from pyproject.toml: `make lock`.

Each lock holds one version of every package for every platform and every Python from 3.11 on, with the hashes of all
its files and no registry's address. Versions that still fit stay; `make lock ARGS=--upgrade` takes the newest. uv
resolves, in an environment of its own that goes away afterwards. npm, where PATH has it, writes the lock of the
MicroPython machine.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"  # Apache-2.0 or MIT: the one resolver that writes a lock for all platforms at once
OPTIONS = [
    "--universal", "--python-version=3.11", "--generate-hashes",
    "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet",
]  # fmt: skip
LOCKS = {
    "runtime": ["pyproject.toml"],  # what a gateway installs
    "bundle": ["pyproject.toml", "--extra=bundle"],  # the computer that builds and signs updates
    "flash": ["pyproject.toml", "--extra=flash"],  # the laptop of a technician
    "dev": ["pyproject.toml", "--group=dev"],  # what setup installs
    "node": ["--group=node"],  # Node.js, where PATH has none
    "stubs": ["--group=stubs"],  # into a folder of their own
}
NPM_OPTIONS = ["--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved", "--loglevel=error"]


def main() -> int:
    """Resolve every lock; return 0, or the exit code of the first step that failed."""
    npm = shutil.which("npm")
    if npm is None:
        print("PATH has no npm: hardware/rig/machine/package-lock.json stays as it is", file=sys.stderr)
    with tempfile.TemporaryDirectory() as scratch:
        python = Path(scratch) / "bin" / "python"
        steps = [
            [sys.executable, "-m", "venv", scratch],
            [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", UV],
        ]
        for name, sources in LOCKS.items():
            output = f"--output-file=requirements/{name}.lock"
            steps.append([str(python), "-m", "uv", "pip", "compile", *sources, *OPTIONS, *sys.argv[1:], output])
        if npm is not None:
            steps.append([npm, "install", "--prefix", "hardware/rig/machine", *NPM_OPTIONS])
        for step in steps:
            code = subprocess.run(step, cwd=ROOT, check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
