"""Reads Signature-Input and Signature: which signature is meant, what it covers, what it says."""

from typing import Any, Final

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.numeric_date import LAST_SECOND
from pratique.core.refusal import Refused
from pratique.core.structured import InnerList, Item, Malformed, Member, Params, read_dictionary

from .component import Component, component
from .policy import SignaturePolicy

MAX_FIELD: Final = 8192
"""Characters of Signature-Input, and of Signature, all lines together. Real ones: under 1,000."""
MAX_SIGNATURES: Final = 8
MAX_COMPONENTS: Final = 32
MAX_TEXT: Final = 256
"""Characters of nonce, tag, keyid."""
# RFC 9421 §2.3 and the registry of §6.3.
_TYPES: Final[dict[str, type]] = {
    "created": int,
    "expires": int,
    "nonce": str,
    "alg": str,
    "keyid": str,
    "tag": str,
}


def members_of(fields: Fields, name: str) -> dict[str, Member]:
    """Return every line of a field as one dictionary.

    Two lines with one label disagree, or say it twice: refused either way.

    Raises:
        Refused: AUTHENTIC, code "missing_signature", "signature_too_large", "malformed_signature",
            "too_many_signatures".

    Source: RFC 9421 §4.
    """
    lines = fields.all(name)
    if not lines:
        raise Refused(AUTHENTIC, f"the {name} field is missing", code="missing_signature")
    text = ", ".join(line.strip(" \t") for line in lines)
    if len(text) > MAX_FIELD:
        detail = f"{name} has {len(text)} characters, at most {MAX_FIELD} are read"
        raise Refused(AUTHENTIC, detail, code="signature_too_large")
    try:
        members = read_dictionary(text)
    except Malformed as error:
        raise _malformed(f"{name}: {error}") from None
    if not members:
        raise Refused(AUTHENTIC, f"the {name} field is empty", code="missing_signature")
    if len(members) > MAX_SIGNATURES:
        raise Refused(
            AUTHENTIC,
            f"{len(members)} signatures came, at most {MAX_SIGNATURES} are looked at",
            code="too_many_signatures",
        )
    return members


def chosen(inputs: dict[str, Member], policy: SignaturePolicy) -> tuple[str, InnerList]:
    """Return the one signature that the policy means.

    Raises:
        Refused: AUTHENTIC, code "malformed_signature", "missing_signature",
            "ambiguous_signature".

    Source: RFC 9421 §3.2 step 1.1, §4.3.
    """
    lists = {label: one for label, one in inputs.items() if isinstance(one, InnerList)}
    if len(lists) != len(inputs):
        raise _malformed("Signature-Input: what is covered isn't an inner list")
    if policy.label:
        lists = {label: one for label, one in lists.items() if label == policy.label}
    if policy.tag:
        lists = {label: one for label, one in lists.items() if _says(one, "tag") == policy.tag}
    if not lists:
        raise Refused(
            AUTHENTIC, "no signature has the declared label and tag", code="missing_signature"
        )
    if len(lists) > 1:  # a proxy's own beside the sender's: the one whose key is ours
        ours = {label: one for label, one in lists.items() if _says(one, "keyid") in policy.by_name}
        lists = ours or lists
    if len(lists) > 1:
        raise Refused(
            AUTHENTIC,
            f"{len(lists)} signatures could be meant",
            code="ambiguous_signature",
            hint="declare its label= or tag=",
        )
    return next(iter(lists.items()))


def _says(member: InnerList, name: str) -> object:
    said = dict(member.params).get(name)
    return said if type(said) is str else None


def covered_by(member: InnerList) -> tuple[tuple[Component, ...], Params]:
    """Return the components that are covered, and the parameters.

    Raises:
        Refused: AUTHENTIC, code "signature_too_large", "malformed_signature".

    Source: RFC 9421 §2.3.
    """
    if len(member.items) > MAX_COMPONENTS:
        raise Refused(
            AUTHENTIC,
            f"the signature covers {len(member.items)} components, at most {MAX_COMPONENTS} are "
            "looked at",
            code="signature_too_large",
        )
    try:
        return tuple(component(item) for item in member.items), member.params
    except Malformed as error:
        raise _malformed(f"Signature-Input: {error}") from None


def parameters_of(params: Params) -> dict[str, Any]:
    """Return the signature parameters, each of its type.

    Raises:
        Refused: AUTHENTIC, code "unknown_parameter", "malformed_signature",
            "signature_too_large".

    Source: RFC 9421 §2.3.
    """
    said: dict[str, Any] = dict(params)
    if not said.keys() <= _TYPES.keys():
        raise Refused(
            AUTHENTIC,
            "the signature has a parameter that RFC 9421 doesn't know",
            code="unknown_parameter",
            hint=f"known are {', '.join(_TYPES)}",
        )
    for name, value in said.items():
        if type(value) is not _TYPES[name]:
            raise _malformed(f"Signature-Input: {name} isn't of its type")
        if type(value) is int and not 0 <= value <= LAST_SECOND:
            raise _malformed(f"Signature-Input: {name} is no time")
        if type(value) is str and len(value) > MAX_TEXT:
            detail = f"{name} has {len(value)} characters, at most {MAX_TEXT} are read"
            raise Refused(AUTHENTIC, detail, code="signature_too_large")
    return said


def signature_in(member: Member | None) -> bytes:
    """Return the signature of a label.

    Raises:
        Refused: AUTHENTIC, code "malformed_signature".

    Source: RFC 9421 §4.2.
    """
    if member is None:
        raise _malformed("Signature: it has no member under the label of Signature-Input")
    if not isinstance(member, Item) or not isinstance(member.value, bytes) or member.params:
        raise _malformed("Signature: it isn't a byte sequence")
    return member.value


def _malformed(why: str) -> Refused:
    return Refused(AUTHENTIC, f"the signature is malformed: {why}", code="malformed_signature")
