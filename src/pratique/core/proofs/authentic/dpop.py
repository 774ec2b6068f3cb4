"""Does who shows a token hold the key that it is bound to? DPoP proofs, read in one way alone."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from pratique.core.claim import Fields
from pratique.core.key import PROOFS, prefixed
from pratique.core.obligation import FRESH
from pratique.core.refusal import BoundaryError

from . import base64url
from .bound import bound_to, is_same
from .dpop_policy import DPoPPolicy, ProofRefused
from .jws import FORBIDDEN, TokenRefused, header_of, split_token
from .key import Key
from .numeric_date import is_numeric_date
from .request_url import normal_url
from .strict_json import DuplicateMemberError, object_of
from .thumbprint import thumbprint

FIELD: Final = "DPoP"
TYPE: Final = "dpop+jwt"
MAX_PROOF_BYTES: Final = 8192
"""One with an RSA key of 4096 bits and a long URL has 3 KiB."""
MAX_JTI: Final = 256
"""Characters. RFC 9449 §4.2 wants 96 random bits: 16 in base64url, 36 as a UUID."""
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_FORBIDDEN: Final = FORBIDDEN - {"jwk"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class DPoPProof(msgspec.Struct, frozen=True):
    """What a proof shows: that its maker held a key, for one request and one token.

    Args:
        thumbprint: Of the key, as an access token's `cnf.jkt` names it.
        id: Its `jti`: it may be used once.
        url: The URL that it is for, normalised.
    """

    thumbprint: str
    id: str
    url: str

    @property
    def single_use(self) -> bytes:
        """Return the key under which its use is kept: of one client's key, one id, one URL."""
        told = msgspec.json.encode((self.thumbprint, self.id, self.url))
        return prefixed(PROOFS) + hashlib.sha256(told).digest()


def proof_of(fields: Fields) -> str:
    """Return the one proof of a request.

    Raises:
        Refused: AUTHENTIC, code "no_proof", "several_proofs".

    Source: RFC 9449 §4.3, 1.
    """
    lines = fields.all(FIELD)
    if len(lines) == 1:
        return lines[0]
    if lines:
        raise ProofRefused(
            f"the field DPoP came {len(lines)} times, once is allowed", code="several_proofs"
        )
    raise ProofRefused(
        "no field DPoP came", code="no_proof", hint="the client sends a token without its proof"
    )


def verify_proof(
    proof: str,
    policy: DPoPPolicy,
    *,
    method: str,
    target: str,
    token: str,
    at: datetime,
    nonces: Sequence[str] | None = None,
) -> DPoPProof:
    """Return what a proof shows, for this request and this token alone.

    The key stands in the proof itself: whoever made it holds that key, and nothing else is known of
    them. Compare `thumbprint` with what the token is bound to, and use `single_use` once.

    Args:
        proof: A JWS in compact serialization, at most 8192 bytes.
        policy: What it must be.
        method: Of the request.
        target: Path and query of the request, as they came.
        token: The access token that came with it.
        at: When it reached us. UTC.
        nonces: Those of ours that are in force; None where none is asked for.

    Raises:
        Refused: AUTHENTIC; FRESH for its time and nonce; nothing else. Status 401.

    Source: RFC 9449 §4.3, by its numbers.
    """
    members, jwk = _opened(proof, policy)  # 2 to 7
    # 8, 9
    if members.get("htm") != method:
        raise ProofRefused("it is for another method (htm)", code="wrong_method")
    url = policy.url(target)
    if _url_of(members) != url:
        raise ProofRefused(
            "it is for another URL (htu)",
            code="wrong_url",
            hint="compare DPoPToken(origin=…) with the address that clients use",
        )
    # 10, 11
    _require_time(members, policy, at)
    if nonces is not None:
        _require_nonce(members, nonces)
    # 12: without ath, a proof of this key is good for every token that is bound to it.
    digest = base64url.encode(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest())
    if not is_same(members.get("ath"), digest):
        raise ProofRefused("it is for another token, or for none (ath)", code="wrong_token_hash")
    name = members.get("jti")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_JTI or not name.isprintable():
        raise ProofRefused(
            f"jti is no text of 1 to {MAX_JTI} printable characters", code="bad_proof"
        )
    return DPoPProof(thumbprint(jwk), name, url)


def require_bound(cnf: object, shown: DPoPProof) -> None:
    """Refuse a token that isn't bound to the key of this proof.

    Args:
        cnf: The claim of the token; None where it has none.
        shown: A proof that was verified.

    Raises:
        Refused: AUTHENTIC, code "unbound_token", "bound_token", "other_key".

    Source: RFC 9449 §4.3, 12; §6.1.
    """
    told = bound_to(cnf, "jkt")
    if not is_same(told, shown.thumbprint):
        raise TokenRefused(
            "it is bound to another key than the proof's",
            code="other_key",
            hint="whoever shows it isn't the client that it was issued to",
        )


def _opened(proof: str, policy: DPoPPolicy) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return claims and key of a proof that is signed by the key in it."""
    if len(proof) > MAX_PROOF_BYTES:
        raise ProofRefused(
            f"it has {len(proof)} characters, at most {MAX_PROOF_BYTES} are allowed",
            code="bad_proof",
        )
    try:
        signed, signature = split_token(proof)
        head, _, body = signed.partition(b".")
        header = header_of(head)
    except TokenRefused as refused:
        raise ProofRefused(refused.detail, code="bad_proof") from None
    jwk = _key_members(header, policy)
    key, algorithm = _key_of(jwk), header["alg"]
    if algorithm not in key.algorithms:
        raise ProofRefused("its key is of another kind", code="algorithm_not_allowed")
    try:
        matches = key.verifier(algorithm)(base64url.decode(signature), signed)
        claims = object_of(base64url.decode(body))
    except DuplicateMemberError:
        raise ProofRefused("two of its members have one name", code="bad_proof") from None
    except ValueError:
        raise ProofRefused("it is no JSON object in base64url", code="bad_proof") from None
    if not matches:
        raise ProofRefused("the key in it didn't make its signature", code="bad_signature")
    return claims, jwk


def _key_members(header: Mapping[str, Any], policy: DPoPPolicy) -> Mapping[str, Any]:
    """Return the key of a header of the one kind, in an algorithm that is allowed."""
    if header.get("typ") != TYPE:
        raise ProofRefused(f"its typ isn't {TYPE}", code="bad_proof")
    if not _FORBIDDEN.isdisjoint(header):
        raise ProofRefused(
            "the header has one of jku, x5u, x5c, crit, b64, zip", code="forbidden_header"
        )
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if not isinstance(algorithm, str) or algorithm not in policy.algorithms:
        raise ProofRefused(
            f"the algorithm isn't one of {', '.join(policy.algorithms)}",
            code="algorithm_not_allowed",
        )
    if not isinstance(jwk, dict):
        raise ProofRefused("the header has no key (jwk)", code="bad_proof_key")
    return cast("dict[str, Any]", jwk)


def _key_of(jwk: Mapping[str, Any]) -> Key:
    if not _PRIVATE.isdisjoint(jwk):
        raise ProofRefused(
            "the key in its header is a private one",
            code="private_key_shown",
            hint="the client gives its key away: it needs a new one, and its library a repair",
        )
    try:
        return Key.of_jwk(jwk)
    except BoundaryError:  # its text may hold a kid: nothing that came is told
        raise ProofRefused(
            "the key in its header is no public key that we verify with", code="bad_proof_key"
        ) from None


def _url_of(members: Mapping[str, Any]) -> str | None:
    told = members.get("htu")
    if not isinstance(told, str):
        return None
    try:
        return normal_url(told)
    except ValueError:
        return None


def _require_time(members: Mapping[str, Any], policy: DPoPPolicy, at: datetime) -> None:
    made = members.get("iat")
    if not is_numeric_date(made):
        raise ProofRefused("iat is no number of seconds", code="bad_date", obligation=FRESH)
    age = (at - _EPOCH).total_seconds() - made
    leeway, most = policy.leeway.total_seconds(), policy.max_age.total_seconds()
    if age < -leeway:
        raise ProofRefused(
            f"it was made {-age:.0f} s from now, at most {leeway:.0f} s are allowed",
            code="from_the_future",
            obligation=FRESH,
            hint="compare this host's clock with the client's",
        )
    if age > most + leeway:
        raise ProofRefused(
            f"it was made {age:.0f} s ago, at most {most:.0f} s are allowed",
            code="stale",
            obligation=FRESH,
            hint="a proof is made for each request; compare this host's clock with the client's",
        )


def _require_nonce(members: Mapping[str, Any], nonces: Sequence[str]) -> None:
    told = members.get("nonce")
    if not any(is_same(told, known) for known in nonces):
        raise ProofRefused(
            "its nonce isn't one of ours that are in force",
            code="wrong_nonce",
            obligation=FRESH,
            hint="the client repeats its request with the nonce of the answer",
            error="use_dpop_nonce",
        )
