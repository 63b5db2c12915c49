"""EDHOC (RFC 9528) between gateway and platform: two messages and the first request give both a new OSCORE context.

Method 3, suite 2 (static Diffie-Hellman keys on P-256), credentials by key id; the gateway begins. Message 3 travels
with the first OSCORE request (RFC 9668). lakers does the cryptography; here are the messages as CoAP carries them.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Self

import cbor2
import lakers  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import ec

from gateway_agent.uplink.errors import UplinkError
from gateway_agent.uplink.oscore_context import OscoreKeys

COORDINATE_BYTES = 32
KID_BYTES = 8
"""Length of the key id of a credential: random, so that it is nobody else's."""
_SECRET_BYTES, _SALT_BYTES = 16, 8
"""Of the exported OSCORE master secret and salt (RFC 9528, A.1)."""
_TAG_BYTES = 8
"""Of AES-CCM-16-64-128, which ends message 3."""
_MESSAGE_1_BEGINS = cbor2.dumps(True)
"""Before message 1, in the place of a connection id (RFC 9528, A.2)."""


class EdhocFailed(UplinkError):  # noqa: N818 - what the other side says was not genuine, or not understood
    """No keys were agreed; the text says why."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A static public key on P-256, and the id under which the other side knows it."""

    kid: bytes
    x: bytes
    y: bytes

    def credential(self, name: str) -> bytes:
        """The credential of whoever has this key: a CWT claims set (RFC 8392) with `name` as its subject."""
        key = {1: 2, 2: self.kid, -1: 1, -2: self.x, -3: self.y}
        return cbor2.dumps({2: name, 8: {1: key}}, canonical=True)


@dataclass(frozen=True, slots=True)
class StaticKey:
    """A static key pair; `secret` is 32 bytes."""

    secret: bytes = field(repr=False)
    public: PublicKey

    @classmethod
    def generate(cls) -> Self:
        """A new one."""
        return cls.derive(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big"))

    @classmethod
    def derive(cls, secret: bytes, kid: bytes | None = None) -> Self:
        """The pair of a secret. Raises EdhocFailed when it is none."""
        try:
            numbers = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()).public_key().public_numbers()
        except ValueError as error:
            raise EdhocFailed("the secret of a static key is a number below the order of P-256") from error
        x, y = (value.to_bytes(COORDINATE_BYTES, "big") for value in (numbers.x, numbers.y))
        return cls(secret, PublicKey(kid or secrets.token_bytes(KID_BYTES), x, y))


@dataclass(frozen=True, slots=True)
class Agreed:
    """New keys, and the message 3 that goes with the first request."""

    keys: OscoreKeys
    message_3: bytes


class Initiator:
    """The gateway's side of one agreement."""

    def __init__(self, name: str, own: StaticKey, platform_name: str, platform: PublicKey) -> None:
        self._own = own
        self._credential = own.public.credential(name)
        self._platform = platform.credential(platform_name)
        self._id = bytes((secrets.randbelow(24),))
        self._lakers = lakers.EdhocInitiator()

    def message_1(self) -> bytes:
        """The payload of the POST to /.well-known/edhoc."""
        return _MESSAGE_1_BEGINS + bytes(self._lakers.prepare_message_1(c_i=self._id))

    def finish(self, message_2: bytes) -> Agreed:
        """The keys, from the payload that answered message 1. Raises EdhocFailed when it is not the platform's."""
        with _refusing("the platform's answer to EDHOC is not genuine"):
            _check_point(_bytes_of(message_2)[:COORDINATE_BYTES])
            platform_id, _, _ = self._lakers.parse_message_2(message_2)
            self._lakers.verify_message_2(self._own.secret, self._credential, self._platform)
            message_3, _ = self._lakers.prepare_message_3(lakers.CredentialTransfer.ByReference, None)
            self._lakers.completed_without_message_4()
            return Agreed(_keys(self._lakers, bytes(platform_id), self._id), bytes(message_3))


class Responder:
    """The platform's side of one agreement; `kid` is what the gateway will be known by in its requests."""

    def __init__(self, name: str, own: StaticKey, kid: bytes) -> None:
        self.kid = kid
        self._lakers = lakers.EdhocResponder(own.secret, own.public.credential(name))
        self._gateway_id = b""

    def message_2(self, message_1: bytes) -> bytes:
        """The answer to the payload of a POST to /.well-known/edhoc. Raises EdhocFailed."""
        if not message_1.startswith(_MESSAGE_1_BEGINS):
            raise EdhocFailed("the first byte of EDHOC's message 1 in CoAP is f5")
        with _refusing("EDHOC's message 1 is not understood"):
            _check_point(_ephemeral_key(message_1))
            gateway_id, _ = self._lakers.process_message_1(message_1[len(_MESSAGE_1_BEGINS) :])
            self._gateway_id = bytes(gateway_id)
            return bytes(self._lakers.prepare_message_2(lakers.CredentialTransfer.ByReference, self.kid))

    def finish(self, message_3: bytes, find: Callable[[bytes], tuple[str, bytes] | None]) -> tuple[str, OscoreKeys]:
        """The gateway's name and the keys. `find` gives name and credential of a key id, None for nobody's.

        Raises EdhocFailed when it is not genuine.
        """
        with _refusing("EDHOC's message 3 is not understood"):
            if len(_bytes_of(message_3)) <= _TAG_BYTES:
                raise ValueError("it is too short")
            id_credential, _ = self._lakers.parse_message_3(message_3)
        found = find(_key_id(bytes(id_credential)))
        if found is None:
            raise EdhocFailed("nobody who is enrolled has the key that EDHOC's message 3 names")
        name, credential = found
        with _refusing("EDHOC's message 3 is not genuine"):
            self._lakers.verify_message_3(credential)
            self._lakers.completed_without_message_4()
            return name, _keys(self._lakers, self._gateway_id, self.kid)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn whatever is wrong with a message into EdhocFailed.

    lakers raises errors of its own kinds, and what it did not think of is a panic of Rust, which is no Exception: 32
    bytes that are no point of the curve, or a message 3 that ends early, would otherwise end the agent.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise EdhocFailed(f"{what}: {error}") from error


def _bytes_of(message: bytes) -> bytes:
    """The content of a message that is one byte string of CBOR. Raises ValueError for anything beside it."""
    content = cbor2.loads(message)
    if not isinstance(content, bytes) or cbor2.dumps(content) != message:
        raise ValueError("it is not one byte string")
    return content


def _ephemeral_key(message_1: bytes) -> bytes:
    """The fourth item of a message 1, after true, the method and the suites: RFC 9528, 5.2.1. Raises ValueError."""
    decoder = cbor2.CBORDecoder(BytesIO(message_1))
    _, _, _, key = (decoder.decode() for _ in range(4))
    if not isinstance(key, bytes):
        raise ValueError("its key is not a byte string")
    return key


def _check_point(x: bytes) -> None:
    """Raise ValueError when no point of P-256 has this coordinate."""
    if len(x) != COORDINATE_BYTES:
        raise ValueError(f"its key has {len(x)} bytes, not {COORDINATE_BYTES}")
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + x)


def _keys(agreement: "lakers.EdhocInitiator | lakers.EdhocResponder", theirs: bytes, own: bytes) -> OscoreKeys:
    secret = bytes(agreement.edhoc_exporter(0, [], _SECRET_BYTES))
    salt = bytes(agreement.edhoc_exporter(1, [], _SALT_BYTES))
    return OscoreKeys(secret, theirs, own, salt)


def _key_id(id_credential: bytes) -> bytes:
    """The key id in {4: kid}; empty for any other kind of reference, which is nobody's."""
    try:
        content = cbor2.loads(id_credential)
    except cbor2.CBORDecodeError:
        return b""
    kid = content.get(4) if isinstance(content, dict) else None
    return kid if isinstance(kid, bytes) else b""
