"""Puts a bundle together: manifest, signature, files. Layout: protocols/spec/update-bundle.md."""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hardware.bundle.firmware_files import Version
from hardware.bundle.manifest_writer import make_manifest


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signed bundle: its manifest and all of its bytes."""

    manifest: bytes
    content: bytes

    @property
    def digest(self) -> int:
        """The first four bytes of the manifest's SHA-256, by which the node tells bundles apart."""
        return int.from_bytes(hashlib.sha256(self.manifest).digest()[:4], "big")


def sign(manifest: bytes, key: RSAPrivateKey) -> bytes:
    """The signature of a manifest: RSA, PKCS#1 v1.5, SHA-256."""
    return key.sign(manifest, padding.PKCS1v15(), hashes.SHA256())


def make_bundle(files: dict[str, bytes], version: Version, minimum: Version, board: int, key: RSAPrivateKey) -> Bundle:
    """The whole bundle."""
    manifest = make_manifest(files, version, minimum, board)
    content = b"".join(content for _, content in sorted(files.items()))
    return Bundle(manifest, manifest + sign(manifest, key) + content)
