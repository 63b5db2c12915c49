"""Prepare a fresh computer to run and test Gatepost: `make setup` calls this file with any Python from 3.11 on.

It makes `.venv`, installs what the lock files name (hashes checked), the project itself, the type stubs of the ESP32
port and the MicroPython machine. Each step keeps the digest of its inputs in `.venv/gatepost-setup.json`, so a second
call installs nothing. Only the standard library, and only syntax that an old Python can read, so that it can say
that it is too old.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STATE = VENV / "gatepost-setup.json"
LOCKS = ROOT / "requirements"
MACHINE = ROOT / "hardware" / "rig" / "machine"
NODE_JS = MACHINE / "node_js.py"
STUBS = VENV / "esp32-stubs"
OLDEST_PYTHON = (3, 11)


class SetupError(Exception):
    """A step failed; the text says which, and what to do next."""


def digest(*parts):
    """Return one SHA-256 over texts and the contents of paths."""
    total = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else str(part).encode()
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


def run(what, command, **options):
    """Run a command, its output kept back; raise SetupError with that output when it fails."""
    done = subprocess.run(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )
    if done.returncode:
        raise SetupError("%s failed:\n%s" % (what, done.stdout.strip()))
    return done.stdout.strip()


def pip_install(what, *arguments):
    """Install with the venv's pip, quiet but for errors."""
    run(what, [VENV_PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", *arguments])


def make_venv():
    """Make `.venv` anew, with the Python that an activated `.venv` was made of, for it cannot remake itself."""
    python = getattr(sys, "_base_executable", None) or sys.executable
    try:
        run("making .venv", [python, "-m", "venv", "--clear", VENV])
    except SetupError as error:
        raise SetupError("%s\nOn Debian and Raspberry Pi OS: apt install python3-venv" % error) from error


def install_packages():
    """Install the libraries and tools of the lock file."""
    pip_install("installing Python packages", "--require-hashes", "-r", LOCKS / "dev.lock")


def install_project():
    """Make the command `gatepost` and the entry points, with the sources staying where they are."""
    pip_install("installing gatepost", "--no-deps", "--no-build-isolation", "-e", ROOT)


def install_stubs():
    """Install the stubs of the ESP32 port beside the packages, for they would hide the types of CPython's library."""
    shutil.rmtree(STUBS, ignore_errors=True)
    pip_install("installing the ESP32 stubs", "--require-hashes", "--target", STUBS, "-r", LOCKS / "stubs.lock")


def install_machine():
    """Install the MicroPython machine from npm, and Node.js from PyPI where PATH has none."""
    find = [VENV_PYTHON, "-P", NODE_JS, "--npm"]
    if subprocess.run([str(word) for word in find], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        say("installing Node.js (61 MB), for PATH has none from version 18 on with npm")
        pip_install("installing Node.js", "--require-hashes", "-r", LOCKS / "node.lock")
    npm = run("looking for npm", find).splitlines()
    path = os.environ.get("PATH", "")
    if len(npm) > 1:
        path = os.pathsep.join([str(Path(npm[0]).parent), path])
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    run("npm ci", [*npm, "ci", *quiet], cwd=str(MACHINE), env=dict(os.environ, PATH=path))


def node_is_there():
    """Tell whether a Node.js can be found for the installed machine."""
    command = [str(VENV_PYTHON), "-P", str(NODE_JS)]
    found = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return found.returncode == 0 and (MACHINE / "node_modules").is_dir()


def say(text):
    """Print one progress line."""
    print("gatepost setup: " + text, flush=True)


def read_state():
    """Return the digests of the finished steps; none where the venv is missing, unfinished or of another place."""
    try:
        state = json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}
    return state if VENV_PYTHON.exists() and state.get("venv") == venv_digest() else {}


def venv_digest():
    """Return what a venv depends on: the Python that made it and the folder it stands in."""
    return digest(sys.version_info[:2], str(ROOT))


def set_up():
    """Do the steps whose inputs have changed since they were last done."""
    steps = [
        ("venv", venv_digest(), make_venv, "making .venv"),
        ("packages", digest(LOCKS / "dev.lock"), install_packages, "installing Python packages, about half a minute"),
        ("project", digest(ROOT / "pyproject.toml"), install_project, "installing gatepost itself"),
        ("stubs", digest(LOCKS / "stubs.lock"), install_stubs, "installing the ESP32 type stubs"),
        ("machine", digest(MACHINE / "package-lock.json"), install_machine, "installing the MicroPython machine"),
    ]
    state = read_state()
    if "machine" in state and not node_is_there():
        del state["machine"]
    started = time.monotonic()
    pending = [step for step in steps if state.get(step[0]) != step[1]]
    for name, wanted, action, text in pending:
        say(text)
        action()
        state[name] = wanted
        STATE.write_text(json.dumps(state, indent=1))
    if pending:
        say("done in %d s" % (time.monotonic() - started))


def main():
    """Set up under a lock, so that two calls at a time do not meet; return the exit code."""
    if sys.version_info < OLDEST_PYTHON:
        version = "%d.%d" % sys.version_info[:2]
        print("gatepost needs Python 3.11 or newer, and %s is %s." % (sys.executable, version), file=sys.stderr)
        print("Name a newer one: make PYTHON=/path/to/python3.12 ...", file=sys.stderr)
        return 1
    folder = os.open(str(LOCKS), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        set_up()
    except SetupError as error:
        print("gatepost setup: %s" % error, file=sys.stderr)
        return 1
    finally:
        os.close(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
