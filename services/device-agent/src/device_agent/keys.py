"""The agent's own keys, what it proves with them, and how it opens what the hub sealed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.agent_link import (
    CIPHER,
    FRAME_BYTES_MAX,
    JOB_TYPE,
    KEY_AGREEMENT,
    PROOF_TYPE,
    REPORT_TYPE,
    SIGNATURE,
    JobReport,
    PrintOrder,
    Proof,
    PublicKey,
    SealedJobs,
)
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ValidationError


class LongJws(jws.JWSRegistry):
    """Many jobs under one signature are longer than the library's usual limit."""

    max_payload_length = FRAME_BYTES_MAX

    def __init__(self) -> None:
        super().__init__(algorithms=[SIGNATURE])


class LongJwe(jwe.JWERegistry):
    """The same for what is sealed."""

    max_ciphertext_length = FRAME_BYTES_MAX

    def __init__(self) -> None:
        super().__init__(algorithms=[KEY_AGREEMENT, CIPHER])


class SealRefused(Exception):
    """What came is not a sealed job for this agent from its hub."""


class AlteredJob(SealRefused):
    """It cannot be opened, or the hub's key did not sign it."""


class ForeignJob(SealRefused):
    """The hub signed it, but for another device."""


@dataclass(frozen=True)
class AgentKeys:
    """Made on the store's machine; the private halves never leave its journal."""

    signing: OKPKey
    sealing: OKPKey

    @classmethod
    def make(cls) -> "AgentKeys":
        return cls(OKPKey.generate_key("Ed25519"), OKPKey.generate_key("X25519"))

    @classmethod
    def load(cls, signing: str, sealing: str) -> "AgentKeys":
        return cls(OKPKey.import_key(_parsed(signing)), OKPKey.import_key(_parsed(sealing)))

    def saved(self) -> tuple[str, str]:
        return _written(self.signing), _written(self.sealing)

    def public(self) -> tuple[PublicKey, PublicKey]:
        return public_half(self.signing), public_half(self.sealing)

    def prove(self, nonce: str, subject: str) -> str:
        """The hub's challenge, signed: only the holder of the key can answer it."""
        return self._sign(PROOF_TYPE, Proof(nonce=nonce, subject=subject))

    def prove_report(self, report: JobReport) -> str:
        return self._sign(REPORT_TYPE, report)

    def _sign(self, kind: str, content: BaseModel) -> str:
        header = {"alg": SIGNATURE, "typ": kind}
        payload = content.model_dump_json().encode()
        return jws.serialize_compact(header, payload, self.signing, algorithms=[SIGNATURE])


def public_half(key: OKPKey) -> PublicKey:
    return {name: str(value) for name, value in key.as_dict(private=False).items()}


class _SavedKey(BaseModel):
    kty: str
    crv: str
    x: str
    d: str


def _parsed(saved: str) -> dict[str, str | list[str]]:
    return {**_SavedKey.model_validate_json(saved).model_dump()}


def _written(key: OKPKey) -> str:
    return _SavedKey.model_validate(key.as_dict(private=True)).model_dump_json()


@dataclass(frozen=True)
class Identity:
    """Who the agent is since it enrolled, and the one hub that it obeys."""

    device_id: UUID
    keys: AgentKeys
    hub_key: OKPKey
    store_ids: tuple[UUID, ...]

    def open(self, sealed: str) -> tuple[PrintOrder, ...]:
        """The jobs inside, in the hub's order; refused unless the hub sealed them for this agent.

        A job may have ended meanwhile: see `has_ended`.
        """
        try:
            letter = jwe.decrypt_compact(sealed, self.keys.sealing, registry=LongJwe())
            signed = jws.deserialize_compact(
                letter.plaintext or b"", self.hub_key, registry=LongJws()
            )
            if signed.protected.get("typ") != JOB_TYPE:
                raise AlteredJob("the hub signed this for something else")
            jobs = SealedJobs.model_validate_json(signed.payload)
        except (JoseError, ValidationError, ValueError) as error:
            raise AlteredJob(f"cannot be opened: {type(error).__name__}") from error
        if jobs.device_id != self.device_id:
            raise ForeignJob(f"addressed to device {jobs.device_id}")
        return jobs.jobs


def has_ended(order: PrintOrder, now: datetime) -> bool:
    """Nobody waits for this paper any more: it must not be printed."""
    return now >= order.expires_at
