"""The keys of a kit, encrypted: AES-256-GCM under a key that scrypt (RFC 7914) makes of the password.

scrypt makes 48 bytes: the first 32 are the key, the others are stored and tell a wrong password from a kit that was
changed. What else is in the kit is bound in: with another firmware or table beside them, keys do not open.
"""

import json
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hardware.kit.kit_order import Keys
from hardware.kit.password import PasswordError
from hardware.kit.sealed_file import SealedFileError

_KEY_BYTES, _CHECK_BYTES = 32, 16
_SALT_BYTES, _NONCE_BYTES = 16, 12
_MEMORY_FACTOR = 128  # scrypt takes 128 * n * r bytes


@dataclass(frozen=True, slots=True)
class Cost:
    """What trying one password costs: parameters `n`, `r`, `p` of scrypt."""

    n: int = 1 << 16
    r: int = 8
    p: int = 1


_MOST = Cost(1 << 20, 16, 16)
_MOST_MEMORY = 1 << 30


def lock(keys: Mapping[str, Keys], password: str, bound: bytes) -> bytes:
    """The keys by terminal as bytes that only the password opens, and only beside `bound`."""
    cost = Cost()
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    key, check = _derive(password, salt, cost)
    plain = {
        terminal: {"node": _hex(one.node), "broadcast": _hex(one.broadcast)} for terminal, one in sorted(keys.items())
    }
    sealed = AESGCM(key).encrypt(nonce, json.dumps(plain).encode("ascii"), bound)
    told = {"scrypt": {"n": cost.n, "r": cost.r, "p": cost.p, "salt": salt.hex()}, "check": check.hex()}
    return json.dumps({**told, "aes-256-gcm": {"nonce": nonce.hex(), "text": sealed.hex()}}).encode("ascii")


def unlock(data: bytes, password: str, bound: bytes, name: str) -> dict[str, Keys]:
    """The keys by terminal. Raises PasswordError for a wrong password, SealedFileError for a kit that was changed."""
    anew = "have the kit made anew"
    try:
        told = json.loads(data)
        cost = Cost(*(int(told["scrypt"][part]) for part in ("n", "r", "p")))
        salt, check = bytes.fromhex(told["scrypt"]["salt"]), bytes.fromhex(told["check"])
        nonce, text = (bytes.fromhex(told["aes-256-gcm"][part]) for part in ("nonce", "text"))
    except (ValueError, KeyError, TypeError) as error:
        raise SealedFileError(f"the keys in {name} are not as this Gatepost writes them", anew) from error
    too_much = cost.n > _MOST.n or cost.r > _MOST.r or cost.p > _MOST.p
    if too_much or cost.n < 2 or cost.n & (cost.n - 1) or _MEMORY_FACTOR * cost.n * cost.r > _MOST_MEMORY:
        raise SealedFileError(f"the keys in {name} ask for scrypt with {cost}, which nobody sets", anew)
    key, expected = _derive(password, salt, cost)
    if not secrets.compare_digest(check, expected):
        raise PasswordError(f"this is not the password of {name}; the file itself is whole")
    try:
        plain = json.loads(AESGCM(key).decrypt(nonce, text, bound))
    except (InvalidTag, ValueError) as error:
        what = f"the password is right, but {name} was changed after it was made, so its keys are not given out"
        raise SealedFileError(what, anew) from error
    return {terminal: Keys(_bytes(one["node"]), _bytes(one["broadcast"])) for terminal, one in plain.items()}


def _derive(password: str, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
    """The key and the check. One password typed on two systems is one password: NFC (RFC 8265, 4.2)."""
    text = unicodedata.normalize("NFC", password).encode("utf-8")
    made = Scrypt(salt, _KEY_BYTES + _CHECK_BYTES, cost.n, cost.r, cost.p).derive(text)
    return made[:_KEY_BYTES], made[_KEY_BYTES:]


def _hex(key: bytes | None) -> str | None:
    return None if key is None else key.hex()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)
