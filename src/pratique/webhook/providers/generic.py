"""One's own senders: an HMAC over a template, declared where it is used."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, cast

import msgspec

from pratique.core.claim import Claim
from pratique.core.refusal import BoundaryError
from pratique.webhook.content import UNREADABLE
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import LONGEST_TOLERANCE, TOLERANCE, Scheme
from pratique.webhook.signature_field import Read, malformed, single
from pratique.webhook.verify import hmac_of_text

_PLACEHOLDER: Final = re.compile(r"\{(\w*)\}")
# A time is digits: a sign between two parts that is a digit too would join it.
_BORDER: Final = re.compile(r"\}([^{}]*)(?=\{)")
_decode = msgspec.json.Decoder().decode


def generic(  # noqa: PLR0913  a sender has as many facts
    name: str,
    *,
    signature_field: str,
    prefix: str = "",
    encoding: str = "hex",
    digest: str = "sha256",
    signed: str = "{content}",
    time_field: str = "",
    id_field: str = "",
    id_path: str = "id",
    type_path: str = "type",
    account_path: str = "",
    object_path: str = "data.id",
    tolerance: timedelta = TOLERANCE,
    party: str = "",
) -> Scheme:
    """Declare how a sender of one's own signs.

    `generic("erp", signature_field="X-Erp-Signature")(secrets=…)`.

    Args:
        name: Of the sender, in keys and events.
        signature_field: The field with the signature.
        prefix: What stands before the signature there: "sha256=".
        encoding: "hex" in lower case, or "base64".
        digest: "sha256" or "sha512".
        signed: What the MAC covers: "{content}", "{time}.{content}", "{id}.{time}.{content}".
        time_field: The field with the seconds since 1970, where {time} is signed.
        id_field: The field with the event's id, where {id} is signed.
        id_path: Where the id stands in the JSON content, dotted, where no field has it; "" where
            the sender has none: the key is then a digest of the content.
        type_path: Where the event's type stands in the content.
        account_path: Where the tenant stands, "" for none.
        object_path: Where the id of the object stands.
        tolerance: Longest age and lead of the signed time.
        party: Who controls the sender, *name* by default.

    Raises:
        BoundaryError: a template in which parts can be shifted, a digest that isn't offered, an
            unsigned id or time, a tolerance that isn't above zero.
    """
    parts = _PLACEHOLDER.findall(signed)
    if not timedelta(0) < tolerance <= LONGEST_TOLERANCE:
        message = (
            f"providers.generic({name!r}): tolerance={tolerance} isn't above zero and at most "
            f"{LONGEST_TOLERANCE}."
        )
        raise BoundaryError(message)
    _check(name, signed, parts, time_field, id_field, encoding, digest, signature_field)
    before = signed[: signed.index("{content}")]
    after = signed[signed.index("{content}") + len("{content}") :]

    def pieces(time: str, event_id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
        head = before.replace("{time}", time).replace("{id}", event_id).encode()
        return (
            head,
            claim.content,
            after.replace("{time}", time).replace("{id}", event_id).encode(),
        )

    def seal_fields(time: str, event_id: str, signature: str) -> list[tuple[str, str]]:
        fields = [(signature_field, signature)]
        fields += [(time_field, time)] if time_field else []
        return [*fields, (id_field, event_id)] if id_field else fields

    return Scheme(
        name=name,
        party=party or name,
        documentation="declared by the user",
        binds=tuple(dict.fromkeys(parts)),
        read=_reader(signature_field, time_field, id_field, signed),
        pieces=pieces,
        keying=hmac_of_text(encoding=encoding, prefix=prefix, digest=digest),
        envelope=_envelope_of(id_field, id_path, type_path, account_path, object_path),
        seal_fields=seal_fields,
        signed_time="time" in parts,
        signed_key=bool(id_field or id_path),
        tolerance=tolerance,
    )


def _check(
    name: str,
    signed: str,
    parts: list[str],
    time_field: str,
    id_field: str,
    encoding: str,
    digest: str,
    signature: str,
) -> None:
    wrong = ""
    if not name or not signature:
        wrong = "name and signature_field are owed"
    elif (
        parts.count("content") != 1
        or not set(parts) <= {"time", "id", "content"}
        or len(set(parts)) != len(parts)
    ):
        wrong = f"signed={signed!r} needs {{content}} once, and knows {{time}} and {{id}} besides"
    elif {"{", "}"} & set(_PLACEHOLDER.sub("", signed)):
        wrong = f"signed={signed!r} has a brace that belongs to no {{time}}, {{id}} or {{content}}"
    elif any(not sign or sign.isdigit() for sign in _BORDER.findall(signed)):
        wrong = (
            f"signed={signed!r} joins two parts without a sign between that is no digit: "
            "their border can be shifted"
        )
    elif bool(time_field) != ("time" in parts) or bool(id_field) != ("id" in parts):
        wrong = "time_field and id_field are owed where {time} and {id} are signed, and only there"
    elif encoding not in ("hex", "base64") or digest not in ("sha256", "sha512"):
        wrong = "encoding is hex or base64, digest is sha256 or sha512"
    if wrong:
        message = f"providers.generic({name!r}): {wrong}."
        raise BoundaryError(message)


def _reader(signature: str, time: str, event_id: str, signed: str) -> Read:
    read = single(signature, time=time, event_id=event_id)
    signs = set(_PLACEHOLDER.sub("", signed))

    def read_strictly(claim: Claim, facts: Facts) -> tuple[str, str, Sequence[str]]:
        sent, identity, candidates = read(claim, facts)
        if identity and (is_id(identity) is None or signs & set(identity)):
            raise malformed(event_id, "it holds a sign that stands between the signed parts")
        return sent, identity, candidates

    return read_strictly if event_id else read


def _envelope_of(
    id_field: str, id_path: str, type_path: str, account_path: str, object_path: str
) -> Callable[[Claim], Envelope | None]:
    def envelope(claim: Claim) -> Envelope | None:
        try:
            content = _decode(claim.content)
        except UNREADABLE:
            return None
        identity = claim.fields.one(id_field) or "" if id_field else _at(content, id_path)
        if is_id(identity) is None and (id_field or id_path):
            return None
        object_id = _at(content, object_path)
        return Envelope(
            identity,
            _at(content, type_path),
            _at(content, account_path),
            object_id if is_id(object_id) is not None else "",
        )

    return envelope


def _at(content: Any, path: str) -> str:
    for step in path.split(".") if path else ():
        content = cast("dict[str, Any]", content).get(step) if isinstance(content, dict) else None
    return content if isinstance(content, str) else ""
