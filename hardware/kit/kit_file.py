"""A kit: one file with all that flashing the nodes of a work order needs. docs/kit.md, "The file".

The file is a sealed one (`sealed_file`) around a zip whose entries are only stored, so that equal content gives equal
bytes. `manifest.json` has length and SHA-256 of each other entry. Nothing is given out before all of it was checked.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from hardware.bundle.firmware_files import Version
from hardware.flash.application import Application
from hardware.flash.images import FirmwareImage
from hardware.flash.node_file import NodeOrder
from hardware.kit.kit_order import Keys, KitOrder
from hardware.kit.locked_keys import lock, unlock
from hardware.kit.password import PasswordError
from hardware.kit.sealed_file import SealedFileError, read_bounded, seal, unseal

KIND, FORMAT = "gatepost-kit", 1
ENDING = ".gpkit"
_MANIFEST, _ORDERS, _WORK_ORDER, _UPDATE_KEY, _KEYS = (
    "manifest.json",
    "orders.json",
    "work-order.csv",
    "update.key",
    "keys.json",
)
_IMAGES, _APPLICATION, _TABLES, _PROFILES = "images", "application", "tables", "profiles"
_OLDEST_DATE = (1980, 1, 1, 0, 0, 0)
_ID_DIGITS = 16


@dataclass(frozen=True)
class KitContents:
    """What a kit holds, without its keys.

    `tables` are the node tables by terminal, `profiles` the texts of the device profiles that the orders use by name,
    `applications` go by board; `work_order` is the CSV file as it was, `made_by` the Gatepost that made it.
    """

    made_by: str
    work_order: bytes
    orders: tuple[KitOrder, ...]
    tables: Mapping[str, bytes]
    images: tuple[FirmwareImage, ...]
    applications: Mapping[str, Application]
    profiles: Mapping[str, str]
    update_key: bytes | None


@dataclass(frozen=True)
class Kit:
    """A kit that was read and checked whole. Its keys are there only when it was opened with their password."""

    path: Path
    kit_id: str
    contents: KitContents
    has_keys: bool
    _keys: Mapping[str, Keys] | None = field(repr=False)

    @property
    def is_locked(self) -> bool:
        """Whether it has keys, and they were not opened."""
        return self.has_keys and self._keys is None

    def orders(self) -> tuple[KitOrder, ...]:
        """Every order, in the sequence of the work order."""
        return self.contents.orders

    def order(self, terminal: str) -> KitOrder:
        """The order for a terminal. Raises SealedFileError where the kit has none."""
        for one in self.contents.orders:
            if one.terminal == terminal:
                return one
        raise SealedFileError(f"{self.path} has no order for {terminal}", "gatepost kit show lists what it has")

    def node_order(self, terminal: str) -> NodeOrder:
        """What is flashed for a terminal. Raises PasswordError where its keys are not open."""
        order = self.order(terminal)
        if self._keys is None and (order.has_node_key or order.has_broadcast_key):
            raise PasswordError(f"the keys in {self.path} are locked; open it with its password")
        keys = (self._keys or {}).get(terminal, Keys(None, None))
        return NodeOrder(
            terminal=terminal,
            board=order.board,
            table=self.contents.tables[terminal],
            node_key=keys.node,
            broadcast_key=keys.broadcast,
            update_key=self.contents.update_key,
            origin=f"{self.path}, line {order.line} of the work order",
        )

    def application(self, board: str) -> Application:
        """The firmware for a board. Raises SealedFileError where the kit has none."""
        if board not in self.contents.applications:
            known = ", ".join(self.contents.applications) or "none"
            raise SealedFileError(f"{self.path} has no firmware for {board}", f"it has that of {known}")
        return self.contents.applications[board]

    def images(self) -> tuple[FirmwareImage, ...]:
        """The MicroPython images, the preferred one first."""
        return self.contents.images

    def profiles(self) -> Mapping[str, str]:
        """The text of each device profile that an order uses, by name."""
        return self.contents.profiles


def kit_bytes(contents: KitContents, keys: Mapping[str, Keys], password: str | None) -> bytes:
    """The file of a kit. Without keys the same contents give the same bytes. ValueError for keys without a password."""
    parts = _parts(contents)
    public = _manifest(contents, parts)
    if keys:
        if password is None:
            raise ValueError("keys need a password")
        parts[_KEYS] = lock(keys, password, _digest(public).encode("ascii"))
    manifest = _manifest(contents, parts)
    return seal(KIND, FORMAT, _zip({_MANIFEST: manifest, **parts}))


def open_kit(path: Path, password: str | None) -> Kit:
    """The kit of a file, its keys opened where a password is given; without one they stay locked.

    Raises SealedFileError, which tells what is wrong with the file, and PasswordError for a wrong password.
    """
    return read_kit(read_bounded(path), path, password)


def read_kit(data: bytes, path: Path, password: str | None) -> Kit:
    """The kit with these bytes; `path` is where they are from. Raises what `open_kit` raises."""
    content = unseal(KIND, FORMAT, data, str(path))
    try:
        manifest, parts = _checked_parts(content, str(path))
        contents = _contents(manifest, parts, path)
    except (KeyError, TypeError, ValueError, AttributeError, NotImplementedError, zipfile.BadZipFile) as error:
        what = f"{path} is whole, but not as this Gatepost writes a kit ({error!r})"
        raise SealedFileError(what, "have the kit made anew") from error
    locked = parts.pop(_KEYS, None)
    public = _digest(_manifest(contents, parts))
    keys = None
    if locked is not None and password is not None:
        keys = unlock(locked, password, public.encode("ascii"), str(path))
        _check_keys(contents.orders, keys, str(path))
    return Kit(path, public[:_ID_DIGITS], contents, locked is not None, keys)


def _check_keys(orders: Iterable[KitOrder], keys: Mapping[str, Keys], name: str) -> None:
    """That every order has the keys that it says it has."""
    for order in orders:
        own = keys.get(order.terminal, Keys(None, None))
        if (own.node is not None, own.broadcast is not None) != (order.has_node_key, order.has_broadcast_key):
            raise SealedFileError(f"{name} has other keys for {order.terminal} than it says", "have the kit made anew")


def _parts(contents: KitContents) -> dict[str, bytes]:
    parts = {
        _ORDERS: _json([order.as_plain() for order in contents.orders]),
        _WORK_ORDER: contents.work_order,
    }
    if contents.update_key is not None:
        parts[_UPDATE_KEY] = contents.update_key
    for terminal, table in contents.tables.items():
        parts[_table_part(contents.orders, terminal)] = table
    for image in contents.images:
        parts[f"{_IMAGES}/{image.path.name}"] = image.content
    for board, application in contents.applications.items():
        parts |= {f"{_APPLICATION}/{board}/{name}": content for name, content in application.files.items()}
    for name, text in contents.profiles.items():
        parts[f"{_PROFILES}/{name}.toml"] = text.encode("utf-8")
    return dict(sorted(parts.items()))


def _table_part(orders: Iterable[KitOrder], terminal: str) -> str:
    """The name of a table's part: the line of its order, for a terminal's code may have any character."""
    return next(f"{_TABLES}/{order.line}.tab" for order in orders if order.terminal == terminal)


def _manifest(contents: KitContents, parts: Mapping[str, bytes]) -> bytes:
    return _json(
        {
            "format": FORMAT,
            "made_by": contents.made_by,
            "images": [
                {"file": one.path.name, "offset": one.offset, "version": one.version, "name": one.name,
                 "is_known": one.is_known}
                for one in contents.images
            ],
            "applications": {board: list(one.version) for board, one in sorted(contents.applications.items())},
            "parts": {
                name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                for name, content in sorted(parts.items())
            },
        }
    )  # fmt: skip


def _checked_parts(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and every other part, each as the manifest says that it is."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(content) for entry in entries):
            raise ValueError("an entry is compressed")
        found = {entry.filename: archive.read(entry) for entry in entries}
    if len(found) != len(entries):
        raise ValueError("an entry stands twice")
    manifest = json.loads(found.pop(_MANIFEST))
    listed = manifest["parts"]
    if set(listed) != set(found):
        raise ValueError(f"{', '.join(sorted(set(listed) ^ set(found)))} is only in the manifest, or only beside it")
    for part, told in listed.items():
        if len(found[part]) != told["bytes"] or hashlib.sha256(found[part]).hexdigest() != told["sha256"]:
            raise SealedFileError(f"{name}: its {part} is not the one of its manifest", "have the kit made anew")
    return manifest, found


def _contents(manifest: Mapping[str, Any], parts: Mapping[str, bytes], path: Path) -> KitContents:
    orders = tuple(KitOrder.of_plain(one) for one in json.loads(parts[_ORDERS]))
    versions: dict[str, Version] = {}
    for board, numbers in manifest["applications"].items():
        major, minor, patch = map(int, numbers)
        versions[board] = (major, minor, patch)
    return KitContents(
        made_by=str(manifest["made_by"]),
        work_order=parts[_WORK_ORDER],
        orders=orders,
        tables={order.terminal: parts[_table_part([order], order.terminal)] for order in orders},
        images=tuple(_image(one, parts, path) for one in manifest["images"]),
        applications={
            board: Application(version, board, _below(parts, f"{_APPLICATION}/{board}/"))
            for board, version in versions.items()
        },
        profiles={
            name.removesuffix(".toml"): text.decode("utf-8") for name, text in _below(parts, f"{_PROFILES}/").items()
        },
        update_key=parts.get(_UPDATE_KEY),
    )


def _image(told: Mapping[str, Any], parts: Mapping[str, bytes], path: Path) -> FirmwareImage:
    return FirmwareImage(
        path=path / str(told["file"]),
        content=parts[f"{_IMAGES}/{told['file']}"],
        offset=int(told["offset"]),
        version=str(told["version"]),
        name=str(told["name"]),
        is_known=bool(told["is_known"]),
    )


def _below(parts: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    return {name.removeprefix(folder): content for name, content in parts.items() if name.startswith(folder)}


def _zip(parts: Mapping[str, bytes]) -> bytes:
    """A zip in which nothing but the parts decides: no date, no system, no compression."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _OLDEST_DATE)
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode("utf-8") + b"\n"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
