"""The Ed25519 keys with which a service signs what others must be able to trust."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.instance import Instance, write_private


def key_file(instance: Instance, service: str) -> Path:
    """The private key of a service (PKCS 8, PEM), made once and readable by its owner only."""
    path = instance.folder("keys") / f"{service}.pem"
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem.decode())
    return path
