"""How a sender signs: a declaration, compiled to a closure at start."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from hashlib import sha256
from typing import Any, Final

from pratique.core.claim import Claim, Fields
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.secret import LiveSecret, Secret, read_all

from .compile import Opener, compile_opener
from .opened import Envelope, Grade, Opened
from .signature_field import Read
from .verify import Keying, Verifier

TOLERANCE: Final = timedelta(seconds=300)
"""Where the sender names no figure of its own: Standard Webhooks' and Stripe's."""
LONGEST_TOLERANCE: Final = timedelta(days=1)
"""Beyond it a bound bounds nothing; the longest that a sender names is 30 minutes (ElevenLabs)."""
KNOWN: Final = 64
"""Openers that a scheme remembers, one for each set of secrets."""
Secrets = str | Sequence[str | LiveSecret]


@dataclass(frozen=True, slots=True)
class Pin:
    """A fact of the declaration that the signed content must repeat.

    Args:
        name: The keyword of `open` and of the sender: "livemode".
        type: What it is.
        of: Reads the same fact from the envelope.
        code: The refusal where they differ; the obligation is `linked`.
    """

    name: str
    type: type
    of: Callable[[Envelope], object]
    code: str


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
        pieces: (time, id, claim, url) -> what is signed, piece by piece.
        keying: Turns a secret as the sender hands it out into a verifier.
        envelope: (claim) -> the event's envelope, None where the content isn't one.
        seal_fields: (time, id, signature) -> the fields that the sender would send.
        signed_time: A time is inside what is signed.
        signed_key: An id is inside what is signed; else the key is a digest of the content.
        signed_type: The event's type is inside what is signed; else it is a hint.
        tolerance: Longest age and lead of the signed time.
        pins: What a declaration may pin.
        grade: How much the signature says.
        source: "literal" from the sender's own documentation or tests, or "unconfirmed".
        challenge: (claim) -> the token to give back, where the sender has a signed handshake; ""
            where it is none.
        joint: What stands between two signatures where the field may hold several, while a secret
            is rolled; "" where it holds one.
    """

    name: str
    party: str
    documentation: str
    binds: tuple[str, ...]
    read: Read
    pieces: Callable[[str, str, Claim, str | None], tuple[bytes, ...]]
    keying: Keying
    envelope: Callable[[Claim], Envelope | None]
    seal_fields: Callable[[str, str, str], list[tuple[str, str]]]
    signed_time: bool
    signed_key: bool
    signed_type: bool = True
    tolerance: timedelta = TOLERANCE
    pins: tuple[Pin, ...] = ()
    grade: Grade = Grade.SIGNED
    source: str = "literal"
    challenge: Callable[[Claim], str] | None = None
    joint: str = ""
    _memo: Memo[object, Opener] = field(
        default_factory=lambda: Memo[object, Opener](KNOWN), repr=False, compare=False
    )

    def __call__(
        self,
        *,
        secrets: Secret | str | Iterable[Secret | str],
        url: str | None = None,
        tolerance: timedelta | None = None,
        **pins: Any,
    ) -> "Sender":
        """Declare this sender for a boundary. Secrets are read when the perimeter starts.

        Args:
            secrets: One source of secrets, or several that are live together.
            url: Our own public URL, for schemes that sign it.
            tolerance: Longest age and lead of the signed time, where the sender's own figure isn't
                wanted.
            pins: What the signed content must repeat: `livemode=True`.

        Raises:
            BoundaryError: an unknown pin, one of another type, a tolerance that isn't above zero or
                is over a day.
        """
        self._check(tolerance, pins)
        kept = secrets if isinstance(secrets, (Secret, str)) else tuple(secrets)
        return Sender(self, kept, url, tolerance, dict(pins))

    def open(
        self, claim: Claim, *, secrets: Secrets, url: str | None = None, **pins: Any
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
            memo = (
                secrets if isinstance(secrets, str) else tuple(secrets),
                url,
                tuple(pins.items()),
            )
        opener = self._memo.get(memo)
        if opener is None:
            listed = (secrets,) if isinstance(secrets, str) else tuple(secrets)
            opener = self._memo.keep(memo, self._compiled(listed, url, pins))
        return opener(claim)

    def seal(
        self,
        content: bytes,
        *,
        secret: str | Sequence[str],
        at: datetime,
        key: str | None = None,
    ) -> Fields:
        """Sign as the sender does: for tests, demonstrations and our own outgoing webhooks.

        Args:
            content: The bytes to send.
            secret: In the form in which the sender hands it out, the private key where it signs
                with one; several while a secret is rolled, each of which signs.
            at: When it is sent, UTC.
            key: The event's id, where it stands in a field; by default one that follows from the
                time and the content, so that two contents of one instant are two events.

        Raises:
            ValueError: no secret, one that isn't in the sender's form, or several where the field
                holds one signature.
        """
        signing = (secret,) if isinstance(secret, str) else tuple(secret)
        if not signing or (len(signing) > 1 and not self.joint):
            message = f"{self.name} signs with one secret, {len(signing)} are given"
            raise ValueError(message)
        time = str(int(at.timestamp())) if self.signed_time else ""
        identity = key or "msg_" + sha256(f"{at.timestamp()}.".encode() + content).hexdigest()[:24]
        pieces = self.pieces(time, identity, Claim(content, Fields(), at), None)
        signatures = [self.keying(each).seal(pieces) for each in signing]
        return Fields(self.seal_fields(time, identity, self.joint.join(signatures)))

    def answer(self, claim: Claim, *, secrets: Secrets, **pins: Any) -> bytes:
        """Return the body that answers a sender's handshake, after its signature is checked.

        Raises:
            LookupError: this sender has none.
            Refused: it isn't signed, or asks for more than an opaque token to be given back.
        """
        if self.challenge is None:
            message = f"{self.name} has no challenge"
            raise LookupError(message)
        self.open(claim, secrets=secrets, **pins)
        token = self.challenge(claim)
        if not token:
            raise Refused(
                AUTHENTIC, "it is no handshake with an opaque token", code="bad_challenge"
            )
        return token.encode()

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
        verifiers = [(self.keying(secret.value), secret) for secret in secrets]
        return compile_opener(self, verifiers, scope, url, tolerance or self.tolerance, pins)

    def _compiled(
        self, listed: tuple[str | LiveSecret, ...], url: str | None, pins: Mapping[str, Any]
    ) -> Opener:
        if not listed or not all(isinstance(s, LiveSecret) or s for s in listed):
            raise Refused(AUTHENTIC, "no secret is given, or an empty one", code="no_secret")
        live = [
            s if isinstance(s, LiveSecret) else LiveSecret(f"secret {n}", s)
            for n, s in enumerate(listed, 1)
        ]
        try:
            return self.opener(live, url=url, **pins)
        except ValueError:
            raise Refused(
                AUTHENTIC, "a secret isn't in the sender's form", code="bad_secret"
            ) from None

    def _check(self, tolerance: timedelta | None, pins: Mapping[str, Any]) -> None:
        if tolerance is not None and not timedelta(0) < tolerance <= LONGEST_TOLERANCE:
            message = (
                f"{self.name}: tolerance={tolerance} isn't above zero and at most "
                f"{LONGEST_TOLERANCE}. Leave it out for {self.tolerance}, or waive FRESH."
            )
            raise BoundaryError(message)
        known = {pin.name: pin for pin in self.pins}
        for name, value in pins.items():
            if name not in known:
                near = get_close_matches(name, known) or sorted(known)
                message = f"{self.name} has no pin {name!r}; it has: {', '.join(near) or 'none'}."
                raise BoundaryError(message)
            if not isinstance(value, known[name].type) or value == "":
                message = f"{self.name}: {name}= is a non-empty {known[name].type.__name__}."
                raise BoundaryError(message)


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender as a boundary declares it: the scheme, whence its secrets come, what is pinned."""

    scheme: Scheme
    secrets: Secret | str | tuple[Secret | str, ...] = field(repr=False)
    url: str | None
    tolerance: timedelta | None
    pins: dict[str, Any]

    def live(self) -> tuple[LiveSecret, ...]:
        """Read the secrets.

        Empty only where an optional one is unset. BoundaryError where one is bad.
        """
        return read_all(self.secrets)

    def opener(self, scope: str) -> Opener:
        """Compile for the live secrets.

        Raises:
            BoundaryError: a secret is bad, short, or not in the sender's form.
        """
        live = self.live()
        for secret in live:
            try:
                verifier: Verifier = self.scheme.keying(secret.value)
            except ValueError:
                message = (
                    f"Secret {secret.name} isn't in the form "
                    f"in which {self.scheme.name} hands it out."
                )
                raise BoundaryError(message) from None
            if verifier.is_short:
                message = (
                    f"Secret {secret.name} has fewer than 16 bytes once decoded. "
                    "Let the sender make a new one."
                )
                raise BoundaryError(message)
        return self.scheme.opener(
            live, scope=scope, url=self.url, tolerance=self.tolerance, **self.pins
        )
