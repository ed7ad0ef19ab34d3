"""What identity signs with: access tokens, refresh tokens, and the public half for everyone."""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from contracts.identity import AUDIENCE, ISSUER
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import OKPKey

from identity.domain import Account

ALGORITHM = "Ed25519"
MAC_BYTES = 32
GRANT_BYTES = 16 + 4


class KeyUnusable(Exception):
    """The signing key is missing or is not what it should be."""


class SigningKey:
    """One Ed25519 key, and the secret that is derived from it for what only identity reads."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.key = OKPKey.import_key(pem)
        self.kid = self.key.thumbprint()
        raw = private.private_bytes_raw()
        self.secret = HKDF(SHA256(), 32, salt=None, info=b"holdfast identity secrets").derive(raw)

    def public(self) -> dict[str, object]:
        """The public half, as JWKS shows it."""
        shown = self.key.as_dict(private=False)
        return {**shown, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


def read_key(file: Path) -> SigningKey:
    """The key of a PKCS#8 PEM file; KeyUnusable says in one sentence what is wrong."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not an unencrypted PEM"
        raise KeyUnusable(f"the signing key {file} cannot be read: {reason}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"the signing key {file} is not an Ed25519 key")
    return SigningKey(key)


class Keys:
    """The key that signs, and the one before it, whose tokens stay good."""

    def __init__(self, current: SigningKey, previous: SigningKey | None = None) -> None:
        self.current = current
        self.all = [current] if previous is None else [current, previous]

    @classmethod
    def read(cls, file: Path | None, previous: Path | None) -> "Keys":
        """Read both files; KeyUnusable when there is no key to sign with."""
        if file is None:
            raise KeyUnusable("HOLDFAST_SIGNING_KEY_FILE is not set: name an Ed25519 key in PEM")
        return cls(read_key(file), None if previous is None else read_key(previous))

    def jwks(self) -> dict[str, list[dict[str, object]]]:
        """The public keys under which tokens may be verified."""
        return {"keys": [key.public() for key in self.all]}

    def access_token(self, account: Account, id: UUID, now: datetime, good_for_s: int) -> str:
        """A signed statement of who the account is, good for so many seconds."""
        stores = account.store_ids
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(account.id),
            "role": account.role,
            "stores": None if stores is None else [str(store) for store in stores],
            "customer_id": None if account.customer_id is None else str(account.customer_id),
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(seconds=good_for_s)).timestamp()),
            "jti": str(id),
        }
        header = {"alg": ALGORITHM, "kid": self.current.kid}
        return jwt.encode(header, claims, self.current.key, algorithms=[ALGORITHM])

    def refresh_token(self, session_id: UUID, generation: int) -> str:
        """The token of a session's generation: always the same one, and nobody else can make it.

        So nothing that opens a session lies in the database, and an answer that got lost can be
        given again.
        """
        grant = session_id.bytes + generation.to_bytes(4, "big")
        return base64.urlsafe_b64encode(grant + _mac(self.current, grant)).decode().rstrip("=")

    def read_refresh_token(self, token: str) -> tuple[UUID, int] | None:
        """The session and the generation that a token is for; None when it is not ours."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        grant, mac = raw[:GRANT_BYTES], raw[GRANT_BYTES:]
        if len(mac) != MAC_BYTES:
            return None
        if not any(hmac.compare_digest(mac, _mac(key, grant)) for key in self.all):
            return None
        return UUID(bytes=grant[:16]), int.from_bytes(grant[16:], "big")

    def seal(self, fingerprint: bytes) -> bytes:
        """A fingerprint that a stolen database cannot be searched with for a password."""
        return hmac.digest(self.current.secret, b"fingerprint" + fingerprint, "sha256")


def _mac(key: SigningKey, grant: bytes) -> bytes:
    return hmac.digest(key.secret, b"refresh" + grant, "sha256")
