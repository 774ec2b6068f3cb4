"""A client that holds a key: it makes DPoP proofs, honest ones and others."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
API = "https://api.example"


def b64(value: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class Holder:
    """A key on P-256 and what can be made with it."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        numbers = self.private.public_key().public_numbers()
        self.jwk: dict[str, Any] = {
            "kty": "EC",
            "crv": "P-256",
            "x": b64(numbers.x.to_bytes(32, "big")),
            "y": b64(numbers.y.to_bytes(32, "big")),
        }

    @property
    def jkt(self) -> str:
        """Return the thumbprint, made here in another way than ours: sorted, without spaces."""
        text = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return b64(hashlib.sha256(text.encode()).digest())

    def sign(self, header: bytes, content: bytes) -> str:
        """Return a compact JWS over exactly these bytes."""
        signed = f"{b64(header)}.{b64(content)}"
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def proof(
        self,
        token: str,
        *,
        method: str = "GET",
        url: str = f"{API}/me",
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Return an honest proof, with something else in it; a member that is None is left out."""
        head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk, **(header or {})}
        claims = {
            "jti": str(uuid4()),
            "htm": method,
            "htu": url,
            "iat": int(NOON.timestamp()),
            "ath": b64(hashlib.sha256(token.encode()).digest()),
            **changes,
        }
        told = [
            json.dumps({k: v for k, v in one.items() if v is not None}).encode()
            for one in (head, claims)
        ]
        return self.sign(*told)
