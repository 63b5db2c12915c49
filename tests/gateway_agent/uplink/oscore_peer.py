"""The platform's side of OSCORE: aiocoap's own context classes with state in memory, and messages as real bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiocoap import POST, Message, oscore  # type: ignore[import-untyped]
from aiocoap.numbers import CHANGED, NON, UNAUTHORIZED  # type: ignore[import-untyped]

from gateway_agent.uplink.oscore_context import OscoreKeys

GATEWAY_KEYS = OscoreKeys(bytes(range(16)), b"gate", b"city", master_salt=b"salt", id_context=b"pole")
PLATFORM_KEYS = OscoreKeys(bytes(range(16)), b"city", b"gate", master_salt=b"salt", id_context=b"pole")

State = tuple[int, int, int]


class Platform(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]
    """A peer that never loses its state, which can be taken and given as a value."""

    def __init__(self, keys: OscoreKeys = PLATFORM_KEYS, state: State = (0, 0, 0)) -> None:
        self.alg_aead = oscore.algorithms[oscore.DEFAULT_ALGORITHM]
        self.hashfun = oscore.hashfunctions[oscore.DEFAULT_HASHFUNCTION]
        self.sender_id, self.recipient_id, self.id_context = keys.sender_id, keys.recipient_id, keys.id_context
        self.echo_recovery = None
        self.sender_sequence_number, index, bitfield = state
        self.recipient_replay_window = oscore.ReplayWindow(oscore.DEFAULT_WINDOWSIZE, lambda: None)
        self.recipient_replay_window.initialize_from_persisted({"index": index, "bitfield": bitfield})
        self.derive_keys(keys.master_salt, keys.master_secret)

    @property
    def state(self) -> State:
        window = self.recipient_replay_window.persist()
        return (self.sender_sequence_number, window["index"], window["bitfield"])

    def post_seqnoincrease(self) -> None:
        """It lives in memory."""


@dataclass(frozen=True)
class Exchange:
    """What went over the wire, as bytes: the request, and the answer."""

    request: bytes
    answer: bytes


def request_bytes(sender: Any, payload: bytes, echo: bytes | None = None) -> tuple[bytes, Any]:
    """A protected POST, and what unprotects its answer."""
    outer, request_id = sender.protect(Message(code=POST, payload=payload, uri_path=("senml",), echo=echo))
    return to_wire(outer), request_id


def serve(receiver: Any, request: bytes) -> tuple[bytes, bytes]:
    """Take a request that came over the wire: its payload, and the protected answer, which repeats it."""
    inner, request_id = receiver.unprotect(Message.decode(request))
    outer, _ = receiver.protect(Message(code=CHANGED, payload=inner.payload), request_id)
    return inner.payload, to_wire(outer)


def read_answer(sender: Any, answer: bytes, request_id: Any) -> Any:
    """The plain answer."""
    inner, _ = sender.unprotect(Message.decode(answer), request_id)
    return inner


def ask(sender: Any, receiver: Any, payload: bytes) -> Exchange:
    """A whole exchange with a request that is accepted at once."""
    request, request_id = request_bytes(sender, payload)
    taken, answer = serve(receiver, request)
    assert taken == payload
    assert read_answer(sender, answer, request_id).payload == payload
    return Exchange(request, answer)


def ask_with_echo(sender: Any, receiver: Any, payload: bytes) -> Exchange:
    """A whole exchange as a client does it that knows Echo: where it is challenged it asks once more."""
    request, request_id = request_bytes(sender, payload)
    try:
        taken, answer = serve(receiver, request)
    except oscore.ReplayErrorWithEcho as challenge:
        refusal = read_answer(sender, to_wire(challenge.to_message()), request_id)
        assert refusal.code == UNAUTHORIZED
        request, request_id = request_bytes(sender, payload, refusal.opt.echo)
        taken, answer = serve(receiver, request)
    assert taken == payload
    assert read_answer(sender, answer, request_id).payload == payload
    return Exchange(request, answer)


def is_accepted(receiver: Any, request: bytes) -> bool:
    """Whether a repeated request would be carried out."""
    try:
        receiver.unprotect(Message.decode(request))
    except (oscore.ReplayError, oscore.ReplayErrorWithEcho):
        return False
    return True


def sender_numbers(*messages: bytes) -> Iterator[int]:
    """The sender sequence numbers in messages, as whoever listens sees them; an answer mostly has none."""
    for message in messages:
        number = oscore.verify_start(Message.decode(message)).get(oscore.COSE_PIV)
        if number is not None:
            yield int.from_bytes(number, "big")


def to_wire(message: Any) -> bytes:
    """The datagram of a message."""
    message.mtype, message.mid, message.token = NON, 1, b"t"
    encoded: bytes = message.encode()
    return encoded
