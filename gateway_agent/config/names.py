"""How things are named in pole.toml: devices, nodes and buses, and the points of devices."""

from typing import Annotated

from pydantic import Field

from gateway_agent.toml_spelling import Spelling

Name = Annotated[
    str,
    Field(max_length=32),
    Spelling("[a-z][a-z0-9_]*", "a name has small letters, digits and _, and begins with a letter", "air_2"),
]
PointPath = Annotated[
    str,
    Spelling(
        "[a-z][a-z0-9_]*/[a-z][a-z0-9_]*",
        "a point is written <device>/<point>, both in small letters, digits and _",
        "gas/ch4",
    ),
]
