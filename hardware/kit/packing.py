"""Making a kit: everything is checked, then built, then the missing keys are made, then one file is written."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from gateway_agent.whole_file import write_whole
from hardware.flash.application import Application, build_application
from hardware.flash.images import FirmwareImage
from hardware.flash.node_file import UPDATE_KEY_BYTES
from hardware.kit.kit_file import Kit, KitContents, kit_bytes, read_kit
from hardware.kit.kit_order import Keys
from hardware.kit.planning import Plan
from hardware.kit.sealed_file import SealedFileError


def build_applications(plan: Plan, show: Callable[[int, int], None]) -> dict[str, Application]:
    """The firmware for every board that the orders use. Raises FlashProblem where it cannot be built."""
    made = {}
    for done, board in enumerate(plan.boards):
        show(done, len(plan.boards))
        made[board] = build_application(board)
    show(len(plan.boards), len(plan.boards))
    return made


def contents_of(
    plan: Plan,
    images: tuple[FirmwareImage, ...],
    applications: Mapping[str, Application],
    update_key: bytes | None,
) -> KitContents:
    """What goes into the kit of a plan. Raises SealedFileError when two images have one name."""
    names = [image.path.name for image in images]
    for name in names:
        if names.count(name) > 1:
            raise SealedFileError(f"two images are called {name}", "name only one of them with --firmware")
    return KitContents(
        made_by=f"gatepost {version('gatepost')}",
        work_order=plan.work_order.content,
        orders=tuple(one.order for one in plan.orders),
        tables={one.order.terminal: one.table for one in plan.orders},
        images=images,
        applications=applications,
        profiles=plan.profiles,
        update_key=update_key,
    )


def write_kit(path: Path, contents: KitContents, keys: Mapping[str, Keys], password: str | None) -> Kit:
    """Write the kit for its owner only, and give it as it reads back. Raises SealedFileError when it cannot be."""
    data = kit_bytes(contents, keys, password)
    kit = read_kit(data, path, password)
    try:
        write_whole(path, data, 0o600)
    except OSError as error:
        raise SealedFileError(
            f"{path} cannot be written ({error.strerror})", "name another file with --out, or make room"
        ) from error
    return kit


def read_update_key(path: Path) -> bytes:
    """The public keys of updates that every node of a kit gets. Raises SealedFileError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"the update key {path} cannot be read ({error.strerror})"
        raise SealedFileError(what, "check its path, or make one: make bundle ARGS=key") from error
    if len(content) not in (UPDATE_KEY_BYTES, 2 * UPDATE_KEY_BYTES):
        mend = f"name the public file that make bundle ARGS=key wrote, {UPDATE_KEY_BYTES} bytes a key"
        raise SealedFileError(f"{path} holds no public keys of updates", mend)
    return content
