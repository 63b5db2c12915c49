"""Finding and reading device profiles."""

import importlib.resources
from pathlib import Path

from gateway_agent.errors import GatepostError
from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.rules import check_profile
from gateway_agent.toml_source import ConfigError, Finding, TomlSource, load_toml, validate
from gateway_agent.toml_wording import nearest


class UnknownProfileError(GatepostError):
    """No profile has the name; `mend` says which one may have been meant."""

    def __init__(self, name: str, known: list[str]) -> None:
        guess = nearest(name, known)
        self.mend = f"did you mean {guess}?" if guess else f"the profiles there are: {', '.join(known)}"
        super().__init__(f"there is no device profile {name}; {self.mend}")


def profile_directory() -> Path:
    """The folder with the profiles that come with Gatepost."""
    return Path(str(importlib.resources.files("hardware").joinpath("devices")))


def profile_names() -> list[str]:
    """The names of the profiles that come with Gatepost, sorted: the file names without `.toml`."""
    return sorted(path.stem for path in profile_directory().glob("*.toml"))


def load_profile(name_or_path: str | Path) -> Profile:
    """The validated profile of that name, or of that file when it ends in `.toml`.

    Raises UnknownProfileError when no profile has the name, ConfigError when the file is not a right profile.
    """
    if isinstance(name_or_path, str) and not name_or_path.endswith(".toml"):
        path = profile_directory() / f"{name_or_path}.toml"
        if "/" in name_or_path or not path.is_file():
            raise UnknownProfileError(name_or_path, profile_names())
        return load_profile(path)
    return profile_of(load_toml(name_or_path))


def profile_of(source: TomlSource) -> Profile:
    """The validated profile of a source. Raises ConfigError."""
    if not names_its_source(source.text):
        finding = Finding((), "the head does not say where the register map comes from", 'begin with "# Source: ..."')
        raise ConfigError([source.problem(finding)])
    return validate(Profile, source, [check_profile])


def names_its_source(text: str) -> bool:
    """Whether the comment at the head of a profile has a line `# Source: ...`."""
    for line in text.splitlines():
        if line.startswith("# Source: ") and len(line) > len("# Source: "):
            return True
        if line.strip() and not line.startswith("#"):
            return False
    return False
