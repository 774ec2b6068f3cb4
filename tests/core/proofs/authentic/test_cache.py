"""A token that was verified a moment ago: never past its end, never for another policy, never without bound."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from pratique.core.proofs.authentic import cache as module
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.refusal import BoundaryError, Refused
from tests.tokens import AT, NOW, jwk_of, mint, policy

POLICY = policy()
SECOND = timedelta(seconds=1)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what was really verified."""
    seen: list[str] = []
    real = module.verify_token

    def verify(token: str, *args: Any, **named: Any) -> Any:
        seen.append(token)
        return real(token, *args, **named)

    monkeypatch.setattr(module, "verify_token", verify)
    return seen


def test_a_second_look_is_saved(looked: list[str]) -> None:
    """The same claims come out, and the signature was checked once."""
    cache, token = TokenCache(), mint()
    first = cache.verify(token, POLICY, at=AT)
    assert cache.verify(token, POLICY, at=AT + SECOND) is first
    assert looked == [token]
    cache.clear()
    assert cache.verify(token, POLICY, at=AT) is not first
    assert looked == [token, token]


@pytest.mark.parametrize("text", ["", "x", "é", " ", "." * 20_000, "\ud800"])
def test_only_the_very_text_that_was_verified_is_found(text: str) -> None:
    """What stands where a token is looked for is looked up as it is: anything else finds nothing."""
    cache, token = TokenCache(), mint()
    assert cache.find(token, POLICY, at=AT) is None
    first = cache.verify(token, POLICY, at=AT)
    assert cache.find(token, POLICY, at=AT) is first
    for other in (text, token + text, text + token):
        assert (cache.find(other, POLICY, at=AT) is first) == (other == token)
    assert cache.find(token, policy(audience="https://other.example.com"), at=AT) is None
    assert cache.find(token, POLICY, at=first.expires_at) is None
    assert cache.find(token, POLICY, at=AT - SECOND) is None
    assert cache.size == 1


@pytest.mark.parametrize(
    ("claims", "late", "code"),
    [
        ({"exp": NOW + 5}, 5, "expired_token"),
        ({"nbf": NOW}, -1, "not_yet_valid"),
        ({"iat": NOW, "nbf": 0}, -1, "from_the_future"),
    ],
)
def test_the_dates_are_checked_on_each_hit(claims: Any, late: int, code: str) -> None:
    """A token is in the cache and over. The twin: a second before."""
    cache, token = TokenCache(), mint(claims=claims)
    assert cache.verify(token, POLICY, at=AT)
    with pytest.raises(Refused) as caught:
        cache.verify(token, POLICY, at=AT + late * SECOND)
    assert (caught.value.code, caught.value.status) == (code, 401)
    assert cache.verify(token, POLICY, at=AT + (late - 1 if late > 0 else 0) * SECOND)


def test_a_policy_s_max_age_ends_a_hit() -> None:
    """`iat` grows old in the cache too."""
    cache, token, like = TokenCache(), mint(), policy(max_age=30 * SECOND)
    assert cache.verify(token, like, at=AT + 20 * SECOND)
    with pytest.raises(Refused, match="stale"):
        cache.verify(token, like, at=AT + 21 * SECOND)


def test_an_entry_has_an_age(looked: list[str]) -> None:
    """After `max_age` it is looked at anew, and where the clock went back."""
    cache, token = TokenCache(max_age=10 * SECOND), mint()
    for after in (0, 10, 11, 21, 22, 15):
        assert cache.verify(token, POLICY, at=AT + after * SECOND)
    assert len(looked) == 4


def test_keys_that_changed_verify_anew(looked: list[str]) -> None:
    """A key that was withdrawn opens nothing, though its token is in the cache. The same keys again: a hit."""

    class Rolling:
        current = KeySet.of(jwk_of("ES256"))

    source = Rolling()
    cache, token, like = TokenCache(), mint(), policy(keys=source)
    assert cache.verify(token, like, at=AT)
    source.current = KeySet.of(jwk_of("ES256"))
    assert cache.verify(token, like, at=AT)
    assert len(looked) == 1
    source.current = KeySet.of(jwk_of("ES384"))
    with pytest.raises(Refused):
        cache.verify(token, like, at=AT)


def test_it_is_bounded_and_forgets_the_least_used(looked: list[str]) -> None:
    """Three places; the one that was used again stays."""
    cache, tokens = TokenCache(max_tokens=3), [mint(claims={"n": n}) for n in range(4)]
    for token in (*tokens[:3], tokens[0], tokens[3]):
        cache.verify(token, POLICY, at=AT)
        assert cache.size <= 3
    looked.clear()
    cache.verify(tokens[0], POLICY, at=AT)
    assert looked == []
    cache.verify(tokens[1], POLICY, at=AT)
    assert looked == [tokens[1]]


@pytest.mark.parametrize("token", ["", "x", "é", "." * 20_000, None, "\ud800", "a.b.c"])
def test_a_refusal_is_never_remembered(token: Any) -> None:
    """Strangers fill nothing. The twin is remembered."""
    cache = TokenCache()
    for _ in range(2):
        with pytest.raises(Refused):
            cache.verify(token, POLICY, at=AT)
    assert cache.size == 0
    assert cache.verify(mint(), POLICY, at=AT)
    assert cache.size == 1


@pytest.mark.parametrize(
    "bad", [{"max_tokens": 0}, {"max_age": timedelta(0)}, {"max_age": -SECOND}]
)
def test_a_cache_without_bounds_isn_t_made(bad: Any) -> None:
    """Empty is not "unset"; the twin has one place."""
    with pytest.raises(BoundaryError):
        TokenCache(**bad)
    assert TokenCache(max_tokens=1, max_age=SECOND)


def test_threads_share_it() -> None:
    """Two places and eight tokens from four threads: each gets its own claims."""
    cache, tokens = TokenCache(max_tokens=2), [mint(claims={"sub": f"s{n}"}) for n in range(8)]

    def look(number: int) -> bool:
        found = cache.verify(tokens[number % 8], POLICY, at=AT)
        return found.subject == f"s{number % 8}"

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look, range(400)))
    assert cache.size <= 2
