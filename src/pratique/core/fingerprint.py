"""Keyed fingerprints: events about one address or subject can be joined, and show neither."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from .claim import Claim
from .memo import Memo
from .peer import network_of
from .proofs.authentic.hmac import HmacKey
from .refusal import BoundaryError
from .secret import Secret, read_all

if TYPE_CHECKING:
    from .crossing import Crossing

FIELDS: Final = ("address", "subject")
"""What may have one: of each there are many, and who knows one learns nothing of another."""
MIN_CHARACTERS: Final = 8
"""Of a subject. A shorter one is soon guessed by who has the key, or told by its frequency."""
DIGITS: Final = 24
"""Hexadecimal: 96 bits, so that a billion values have no two alike."""
MAX_KNOWN: Final = 4096


class Fingerprints:
    """Marks the records of a perimeter by HMACs of who sent what they are about.

    A record has "address:3f…" for the peer (an IPv4 address, the /64 of an IPv6 one) and
    "subject:9a…" for whom a client's session or a service's token proved. With another key the same
    value has another mark. A role, a state, an amount, a country has none: its few values would be
    told by how often each comes, whatever the key.

    Args:
        key: Its own, for nothing else. Who has it can look for a value that he guesses.
        fields: "address", "subject", or both.

    Raises:
        BoundaryError: no field is named, or one that may have none.

    Source: CWE-532, CWE-916.
    """

    def __init__(self, key: Secret | str, *, fields: Collection[str]) -> None:
        named = {fields} if isinstance(fields, str) else set(fields)
        if not named or named - set(FIELDS):
            raise BoundaryError(
                f"Fingerprints(fields={sorted(named)}): there are {' and '.join(FIELDS)}, and "
                "nothing of few values may have one."
            )
        self._source = key
        self._key = HmacKey(b"")
        self._fields = frozenset(named)
        self._known: Memo[tuple[str, str], str] = Memo(MAX_KNOWN)

    def debts(self) -> list[str]:
        """Read the key; return what it lacks, with its mend."""
        try:
            self._key = HmacKey(read_all(self._source)[0].value.encode())
        except BoundaryError as error:
            return [f"The fingerprints of events have no key: {error}"]
        self._known.clear()
        return []

    def of_claim(self, claim: Claim) -> tuple[str, ...]:
        """Return the mark of who handed a claim over."""
        peer = claim.via.peer
        if not peer or "address" not in self._fields:
            return ()
        return (self._known.get(("address", peer)) or self._mark("address", peer),)

    def of_subject(self, subject: object) -> tuple[str, ...]:
        """Return the mark of a subject; none of one that is short, or neither text nor number."""
        if "subject" not in self._fields or type(subject) not in (str, int):
            return ()
        said = str(subject)
        if len(said) < MIN_CHARACTERS:
            return ()
        return (self._known.get(("subject", said)) or self._mark("subject", said),)

    def _mark(self, field: str, value: str) -> str:
        said = network_of(value) if field == "address" else value
        content = f"{field}\0{said}".encode("utf-8", "surrogatepass")
        told = self._key.digest(content).hex()[:DIGITS]
        return self._known.keep((field, value), f"{field}:{told}")


def note_subject(crossing: "Crossing", subject: object) -> None:
    """Note whom a crossing is for; its record bears the mark where the perimeter has any."""
    crossing.principal = subject
    prints = crossing.boundary.fingerprints
    if prints is not None:
        crossing.marks += prints.of_subject(subject)
