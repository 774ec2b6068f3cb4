"""Signs what we send: requests to others, and answers of our own."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from pratique.core.claim import Fields
from pratique.core.proofs.authentic.content_digest import (
    CONTENT_DIGEST,
    content_digest,
    require_digest,
)
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.structured import Bare, Item, Malformed, read_dictionary, write_dictionary

from .base import signature_base, signature_params
from .component import Component, Message, component_of
from .key import MessageKey
from .message import RequestMessage, ResponseMessage
from .policy import REQUEST_COMPONENTS, RESPONSE_COMPONENTS

LABEL: Final = "sig1"


def sign_request(
    request: RequestMessage,
    *,
    key: MessageKey,
    at: datetime,
    components: Iterable[str] = REQUEST_COMPONENTS,
    expires: datetime | None = None,
    nonce: str = "",
    tag: str = "",
    label: str = LABEL,
) -> Fields:
    """Return the fields of a request together with Content-Digest, Signature-Input and Signature.

    They are for whichever client sends it. Hand it the URL in the very form in which it stands
    here, quoted and without a fragment, and the content as bytes: a client that quotes anew or
    writes the JSON itself sends something else than what is signed.

    Args:
        request: As it will be sent. Without content nothing of a digest is signed.
        key: A private or shared one.
        at: Now. UTC.
        components: What is covered.
        expires: When it ends. UTC.
        nonce: Yours to make: unguessable, and new each time.
        tag: What the signature is for, where the receiver asks for one.
        label: Its name in the message.

    Raises:
        BoundaryError: the key only verifies; a component isn't there; a text isn't ASCII; another
            signature has that label; the content isn't the one of its own Content-Digest.

    >>> from datetime import UTC, datetime
    >>> key = MessageKey.shared("us-2026", b"k" * 32)
    >>> request = RequestMessage("POST", "https://api.example/orders?dry=1", content=b"{}")
    >>> fields = sign_request(request, key=key, at=datetime(2026, 11, 26, tzinfo=UTC))
    >>> [name for name, _ in fields]
    ['Content-Digest', 'Signature-Input', 'Signature']
    >>> fields.one("Signature-Input")
    'sig1=("@method" "@target-uri" "content-digest");created=1795651200;keyid="us-2026"'

    Then, for example, with httpx, requests or aiohttp::

        httpx.post(request.url, content=request.content, headers=list(fields))
        requests.post(request.url, data=request.content, headers=dict(fields))
        await session.post(request.url, data=request.content, headers=list(fields))
    """
    return _signed(request, key, components, _params(at, expires, key, nonce, tag), label)


def sign_response(
    response: ResponseMessage,
    *,
    key: MessageKey,
    at: datetime,
    components: Iterable[str] = RESPONSE_COMPONENTS,
    expires: datetime | None = None,
    nonce: str = "",
    tag: str = "",
    label: str = LABEL,
) -> Fields:
    """Return the fields of a response together with its digest and signature.

    Args:
        response: As it will be sent, with the request that it answers as it reached us.
        key: A private or shared one.
        at: Now. UTC.
        components: What is covered; those with `;req` bind it to the request.
        expires: When it ends. UTC.
        nonce: Yours to make.
        tag: What the signature is for.
        label: Its name in the message.

    Raises:
        BoundaryError: see `sign_request`.
    """
    return _signed(response, key, components, _params(at, expires, key, nonce, tag), label)


def _params(
    at: datetime, expires: datetime | None, key: MessageKey, nonce: str, tag: str
) -> tuple[tuple[str, Bare], ...]:
    found: list[tuple[str, Bare]] = [("created", int(at.timestamp()))]
    if expires is not None:
        found.append(("expires", int(expires.timestamp())))
    if nonce:
        found.append(("nonce", nonce))
    found.append(("keyid", key.keyid))
    if tag:
        found.append(("tag", tag))
    return tuple(found)


def _signed(
    message: Message,
    key: MessageKey,
    components: Iterable[str],
    params: tuple[tuple[str, Bare], ...],
    label: str,
) -> Fields:
    try:
        named = [component_of(text) for text in components]
        covered = [one for one in named if not _is_digest_of_nothing(one, message)]
        full = _with_digest(message, covered)
        listed = signature_params(covered, params)
        written = write_dictionary({label: listed})
        # A label that isn't one, or that another signature of the message has already.
        read_dictionary(", ".join((*message.fields.all("Signature-Input"), written)))
        base = signature_base(covered, params, full)
    except Malformed as error:
        raise BoundaryError(f"this can't be signed: {error}.") from None
    except Refused as refused:
        raise BoundaryError(f"this can't be signed: {refused.detail}.") from None
    signature = write_dictionary({label: Item(key.sign(base))})
    return Fields((*full.fields, ("Signature-Input", written), ("Signature", signature)))


def _is_digest_of_nothing(component: Component, message: Message) -> bool:
    """Say whether it is the digest of content that isn't there and whose field isn't either."""
    if component.name != "content-digest":
        return False
    source: Message | None = message
    if component.is_of_the_request and isinstance(message, ResponseMessage):
        source = message.request
    return source is not None and not source.content and CONTENT_DIGEST not in source.fields


def _with_digest(message: Message, covered: list[Component]) -> Message:
    """Return the message with its Content-Digest, where that is covered and isn't there yet."""
    owed = any(one.name == "content-digest" and not one.is_of_the_request for one in covered)
    if not owed:
        return message
    if CONTENT_DIGEST in message.fields:
        require_digest(message.fields.all(CONTENT_DIGEST), message.content)
        return message
    line = (CONTENT_DIGEST, content_digest(message.content))
    return replace(message, fields=Fields((*message.fields, line)))
