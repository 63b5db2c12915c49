"""The key that updates are signed with, and the file by which a node knows it."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 3072
EXPONENT = 65537


class KeyProblemError(Exception):
    """A key that cannot be used; the text says which, and what to do."""


def new_key() -> RSAPrivateKey:
    """A fresh key; a second or so."""
    return rsa.generate_private_key(EXPONENT, KEY_BITS)


def node_file(*keys: RSAPrivateKey) -> bytes:
    """The content of `update.key` on a node that trusts these keys: the moduli, 384 bytes each, one after the other."""
    return b"".join(key.public_key().public_numbers().n.to_bytes(KEY_BITS // 8, "big") for key in keys)


def save_key(key: RSAPrivateKey, path: Path, password: str | None) -> None:
    """Write the private key as PEM for its owner only, encrypted when there is a password.

    Raises FileExistsError rather than write over a key.
    """
    encryption = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)


def load_key(path: Path, password: str | None) -> RSAPrivateKey:
    """Read a private key that `save_key`, or openssl, has written. Raises KeyProblemError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password.encode() if password else None)
    except OSError as error:
        raise KeyProblemError(f"{path} cannot be read ({error.strerror}); name the key with --key") from error
    except (TypeError, ValueError) as error:
        raise KeyProblemError(f"{path} is no private key, or its password is missing or wrong") from error
    if not isinstance(key, RSAPrivateKey) or key.key_size != KEY_BITS:
        raise KeyProblemError(f"{path} is not an RSA key of {KEY_BITS} bits; make one with `key`")
    if key.public_key().public_numbers().e != EXPONENT:
        raise KeyProblemError(f"{path} does not have the public exponent {EXPONENT}; make a key with `key`")
    return key
