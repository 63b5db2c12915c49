"""OMA/uCIFI names: which of a pole's points is which resource of which object, and its value in the object's unit.

`hardware/objects.toml` says it for each quantity. A point without an object keeps its own name. Instances of an object
are counted over the points of a pole in their order, one for each device.
"""

import importlib.resources
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway_agent.toml_source import Finding, TomlModel, TomlSource, load_toml, validate

PI = Fraction(31415926535897932384626433832795, 10**31)
_RADIANS = PI / 180
_RADIAN_DIGITS = 2
"""More decimal places than degrees have: a step is then less than 0.58 of a step of the degrees, so that rounding loses
none of them."""
_MAX_EXPONENT = 18

Quantity = tuple[str, str]
"""A point's name without its device, and its unit."""


class Conversion(TomlModel):
    """How a value becomes that of the object; exactly one."""

    power_of_ten: Annotated[int, Field(ge=-9, le=9)] = 0
    radians: bool = False
    boolean: bool = False


class ResourceEntry(TomlModel):
    """`[[resources]]`: points of that name and unit are this resource, `<object>/<resource>`."""

    points: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
    unit: Annotated[str, Field(min_length=1)]
    resource: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}/(0|[1-9][0-9]{0,4})$")]
    to: Conversion = Conversion()


class ObjectsFile(TomlModel):
    """The whole file."""

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

    def there(self, value: int, exponent: int) -> tuple[int, int]:
        """(value, exponent) in the object's unit."""
        if self.conversion.radians:
            finer = exponent - _RADIAN_DIGITS
            return round(value * _RADIANS * 10**_RADIAN_DIGITS), finer
        return value, exponent + self.conversion.power_of_ten

    def back(self, value: int, exponent: int) -> tuple[int, int]:
        """(value, exponent) in the point's unit, as they were."""
        if self.conversion.radians:
            return round(value / _RADIANS / 10**_RADIAN_DIGITS), exponent + _RADIAN_DIGITS
        return value, exponent - self.conversion.power_of_ten

    def can_carry(self, value: int, exponent: int) -> bool:
        """Whether that value can be told in the object's unit and found again."""
        if self.conversion.boolean:
            return exponent == 0 and value in (0, 1)
        return abs(self.there(value, exponent)[1]) <= _MAX_EXPONENT


def object_names(points: Iterable[tuple[str, str]]) -> dict[str, ObjectName]:
    """The names of those of the points (full name, unit) that are resources of objects, by full name."""
    resources = _resources()
    instances: dict[tuple[int, str], int] = {}
    counts: dict[int, int] = {}
    taken: set[str] = set()
    names: dict[str, ObjectName] = {}
    for point, unit in points:
        device, _, quantity = point.partition("/")
        entry = resources.get((quantity, unit))
        if entry is None:
            continue
        object_id, resource_id = map(int, entry.resource.split("/"))
        if (object_id, device) not in instances:
            instances[object_id, device] = counts.get(object_id, 0)
            counts[object_id] = instances[object_id, device] + 1
        name = ObjectName(object_id, instances[object_id, device], resource_id, entry.to, point, unit)
        if name.path not in taken:
            # Where a device has a quantity twice, the second keeps its own name.
            taken.add(name.path)
            names[point] = name
    return names


def by_path(names: Mapping[str, ObjectName]) -> dict[str, ObjectName]:
    """The way back: each name by its path."""
    return {name.path: name for name in names.values()}


def load_objects(source: TomlSource) -> dict[Quantity, ResourceEntry]:
    """The entries of an objects file by quantity. Raises ConfigError with line and mend."""
    found = validate(ObjectsFile, source, (_check,))
    return {(point, entry.unit): entry for entry in found.resources for point in entry.points}


@cache
def _resources() -> Mapping[Quantity, ResourceEntry]:
    return load_objects(load_toml(Path(str(importlib.resources.files("hardware").joinpath("objects.toml")))))


def _check(file: ObjectsFile) -> Iterable[Finding]:
    seen: set[Quantity] = set()
    for number, entry in enumerate(file.resources):
        conversion = entry.to
        if bool(conversion.power_of_ten) + conversion.radians + conversion.boolean > 1:
            yield Finding(("resources", number, "to"), "more than one conversion is asked for", "keep one")
        for point in entry.points:
            if (point, entry.unit) in seen:
                yield Finding(
                    ("resources", number, "points"), f"{point} in {entry.unit} has a resource already", "remove one"
                )
            seen.add((point, entry.unit))
