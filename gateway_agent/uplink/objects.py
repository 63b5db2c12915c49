"""OMA and uCIFI names: which of a pole's points is which resource of which object.

`hardware/objects.toml` says it for each quantity; docs/objects.md shows it. A point without an object keeps its own
name. Instances of an object are counted from 0 over the devices of a pole in their order; a device that has a resource
twice has two instances.
"""

import importlib.resources
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway_agent.profiles.units import UNITS
from gateway_agent.toml_source import Finding, TomlModel, TomlSource, load_toml, validate
from gateway_agent.toml_wording import nearest
from gateway_agent.uplink.object_conversion import Conversion

Quantity = tuple[str, str]
"""A point's name without its device, and its unit."""


class ResourceEntry(TomlModel):
    """`[[resources]]`: points of that name and unit are this resource, `<object>/<resource>`, in the unit `gives`."""

    points: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, strict=False)]
    unit: Annotated[str, Field(min_length=1, examples=["V"])]
    resource: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}/(0|[1-9][0-9]{0,4})$", examples=["3418/1"])]
    title: Annotated[str, Field(min_length=1, examples=["supply voltage"])]
    gives: Annotated[str, Field(min_length=1, examples=["V"])]
    to: Conversion = Conversion()

    @property
    def object_id(self) -> str:
        """The number of the object, as a key of the table `objects`."""
        return self.resource.partition("/")[0]


class ObjectsFile(TomlModel):
    """The whole file: names and versions of objects by their numbers, and their resources."""

    objects: Mapping[str, Annotated[str, Field(min_length=1)]]
    resources: Annotated[tuple[ResourceEntry, ...], Field(strict=False)]


@dataclass(frozen=True, slots=True)
class ObjectName:
    """`object_id`/`instance`/`resource_id` of a point with its own unit, and the way of a value there and back."""

    object_id: int
    instance: int
    resource_id: int
    conversion: Conversion
    point: str
    unit: str

    @property
    def base(self) -> str:
        """What all resources of the instance have in common."""
        return f"{self.object_id}/{self.instance}/"

    @property
    def path(self) -> str:
        """The whole name."""
        return f"{self.base}{self.resource_id}"


def object_names(points: Iterable[Quantity]) -> dict[str, ObjectName]:
    """The names of those of the points (full name, unit) that are resources of objects, by full name.

    Both sides make them of the same points in the same order, that of pole.toml and of the channel table.
    """
    resources = resources_by_quantity(objects_file())
    counts: dict[int, int] = {}
    held: dict[tuple[str, int], dict[int, set[int]]] = {}
    names: dict[str, ObjectName] = {}
    for point, unit in points:
        device, _, quantity = point.partition("/")
        entry = resources.get((quantity, unit))
        if entry is None:
            continue
        object_id, resource_id = map(int, entry.resource.split("/"))
        own = held.setdefault((device, object_id), {})
        instance = next((number for number, taken in own.items() if resource_id not in taken), None)
        if instance is None:
            instance = counts.get(object_id, 0)
            counts[object_id] = instance + 1
        own.setdefault(instance, set()).add(resource_id)
        names[point] = ObjectName(object_id, instance, resource_id, entry.to, point, unit)
    return names


def by_path(names: Mapping[str, ObjectName]) -> dict[str, ObjectName]:
    """The way back: each name by its path."""
    return {name.path: name for name in names.values()}


def is_path(name: str) -> bool:
    """Whether a name is `<object>/<instance>/<resource>`; a point's never is, for a device begins with a letter."""
    parts = name.split("/")
    return len(parts) == 3 and all(part.isascii() and part.isdecimal() for part in parts)


def resources_by_quantity(file: ObjectsFile) -> dict[Quantity, ResourceEntry]:
    """The entries of a checked file by what they are of."""
    return {(point, entry.unit): entry for entry in file.resources for point in entry.points}


def load_objects(source: TomlSource) -> ObjectsFile:
    """An objects file. Raises ConfigError with line and mend."""
    return validate(ObjectsFile, source, (_check,))


def objects_path() -> Path:
    """The objects file that comes with Gatepost."""
    return Path(str(importlib.resources.files("hardware").joinpath("objects.toml")))


@cache
def objects_file() -> ObjectsFile:
    """The one that comes with Gatepost."""
    return load_objects(load_toml(objects_path()))


def _check(file: ObjectsFile) -> Iterator[Finding]:
    seen: set[Quantity] = set()
    for number, entry in enumerate(file.resources):
        at = ("resources", number)
        if len(entry.to.model_fields_set) > 1:
            yield Finding((*at, "to"), "more than one conversion is asked for", "keep one")
        if entry.object_id not in file.objects:
            what = f"object {entry.object_id} has no name"
            yield Finding((*at, "resource"), what, f"write {entry.object_id} = ... below [objects]")
        if entry.unit not in UNITS:
            guess = nearest(entry.unit, list(UNITS))
            mend = (
                f"did you mean {guess}?" if guess else "write one that profiles have (gateway_agent/profiles/units.py)"
            )
            yield Finding((*at, "unit"), f"no point has the unit {entry.unit}", mend)
        for point in entry.points:
            if (point, entry.unit) in seen:
                yield Finding((*at, "points"), f"{point} in {entry.unit} has a resource already", "remove one")
            seen.add((point, entry.unit))
