"""The node's factory identity: who it is and its keys, from `factory.bin`, which the node never writes."""

from protocols import factory_record

_FILE = "factory.bin"


def terminal_code() -> bytes:
    """The terminal's code in the city's ledger; empty where the node was not given one."""
    return _field(factory_record.TERMINAL_CODE) or b""


def node_key() -> "bytes | None":
    """The key that the gateway shares with this node, None where nothing is guarded."""
    return _field(factory_record.NODE_KEY)


def broadcast_key() -> "bytes | None":
    """The key for writes to all nodes of the pole."""
    return _field(factory_record.BROADCAST_KEY)


def is_broken() -> bool:
    """Whether there is a record that is not whole: who was given a key and has lost it must not be open to all."""
    record = _read()
    return bool(record) and not factory_record.is_whole(record)


def _field(kind: int) -> "bytes | None":
    return factory_record.field(_read(), kind)


def _read() -> bytes:
    try:
        with open(_FILE, "rb") as file:
            return bytes(file.read())
    except OSError:
        return b""
