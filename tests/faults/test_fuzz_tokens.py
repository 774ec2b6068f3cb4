"""A short run of the fuzz of `verify_token`; the long one is python -m tests.faults.fuzz_tokens --seconds 300."""

from itertools import islice
from typing import Any

import jwt
import pytest

from pratique.core.proofs.authentic.jwt import JwtClaims, TokenPolicy
from tests.faults.fuzz_tokens import OTHERS, OtherRefusedError, TokenFigures, look, run
from tests.faults.token_mill import Made, tokens
from tests.tokens import ALGORITHMS, CLAIMS, NOW, mint

TOKENS = 3000


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_whatever_we_take_the_others_take() -> None:
    """Nothing but `Refused`, the same claims for each reader; many are taken, of each algorithm."""
    found = run(20261126, count=TOKENS)
    assert found.told == []
    assert found.tried == TOKENS
    assert found.accepted.total() > TOKENS // 10
    assert min(found.accepted[algorithm] for algorithm in ALGORITHMS) > 10
    codes = "malformed_token forbidden_header bad_signature algorithm_not_allowed duplicate_member"
    assert min(found.refused[code] for code in codes.split()) > 20


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_reader_is_asked(name: str, algorithm: str) -> None:
    """Each takes an honest token, so that its silence means something, and refuses three that aren't."""
    read = OTHERS[name]
    assert read(Made(mint(algorithm), algorithm)) == CLAIMS
    for change in ({"exp": NOW}, {"aud": "x"}, {"iss": "x"}):
        with pytest.raises(OtherRefusedError):
            read(Made(mint(algorithm, claims=change), algorithm))
    with pytest.raises(OtherRefusedError, match="typ"):
        read(Made(mint(algorithm, header={"typ": "JWT"}), algorithm))


def test_a_verifier_that_lets_too_much_through_is_found() -> None:
    """The rule bites: no signature, other claims, a crash. The twin is verify_token itself."""

    def unverified(token: str, _: TokenPolicy) -> JwtClaims:
        return JwtClaims(jwt.decode(token, options={"verify_signature": False}))

    def other_claims(token: str, _: TokenPolicy) -> JwtClaims:
        return JwtClaims({**CLAIMS, "sub": "somebody else"})

    def broken(token: str, _: TokenPolicy) -> Any:
        raise ValueError(token)

    forged, honest = Made(mint()[:-8] + "AAAAAAAA", "ES256"), Made(mint(), "ES256")
    for judge, made in ((unverified, forged), (other_claims, honest), (broken, honest)):
        found = TokenFigures()
        look(made, found, judge)
        assert found.wrong > 0
    found = TokenFigures()
    for made in (forged, honest):
        look(made, found)
    assert (found.wrong, found.accepted.total(), found.refused.total()) == (0, 1, 1)


def test_one_seed_one_run() -> None:
    """What was found can be found again; the signatures themselves are made with chance."""

    def shapes(seed: int) -> list[tuple[int, str]]:
        return [(len(one.token), one.algorithm) for one in islice(tokens(seed), 400)]

    assert shapes(7) == shapes(7)
    assert shapes(7) != shapes(8)


def test_a_token_that_is_shown_to_another_policy_is_no_disagreement() -> None:
    """It is a refusal by everybody."""
    found = TokenFigures()
    look(Made(mint("RS256"), "PS256"), found)
    assert (found.wrong, dict(found.refused)) == (0, {"algorithm_not_allowed": 1})
