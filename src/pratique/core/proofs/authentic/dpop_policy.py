"""What a DPoP proof must be to be believed, and how one is refused."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from pratique.core.obligation import AUTHENTIC, Obligation
from pratique.core.refusal import BoundaryError

from .algorithm import ALGORITHMS
from .jws import TokenRefused
from .request_url import normal_path, origin_of

MAX_AGE: Final = timedelta(minutes=5)
"""RFC 9449 §11.1: "on the order of seconds or minutes"."""
MAX_LEEWAY: Final = timedelta(seconds=60)
ASYMMETRIC: Final = frozenset(name for name in ALGORITHMS if not name.startswith("HS"))
_ZERO: Final = timedelta(0)


class ProofRefused(TokenRefused):
    """A proof that proves nothing; nothing is known of the token by then.

    Args:
        detail: For the operator.
        code: Stable, in docs/reference/refusals.md.
        obligation: FRESH for its time, UNIQUE for a second use, else AUTHENTIC.
        hint: For the operator: what to do now.
        error: What the 401 says, of the words of RFC 9449 §7.1 and §9.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        obligation: Obligation = AUTHENTIC,
        hint: str = "",
        error: str = "invalid_dpop_proof",
    ) -> None:
        super().__init__(detail, code=code, obligation=obligation, hint=hint)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class DPoPPolicy:
    """What a proof must be to be believed.

    Args:
        origin: Where clients reach us: "https://api.example". Declared, since what `Host` says is
            the client's word.
        algorithms: Those that a proof may be signed in; asymmetric ones.
        max_age: Longest time since `iat`. Seconds, to 5 minutes.
        leeway: How far the client's clock may be ahead, and what `max_age` is stretched by. 0 to 60
            seconds.

    Raises:
        BoundaryError: one of them is none.

    Source: RFC 9449 §4.3, §11.1.
    """

    origin: str
    algorithms: tuple[str, ...] = ("ES256", "EdDSA", "Ed25519")
    max_age: timedelta = timedelta(seconds=60)
    leeway: timedelta = timedelta(seconds=5)
    _origin: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_origin", origin_of(self.origin, where="DPoPToken(origin=…)"))
        names: object = self.algorithms
        if not isinstance(names, tuple) or not names or not ASYMMETRIC.issuperset(self.algorithms):
            raise BoundaryError(
                f"DPoPToken(algorithms=…) is a tuple of some of {', '.join(sorted(ASYMMETRIC))}."
            )
        if not _ZERO < self.max_age <= MAX_AGE or not _ZERO <= self.leeway <= MAX_LEEWAY:
            raise BoundaryError(
                "DPoPToken(max_age=…) is above zero and at most 5 minutes, leeway= 0 to 60 s."
            )

    def url(self, target: str) -> str:
        """Return the URL of a request to us, normalised.

        Raises:
            ProofRefused: the target is no path.
        """
        try:
            return self._origin + normal_path(target.partition("?")[0])
        except ValueError as error:
            raise ProofRefused(
                f"the request's own target: {error}", code="unusable_target"
            ) from None
