"""The text of docs/objects.md: what each point of the profiles is called by OMA names, in which unit, and how."""

from collections.abc import Iterator, Mapping

from gateway_agent.profiles.model import Profile
from gateway_agent.uplink.object_conversion import Conversion
from gateway_agent.uplink.objects import ObjectsFile, ResourceEntry, resources_by_quantity

_HEAD = """# Points as OMA and uCIFI resources

Made by `make gen` from `hardware/objects.toml` and `hardware/devices`; do not edit.

With `names = "oma"` in `[uplink]`, SenML calls a point by the object that stands for it: `3418/0/4` is the active power
of the first electrical monitor of the pole. Instances are counted from 0 over the devices of a pole in the order of
pole.toml (those of nodes first), for each object by itself; a device that has a resource twice has two instances. How a
message is built of these names is told in [uplink.md](../protocols/spec/uplink.md#oma-names).
"""


def objects_document(file: ObjectsFile, profiles: Mapping[str, Profile], head: str) -> str:
    """The whole page; `head` is the comment at the head of the file."""
    return "\n".join([_HEAD, head, "", *_resources(file), *_own_names(file, profiles)])


def _resources(file: ObjectsFile) -> Iterator[str]:
    yield "## Resources"
    yield ""
    yield "| object | resource | what it is | unit | points | their unit | value |"
    yield "|---|---|---|---|---|---|---|"
    for entry in file.resources:
        points = ", ".join(f"`{point}`" for point in entry.points)
        name = file.objects[entry.object_id]
        row = (name, f"`{entry.resource}`", entry.title, entry.gives, points, entry.unit, _way(entry.to))
        yield f"| {' | '.join(row)} |"
    yield ""


def _way(conversion: Conversion) -> str:
    """How the value of the point becomes that of the resource."""
    if conversion.factor is not None:
        return f"times {conversion.factor}, {conversion.digits} more decimal places"
    if conversion.boolean is not None:
        return "true where it is 1" if conversion.boolean == "same" else "false where it is 1"
    if conversion.curve is not None:
        return "10^((n - 1) / (253 / 3) - 1), three digits; 0 is 0"
    return f"the exponent plus {conversion.power_of_ten}" if conversion.power_of_ten else "the same"


def _own_names(file: ObjectsFile, profiles: Mapping[str, Profile]) -> Iterator[str]:
    """Points that are no resource."""
    resources: Mapping[tuple[str, str], ResourceEntry] = resources_by_quantity(file)
    yield "## Points that keep their own name"
    yield ""
    yield "No object has a resource for them. They are sent as `<gateway>/<device>/<point>`, with their unit."
    yield ""
    yield "| device profile | points |"
    yield "|---|---|"
    for profile_name, profile in profiles.items():
        points = dict.fromkeys((section.name or key, section.unit) for key, section in profile.points.items())
        own = [f"`{point}` ({unit})" for point, unit in points if (point, unit) not in resources]
        if own:
            yield f"| {profile_name} | {', '.join(own)} |"
    yield ""
