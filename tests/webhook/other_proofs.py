"""Honest deliveries of the senders whose proof isn't a MAC over the whole content, with their keys."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from pratique import Claim
from pratique.core.proofs.authentic import base64url
from pratique.webhook import providers
from pratique.webhook.opened import Opened
from pratique.webhook.providers.plaid import SEALED_KID
from pratique.webhook.scheme import Scheme

AT = datetime(2026, 11, 24, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-east-1:123456789012:mine"
WEBHOOK_ID = "4JH86294D6297924G"
SNS_URL = (
    "https://sns.us-east-1.amazonaws.com/"
    "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
)
PAYPAL_URL = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"
URL = "https://shop.example/hooks/messagebird"
TEXT = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"
HEX = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
PLAIN = "glpat_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _pem(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


@cache
def ed25519(seed: int = 0) -> Ed25519PrivateKey:
    """Return a key of Ed25519."""
    return Ed25519PrivateKey.from_private_bytes(bytes(range(seed, seed + 32)))


@cache
def p256(number: int = 0) -> Any:
    """Return a key on P-256."""
    _ = number
    return generate_private_key(SECP256R1())


@cache
def rsa(number: int = 0) -> RSAPrivateKey:
    """Return an RSA key of 2048 bits."""
    _ = number
    return generate_rsa(65537, 2048)


@cache
def certificate(number: int = 0, until: int = 2036) -> str:
    """Return a certificate of that RSA key, in force from 2024."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa(number).public_key())
        .serial_number(1 + number)
        .not_valid_before(datetime(2024, 6, 1))  # noqa: DTZ001  the builder's own form
        .not_valid_after(datetime(until, 6, 1))  # noqa: DTZ001
        .sign(rsa(number), SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def jwk(number: int = 0, **more: Any) -> dict[str, Any]:
    """Return Plaid's answer for a key: its JWK."""
    numbers = p256(number).public_key().public_numbers()
    return {
        "alg": "ES256",
        "created_at": 1560466150,
        "crv": "P-256",
        "expired_at": None,
        "kid": SEALED_KID,
        "kty": "EC",
        "use": "sig",
        "x": base64url.encode(numbers.x.to_bytes(32, "big")),
        "y": base64url.encode(numbers.y.to_bytes(32, "big")),
    } | more


@dataclass(frozen=True)
class Case:
    """A sender, an honest delivery of it, and what opens and seals it.

    Args:
        name: Of the sender.
        content: What it says.
        opening: The secret that opens; "" where it is keyless.
        signing: The secret that signs; the second is a stranger's.
        pins: Of the declaration.
        url: Ours.
        is_bound: The whole content is bound.
    """

    name: str
    content: bytes
    opening: Callable[[], str]
    signing: Callable[[int], str]
    pins: Callable[[], dict[str, Any]] = dict
    url: str | None = None
    is_bound: bool = True

    @property
    def scheme(self) -> Scheme:
        """Return its scheme."""
        return providers.get(self.name)

    def sealed(
        self,
        content: bytes | None = None,
        *,
        at: datetime = AT,
        number: int = 0,
        key: str = "msg-1",
    ) -> Claim:
        """Return a delivery."""
        return self.scheme.sealed(
            self.content if content is None else content,
            secret=self.signing(number),
            at=at,
            key=key,
            url=self.url,
            **self.pins(),
        )

    def opened(self, claim: Claim, **pins: Any) -> Opened:
        """Open one."""
        secrets = [self.opening()] if self.opening() else []
        return self.scheme.open(claim, secrets=secrets, url=self.url, **(self.pins() | pins))


def notification(**more: str) -> bytes:
    """Return an SNS message as it is before it is signed."""
    members = {
        "Type": "Notification",
        "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
        "TopicArn": TOPIC,
        "Message": "paid: \u00e9\nyes",
        "Timestamp": "2026-11-24T00:00:00.000Z",
    } | more
    return json.dumps(members).encode()


def item(**more: Any) -> dict[str, Any]:
    """Return an item of Adyen's."""
    return {
        "NotificationRequestItem": {
            "pspReference": "7914073381342284",
            "merchantReference": "order:17",
            "merchantAccountCode": "TestMerchant",
            "amount": {"currency": "EUR", "value": 1130},
            "eventCode": "AUTHORISATION",
            "success": "true",
            "eventDate": "2019-05-06T17:15:34.121+02:00",
            "paymentMethod": "visa",
        }
        | more
    }


def _certificates() -> dict[str, Any]:
    return {"fetch_certificate": _fetch_certificate}


def _fetch_certificate(url: str) -> str | None:
    return certificate(0) if url in (SNS_URL, PAYPAL_URL) else None


def _fetch_key(_kid: str) -> dict[str, Any]:
    return jwk()


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case(
            "discord",
            b'{"type": 2, "id": "846462639134605312", "application_id": "77", "data": {"id": "9"}}',
            lambda: ed25519(0).public_key().public_bytes_raw().hex(),
            lambda number: _pem(ed25519(number)),
        ),
        Case(
            "telnyx",
            b'{"data": {"id": "ev-1", "event_type": "call.answered", "payload": {"id": "c-1"}}}',
            lambda: b64encode(ed25519(0).public_key().public_bytes_raw()).decode(),
            lambda number: _pem(ed25519(number)),
        ),
        Case(
            "sendgrid",
            b'[{"event": "dropped", "sg_event_id": "ZHJvcC0x", "email": "a@x.example"}]\r\n',
            lambda: b64encode(
                p256(0).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            ).decode(),
            lambda number: _pem(p256(number)),
        ),
        Case(
            "aws-sns",
            notification(),
            lambda: "",
            lambda number: _pem(rsa(number)),
            lambda: {"topic_arns": [TOPIC], **_certificates()},
        ),
        Case(
            "paypal",
            b'{"id": "WH-1", "event_type": "PAYMENT.SALE.COMPLETED", "resource": {"id": "4EU7"}}',
            lambda: "",
            lambda number: _pem(rsa(number)),
            lambda: {"webhook_id": WEBHOOK_ID, **_certificates()},
        ),
        Case(
            "plaid",
            b'{"webhook_type": "ITEM", "webhook_code": "ERROR", "item_id": "i-1"}',
            lambda: "",
            lambda number: _pem(p256(number)),
            lambda: {"fetch_key": _fetch_key},
        ),
        Case(
            "messagebird",
            b'{"type": "message.created", "message": {"id": "m-1"}}',
            lambda: TEXT,
            lambda number: TEXT if number == 0 else TEXT[::-1],
            url=URL,
        ),
        Case(
            "adyen",
            b'{"live": "false", "notificationItems": [%s]}' % json.dumps(item()).encode(),
            lambda: HEX,
            lambda number: HEX if number == 0 else HEX[::-1],
            is_bound=False,
        ),
        Case(
            "mailgun",
            b'{"event-data": {"event": "delivered", "id": "ID1", "recipient": "a@x.example"}}',
            lambda: TEXT,
            lambda number: TEXT if number == 0 else TEXT[::-1],
            is_bound=False,
        ),
        Case(
            "gitlab-legacy",
            b'{"object_kind": "push", "project": {"id": 15}, "object_attributes": {"id": 7}}',
            lambda: PLAIN,
            lambda number: PLAIN if number == 0 else PLAIN[::-1],
            is_bound=False,
        ),
        Case("mollie", b"id=tr_7UhSN1zuXS", lambda: "", lambda _number: "", is_bound=False),
    )
}
SIGNED_TIME = [name for name, case in CASES.items() if case.scheme.signed_time]
