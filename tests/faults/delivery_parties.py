"""Senders by the kind of their scheme: how an honest delivery is made, and what of it is signed.

What is signed is read here from the senders' documents, and by nothing of ours.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zlib import crc32

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace as replaced

from pratique import Claim
from pratique.core.claim import Via
from pratique.webhook.providers.plaid import SEALED_KID
from pratique.webhook.scheme import Scheme
from tests.webhook import other_proofs
from tests.webhook.other_proofs import CASES, Case, ed25519, jwk, notification, p256
from tests.webhook.samples import ANOTHER, SAMPLES, Sample

CLASSES: dict[str, tuple[str, ...]] = {
    "hmac-body": (
        "github", "bitbucket", "gitea", "meta", "shopify", "gocardless", "coinbase-commerce", "razorpay", "paystack",
        "line", "onfido", "linear", "docusign", "typeform", "pusher", "x-twitter", "braintree",
    ),
    "hmac-time": ("stripe", "slack", "zoom", "paddle", "workos", "sanity", "box", "calendly", "zendesk"),
    "id-time": ("standard-webhooks", "svix", "openai", "gitlab", "twitch", "generic"),
    "url": ("twilio", "square", "hubspot", "contentful"),
    "fields": ("adyen", "mailgun"),
    "asymmetric": ("discord", "telnyx", "sendgrid", "standard-webhooks v1a"),
    "fetched-key": ("aws-sns", "paypal"),
    "jwt": ("plaid", "messagebird"),
    "token": ("gitlab-legacy",),
    "unsigned": ("mollie",),
    "challenge": ("slack", "zoom", "x-twitter", "meta", "twitch", "discord", "braintree", "aws-sns"),
}  # fmt: skip
TOKENS = (
    "abc", "a" * 128, "a" * 129, "", "v0:1:{}", "{}", "é", "1.x", "a b", "ab" * 10, "ab" * 16, "ab" * 17,
    "AB" * 12, "<b>", "a\n", "0123456789abcdef0123", None, 7, ["a"], '"', "a" * 5000,
)  # fmt: skip
VERIFY_TOKEN = "a word that we both know"
_PAIRED = {
    "stripe": ("Stripe-Signature", "t", ","),
    "paddle": ("Paddle-Signature", "ts", ";"),
    "workos": ("WorkOS-Signature", "t", ","),
    "sanity": ("sanity-webhook-signature", "t", ","),
    "calendly": ("Calendly-Webhook-Signature", "t", ","),
}
_ADYEN = ("pspReference", "originalReference", "merchantAccountCode", "merchantReference")
_is_signature = re.compile(r"(?i)signature(?!d|-time|-version|-algo)|-sig$|hmac|token").search
_is_no_signature = re.compile(r"(?i)timestamp|signed-headers|-version$|-algorithm$|algo$").search


@dataclass(frozen=True)
class Party:
    """A sender, with what opens its deliveries."""

    name: str
    scheme: Scheme
    content: Callable[[datetime], bytes]
    seal: Callable[[bytes, datetime, int], Claim]
    """(content, time, number of the key) -> a delivery; the second key is a stranger's."""
    secrets: tuple[str, ...]
    another: str | None
    """A stranger's secret; None where there are none."""
    url: str | None
    pins: Mapping[str, Any] = field(hash=False)

    @property
    def signed_names(self) -> frozenset[str]:
        """Return the fields that hold the signature, in lower case."""
        return _names_of(self)[0]

    @property
    def bound_names(self) -> frozenset[str]:
        """Return the fields that hold what is signed: time, id, and whatever else is owed."""
        return _names_of(self)[1]


def parties(kind: str) -> list[Party]:
    """Return every sender of a class."""
    senders = [party(name) for name in CLASSES[kind]]
    return [*senders, _twilio_with_a_query_of_its_own()] if kind == "url" else senders


@cache
def _twilio_with_a_query_of_its_own() -> Party:
    """Return Twilio as it adds to the query of the URL that it was told."""
    sample = SAMPLES["twilio"]
    sent_to = _of_sample("twilio", sample)

    def seal(content: bytes, at: datetime, number: int) -> Claim:
        claim = sent_to.seal(content, at, number)
        return replaced(claim, via=Via(target="/hooks/a?one=1"))

    plain = (sample.url or "").partition("?")[0]
    return replace(sent_to, url=plain, seal=seal)


@cache
def party(name: str) -> Party:
    """Return one sender."""
    return _of_case(CASES[name]) if name in CASES else _of_sample(name, SAMPLES[name])


def _of_sample(name: str, sample: Sample) -> Party:
    pins = {**sample.pins, **({"verify_token": VERIFY_TOKEN} if name == "meta" else {})}
    return Party(
        name,
        sample.scheme,
        sample.content,
        lambda content, at, number: sample.sealed(
            content, at=at, secret=ANOTHER if number else None
        ),
        (sample.opening,),
        ANOTHER,
        sample.url,
        pins,
    )


def _of_case(case: Case) -> Party:
    content: Callable[[datetime], bytes] = lambda _at: case.content  # noqa: E731  one of two
    pins = case.pins()
    if case.name == "aws-sns":
        content = lambda at: notification(Timestamp=_stamp(at))  # noqa: E731
        pins["confirm_subscription"] = _taken
    elif case.name == "plaid":
        pins["fetch_key"] = _key_of
    return Party(
        case.name,
        case.scheme,
        content,
        lambda told, at, number: case.sealed(told, at=at, number=number),
        (case.opening(),) if case.opening() else (),
        _another(case),
        case.url,
        pins,
    )


def _another(case: Case) -> str | None:
    if not case.opening():
        return None
    if case.name == "discord":
        return ed25519(1).public_key().public_bytes_raw().hex()
    if case.name == "telnyx":
        return other_proofs.b64encode(ed25519(1).public_key().public_bytes_raw()).decode()
    if case.name == "sendgrid":
        key = p256(1).public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return other_proofs.b64encode(der).decode()
    return case.signing(1)


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.000Z}"


def _key_of(kid: str) -> dict[str, Any] | None:
    """Return Plaid's key of that name; it knows one."""
    return jwk() if kid == SEALED_KID else None


def _taken(_url: str) -> None:
    """Take the URL that a subscription is confirmed by."""


@cache
def _names_of(sender: Party) -> tuple[frozenset[str], frozenset[str]]:
    honest = sender.seal(sender.content(other_proofs.AT), other_proofs.AT, 0)
    unsigned = {"content-type", "x-amz-sns-message-type", "paypal-cert-url", "paypal-auth-algo"}
    unsigned |= {name for name, _ in _hints(sender.name)}
    names = {name.lower() for name, _ in honest.fields} - unsigned
    signing = {name for name in names if _is_signature(name) and not _is_no_signature(name)}
    return frozenset(signing), frozenset(names - signing)


def _hints(name: str) -> list[tuple[str, str]]:
    sample = SAMPLES.get(name)
    return [(line.lower(), value) for line, value in sample.lines] if sample is not None else []


def told(sender: Party, claim: Claim, url: str | None) -> object:
    """Return what the sender's documents say that it signs, of this delivery."""
    special = _SPECIAL.get(sender.name)
    if special is not None:
        return special(claim, url)
    times: list[str] = []
    if sender.name in _PAIRED:
        name, label, sign = _PAIRED[sender.name]
        pairs = (claim.fields.one(name) or "").split(sign)
        times = [pair.strip() for pair in pairs if pair.strip().startswith(f"{label}=")]
    bound = sorted((name, claim.fields.one(name)) for name in sender.bound_names)
    return claim.content, times, bound, url if sender.scheme.signs_url else None


def _braintree(claim: Claim, _url: str | None) -> object:
    """Return the payload: its library tries it with a line end behind it too."""
    return dict(parse_qsl(claim.content.decode()))["bt_payload"].removesuffix("\n")


def _twilio(claim: Claim, url: str | None) -> object:
    """Return the URL with and without its port alike, and the form's pairs, each once, sorted."""
    at = urlsplit(url or "")
    pairs = sorted(set(parse_qsl(claim.content.decode(), keep_blank_values=True)))
    query = claim.via.target.partition("?")[2] or at.query
    return at.hostname, at.path, query + "".join(name + value for name, value in pairs)


def _hubspot(claim: Claim, url: str | None) -> object:
    unescaped = re.sub(
        r"%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)",
        lambda found: chr(int(found[1], 16)),
        url or "",
        flags=re.IGNORECASE,
    )
    stamp = claim.fields.one("X-HubSpot-Request-Timestamp")
    return claim.via.method, unescaped, claim.content, stamp


def _contentful(claim: Claim, url: str | None) -> object:
    at, listed = urlsplit(url or ""), claim.fields.one("x-contentful-signed-headers") or ""
    lines = sorted((name, claim.fields.one(name)) for name in listed.split(","))
    return claim.via.method, at.path, at.query, lines, claim.content


def _box(claim: Claim, _url: str | None) -> object:
    escaped = "".join(
        character if character.isascii() else json.dumps(character)[1:-1]
        for character in claim.content.decode()
    )
    return escaped, claim.fields.one("box-delivery-timestamp")


def _adyen(claim: Claim, _url: str | None) -> object:
    items: list[list[object]] = []
    for entry in json.loads(claim.content)["notificationItems"]:
        item = entry["NotificationRequestItem"]
        amount = item.get("amount", {})
        told_of = [str(item.get(name) or "") for name in _ADYEN]
        told_of += [str(amount["value"]), amount["currency"], item["eventCode"], item["success"]]
        items.append([*told_of])
    return items


def _mailgun(claim: Claim, _url: str | None) -> object:
    block = json.loads(claim.content)["signature"]
    return block["timestamp"], block["token"]


def _sns(claim: Claim, _url: str | None) -> object:
    members = json.loads(claim.content)
    names = (
        "Message",
        "MessageId",
        "Subject",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    )
    if members["Type"] == "Notification":
        names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    return [(name, members[name]) for name in names if name in members]


def _paypal(claim: Claim, _url: str | None) -> object:
    parts = [claim.fields.one(f"PAYPAL-TRANSMISSION-{part}") for part in ("ID", "TIME")]
    return *parts, crc32(claim.content)


def _plaid(claim: Claim, _url: str | None) -> object:
    return (claim.fields.one("Plaid-Verification") or "").rpartition(".")[0], claim.content


def _messagebird(claim: Claim, url: str | None) -> object:
    query = claim.via.target.partition("?")[2]
    token = (claim.fields.one("MessageBird-Signature-JWT") or "").rpartition(".")[0]
    return token, claim.content, f"{url}?{query}" if query else url


_SPECIAL: dict[str, Callable[[Claim, str | None], object]] = {
    "braintree": _braintree,
    "twilio": _twilio,
    "hubspot": _hubspot,
    "contentful": _contentful,
    "box": _box,
    "adyen": _adyen,
    "mailgun": _mailgun,
    "aws-sns": _sns,
    "paypal": _paypal,
    "plaid": _plaid,
    "messagebird": _messagebird,
    "gitlab-legacy": lambda claim, _url: claim.fields.one("X-Gitlab-Token"),
    "mollie": lambda _claim, _url: None,
}


def challenges(sender: Party, at: datetime) -> Iterator[tuple[Any, bytes, str]]:
    """Yield (token, content, target) of handshakes: with honest tokens, and with hostile ones."""
    for token in TOKENS:
        content, target = b"", "/hook"
        if sender.name == "slack":
            content = json.dumps({"type": "url_verification", "challenge": token}).encode()
        elif sender.name == "zoom":
            asked = {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
            content = json.dumps(asked).encode()
        elif sender.name == "twitch":
            content = json.dumps({"challenge": token, "subscription": {"id": "1"}}).encode()
        elif sender.name == "discord":
            content = json.dumps({"type": 1, "id": token, "application_id": "7"}).encode()
        elif sender.name == "x-twitter":
            target = f"/hook?crc_token={token}&nonce=1"
        elif sender.name == "meta":
            target = f"/hook?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN.replace(' ', '+')}&hub.challenge={token}"
        elif sender.name == "braintree":
            target = f"/hook?bt_challenge={token}"
        else:
            content = _subscription(token, at)
        yield token, content, target


def _subscription(token: Any, at: datetime) -> bytes:
    url = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={other_proofs.TOPIC}&Token={token}"
    more = {
        "Type": "SubscriptionConfirmation",
        "Timestamp": _stamp(at),
        "Token": token,
        "SubscribeURL": url,
    }
    return notification(**more)


_WORD = rb"[A-Za-z0-9_\-]{1,128}"
ANSWERS: dict[str, bytes] = {
    "slack": _WORD,
    "twitch": _WORD,
    "meta": _WORD,
    "zoom": rb'\{"plainToken":"' + _WORD + rb'","encryptedToken":"[0-9a-f]{64}"\}',
    "x-twitter": rb'\{"response_token":"sha256=[A-Za-z0-9+/]{43}="\}',
    "discord": rb'\{"type":1\}|',
    "braintree": rb"our_public_key\|[0-9a-f]{40}",
    "aws-sns": b"",
}
"""All that an answer may be."""
