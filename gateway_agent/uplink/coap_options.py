"""Requests and replies of coap_message.py as messages of aiocoap, and back. Used by both sides."""

from typing import Any

from aiocoap import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code  # type: ignore[import-untyped]
from aiocoap.numbers.constants import TransportTuning  # type: ignore[import-untyped]

from gateway_agent.uplink.coap_message import Block, Reply, Request
from gateway_agent.uplink.timing import Timing

NO_SUCCESS = 2
"""Value of the No-Response option (RFC 7967, 2.1): 2.xx is of no interest, errors are."""
_METHODS = frozenset({Code.GET, Code.POST, Code.PUT, Code.DELETE, Code.FETCH})
_UNDERSTOOD = frozenset({3, 7, 11, 15, 17, 23, 27})
"""Critical options that a request may have: host, port, path, query, accept, blocks (RFC 7252, 5.10; RFC 7959)."""


class Tuning(TransportTuning):  # type: ignore[misc]
    """Retransmission parameters for a confirmable message of aiocoap: RFC 7252, 4.8."""

    reliability = True

    def __init__(self, timing: Timing) -> None:
        self.ACK_TIMEOUT = timing.ack_timeout_s
        self.MAX_RETRANSMIT = timing.max_retransmit


def from_request(request: Request) -> Any:
    """The plain message; its type, remote and tuning are not set."""
    message = Message(code=Code[request.method], payload=request.payload)
    message.opt.uri_path = request.path
    message.opt.uri_query = request.query
    _set_common(message, request)
    if request.accept is not None:
        message.opt.accept = request.accept
    return message


def to_request(message: Any) -> Request:
    """A plain message that has arrived. Raises ValueError for a method or a critical option that is not known here:
    the answer is 4.02 then (RFC 7252, 5.4.1)."""
    if message.code not in _METHODS:
        raise ValueError(f"code {message.code} is no method that is known here")
    for option in message.opt.option_list():
        if option.number.is_critical() and option.number not in _UNDERSTOOD:
            raise ValueError(f"option {int(option.number)} is not known here")
    method = Code(message.code)
    etags = message.opt.etags
    return Request(
        method.name,
        tuple(message.opt.uri_path),
        tuple(message.opt.uri_query),
        bytes(message.payload),
        _number(message.opt.content_format),
        _number(message.opt.accept),
        _block(message.opt.block1),
        _block(message.opt.block2),
        bytes(etags[0]) if etags else None,
    )


def from_reply(reply: Reply) -> Any:
    """The plain message; its remote is not set. Raises ValueError for a code that is no answer."""
    kind, _, detail = reply.code.partition(".")
    code = Code(int(kind) << 5 | int(detail))
    if not code.is_response():
        raise ValueError(f"{reply.code} is no code of an answer")
    message = Message(code=code, payload=reply.payload)
    _set_common(message, reply)
    return message


def to_reply(message: Any) -> Reply:
    """A plain message that has arrived."""
    return Reply(
        f"{message.code >> 5}.{message.code & 31:02d}",
        bytes(message.payload),
        _number(message.opt.content_format),
        _block(message.opt.block1),
        _block(message.opt.block2),
        None if message.opt.etag is None else bytes(message.opt.etag),
    )


def _set_common(message: Any, source: Request | Reply) -> None:
    options = message.opt
    if source.content_format is not None:
        options.content_format = source.content_format
    if source.block1 is not None:
        options.block1 = (source.block1.number, source.block1.more, source.block1.size_exponent)
    if source.block2 is not None:
        options.block2 = (source.block2.number, source.block2.more, source.block2.size_exponent)
    if source.etag is not None:
        if isinstance(source, Request):
            options.etags = [source.etag]
        else:
            options.etag = source.etag


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _block(value: Any) -> Block | None:
    return None if value is None else Block(value.block_number, bool(value.more), value.size_exponent)
