"""AWS Application Load Balancer in front of us: the field in which it signs who came."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, Unpack

from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic import base64url
from pratique.core.proofs.authentic.jws import (
    FORBIDDEN,
    TokenRefused,
    claims_of,
    header_of,
    split_token,
)
from pratique.core.proofs.authentic.key import Key, KeySet
from pratique.core.proofs.authentic.numeric_date import seconds_of
from pratique.core.proofs.authentic.same_site import SAFE, require_no_other_site
from pratique.core.proofs.revocation import Issued, TakenBack
from pratique.core.question import Flow, Refresh
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import CLOCK, Root, RootKind, ways

from .answered import Getter, UnusableError
from .proxies import further_origins, require_callable
from .remote import RemoteKeys, Snapshot, Timing

FIELD: Final = "X-Amzn-Oidc-Data"
FRESH_FOR: Final = timedelta(hours=1)
"""AWS says nothing of how long a key lives; one that it takes back is believed as long."""
MAX_WANTED: Final = 8
"""Names in one look; a stranger who invents names has these, the honest one among them."""
MAX_KEYS: Final = 32
MAX_PEM_BYTES: Final = 4096
_OK: Final = 200
_ABSENT: Final = frozenset({403, 404})
"""A store of files that may not be listed says 403 for a file that it lacks."""
_ARN: Final = re.compile(
    r"arn:aws:elasticloadbalancing:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}"
    r":loadbalancer/app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}"
)
# RFC 9562 §4, in the one spelling that AWS writes: it becomes a part of a URL.
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class AlbKeys(RemoteKeys):
    """The public keys of one region's load balancers, each fetched by its name when it is needed.

    Args:
        region: "eu-central-1".
        fetch: Its policy names the host public-keys.auth.elb.REGION.amazonaws.com.
        timing: See `Timing`.

    Source: AWS, "Authenticate users using an Application Load Balancer", "User claims encoding and
    signature verification".
    """

    def __init__(self, region: str, *, fetch: Getter, **timing: Unpack[Timing]) -> None:
        super().__init__(f"https://public-keys.auth.elb.{region}.amazonaws.com", **timing)
        self._fetch = fetch
        self._wanted: dict[str, None] = {}
        self._asked: frozenset[str] = frozenset()
        self._away: dict[str, str] = {}

    def load(self) -> Snapshot:
        """Fetch the keys that are known and those that are looked for. See `RemoteKeys.load`."""
        with self._lock:
            wanted, self._wanted = list(self._wanted), {}
        known = {key.name: key for key in self._held.keys.keys if key.name is not None}
        found: dict[str, Key] = {}
        away: dict[str, str] = {}
        asked = [*wanted, *(name for name in known if name not in wanted)][:MAX_KEYS]
        for name in asked:
            try:
                key = self._key(name)
            except Refused as refused:
                away[name] = f"{refused.detail} [{refused.code}]"
            except UnusableError as error:
                away[name] = str(error)
            else:
                if key is not None:
                    found[name] = key
        self._asked, self._away = frozenset(asked), away
        if asked and len(away) == len(asked):
            raise UnusableError(next(iter(away.values())))
        # One that can't be had now is still the key that it was.
        kept = {name: known[name] for name in away if name in known}
        return Snapshot(KeySet((found | kept).values()), FRESH_FOR)

    def refresh(self, name: str | None) -> None:
        """Look for a key by its name. See `RemoteKeys.refresh`."""
        if name is None or not self._want(name):
            return
        super().refresh(name)
        if self._is_left(name):
            super().refresh(name)
        self._require_asked(name)

    async def arefresh(self, name: str | None) -> None:
        """Do the same on the event loop."""
        if name is None or not self._want(name):
            return
        await super().arefresh(name)
        if self._is_left(name):
            await super().arefresh(name)
        self._require_asked(name)

    def _want(self, name: str) -> bool:
        """Note a name for the next look; False where it is none that a key can have."""
        if _UUID.fullmatch(name) is None:
            return False
        with self._lock:
            self._note(name)
        return True

    def _note(self, name: str) -> None:
        if len(self._wanted) < MAX_WANTED:
            self._wanted[name] = None

    def _is_left(self, name: str) -> bool:
        """Say whether the look that was waited for was without the name, and note it anew.

        It had begun before, or had no room: strangers' names came first.
        """
        with self._lock:
            is_left = name not in self._asked and self._held.keys.find(name) is None
            if is_left:
                self._note(name)
                self._absent.discard(name)
        return is_left

    def _require_asked(self, name: str) -> None:
        why = self._away.get(name)
        if why is None and name not in self._asked:
            why = "many others are looked for"
        if why is not None and self._held.keys.find(name) is None:
            raise self._unavailable(why, self._cool_down)

    def _key(self, name: str) -> Key | None:
        answer = self._fetch.get(f"{self.issuer}/{name}").value
        if answer.status in _ABSENT:
            return None
        if answer.status != _OK:
            raise UnusableError(f"it answers with status {answer.status}")
        if len(answer.content) > MAX_PEM_BYTES:
            raise UnusableError(f"it sends more than {MAX_PEM_BYTES} bytes")
        try:
            key = Key.of_pem(answer.content, name=name)
        except BoundaryError:
            raise UnusableError("it sends no public key in PEM") from None
        if "ES256" not in key.algorithms:
            raise UnusableError("it sends a key that isn't on P-256")
        return key


class _Read(NamedTuple):
    """A token whose signature nobody has checked."""

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes


class AlbAssertion:
    """Who came, as a load balancer signed it; its unsigned fields are never read.

    Args:
        arn: Of the load balancer: the header's `signer`. Without it any load balancer of any
            customer of AWS in the region could sign, because its keys lie at the same place.
        issuer: Of whom it asked: the header's `iss`.
        client: Its client id there: the header's `client`.
        keys: Of its region.
        revoked: (claims[, session]) -> whether its subject was taken back; see `require_callable`.
            The claims are the assertion's payload, read-only.
        origins: Other origins than our own whose pages may change state; see `ProxyAssertion`.

    Raises:
        BoundaryError: `revoked` is no callable, or an origin is none.
    """

    challenge: ClassVar[str] = "Signature"

    def __init__(
        self,
        arn: str,
        *,
        issuer: str,
        client: str,
        keys: AlbKeys,
        revoked: Callable[..., Any] | None = None,
        origins: Sequence[str] = (),
    ) -> None:
        self.arn, self.issuer, self.client, self.keys = arn, issuer, client, keys
        self.origins = further_origins("AlbAssertion", origins)
        self._taken_back = TakenBack.of(require_callable("aws_alb", revoked))

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return the subject of an assertion that our load balancer signed, and that is in force.

        Raises:
            Refused: AUTHENTIC, code "no_token", "malformed_token", "duplicate_member",
                "forbidden_header", "algorithm_not_allowed", "wrong_signer", "wrong_issuer",
                "wrong_audience", "unknown_key", "bad_signature", "bad_claim", "cross_site";
                FRESH, code "bad_date", "expired_token", "revoked".
        """
        if crossing.claim.via.method not in SAFE:
            self.require_origin(crossing.claim)
        token = crossing.claim.fields.one(FIELD)
        if not token:
            raise TokenRefused(
                f"no field {FIELD} came",
                code="no_token",
                hint="the request came past the load balancer: close that way",
            )
        read = _read(token)
        name = self._require_ours(read.header)
        key = self.keys.current.find(name)
        if key is None:
            yield Refresh(self.keys, name)
            key = self.keys.current.find(name)
        if key is None:
            raise TokenRefused("AWS publishes no key of that name", code="unknown_key")
        if not key.verifier("ES256")(read.signature, read.signed):
            raise TokenRefused(
                "the key that the token names didn't make its signature", code="bad_signature"
            )
        claims = self._claims(read, at=crossing.claim.received_at)
        subject, at = claims["sub"], crossing.claim.received_at
        crossing.principal = subject
        crossing.discharge(AUTHENTIC)
        yield from self._taken_back.require(
            claims, session, issued=lambda: Issued(self.issuer, subject, None, None, at)
        )
        crossing.discharge(FRESH)
        return subject

    def require_origin(self, claim: Claim) -> None:
        """Refuse a change of state that another's page asks for. See `require_no_other_site`."""
        require_no_other_site("AlbAssertion", claim, self.origins)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: AWS, who keeps the keys apart, and whom it asked."""
        roots = (
            Root(RootKind.PARTY, self.arn, controller="AWS"),
            Root(RootKind.PARTY, self.issuer, controller=self.issuer),
        )
        words = f"{FIELD}, signed by {self.arn}, which asked {self.issuer}"
        asked = self._taken_back
        until = ", ".join(filter(None, ("exp", asked.words)))
        return (
            Proof(AUTHENTIC, words, ways(*roots)),
            Proof(FRESH, until, ways(*roots, CLOCK), asked.where),
        )

    def read(self) -> list[str]:
        """Need nothing at the start."""
        return []

    def _require_ours(self, header: Mapping[str, Any]) -> str:
        """Return the key's name. Nothing here is proven: it only spares a question to AWS."""
        if not FORBIDDEN.isdisjoint(header):
            raise TokenRefused(
                "the header names its own key, or an extension", code="forbidden_header"
            )
        if header.get("alg") != "ES256":
            raise TokenRefused("the algorithm isn't ES256", code="algorithm_not_allowed")
        if header.get("signer") != self.arn:
            raise TokenRefused(
                "its signer isn't the declared load balancer",
                code="wrong_signer",
                hint="another load balancer signed it; aws_alb(arn) names ours",
            )
        if header.get("iss") != self.issuer:
            raise TokenRefused("its issuer isn't the declared one", code="wrong_issuer")
        if header.get("client") != self.client:
            raise TokenRefused("its client isn't the declared one", code="wrong_audience")
        name = header.get("kid")
        # Attack: a name with "../" or "@" leads to another place than AWS's keys.
        if not isinstance(name, str) or _UUID.fullmatch(name) is None:
            raise TokenRefused("its kid isn't a UUID", code="malformed_token")
        return name

    def _claims(self, read: _Read, *, at: datetime) -> Mapping[str, Any]:
        members = claims_of(read.payload)
        _require_before(read.header, at)
        if "exp" in members:
            _require_before(members, at)
        if members.get("iss", self.issuer) != self.issuer:
            raise TokenRefused("its issuer isn't the declared one", code="wrong_issuer")
        subject = members.get("sub")
        if type(subject) is not str or not subject or not subject.isprintable():
            raise TokenRefused(
                "sub is missing, empty, no text, or has control characters", code="bad_claim"
            )
        return MappingProxyType(members)


def aws_alb(
    arn: str,
    *,
    issuer: str,
    client: str,
    fetch: Getter,
    revoked: Callable[..., Any] | None = None,
    origins: Sequence[str] = (),
) -> AlbAssertion:
    """Return who came through an AWS Application Load Balancer that authenticates users.

    Its field X-Amzn-Oidc-Data is signed; X-Amzn-Oidc-Identity beside it isn't, and isn't read.
    AWS GovCloud and China publish their keys elsewhere, and aren't here.

    Args:
        arn: "arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID".
        issuer: `Issuer` of the rule's authenticate action, as it stands there; for Cognito
            "https://cognito-idp.REGION.amazonaws.com/POOL".
        client: `ClientId` of that action.
        fetch: Its policy names public-keys.auth.elb.REGION.amazonaws.com, and the content types of
            a PEM there.
        revoked: See `AlbAssertion`.
        origins: See `ProxyAssertion`.

    Raises:
        BoundaryError: the ARN isn't of that form, one of the others is empty, or `revoked` is no
            callable.

    Source: AWS, Elastic Load Balancing, Application Load Balancers, "Authenticate users using an
    Application Load Balancer": the header's alg, kid, signer, iss, client, exp; ES256; padding in
    the encoding; "verify the signer"; keys by region and kid.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        raise BoundaryError(
            "aws_alb(arn) is the load balancer's: arn:aws:elasticloadbalancing:REGION:ACCOUNT:"
            "loadbalancer/app/NAME/ID."
        )
    if not issuer or not client:
        raise BoundaryError("aws_alb(issuer=, client=) are those of its authenticate action.")
    keys = AlbKeys(found[1], fetch=fetch)
    return AlbAssertion(
        arn, issuer=issuer, client=client, keys=keys, revoked=revoked, origins=origins
    )


def _read(token: str) -> _Read:
    signed, signature = split_token(token)
    head, _, payload = signed.partition(b".")
    try:
        return _Read(
            header_of(_unpadded(head)),
            base64url.decode(_unpadded(payload)),
            signed,
            base64url.decode(_unpadded(signature)),
        )
    except ValueError:
        raise _malformed("a segment isn't base64url, with its padding or without") from None


def _unpadded(segment: bytes) -> bytes:
    """Return a segment as this load balancer writes it, with all its padding or none, without.

    What is signed is the text with its padding. Everywhere else padding is refused: RFC 7515 §2.
    """
    plain = segment.rstrip(b"=")
    if len(segment) != len(plain) and len(segment) - len(plain) != -len(plain) % 4:
        message = "its padding isn't what an encoder writes"
        raise ValueError(message)
    return plain


def _require_before(members: Mapping[str, Any], at: datetime) -> None:
    if at.timestamp() >= seconds_of(members, "exp"):
        raise TokenRefused("it has expired", code="expired_token", obligation=FRESH)


def _malformed(why: str) -> TokenRefused:
    return TokenRefused(why, code="malformed_token")
