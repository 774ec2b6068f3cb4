"""Verifies the signature of a message, in the order of RFC 9421 §3.2."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic.content_digest import require_digest
from pratique.core.proofs.fresh import require_fresh_seconds
from pratique.core.refusal import Refused

from .base import signature_base
from .component import Component, Message
from .key import MessageKey
from .message import RequestMessage, ResponseMessage
from .policy import RequestSignature, ResponseSignature, SignaturePolicy, covers
from .signature_input import chosen, covered_by, members_of, parameters_of, signature_in


class Signed(msgspec.Struct, frozen=True):
    """What a verified signature says.

    Attributes:
        keyid: The name of the key, one of ours.
        label: Of the signature in its message. It isn't signed.
        covered: The identifiers of what it covers, in order: `"@method"`, `"content-digest"`.
        created: UTC, by the signer's clock.
        expires: UTC.
        nonce: "" where there is none. It proves nothing until a boundary makes it unique.
        tag: "" where there is none.
    """

    keyid: str
    label: str
    covered: tuple[str, ...]
    created: datetime | None = None
    expires: datetime | None = None
    nonce: str = ""
    tag: str = ""


def verify_request(request: RequestMessage, policy: RequestSignature, *, at: datetime) -> Signed:
    """Return what the request's signature says, once it holds.

    Args:
        request: As it reached us; see `request_of`.
        policy: What the signature must be.
        at: When it reached us. UTC.

    Raises:
        Refused: AUTHENTIC, any of the codes of signatures and digests; FRESH, code "stale",
            "from_the_future", "expired", "lives_too_long"; VALID, code "bad_url".

    Source: RFC 9421 §3.2; CWE-345, CWE-347, CWE-294.
    """
    return _verify(request, policy, at)


def verify_response(
    response: ResponseMessage, policy: ResponseSignature, *, at: datetime
) -> Signed:
    """Return what the response's signature says, once it holds. See `verify_request`.

    Args:
        response: As it reached us, with the request that WE sent: `;req` components are taken from
            it, so that an answer to another request doesn't verify (RFC 9421 §2.4).
        policy: What the signature must be.
        at: When it was asked for or reached us. UTC.
    """
    return _verify(response, policy, at)


def _verify(message: Message, policy: SignaturePolicy, at: datetime) -> Signed:
    # 1. Extract the signatures and their labels; determine which one to process.
    inputs = members_of(message.fields, "Signature-Input")
    signatures = members_of(message.fields, "Signature")
    label, member = chosen(inputs, policy)
    # 2. The ordered list of covered components, and the signature parameters.
    covered, params = covered_by(member)
    said = parameters_of(params)
    # 3. The signature itself. (1.2: without a counterpart under its label it is an error.)
    signature = signature_in(signatures.get(label))
    # 4. Does it meet what this application requires?
    _require_covered(covered, message, policy)
    _require_parameters(said, policy)
    # 5. The key, from our own configuration alone. 6. The algorithm: the key's, and no other.
    key = _key(said, policy)
    # 7. Re-create the signature base from what WE received, never from the sender's own text of it.
    base = signature_base(covered, params, message)
    # 8. Verify.
    if not key.verify(signature, base):
        raise Refused(
            AUTHENTIC,
            "the signature isn't that key's over what reached us",
            code="bad_signature",
            hint="compare key, target URI and fields with what the signer had: a proxy in "
            "between may change them",
        )
    # The signature covers the digest; the digest covers the content (RFC 9421 §7.2.8, RFC 9530).
    if any(one.name == "content-digest" and not one.is_of_the_request for one in covered):
        require_digest(message.fields.all("Content-Digest"), message.content)
    _require_fresh(said, policy, at)
    return Signed(
        keyid=key.keyid,
        label=label,
        covered=tuple(map(str, covered)),
        created=_time(said.get("created")),
        expires=_time(said.get("expires")),
        nonce=said.get("nonce", ""),
        tag=said.get("tag", ""),
    )


def _require_covered(
    covered: tuple[Component, ...], message: Message, policy: SignaturePolicy
) -> None:
    for wanted in policy.owed:
        if covers(covered, wanted) or (
            wanted.name == "content-digest" and not _has_content(wanted, message)
        ):
            continue
        raise Refused(
            AUTHENTIC,
            f"the signature doesn't cover {wanted}",
            code="uncovered_component",
            hint="whoever is in between may change it; ask the signer to cover it",
        )


def _has_content(wanted: Component, message: Message) -> bool:
    if wanted.is_of_the_request and isinstance(message, ResponseMessage):
        return message.request is None or bool(message.request.content)
    return bool(message.content)


def _require_parameters(said: dict[str, Any], policy: SignaturePolicy) -> None:
    for name in sorted(policy.parameters):
        if said.get(name, "") == "":
            raise Refused(AUTHENTIC, f"the signature has no {name}", code="missing_parameter")


def _key(said: dict[str, Any], policy: SignaturePolicy) -> MessageKey:
    key = policy.by_name.get(said.get("keyid", ""))
    if key is None:
        raise Refused(
            AUTHENTIC,
            "the signature names no key that is declared",
            code="unknown_key",
            hint="look whether the sender has rolled its key",
        )
    if said.get("alg", key.algorithm.value) != key.algorithm.value:  # 6.5
        raise Refused(
            AUTHENTIC,
            f"the signature names another algorithm than {key.algorithm.value}, its key's",
            code="wrong_algorithm",
        )
    return key


def _require_fresh(said: dict[str, Any], policy: SignaturePolicy, at: datetime) -> None:
    """Refuse what is too old, from the future, or over. Both times are signed by now."""
    now, longest = at.timestamp(), policy.max_age.total_seconds()
    created: int | None = said.get("created")
    expires: int | None = said.get("expires")
    if created is not None:
        lead = policy.max_lead.total_seconds()
        require_fresh_seconds(created, at=now, tolerance=longest, lead=lead)
    if expires is None:
        return
    if now >= expires:
        raise Refused(FRESH, f"the signature ended {now - expires:.0f} s ago", code="expired")
    if created is None and expires - now > longest:
        raise Refused(
            FRESH,
            f"the signature ends in {expires - now:.0f} s and doesn't say when it was made, "
            f"at most {longest:.0f} s are allowed",
            code="lives_too_long",
        )


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
