"""One policy for one kind of token: who, for whom, until when. Each refusal with its admitting twin."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pratique.core.proofs.authentic.jwt import TokenPolicy, verify_token
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.refusal import BoundaryError, Refused
from tests.tokens import AT, AUDIENCE, CLAIMS, ISSUER, NOW, jwk_of, mint, policy, text

POLICY = policy()
LAST = 253_402_300_799


def refused(token: str, code: str, like: TokenPolicy = POLICY, *, at: datetime = AT) -> Refused:
    """Require a refusal with this code."""
    with pytest.raises(Refused) as caught:
        verify_token(token, like, at=at)
    assert caught.value.code == code
    return caught.value


def admitted(token: str, like: TokenPolicy = POLICY, *, at: datetime = AT) -> Any:
    """Verify it."""
    return verify_token(token, like, at=at)


def test_claims_are_what_the_issuer_signed() -> None:
    """Each by its own name, the rest by `[name]`, and nothing of it can be changed."""
    claims = admitted(mint(claims={"scope": "a b", "roles": ["x", {"y": [1]}]}))
    assert (claims.subject, claims.issuer, claims.audience) == ("svc:gateway", ISSUER, (AUDIENCE,))
    assert claims.expires_at == AT + timedelta(seconds=300)
    assert claims.issued_at == AT - timedelta(seconds=10)
    assert (claims.id, claims.scope) == ("j-1", {"a", "b"})
    assert claims["roles"] == ("x", {"y": (1,)})
    assert set(claims) == {*CLAIMS, "scope", "roles"}
    assert len(claims) == 9
    assert claims.get("absent") is None
    assert repr(claims) == "JwtClaims(9 claims)"
    with pytest.raises(TypeError):
        claims["roles"][1]["y"] = 2
    with pytest.raises(TypeError):
        claims["sub"] = "other"


def test_what_a_token_need_not_have_is_none() -> None:
    """`iat`, `nbf`, `jti` and `scope` are the issuer's choice."""
    claims = admitted(mint(drop=("iat", "nbf", "jti")))
    assert (claims.issued_at, claims.id, claims.scope) == (None, None, frozenset())


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("iss", None, "wrong_issuer"),
        ("iss", [ISSUER], "wrong_issuer"),
        ("iss", ISSUER + "/", "wrong_issuer"),
        ("iss", ISSUER.upper(), "wrong_issuer"),
        ("aud", [], "wrong_audience"),
        ("aud", [AUDIENCE, 5], "wrong_audience"),
        ("aud", [[AUDIENCE]], "wrong_audience"),
        ("aud", {AUDIENCE: 1}, "wrong_audience"),
        ("aud", AUDIENCE + " ", "wrong_audience"),
        ("aud", True, "wrong_audience"),
        ("sub", "", "bad_claim"),
        ("sub", 5, "bad_claim"),
        ("sub", True, "bad_claim"),
        ("sub", ["svc:gateway"], "bad_claim"),
        ("sub", "svc:admin\0.example", "bad_claim"),
        ("sub", "svc\n", "bad_claim"),
        ("sub", "svc\x7f", "bad_claim"),
        ("sub", "svc\u202egateway", "bad_claim"),
        ("sub", "svc\u2028", "bad_claim"),
        ("jti", 5, "bad_claim"),
        ("jti", None, "bad_claim"),
        ("jti", "", "bad_claim"),
        ("jti", ["j-1"], "bad_claim"),
        ("scope", None, "bad_claim"),
        ("scope", 5, "bad_claim"),
        ("scope", ["a", 5], "bad_claim"),
        ("scope", {"a": 1}, "bad_claim"),
    ],
)
def test_a_claim_of_another_kind_is_refused(name: str, value: Any, code: str) -> None:
    """Of another issuer, for another audience, about nobody. The twin is the honest token."""
    assert refused(mint(claims={name: value}), code).obligation == "authentic"
    assert admitted(mint())


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "exp"])
def test_four_claims_are_owed(name: str) -> None:
    """RFC 7519 makes all of them optional; without one of them a token says too little."""
    with pytest.raises(Refused):
        verify_token(mint(drop=(name,)), POLICY, at=AT)
    assert admitted(mint())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aud", [AUDIENCE]),
        ("aud", ["https://other.example", AUDIENCE]),
        ("sub", "Jörg Müller 1"),
        ("scope", ["a", "b"]),
        ("scope", ""),
        ("exp", NOW + 0.5),
        ("exp", LAST),
        ("iat", NOW),
        ("nbf", NOW),
        ("nbf", 0),
    ],
)
def test_what_an_honest_issuer_may_write_is_admitted(name: str, value: Any) -> None:
    """The twins of what is refused above and below."""
    assert admitted(mint(claims={name: value}))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [None, "1800000300", "never", True, [], {}, -1, LAST + 1, 1e30, 10**40]
)
def test_a_date_is_a_finite_number_of_seconds(name: str, value: Any) -> None:
    """Between 1970 and 9999; text, true and 1e30 are none."""
    assert refused(mint(claims={name: value}), "bad_date").obligation == "fresh"
    assert admitted(mint())


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999", b"-1e999", b"9" * 5000, b"01"])
def test_what_is_no_json_number_is_refused(number: bytes) -> None:
    """RFC 8259 §6. The twin has a number."""
    raw = b'{"iss":"%s","aud":"%s","sub":"s","exp":%s}'
    parts = (ISSUER.encode(), AUDIENCE.encode())
    refused(mint(claims=raw % (*parts, number)), "malformed_token")
    assert admitted(mint(claims=raw % (*parts, b"1.8000003e9")))


@pytest.mark.parametrize(
    ("leeway", "claims", "code"),
    [
        (0, {"exp": NOW}, "expired_token"),
        (0, {"exp": NOW - 0.0001}, "expired_token"),
        (60, {"exp": NOW - 60}, "expired_token"),
        (0, {"nbf": NOW + 1}, "not_yet_valid"),
        (60, {"nbf": NOW + 61}, "not_yet_valid"),
        (0, {"iat": NOW + 1}, "from_the_future"),
        (60, {"iat": NOW + 61}, "from_the_future"),
    ],
)
def test_a_date_stretches_by_the_leeway_alone(leeway: int, claims: Any, code: str) -> None:
    """RFC 7519 §4.1.4: on or after `exp` it is refused. The twins: a second on the other side."""
    like = policy(leeway=timedelta(seconds=leeway))
    assert refused(mint(claims=claims), code, like).obligation == "fresh"
    ((name, value),) = claims.items()
    assert admitted(mint(claims={name: value + (1 if name == "exp" else -1)}), like)


@pytest.mark.parametrize(("name", "code"), [("nbf", "not_yet_valid"), ("iat", "from_the_future")])
def test_a_clock_ahead_stretches_no_end(name: str, code: str) -> None:
    """lead=5 s: `nbf` and `iat` may be 5 s ahead, 6 not; `exp` and `max_age` end as before. More leeway than lead counts."""
    like = policy(lead=timedelta(seconds=5), max_age=timedelta(minutes=5))
    assert admitted(mint(claims={name: NOW + 5}), like)
    refused(mint(claims={name: NOW + 6}), code, like)
    refused(mint(claims={"exp": NOW}), "expired_token", like)
    refused(mint(claims={"iat": NOW - 301}), "stale", like)
    more = policy(lead=timedelta(seconds=5), leeway=timedelta(seconds=9))
    assert admitted(mint(claims={name: NOW + 9}), more)
    assert like.fingerprint != policy(max_age=timedelta(minutes=5)).fingerprint


def test_max_age_owes_a_time_of_issue() -> None:
    """A token of last year with an `exp` of next year; the twin is as old as it may be."""
    like = policy(max_age=timedelta(minutes=5))
    assert refused(mint(claims={"iat": NOW - 301}), "stale", like).obligation == "fresh"
    refused(mint(drop=("iat",)), "bad_date", like)
    assert admitted(mint(claims={"iat": NOW - 300}), like)
    stretched = policy(max_age=timedelta(minutes=5), leeway=timedelta(seconds=1))
    assert admitted(mint(claims={"iat": NOW - 301}), stretched)


def test_a_time_without_a_zone_is_never_guessed() -> None:
    """It is a mistake of ours, not of the token. The twin is another zone's same moment."""
    with pytest.raises(TypeError):
        verify_token(mint(), POLICY, at=AT.replace(tzinfo=None))
    assert admitted(mint(), at=AT.astimezone(timezone(timedelta(hours=5))))


@pytest.mark.parametrize(
    "typ", ["JWT", "", "at", "at+jwt ", "x/at+jwt", "application/application/at+jwt", "ａt+jwt"]
)
def test_another_type_is_refused(typ: str) -> None:
    """RFC 8725 §3.11. The twins: without case, with and without "application/"."""
    refused(mint(header={"typ": typ}), "wrong_type")
    for same in ("at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"):
        assert admitted(mint(header={"typ": same}))
        assert admitted(mint(), policy(type=same))
    refused(mint(header=b'{"alg":"ES256","kid":"k1"}'), "wrong_type")


@pytest.mark.parametrize(
    "claims",
    [
        b"", b"null", b"1", b"[]", b'"x"', b"{a:1}", b'{"iss":"\xff"}', b'{"sub":"\\ud800"}',
        b"{}{}", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"x":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)  # fmt: skip
def test_a_claims_set_is_one_json_object(claims: bytes) -> None:
    """In UTF-8, 32 levels at most. The twin is one."""
    refused(mint(claims=claims), "malformed_token")
    assert admitted(mint(claims={"x": [[[["deep"]]]]}))


def test_a_claim_stands_once() -> None:
    """RFC 7519 §4 leaves "the last one counts" open: two readers would take two subjects."""
    raw = b'{"iss":"%s","aud":"%s","sub":"s","exp":%d,%s}'
    parts = (ISSUER.encode(), AUDIENCE.encode(), NOW + 300)
    for twice in (
        b'"sub":"admin"',
        b'"s\\u0075b":"admin"',
        b'"x":[{"a":":","a":":"}]',
        b'"x":{"":1,"":1}',
    ):
        refused(mint(claims=raw % (*parts, twice)), "duplicate_member")
    for once in (b'"su":"admin"', b'"s\\u0075":"admin"', b'"x":[{"a":":","b":":"},{"a":":"}]'):
        assert admitted(mint(claims=raw % (*parts, once)))


def test_every_refusal_looks_the_same_to_the_caller() -> None:
    """A forger isn't told how far the forgery came; the operator is, by code and obligation."""
    told = {
        str((refusal.problem(), refusal.status, refusal.answer, refusal.retry_after))
        for refusal in (
            refused("x", "malformed_token"),
            refused("." * 20_000, "token_too_large"),
            refused(mint("RS256"), "algorithm_not_allowed"),
            refused(mint(header={"kid": "k2"}), "unknown_key"),
            refused(mint(header={"jku": "x"}), "forbidden_header"),
            refused(mint()[:-8] + "AAAAAAAA", "bad_signature"),
            refused(mint(header={"typ": "JWT"}), "wrong_type"),
            refused(mint(claims={"iss": "x"}), "wrong_issuer"),
            refused(mint(claims={"exp": NOW}), "expired_token"),
            refused(mint(claims={"nbf": NOW + 9}), "not_yet_valid"),
            refused(mint(claims={"iat": NOW + 9}), "from_the_future"),
            refused(mint(drop=("exp",)), "bad_date"),
        )
    }
    assert len(told) == 1
    assert "urn:pratique:refusal:authentic" in told.pop()


def test_no_text_of_a_refusal_holds_what_was_claimed() -> None:
    """Neither a claim nor the key's name nor the token."""
    for change in ({"iss": "CANARY"}, {"aud": "CANARY"}, {"sub": "CANARY\n"}, {"exp": "CANARY"}):
        with pytest.raises(Refused) as caught:
            verify_token(mint(claims=change), POLICY, at=AT)
        assert "CANARY" not in f"{caught.value} {caught.value.hint} {caught.value.args}"
    told = refused(mint(header={"kid": "CANARY"}), "unknown_key")
    assert "CANARY" not in f"{told} {told.args}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issuer": ""}, "issuer="),
        ({"issuer": None}, "issuer="),
        ({"audience": ""}, "audience="),
        ({"audience": ()}, "audience="),
        ({"audience": (AUDIENCE, "")}, "audience="),
        ({"audience": {AUDIENCE}}, "audience="),
        ({"type": ""}, "type="),
        ({"type": None}, "type="),
        ({"algorithms": ()}, "algorithms="),
        ({"algorithms": "ES256"}, "algorithms="),
        ({"algorithms": ("none",)}, "algorithms="),
        ({"algorithms": ("ES256", "none")}, "algorithms="),
        ({"algorithms": ("ES256K",)}, "algorithms="),
        ({"algorithms": (5,)}, "algorithms="),
        ({"algorithms": ("RS256",)}, "no key that can serve"),
        ({"keys": {"keys": []}}, "at least one"),
        ({"keys": b"secret"}, "6 bytes"),
        ({"keys": b"change-me-change-me-change-me-change-me", "algorithms": ("HS256",)}, "HMAC secret that"),
        ({"keys": b"a" * 64, "algorithms": ("HS256",)}, "HMAC secret that"),
        ({"keys": jwk_of("HS256", k=text(b"secret" * 8)), "algorithms": ("HS256",)}, "HMAC secret that"),
        ({"leeway": timedelta(seconds=-1)}, "leeway="),
        ({"leeway": timedelta(minutes=6)}, "leeway="),
        ({"leeway": 5}, "leeway="),
        ({"lead": timedelta(seconds=-1)}, "lead="),
        ({"lead": timedelta(minutes=6)}, "lead="),
        ({"lead": 5}, "lead="),
        ({"max_age": timedelta(0)}, "max_age="),
        ({"max_age": 300}, "max_age="),
    ],
)  # fmt: skip
def test_a_bad_policy_is_refused_when_it_is_made(change: dict[str, Any], said: str) -> None:
    """BoundaryError, before any token comes. The twin is the policy of every test here."""
    with pytest.raises(BoundaryError, match=said):
        policy(**change)
    assert policy()


def test_a_policy_lists_every_debt_at_once() -> None:
    """Whoever mends one sees the others."""
    with pytest.raises(BoundaryError) as caught:
        policy(issuer="", audience=(), algorithms=(), keys=b"", leeway=timedelta(-1))
    assert len(caught.value.debts) == 5


def test_a_policy_may_have_several_audiences_of_ours() -> None:
    """While a name is rolled; another one is refused as before."""
    like = policy(audience=(AUDIENCE, "orders"))
    assert admitted(mint(), like)
    assert admitted(mint(claims={"aud": ["orders", "x"]}), like)
    refused(mint(claims={"aud": "billing"}), "wrong_audience", like)


def test_a_policy_keeps_no_secret_where_it_shows() -> None:
    """What was handed in as `keys` isn't kept; repr names none."""
    like = policy("HS256", keys=b"0123456789abcdefghijklmnopqrstuvwxyz")
    assert "0123456789" not in repr(like)
    assert isinstance(like.source, KeySet)
    assert admitted(mint("HS256", private=b"0123456789abcdefghijklmnopqrstuvwxyz"), like)


def test_a_policy_of_a_remote_source_waits_for_its_keys() -> None:
    """An empty snapshot is no debt: it refuses until the keys have come."""

    class Remote:
        current = KeySet([])

    source = Remote()
    like = policy(keys=source)
    refused(mint(), "unknown_key", like)
    source.current = KeySet.of(jwk_of("ES256"))
    assert admitted(mint(), like)


def test_the_last_second_is_a_time() -> None:
    """`exp` may be 9999-12-31T23:59:59Z, which the code of many an issuer means by "never"."""
    claims = admitted(mint(claims={"exp": LAST}))
    assert claims.expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("name", ["iss", "aud"])
def test_a_refusal_says_what_was_owed_and_nothing_that_came(name: str) -> None:
    """The declared issuer or audience stands in the event; what the token says in its place does not."""
    with pytest.raises(Refused) as caught:
        verify_token(mint(claims={name: "https://unproven.example"}), POLICY, at=AT)
    assert {"iss": ISSUER, "aud": AUDIENCE}[name] in caught.value.detail
    assert "unproven" not in str(caught.value)
    assert admitted(mint())
