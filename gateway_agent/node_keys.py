"""Keys that the gateway shares with its nodes: reading their files, and putting tags under writes.

A key file holds 64 hexadecimal digits on one line, and should be readable by the agent's user alone. The same 32 bytes
stand in the node's own NVS. What a tag covers is told in protocols/spec/node-auth.md.
"""

import re
from pathlib import Path

from gateway_agent.errors import GatepostError
from protocols import modbus, node_auth, node_map

KEY_BYTES = 32
_HIGHEST = 0xFFFFFFFF

GUARDED = {
    getattr(node_map, name.removesuffix("_AUTH_COUNTER")): getattr(node_map, name)
    - getattr(node_map, name.removesuffix("_AUTH_COUNTER"))
    for name in dir(node_map)
    if name.endswith("_AUTH_COUNTER")
}
"""How many registers of fields each guarded block has before its counter and tag, by the block's address."""


class KeyFileError(GatepostError):
    """A key file that cannot be used; `mend` says what to do."""

    def __init__(self, what: str, mend: str) -> None:
        self.what = what
        self.mend = mend
        super().__init__(f"{what}; {mend}")


def read_key(path: Path | str) -> bytes:
    """The 32 bytes of a key file. Raises KeyFileError."""
    try:
        text = Path(path).read_text(encoding="ascii")
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        reason = error.strerror or str(error)
        raise KeyFileError(
            f"the key file {path} cannot be read ({reason})", "check its path and permissions"
        ) from error
    digits = text.strip()
    if re.fullmatch(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", digits) is None:
        mend = (
            f"it holds {2 * KEY_BYTES} hexadecimal digits on one line, as `openssl rand -hex {KEY_BYTES}` writes them"
        )
        raise KeyFileError(f"{path} is no key file", mend)
    return bytes.fromhex(digits)


def is_open_to_others(path: Path | str) -> bool:
    """Whether users other than its owner may read a file that exists."""
    try:
        return bool(Path(path).stat().st_mode & 0o077)
    except OSError:
        return False


class WriteSeal:
    """Puts counter and tag under the writes of one key. The counter is unix time in seconds, or one more than the last.

    So no state has to be kept: after a restart of either side the node's own counter, once `told`, is enough.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._counter = 0

    def told(self, counter: int) -> None:
        """Take over the highest counter that the node has seen, unless it is too high to be believed."""
        if counter <= node_auth.HIGHEST_TOLD_COUNTER:
            self._counter = max(self._counter, counter)

    def seal(self, unit: int, address: int, fields: list[int], unix_ms: int, content: bytes = b"") -> list[int]:
        """The registers of the whole guarded block: `fields`, counter, tag. `content` as in `node_auth.write_tag`.

        Each call takes a new counter, so seal when the write goes out, and again for each repeat.
        """
        if GUARDED.get(address) != len(fields):
            raise ValueError(f"{len(fields)} registers are not the fields of a guarded block at 0x{address:04X}")
        self._counter = min(max(self._counter + 1, unix_ms // 1000 & _HIGHEST), _HIGHEST)
        values = b"".join(register.to_bytes(2, "big") for register in fields)
        function = modbus.WRITE_MULTIPLE_REGISTERS
        tag = node_auth.write_tag(self._key, unit, function, address, self._counter, values, content)
        tail = self._counter.to_bytes(4, "big") + tag
        return [*fields, *(int.from_bytes(tail[at : at + 2], "big") for at in range(0, len(tail), 2))]
