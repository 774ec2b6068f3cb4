"""`scheme.answer` by itself: which secret answers, what is read of a query, and who has no handshake."""

from datetime import timedelta

import pytest

from pratique import Claim, Fields, Refused
from pratique.core.claim import Via
from pratique.core.secret import LiveSecret
from pratique.webhook import providers
from pratique.webhook.facts import Facts, declared_url
from tests.webhook.samples import ANOTHER, AT, SAMPLES, SECRET

X = providers.get("x-twitter")


def asked(query: str) -> Claim:
    """Return the GET of X's handshake."""
    return Claim(b"", Fields(), AT, Via(method="GET", target=f"/hooks/x?{query}"))


def told(secret: str, token: str = "abc") -> bytes:
    """Return what a secret answers."""
    return f'{{"response_token":"{X.keying(secret).seal((token.encode(),))}"}}'.encode()


def test_while_a_secret_is_rolled_the_first_live_one_answers() -> None:
    """One whose not-after has passed answers nothing, and is no reason to answer with none."""
    old = LiveSecret("old", ANOTHER, AT)
    new = LiveSecret("new", SECRET)
    still = LiveSecret("still", ANOTHER, AT + timedelta(seconds=1))
    claim = asked("crc_token=abc")
    assert X.answer(claim, secrets=[new, still]) == told(SECRET)
    assert X.answer(claim, secrets=[still, new]) == told(ANOTHER)
    assert X.answer(claim, secrets=[old, new]) == told(SECRET)
    with pytest.raises(Refused) as refused:
        X.answer(claim, secrets=[old])
    assert refused.value.code == "expired_secret"


@pytest.mark.parametrize(
    "query",
    ["", "crc_token=", "crc_token=a&crc_token=b", "other=abc", "&".join("a=1" for _ in range(40))],
)
def test_a_query_that_two_programs_read_apart_asks_for_nothing(query: str) -> None:
    """No token, two of them, or more parameters than anybody sends; the twin is answered."""
    with pytest.raises(Refused) as refused:
        X.answer(asked(query), secrets=[SECRET])
    assert refused.value.code == "bad_challenge"
    assert X.answer(asked("crc_token=abc&nonce=1"), secrets=[SECRET]) == told(SECRET)


@pytest.mark.parametrize("secrets", [[], [""], ""])
def test_no_secret_answers_nothing(secrets: list[str] | str) -> None:
    """Law 6."""
    with pytest.raises(Refused) as refused:
        X.answer(asked("crc_token=abc"), secrets=secrets)
    assert refused.value.code == "no_secret"


def test_a_sender_without_a_handshake_says_so() -> None:
    """LookupError: a mistake of ours, and no refusal of a sender."""
    with pytest.raises(LookupError, match="github"):
        providers.get("github").answer(asked("crc_token=abc"), secrets=[SECRET])


def test_sealing_says_what_it_lacks() -> None:
    """A URL that is signed, a signature inside the content; sealed() does both."""
    for case in ("square", "braintree"):
        sample = SAMPLES[case]
        with pytest.raises(ValueError, match=r"pass url=|call sealed"):
            sample.scheme.seal(sample.content(AT), secret=SECRET, at=AT, **sample.pins)
        assert sample.refused(sample.sealed()) is None


def test_no_url_is_declared_by_nobody_else() -> None:
    """What signs a URL never takes one from elsewhere."""
    with pytest.raises(Refused) as refused:
        declared_url(Facts())
    assert refused.value.code == "undeclared"


def test_an_unreadable_content_with_a_time_in_a_field_has_the_digest_of_its_bytes() -> None:
    """Sanity's projection may be anything at all."""
    sample = SAMPLES["sanity"]
    keys = {sample.open(sample.sealed(content)).key for content in (b"\xff", b"[1]", b"{}", b"")}
    assert len(keys) == 4
