"""How the signature field of a sender is read.

Out of it come the signed time, the signed id, and the candidate signatures as text.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from pratique.core.claim import Claim, Fields
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

from .facts import Facts
from .signed_time import SECONDS, TimeForm

MAX_FIELD: Final = 4096
"""Characters; a real one has under 400."""
MAX_CANDIDATES: Final = 8
"""Two secrets are live during a roll: more candidates are somebody's search."""

Read = Callable[[Claim, Facts], tuple[str, str, Sequence[str]]]
"""(claim, facts) -> (time, id, candidates), "" for a time or id that the scheme hasn't there."""


def field(fields: Fields, name: str) -> str:
    """Return the only value of a field that is owed.

    Refused where it is missing, empty or too long.
    """
    value = fields.one(name)
    if not value or value.isspace():
        raise Refused(AUTHENTIC, f"the {name} field is missing or empty", code="missing_signature")
    if len(value) > MAX_FIELD:
        raise malformed(name, f"it has {len(value)} characters, at most {MAX_FIELD} are read")
    return value


def time_field(fields: Fields, name: str, form: TimeForm = SECONDS) -> str:
    """Return the text of a time field, in the form in which the sender writes it."""
    value = field(fields, name)
    if not form.matches(value):
        raise malformed(name, f"it isn't {form.words}")
    return value


def malformed(name: str, why: str) -> Refused:
    """Return the refusal of a signature field that isn't in the sender's form."""
    return Refused(AUTHENTIC, f"the {name} field is malformed: {why}", code="malformed_signature")


def bounded(candidates: list[str], name: str, most: int = MAX_CANDIDATES) -> list[str]:
    """Return the candidates; Refused where there are none or too many."""
    if not candidates:
        raise malformed(name, "no signature of a known version stands in it")
    if len(candidates) > most:
        raise Refused(
            AUTHENTIC,
            f"{len(candidates)} signatures came, at most {most} are tried",
            code="too_many_signatures",
        )
    return candidates


def pairs(
    name: str, *, time: str, signature: str, sign: str = ",", form: TimeForm = SECONDS
) -> Read:
    """Read "t=1,v1=…,v1=…": pairs with a sign between, other versions skipped (Stripe's form)."""
    lowered = name.lower()
    usual = re.compile(rf"{time}=([0-9]{{1,13}}){sign} ?{signature}=([^{sign}]{{64}})").fullmatch

    def read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
        fields = claim.fields
        value = fields.one(lowered)
        match = usual(value) if value is not None else None
        if match is not None:
            sent, candidate = match.groups()
            if form.matches(sent):
                return sent, "", (candidate,)
        value = field(fields, name)
        times: list[str] = []
        candidates: list[str] = []
        for pair in value.split(sign):
            label, _, text = pair.strip().partition("=")
            if label == time:
                times.append(text)
            elif label == signature:
                candidates.append(text)
        if len(times) != 1 or not form.matches(times[0]):
            raise malformed(name, f"{time}= isn't there once as {form.words}")
        return times[0], "", bounded(candidates, name)

    return read


def single(name: str, *, time: str = "", event_id: str = "", form: TimeForm = SECONDS) -> Read:
    """Read one signature in a field of its own.

    The time and the id are in fields of their own where they are signed.
    """

    def read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
        fields = claim.fields
        value = field(fields, name)
        sent = time_field(fields, time, form) if time else ""
        identity = field(fields, event_id) if event_id else ""
        if not identity.isascii():
            raise malformed(event_id, "it holds characters beyond ASCII")
        return sent, identity, [value]

    return read


def never_empty(name: str) -> Read:
    """Read one signature of a sender that never signs an empty content; beside one it is refused.

    Its own library refuses it, signed or not: an empty content is what a proxy makes of a body that
    it dropped.
    """
    alone = single(name)

    def read(claim: Claim, facts: Facts) -> tuple[str, str, Sequence[str]]:
        found = alone(claim, facts)
        if not claim.content:
            raise malformed(name, "it stands beside an empty content")
        return found

    return read


def several(names: tuple[str, ...], *, time: str = "", form: TimeForm = SECONDS) -> Read:
    """Read one signature in each of several fields, any of which may be there.

    A sender that signs with each of its live keys has one for each.
    """
    known = {name.lower(): name for name in names}

    def read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
        fields = claim.fields
        there = fields.by_name  # asked name by name: an inbox keeps what is looked at
        values = [field(fields, known[name]) for name in known if name in there]
        if not values:
            field(fields, names[0])
        sent = time_field(fields, time, form) if time else ""
        return sent, "", bounded(values, names[0], len(names))

    return read


def listed(name: str, *, time: str, event_id: str, versions: tuple[str, ...]) -> Read:
    """Read a list with spaces between, unknown versions skipped (the form of Standard Webhooks)."""

    def read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
        fields = claim.fields
        value = field(fields, name)
        sent = time_field(fields, time)
        # The id stands before a "." in what is signed: one inside it would move the boundary.
        identity = field(fields, event_id)
        if "." in identity or not identity.isascii():
            raise malformed(event_id, 'it holds "." or characters beyond ASCII')
        candidates = [entry for entry in value.split(" ") if entry.startswith(versions)]
        return sent, identity, bounded(candidates, name)

    return read
