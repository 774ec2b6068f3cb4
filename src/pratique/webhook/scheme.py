"""How a sender signs: a declaration, compiled to a closure at start."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from pratique.core.boundary import Receipt
from pratique.core.claim import Claim, Fields, Via
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.secret import LiveSecret, Secret
from pratique.core.waiver import Unconfirmed

from .compile import Opener, compile_opener
from .facts import Facts, is_absolute
from .handshake import Handshake, answered, hand_over
from .named_key import NO_SECRET, KeyWanted
from .opened import Envelope, Grade, Opened
from .pin import Pin, held, require_known, require_owed, told
from .sender import Sender
from .signature_field import Read
from .signed_time import SECONDS, TimeForm
from .verify import Keying, Verifier

TOLERANCE: Final = timedelta(seconds=300)
"""Where the sender names no figure of its own: Standard Webhooks' and Stripe's."""
LONGEST_TOLERANCE: Final = timedelta(days=1)
"""Beyond it a bound bounds nothing; the longest that a sender names is 30 minutes (ElevenLabs)."""
KNOWN: Final = 64
"""Openers that a scheme remembers, one for each set of secrets."""
Secrets = str | Sequence[str | LiveSecret]


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one sender signs.

    Data, and at most one canonicaliser; the source is the sender's own documentation or tests.

    Args:
        name: In events, keys and `providers.get`.
        party: Who owns the secret besides us.
        documentation: Where the sender describes it.
        binds: What the signature covers, in words.
        read: Reads the signature field.
        pieces: (time, id, claim, facts) -> what is signed, piece by piece.
        keying: Turns a secret as the sender hands it out into a verifier.
        envelope: (claim) -> the event's envelope, None where the content isn't one.
        seal_fields: (time, id, signature) -> the fields that the sender would send.
        signed_time: A time is inside what is signed.
        signed_key: An id is inside what is signed; else the key is a digest of the content.
        signed_type: The event's type is inside what is signed; else it is a hint.
        type_field: The field that names the type where it isn't signed.
        tolerance: Longest age and lead of the signed time.
        pins: What a declaration may pin.
        grade: How much the signature says.
        source: "literal" from the sender's own documentation, library or tests, or "unconfirmed":
            no boundary may be declared with it but through `pratique.unsafe.unconfirmed`.
        handshake: How the sender asks whether the endpoint is ours, where it does.
        joint: What stands between two signatures where the field may hold several, while a secret
            is rolled; "" where it holds one.
        time: How the sender writes the signed time.
        time_of: (claim) -> the signed time as text, where it stands inside the content; "" where
            there is none, which is refused.
        digest_of: (claim, facts) -> what the key is a digest of, where no id is signed: the decoded
            signed content without time and signature. None: the content as it is. Owed where one
            signature holds for more than one spelling of the content.
        also: (time, id, claim, facts) -> other texts that the sender signs for the same delivery.
        signs_url: Our own public URL is signed: the declaration owes it.
        seal_content: (content, time, id, signature, facts) -> the content that is sent, where the
            signature is a part of it; called with "" first, for what is signed. See `sealed`.
        receipt: What the sender must read to know that a delivery arrived; None for any 2xx.
        keyed_by: (facts) -> the verifier where no secret is declared: the sender names its key, and
            a pin says how it is got; or it signs nothing. None where secrets are owed after all.
        signed_content: (claim) -> what of the content is signed, where that isn't all of it: the
            rest never reaches a handler.
        repeats: Honest contents can repeat, and no id tells them apart: a resend with a new time is
            no duplicate by itself, and what happens once is the business key's alone.
        vouched: Who answers for a source that is "unconfirmed".
        ambiguous: One signed text has several readings: content can be moved within it.
    """

    name: str
    party: str
    documentation: str
    binds: tuple[str, ...]
    read: Read
    pieces: Callable[[str, str, Claim, Facts], tuple[bytes, ...]]
    keying: Keying
    envelope: Callable[[Claim], Envelope | None]
    seal_fields: Callable[[str, str, str], list[tuple[str, str]]]
    signed_time: bool
    signed_key: bool
    signed_type: bool = True
    type_field: str = ""
    tolerance: timedelta = TOLERANCE
    pins: tuple[Pin, ...] = ()
    grade: Grade = Grade.SIGNED
    source: str = "literal"
    handshake: Handshake | None = None
    joint: str = ""
    time: TimeForm = SECONDS
    time_of: Callable[[Claim], str] | None = None
    digest_of: Callable[[Claim, Facts], bytes] | None = None
    also: Callable[[str, str, Claim, Facts], Iterable[tuple[bytes, ...]]] | None = None
    signs_url: bool = False
    seal_content: Callable[[bytes, str, str, str, Facts], bytes] | None = None
    receipt: Receipt | None = None
    keyed_by: Callable[[Facts], Verifier | None] | None = None
    signed_content: Callable[[Claim], bytes] | None = None
    repeats: bool = False
    vouched: Unconfirmed | None = None
    ambiguous: bool = False
    _memo: Memo[object, Opener] = field(
        default_factory=lambda: Memo[object, Opener](KNOWN), repr=False, compare=False
    )

    @property
    def proves(self) -> bool:
        """Say whether it signs at all: else `confirm` is what a crossing rests on."""
        return self.grade in (Grade.SIGNED, Grade.WEAK)

    @property
    def has_key(self) -> bool:
        """Say whether a delivery's key may be used up.

        Below `signed` whoever holds one honest delivery can send it with other content first, and
        the honest one would come too late.
        """
        return self.grade is Grade.SIGNED

    def __call__(
        self,
        *,
        secrets: Secret | str | Iterable[Secret | str] = (),
        url: str | None = None,
        tolerance: timedelta | None = None,
        **pins: Any,
    ) -> Sender:
        """Declare this sender for a boundary. Secrets are read when the perimeter starts.

        Args:
            secrets: One source of secrets, or several that are live together. Left out where the
                sender names its key and a pin says how it is got, or where it signs nothing.
            url: Our own public URL, for schemes that sign it.
            tolerance: Longest age and lead of the signed time, where the sender's own figure isn't
                wanted.
            pins: What the signed content must repeat: `livemode=True`.

        Raises:
            BoundaryError: an unconfirmed source, an unknown pin, one of another type or one that is
                missing, no URL where it is signed or one that isn't absolute, a tolerance that
                isn't above zero or is over a day.
        """
        if self.source != "literal" and self.vouched is None:
            message = (
                f"{self.name}: no literal of the sender's own confirms how it signs. Check a "
                "delivery of its by hand, and declare it by pratique.unsafe.unconfirmed("
                f"providers.{self.name.replace('-', '_')}, reason=…, owner=…, until=…)."
            )
            raise BoundaryError(message)
        self._check(tolerance, pins)
        self._check_owed(url, pins)
        kept = secrets if isinstance(secrets, (Secret, str)) else tuple(secrets)
        return Sender(self, kept, url, tolerance, held(pins))

    def vouched_by(self, unconfirmed: Unconfirmed, /) -> "Scheme":
        """Return the same scheme with who answers for its source."""
        return replace(self, vouched=unconfirmed)

    def open(
        self, claim: Claim, *, secrets: Secrets = (), url: str | None = None, **pins: Any
    ) -> Opened:
        """Prove that the sender made these bytes, and made them now.

        Args:
            claim: What came.
            secrets: In the form in which the sender hands them out; several may be live.
            url: Our own public URL, for schemes that sign it.
            pins: See `__call__`.

        Raises:
            Refused: AUTHENTIC, FRESH, LINKED for a pin, VALID for a field that came twice. Nothing
                else.
        """
        if url is None and not pins and len(secrets) == 1 and not isinstance(secrets, str):
            memo: object = secrets[0]
        else:
            pins = held(pins)
            memo = secrets if isinstance(secrets, str) else tuple(secrets), url, told(pins)
        opener = self._memo.get(memo)
        if opener is None:
            listed = (secrets,) if isinstance(secrets, str) else tuple(secrets)
            opener = self._memo.keep(memo, self._compiled(listed, url, pins))
        try:
            return opener(claim)
        except KeyWanted as wanted:
            wanted.source.refresh(wanted.name)
            return opener(claim)

    def seal(
        self,
        content: bytes,
        *,
        secret: str | Sequence[str],
        at: datetime,
        key: str | None = None,
        url: str | None = None,
        method: str = "POST",
        **pins: Any,
    ) -> Fields:
        """Sign as the sender does: for tests, demonstrations and our own outgoing webhooks.

        Args:
            content: The bytes to send.
            secret: In the form in which the sender hands it out, the private key where it signs
                with one; several while a secret is rolled, each of which signs.
            at: When it is sent, UTC. Where the time stands inside the content, it is the content's.
            key: The event's id, where it stands in a field; by default one that follows from the
                time and the content, so that two contents of one instant are two events.
            url: Our own public URL, for schemes that sign it.
            method: Of the request, for schemes that sign it.
            pins: See `__call__`.

        Raises:
            ValueError: no secret, one that isn't in the sender's form, or several where the field
                holds one signature; the signature is part of the content: see `sealed`.
        """
        if self.seal_content is not None:
            message = f"{self.name} has its signature inside the content: call sealed()"
            raise ValueError(message)
        fields, _ = self._sealed(content, secret, at, key, Via(method=method), Facts(url, pins))
        return fields

    def sealed(
        self,
        content: bytes,
        *,
        secret: str | Sequence[str],
        at: datetime,
        key: str | None = None,
        url: str | None = None,
        method: str = "POST",
        **pins: Any,
    ) -> Claim:
        """Return the whole delivery, for senders too that sign inside the content. See `seal`.

        Args:
            content: What the sender says, before a signature is added to it.
            secret: See `seal`, and for the rest.
            at: When it is sent, UTC, and when it comes.
            key: Of the event.
            url: Our own.
            method: Of the request.
            pins: See `__call__`.

        Raises:
            ValueError: see `seal`.
        """
        via = Via(method=method)
        fields, sent = self._sealed(content, secret, at, key, via, Facts(url, pins))
        return Claim(sent, fields, at, via)

    def _sealed(
        self,
        content: bytes,
        secret: str | Sequence[str],
        at: datetime,
        key: str | None,
        via: Via,
        facts: Facts,
    ) -> tuple[Fields, bytes]:
        signing = (secret,) if isinstance(secret, str) else tuple(secret)
        if not signing or (len(signing) > 1 and not self.joint):
            message = f"{self.name} signs with one secret, {len(signing)} are given"
            raise ValueError(message)
        if self.signs_url and not facts.url:
            message = f"{self.name} signs our URL: pass url="
            raise ValueError(message)
        time = self.time.write(at) if self.signed_time and self.time_of is None else ""
        identity = key or "msg_" + sha256(f"{at.timestamp()}.".encode() + content).hexdigest()[:24]
        place = self.seal_content or _as_it_is
        unsigned = Claim(place(content, time, identity, "", facts), Fields(), at, via)
        pieces = self.pieces(time, identity, unsigned, facts)
        signature = self.joint.join(self.keying(each).seal(pieces) for each in signing)
        sent = place(content, time, identity, signature, facts)
        return Fields(self.seal_fields(time, identity, signature)), sent

    def answer(
        self, claim: Claim, *, secrets: Secrets = (), url: str | None = None, **pins: Any
    ) -> bytes:
        """Return the content that answers a sender's handshake.

        Where the sender signs it, the signature is checked first. Nothing is signed but an opaque
        token: no event, no time and no other text that the sender's key speaks for.

        Raises:
            LookupError: this sender has none.
            Refused: it isn't signed, or asks for more than an opaque token to be given back.
        """
        handshake = self.handshake
        if handshake is None:
            message = f"{self.name} has no handshake"
            raise LookupError(message)
        if handshake.is_signed:
            self.open(claim, secrets=secrets, url=url, **pins)
        try:
            facts = Facts(url, pins)
            live = [NO_SECRET] if self.is_keyless(pins) else _live(secrets)
            hand_over(self, claim, facts)
            return answered(self, claim, live, facts)
        except ValueError:
            raise _bad_secret() from None

    def opener(
        self,
        secrets: Sequence[LiveSecret],
        *,
        scope: str = "",
        url: str | None = None,
        tolerance: timedelta | None = None,
        **pins: Any,
    ) -> Opener:
        """Compile the scheme for live secrets.

        Raises:
            BoundaryError: see `__call__`.
            ValueError: a secret isn't in the sender's form.
        """
        self._check(tolerance, pins)
        facts = Facts(url, held(pins))
        verifiers = self._verifiers(secrets, facts)
        return compile_opener(self, verifiers, scope, facts, tolerance or self.tolerance)

    def _verifiers(
        self, secrets: Sequence[LiveSecret], facts: Facts
    ) -> list[tuple[Verifier, LiveSecret]]:
        keyless = self.keyed_by(facts) if self.keyed_by is not None else None
        if keyless is not None:
            return [(keyless, NO_SECRET)]
        return [(self.keying(secret.value), secret) for secret in secrets]

    def is_keyless(self, pins: Mapping[str, Any]) -> bool:
        """Say whether it needs no secret with these pins."""
        return self.keyed_by is not None and self.keyed_by(Facts(None, pins)) is not None

    def _compiled(
        self, listed: tuple[str | LiveSecret, ...], url: str | None, pins: Mapping[str, Any]
    ) -> Opener:
        live = [NO_SECRET] if self.is_keyless(pins) else _live(listed)
        try:
            self._check_owed(url, pins)
        except BoundaryError as error:
            raise Refused(AUTHENTIC, str(error), code="undeclared") from None
        try:
            return self.opener(live, url=url, **pins)
        except ValueError:
            raise _bad_secret() from None

    def _check_owed(self, url: str | None, pins: Mapping[str, Any]) -> None:
        if self.signs_url and not url:
            message = f"{self.name} signs our URL. Pass url=, as the sender was told it."
            raise BoundaryError(message)
        if self.signs_url and url and not is_absolute(url):
            message = f"{self.name}: url= is no absolute http or https URL with a port that exists."
            raise BoundaryError(message)
        require_owed(self.name, self.pins, pins)

    def _check(self, tolerance: timedelta | None, pins: Mapping[str, Any]) -> None:
        if tolerance is not None and not timedelta(0) < tolerance <= LONGEST_TOLERANCE:
            message = (
                f"{self.name}: tolerance={tolerance} isn't above zero and at most "
                f"{LONGEST_TOLERANCE}. Leave it out for {self.tolerance}, or waive FRESH."
            )
            raise BoundaryError(message)
        require_known(self.name, self.pins, pins)


def _as_it_is(content: bytes, _time: str, _id: str, _signature: str, _facts: Facts) -> bytes:
    return content


def _live(secrets: Secrets) -> list[LiveSecret]:
    listed = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    if not listed or not all(isinstance(s, LiveSecret) or s for s in listed):
        raise Refused(AUTHENTIC, "no secret is given, or an empty one", code="no_secret")
    return [
        s if isinstance(s, LiveSecret) else LiveSecret(f"secret {n}", s)
        for n, s in enumerate(listed, 1)
    ]


def _bad_secret() -> Refused:
    return Refused(AUTHENTIC, "a secret isn't in the sender's form", code="bad_secret")
