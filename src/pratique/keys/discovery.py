"""An issuer's keys, found by its name alone: its metadata says where they are."""

from collections.abc import Collection
from enum import Enum
from typing import Any, Final, Unpack, cast
from urllib.parse import urlsplit

from pratique.core.proofs.authentic.algorithm import ALGORITHMS
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.refusal import BoundaryError

from .answered import Getter, UnusableError, is_issuer_url, object_in, require_issuer_url
from .jwks import snapshot_of
from .remote import RemoteKeys, Snapshot, Timing

_SIGNED_IN: Final = "id_token_signing_alg_values_supported"
"""The one list of signing algorithms that metadata has. Source: OpenID Connect Discovery §3; RFC
9068 §2.1 lets access tokens be signed like ID tokens."""


class Metadata(Enum):
    """Where an issuer keeps its metadata."""

    OPENID = "openid-configuration"
    """Behind the issuer's path. Source: OpenID Connect Discovery §4."""
    OAUTH = "oauth-authorization-server"
    """Between its host and its path. Source: RFC 8414 §3.1."""


class Discovered(RemoteKeys):
    """The keys of an issuer, at the place that its own metadata names.

    Args:
        issuer: As its tokens write it, whole: "https://issuer.example/realm".
        fetch: Goes there: a `pratique.fetch.Fetch` whose policy names the issuer's host and the one
            of its keys, and admits application/json and application/jwk-set+json.
        algorithms: Those that are wanted; a key for none of them, or for one that the metadata
            doesn't name, isn't used.
        metadata: Where the metadata lies.
        timing: See `Timing`.

    Raises:
        BoundaryError: the issuer is no URL of https, an algorithm is none, or for secrets.

    Source: RFC 8414; OpenID Connect Discovery 1.0; RFC 9207 (mix-up).
    """

    def __init__(
        self,
        issuer: str,
        *,
        fetch: Getter,
        algorithms: Collection[str],
        metadata: Metadata = Metadata.OPENID,
        **timing: Unpack[Timing],
    ) -> None:
        super().__init__(require_issuer_url("Discovered(issuer)", issuer), **timing)
        wanted = frozenset[str]() if isinstance(algorithms, str) else frozenset(algorithms)
        if not wanted or not wanted <= ALGORITHMS or any(one.startswith("HS") for one in wanted):
            raise BoundaryError(
                'Discovered(algorithms=…) names those that the issuer signs in: ("RS256",).'
            )
        self.algorithms = tuple(sorted(wanted))
        self.url = _metadata_url(issuer, metadata)
        self._fetch = fetch

    def policy(self, *, audience: str | tuple[str, ...], type: str, **more: Any) -> TokenPolicy:
        """Return a policy for this issuer's tokens. See `TokenPolicy`.

        Args:
            audience: Who we are.
            type: "at+jwt".
            more: `leeway`, `max_age`.
        """
        return TokenPolicy(
            issuer=self.issuer,
            audience=audience,
            algorithms=self.algorithms,
            type=type,
            keys=self,
            **more,
        )

    def load(self) -> Snapshot:
        """Fetch the metadata, then the keys. See `RemoteKeys.load`."""
        members = object_in(self._fetch.get(self.url).value)
        # RFC 8414 §3.3: identical, else another issuer's keys would speak for this one.
        if members.get("issuer") != self.issuer:
            raise UnusableError("its metadata names another issuer")
        place = members.get("jwks_uri")
        if not is_issuer_url(place) or (_is_https(self.issuer) and not _is_https(place)):
            raise UnusableError("its metadata has no jwks_uri of https")
        algorithms = _named(members, self.algorithms)
        return snapshot_of(self._fetch.get(cast("str", place)).value, algorithms=algorithms)


def _metadata_url(issuer: str, metadata: Metadata) -> str:
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    known = f"/.well-known/{metadata.value}"
    where = f"{path}{known}" if metadata is Metadata.OPENID else f"{known}{path}"
    return f"{parts.scheme}://{parts.netloc}{where}"


def _is_https(url: object) -> bool:
    return isinstance(url, str) and url.lower().startswith("https:")


def _named(members: dict[str, Any], wanted: Collection[str]) -> frozenset[str]:
    """Return the wanted algorithms that the metadata names; all of them where it has no list."""
    listed: object = members.get(_SIGNED_IN)
    if listed is None:
        return frozenset(wanted)
    if not isinstance(listed, list):
        raise UnusableError("its metadata has no list of algorithms")
    found = frozenset(one for one in cast("list[object]", listed) if one in wanted)
    if not found:
        raise UnusableError(f"its metadata names none of {', '.join(sorted(wanted))}")
    return cast("frozenset[str]", found)
