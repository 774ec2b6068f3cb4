"""The keys that a SPIFFE trust domain publishes at its bundle endpoint."""

from datetime import timedelta
from typing import Any, Final, Unpack, cast

from pratique.core.proofs.authentic.jwt_svid import svid_keys
from pratique.core.refusal import BoundaryError

from .answered import JWKS_TYPES, Getter, UnusableError, object_in, require_issuer_url
from .jwks import MAX_FRESH, MAX_KEYS, MIN_FRESH, fresh_for
from .remote import RemoteKeys, Snapshot, Timing

_HINT: Final = "spiffe_refresh_hint"


class SpiffeBundle(RemoteKeys):
    """The keys for JWT-SVIDs of a trust domain's bundle, by its profile https_web.

    Args:
        url: "https://spire.shop.example/bundle".
        fetch: Goes there: a `pratique.fetch.Fetch` whose policy names the host and admits
            application/json.
        timing: See `Timing`.

    Raises:
        BoundaryError: the URL is none of https, or a period isn't above zero.

    Source: SPIFFE Trust Domain and Bundle §4.1, §4.2; SPIFFE Federation §5.2.1.
    """

    def __init__(self, url: str, *, fetch: Getter, **timing: Unpack[Timing]) -> None:
        super().__init__(require_issuer_url("SpiffeBundle(url)", url), **timing)
        self._fetch = fetch

    def load(self) -> Snapshot:
        """Fetch the keys as they are now. See `RemoteKeys.load`."""
        answer = self._fetch.get(self.issuer).value
        members = object_in(answer, types=JWKS_TYPES)
        listed: Any = members.get("keys")
        if isinstance(cast("object", listed), list) and len(listed) > MAX_KEYS:
            raise UnusableError(f"its bundle has more than {MAX_KEYS} keys")
        try:
            keys = svid_keys(members)
        except BoundaryError:
            raise UnusableError("its bundle has no usable key for JWT-SVIDs") from None
        hint = members.get(_HINT)
        if type(hint) is not int:
            return Snapshot(keys, fresh_for(answer.fields))
        wanted = timedelta(seconds=min(max(hint, 0), int(MAX_FRESH.total_seconds())))
        return Snapshot(keys, max(wanted, MIN_FRESH))
