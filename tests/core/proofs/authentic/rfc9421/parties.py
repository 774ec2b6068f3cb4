"""Keys and messages of the tests of message signatures."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pratique import Fields
from pratique.core.proofs.authentic.content_digest import content_digest
from pratique.core.proofs.authentic.rfc9421 import (
    Algorithm,
    MessageKey,
    RequestMessage,
    RequestSignature,
    ResponseMessage,
    ResponseSignature,
    sign_request,
    sign_response,
)

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
URL = "https://api.example/orders?dry=1"
SECRET = bytes(range(32))
REQUEST = RequestMessage(
    "POST", URL, Fields([("Content-Type", "application/json")]), b'{"amount": 12}'
)
ASKED = RequestMessage(
    "POST",
    URL,
    Fields([*REQUEST.fields, ("Content-Digest", content_digest(REQUEST.content))]),
    REQUEST.content,
)
"""The same with its digest in a field, so that an answer can be bound to its content."""
RESPONSE = ResponseMessage(
    200, Fields([("Content-Type", "application/json")]), b'{"ok": true}', ASKED
)


@cache
def material(algorithm: Algorithm) -> Any:
    """Return a private key of `cryptography`, one for each algorithm."""
    if algorithm is Algorithm.ED25519:
        return Ed25519PrivateKey.from_private_bytes(SECRET)
    if algorithm is Algorithm.ECDSA_P256_SHA256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm is Algorithm.ECDSA_P384_SHA384:
        return ec.generate_private_key(ec.SECP384R1())
    return rsa.generate_private_key(65537, 2048)


def private_pem(key: Any) -> bytes:
    """Return a private key as PEM."""
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def public_pem(key: Any) -> bytes:
    """Return the public half of a private key as PEM."""
    public = key.public_key()
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def pair(algorithm: Algorithm) -> tuple[MessageKey, MessageKey]:
    """Return the key that signs and the one that verifies."""
    if algorithm is Algorithm.HMAC_SHA256:
        return MessageKey.shared("k", SECRET), MessageKey.shared("k", SECRET)
    made = material(algorithm)
    return (
        MessageKey.private("k", algorithm, private_pem(made)),
        MessageKey.public("k", algorithm, public_pem(made)),
    )


OURS, THEIRS = pair(Algorithm.ED25519)


def policy(**given: Any) -> RequestSignature:
    """Return what the signature of a request must be here."""
    return RequestSignature(**{"keys": [THEIRS], "max_age": timedelta(minutes=5), **given})


def answer_policy(**given: Any) -> ResponseSignature:
    """Return what the signature of a response must be here."""
    return ResponseSignature(**{"keys": [THEIRS], "max_age": timedelta(minutes=5), **given})


def signed(request: RequestMessage = REQUEST, **given: Any) -> RequestMessage:
    """Return a request with its signature."""
    fields = sign_request(request, **{"key": OURS, "at": AT, **given})
    return RequestMessage(request.method, request.url, fields, request.content)


def answered(response: ResponseMessage = RESPONSE, **given: Any) -> ResponseMessage:
    """Return a response with its signature."""
    fields = sign_response(response, **{"key": OURS, "at": AT, **given})
    return ResponseMessage(response.status, fields, response.content, response.request)
