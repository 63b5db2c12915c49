"""MicroPython images: those that `hardware/firmware-images.toml` knows by their SHA-256, and finding one to flash."""

import hashlib
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, Strict

from gateway_agent.toml_source import TomlModel, load_toml, validate
from hardware.flash import partition_table
from hardware.flash.esp_image import micropython_version, parse_image
from hardware.flash.problem import FlashProblem, Kind

CHIP = "ESP32"
"""The only chip that there is a board for (hardware/boards)."""
OFFSET = 0x1000
"""Where the ROM of an ESP32 looks for the bootloader, with which a merged image begins."""
_DOWNLOAD = "download one from micropython.org/download/ESP32_GENERIC"
_MAX_BYTES = 16 << 20


class KnownImage(TomlModel):
    """One of `[[images]]`."""

    name: Annotated[str, Field(min_length=1)]
    file: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    micropython: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    chip: Annotated[str, Field(pattern=f"^{CHIP}$")]
    offset: Annotated[int, Field(ge=OFFSET, le=OFFSET)]


class ImageList(TomlModel):
    """The whole file."""

    images: Annotated[tuple[KnownImage, ...], Strict(False)]


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """An image that was read and checked: `content` lies at `offset` of the flash; `version` is MicroPython's.

    `is_known` tells whether its digest stands in `hardware/firmware-images.toml`.
    """

    path: Path
    content: bytes
    offset: int
    version: str
    name: str
    is_known: bool

    @property
    def sha256(self) -> str:
        """Its digest, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


def image_list_path() -> Path:
    """The file with the known images."""
    return Path(str(importlib.resources.files("hardware").joinpath("firmware-images.toml")))


@lru_cache(maxsize=1)
def known_images() -> tuple[KnownImage, ...]:
    """The known images, best first. Raises ConfigError."""
    return validate(ImageList, load_toml(image_list_path())).images


def find_image(place: Path, trust: bool = False) -> FirmwareImage:
    """The image of the file `place`, or the best known one of the folder `place`, checked.

    One of unknown digest is taken only with `trust`. Raises FlashProblem(FILES).
    """
    if place.is_dir():
        return _best_of(place, trust)
    return image_of(place, _read(place), trust)


def image_of(path: Path, content: bytes, trust: bool = False) -> FirmwareImage:
    """The image with this content; `path` is named in messages. Raises FlashProblem(FILES)."""
    digest = hashlib.sha256(content).hexdigest()
    known = next((one for one in known_images() if one.sha256 == digest), None)
    if known is None:
        _check(path, content)
        if not trust:
            meant = next((one for one in known_images() if one.file == path.name), None)
            if meant is not None:
                raise FlashProblem(
                    Kind.FILES,
                    f"{path} is not the {meant.name} that Gatepost knows: its SHA-256 is {digest}",
                    "copy or download it anew; only if you know that it is right: --trust",
                )
            raise FlashProblem(
                Kind.FILES,
                f"{path} is unknown (SHA-256 {digest})",
                f"{_DOWNLOAD} that Gatepost knows ({_known_files()}), or, if you trust this one, add --trust",
            )
    version = known.micropython if known else micropython_version(content) or "unknown"
    name = known.name if known else f"MicroPython {version} (unknown image)"
    return FirmwareImage(path, content, OFFSET, version, name, known is not None)


def _best_of(folder: Path, trust: bool) -> FirmwareImage:
    digests = {hashlib.sha256(content).hexdigest(): (path, content) for path, content in _images_in(folder)}
    for known in known_images():
        if known.sha256 in digests:
            return image_of(*digests[known.sha256])
    if trust and len(digests) == 1:
        return image_of(*next(iter(digests.values())), trust=True)
    if trust and digests:
        raise FlashProblem(
            Kind.FILES, f"{folder} has {len(digests)} unknown images", "name the one you trust: --firmware FILE"
        )
    raise FlashProblem(
        Kind.FILES,
        f"{folder} has no MicroPython image that Gatepost knows",
        f"{_DOWNLOAD} into it: {_known_files()}",
    )


def _images_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(folder.glob("*.bin")):
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            yield path, _read(path)


def _known_files() -> str:
    return " or ".join(one.file for one in known_images())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FlashProblem(
            Kind.FILES, f"there is no file {path}", f"name a MicroPython image with --firmware, or {_DOWNLOAD}"
        ) from error
    except OSError as error:
        raise FlashProblem(
            Kind.FILES, f"{path} cannot be read ({error.strerror})", "check the path and its permissions"
        ) from error


def _check(path: Path, content: bytes) -> None:
    """That it is a merged image for an ESP32 at all; a digest that is known needs no such question."""
    table_at = partition_table.OFFSET - OFFSET
    bootloader = parse_image(content, str(path))
    if bootloader.chip != CHIP:
        raise FlashProblem(
            Kind.FILES, f"{path} is for the {bootloader.chip}", f"the boards there are have an {CHIP}: {_DOWNLOAD}"
        )
    if len(content) <= table_at + partition_table.MAX_BYTES:
        raise FlashProblem(
            Kind.FILES,
            f"{path} holds no partition table, so it is no merged image",
            f"{_DOWNLOAD}: the .bin for offset 0x1000, not the .app-bin of an update",
        )
    partition_table.parse_table(content[table_at : table_at + partition_table.MAX_BYTES])
