"""The hub's key: it signs jobs, seals them to one agent, and checks what agents prove."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
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

from devices.domain import ProofRefused

ED25519, X25519 = "Ed25519", "X25519"


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


class HubKey:
    """Signs what agents obey. Its public half goes to each agent once, when it enrols."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        seed = str(key.as_dict(private=True)["d"]).encode()
        self.code_secret = hashlib.sha256(b"enrolment codes\x1f" + seed).digest()

    @classmethod
    def read(cls, path: Path) -> "HubKey":
        return cls(OKPKey.import_key(path.read_bytes()))

    @property
    def public(self) -> PublicKey:
        return {name: str(value) for name, value in self._key.as_dict(private=False).items()}

    def seal(
        self, device_id: UUID, sealing_key: Mapping[str, str], orders: Sequence[PrintOrder]
    ) -> str:
        """The jobs, signed and then encrypted: only this device can read or obey them."""
        jobs = SealedJobs(device_id=device_id, jobs=tuple(orders)).model_dump_json().encode()
        signed = jws.serialize_compact(
            {"alg": SIGNATURE, "typ": JOB_TYPE}, jobs, self._key, registry=LongJws()
        )
        return jwe.encrypt_compact(
            {"alg": KEY_AGREEMENT, "enc": CIPHER},
            signed,
            public_key(sealing_key, X25519),
            registry=LongJwe(),
        )


def public_key(given: Mapping[str, str], curve: str) -> OKPKey:
    """The key that an agent sent; refused unless it is one of the curve that it is for."""
    if set(given) != {"kty", "crv", "x"} or given["crv"] != curve:
        raise ProofRefused
    try:
        return OKPKey.import_key({**given})
    except (JoseError, ValueError) as error:
        raise ProofRefused from error


def check_proof(proof: str, signing_key: Mapping[str, str], nonce: str, subject: str) -> None:
    """ProofRefused unless the holder of this key signed this nonce for this subject."""
    payload = _signed(proof, signing_key, PROOF_TYPE)
    try:
        said = Proof.model_validate_json(payload)
    except ValueError as error:
        raise ProofRefused from error
    if said != Proof(nonce=nonce, subject=subject):
        raise ProofRefused


def check_report(proof: str, signing_key: Mapping[str, str]) -> JobReport:
    """The report that the device signed; ProofRefused when it did not."""
    payload = _signed(proof, signing_key, REPORT_TYPE)
    try:
        return JobReport.model_validate_json(payload)
    except ValueError as error:
        raise ProofRefused from error


def _signed(proof: str, signing_key: Mapping[str, str], kind: str) -> bytes:
    try:
        signed = jws.deserialize_compact(
            proof, public_key(signing_key, ED25519), algorithms=[SIGNATURE]
        )
    except (JoseError, ValueError) as error:
        raise ProofRefused from error
    if signed.protected.get("typ") != kind:
        raise ProofRefused
    return bytes(signed.payload or b"")
