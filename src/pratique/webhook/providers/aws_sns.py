"""Amazon SNS: RSA over named members of the content, with a certificate that the message names.

Anybody's AWS account makes genuine signatures: the list of our own topics is what tells them apart.
"""

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import msgspec

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.strict_json import object_of
from pratique.core.refusal import Refused
from pratique.webhook.certificate import FETCH, fetched, known_at, pieces_of, pinned
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake
from pratique.webhook.key_address import KeyAddress
from pratique.webhook.named_key import CALLABLE
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.pin import Pin
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed
from pratique.webhook.signed_time import RFC3339

CONFIRM: Final = "confirm_subscription"
"""The pin with the callable that a subscription's URL is handed to, once it is proven: (url)."""
_HOST: Final = r"sns\.[a-z0-9-]{3,32}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATES: Final = KeyAddress(
    host=_HOST, path=r"/SimpleNotificationService-[0-9a-f]{8,64}\.pem"
)
_SUBSCRIPTIONS: Final = re.compile(
    rf"https://{_HOST}/\?Action=ConfirmSubscription&TopicArn=([A-Za-z0-9:_.-]+)&Token=([0-9a-f]+)"
)
_is_arn = re.compile(
    r"arn:aws[a-z-]{0,16}:sns:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?"
).fullmatch
# Message alone may have line breaks: with others in it, one signed text would have two readings.
_is_line = re.compile(r"[^\x00-\x1f\x7f]{1,2048}").fullmatch
_is_word = re.compile(r"[A-Za-z0-9-]{1,64}").fullmatch
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_HANDSHAKE: Final = (
    "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
)  # fmt: skip
_SIGNED: Final = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _HANDSHAKE,
    "UnsubscribeConfirmation": _HANDSHAKE,
}
_DIGESTS: Final = {"1": "sha1", "2": "sha256"}
_EXAMPLE: Final = (
    "https://sns.us-east-1.amazonaws.com/"
    "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
)


def _members(claim: Claim) -> Mapping[str, Any]:
    try:
        return object_of(claim.content)
    except ValueError:
        raise malformed("Signature", "the content is no JSON object with each name once") from None


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise malformed("Signature", f"{name} is missing, empty or no text")
    return value


def _read(claim: Claim, facts: Facts) -> tuple[str, str, list[str]]:
    members = _members(claim)
    signature, version = _text(members, "Signature"), _text(members, "SignatureVersion")
    if version not in facts.pins.get("signature_versions", ("2",)):
        raise Refused(
            AUTHENTIC,
            "its SignatureVersion isn't one that is declared",
            code="algorithm_not_allowed",
            hint="version 1 is SHA-1: set the topic's SignatureVersion to 2",
        )
    topic = _text(members, "TopicArn")
    if topic not in facts.pins["topic_arns"]:
        raise Refused(
            AUTHENTIC,
            "it is of a topic that isn't among the declared ones",
            code="wrong_topic",
            hint="anybody's account signs genuinely: add the topic to topic_arns= if it is yours",
        )
    _CERTIFICATES.judged(_text(members, "SigningCertURL"))
    sent = _text(members, "Timestamp")
    if not RFC3339.matches(sent):
        raise malformed("Signature", f"Timestamp isn't {RFC3339.words}")
    identity = _text(members, "MessageId")
    if _is_word(identity) is None:
        raise malformed("Signature", "MessageId isn't letters, digits and -")
    return sent, identity, [signature]


def _pieces(_time: str, _id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    members = _members(claim)
    names = _SIGNED.get(_text(members, "Type"))
    if names is None:
        raise malformed("Signature", "Type is none that SNS sends")
    lines: list[str] = []
    for name in _present(names, members):
        value = _text(members, name)
        if name != "Message" and _is_line(value) is None:
            raise malformed("Signature", f"{name} has a control character, or is too long")
        lines += (name, value)
    signed = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
    url = members.get("SigningCertURL", _EXAMPLE)  # none where we seal
    digest = _DIGESTS[cast("str", members.get("SignatureVersion", "2"))]
    return pieces_of(_CERTIFICATES.judged(url), claim, signed, digest=digest)


def _present(names: tuple[str, ...], members: Mapping[str, Any]) -> list[str]:
    return [name for name in names if name != "Subject" or name in members]


def _signed_content(claim: Claim) -> bytes:
    """Return the members that are signed: MessageAttributes and UnsubscribeURL aren't."""
    members = _members(claim)
    names = _present(_SIGNED[_text(members, "Type")], members)
    return msgspec.json.encode({name: members[name] for name in names})


def _envelope(claim: Claim) -> Envelope | None:
    try:
        members = _members(claim)
        kind, identity = _text(members, "Type"), fit(_text(members, "MessageId"))
        return Envelope(identity, kind, _text(members, "TopicArn")) if identity else None
    except Refused:
        return None


def _subscription(claim: Claim, _facts: Facts) -> str:
    """Return the URL that confirms a subscription, if it is where SNS has it and about this one."""
    members = _members(claim)
    if members.get("Type") != "SubscriptionConfirmation":
        return ""
    match = _SUBSCRIPTIONS.fullmatch(_text(members, "SubscribeURL"))
    told = (members.get("TopicArn"), members.get("Token"))
    return match.group() if match is not None and match.groups() == told else ""


def _enclosed(content: bytes, _time: str, _id: str, signature: str, _facts: Facts) -> bytes:
    added = f'"SignatureVersion":"2","Signature":"{signature}","SigningCertURL":"{_EXAMPLE}"}}'
    return content.rstrip()[:-1].rstrip() + b"," + added.encode()


def _are_topics(told: Collection[Any]) -> bool:
    return bool(told) and all(isinstance(each, str) and _is_arn(each) for each in told)


SCHEME = Scheme(
    name="aws-sns",
    party="aws",
    documentation="https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
    binds=("time", "id", "topic", "type", "message"),
    read=_read,
    pieces=_pieces,
    keying=pinned,
    keyed_by=fetched,
    envelope=_envelope,
    seal_fields=lambda _time, _id, _signature: [("x-amz-sns-message-type", "Notification")],
    seal_content=_enclosed,
    signed_time=True,
    tolerance=timedelta(hours=1),  # it is the time of publishing, and SNS retries for an hour
    time=RFC3339,
    time_of=lambda claim: _text(_members(claim), "Timestamp"),
    signed_key=True,
    signed_content=_signed_content,
    pins=(
        Pin("topic_arns", cast("type", Collection), is_owed=True, fits=_are_topics),
        Pin(FETCH, CALLABLE),
        known_at(_CERTIFICATES),
        Pin(CONFIRM, CALLABLE),
        Pin("signature_versions", tuple, fits=lambda told: {*told} <= {*_DIGESTS} and told),
    ),
    handshake=Handshake(
        _subscription, lambda _url, _sign, _facts: b"", opaque=bool, hands_to=CONFIRM
    ),
)
