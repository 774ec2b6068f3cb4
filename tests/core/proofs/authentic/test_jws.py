"""A token is read in one way alone, and its own header chooses nothing but one of our keys."""

import json
from typing import Any

import pytest

from pratique.core.proofs.authentic import base64url, jws
from pratique.core.proofs.authentic.jws import MAX_TOKEN_BYTES, Opener, named_key, verify_jws
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.proofs.authentic.strict_json import MAX_DEPTH, DuplicateMemberError, object_of
from pratique.core.refusal import Refused
from tests.tokens import CLAIMS, jwk_of, mint, octets, pem_of, private_key, rsa_key, text

ES = "ES256"


def refused(token: Any, code: str, *, keys: Any = None, algorithms: Any = (ES,)) -> Refused:
    """Require a refusal with this code."""
    with pytest.raises(Refused) as caught:
        verify_jws(token, keys=keys or jwk_of(ES), algorithms=algorithms)
    assert (caught.value.obligation, caught.value.code) == ("authentic", code)
    return caught.value


def opened(token: str, keys: Any = None, algorithms: Any = (ES,)) -> jws.Jws:
    """Verify it."""
    return verify_jws(token, keys=keys or jwk_of(ES), algorithms=algorithms)


def test_what_was_signed_comes_out() -> None:
    """The header read-only, the payload as bytes, and no text shows them."""
    found = opened(mint(header={"list": [{"a": 1}]}, claims=b"anything \xff"))
    assert found.payload == b"anything \xff"
    assert found.header["list"] == ({"a": 1},)
    assert repr(found) == "Jws(10 bytes)"
    with pytest.raises(TypeError):
        found.header["alg"] = "none"  # type: ignore[index]


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_a_token_has_exactly_three_segments(count: int) -> None:
    """Five are a JWE; the twin has three."""
    parts = mint().split(".")
    refused(".".join([*parts, "AAAA", "AAAA"][: count + (count > 2)]), "malformed_token")
    assert opened(".".join(parts))


@pytest.mark.parametrize("segment", [0, 1, 2])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda part: part + "=",
        lambda part: part + "==",
        lambda part: part + "\n",
        lambda part: " " + part,
        lambda part: part[:4] + "?" + part[4:],
        lambda part: part[:4] + "\0" + part[4:],
        lambda part: part + "A",
        lambda part: part[:-1] + "+",
        lambda part: part[:-1] + "/",
        lambda part: part[:-1] + "é",
        lambda part: part + "\ud800",
    ],
)
def test_a_segment_is_canonical_base64url(segment: int, spoil: Any) -> None:
    """No padding, no white space, no other letter, in any segment. The twin is the token unspoilt."""
    token = mint(header={"typ": "at+jwt"}, claims={"x": "filler"})
    parts = token.split(".")
    parts[segment] = spoil(parts[segment])
    with pytest.raises(Refused) as caught:
        opened(".".join(parts))
    assert caught.value.status == 401
    assert opened(token)


def test_bits_behind_the_last_byte_are_refused() -> None:
    """RFC 4648 §3.5: four texts of one value would be four tokens."""
    assert base64url.decode(b"AA") == b"\0"
    assert base64url.decode(b"") == b""
    for other in (b"AB", b"AP", b"AAB", b"A", b"AA=", b"AA==", b"A A", b"AAA.", b"=", b"=AAA"):
        with pytest.raises(ValueError, match="base64url"):
            base64url.decode(other)
    token = mint()
    last = token[-1]
    assert last in "AQgw"
    refused(token[:-1] + chr(ord(last) + 1), "malformed_token")


@pytest.mark.parametrize("token", [None, 5, b"", ["a.b.c"], {"payload": "", "signatures": []}])
def test_what_is_no_text_is_refused(token: Any) -> None:
    """The flattened and the general serialization too: RFC 7519 §3 has the compact one alone."""
    refused(token, "malformed_token")
    assert opened(mint())


def test_a_token_over_the_limit_is_not_read() -> None:
    """At most 16384 bytes; at the limit it is read."""
    spare = MAX_TOKEN_BYTES - len(mint(claims=b""))
    at_limit = mint(claims=b"x" * (spare * 3 // 4))
    assert len(at_limit) in (MAX_TOKEN_BYTES, MAX_TOKEN_BYTES - 1)
    assert opened(at_limit)
    refused(mint(claims=b"x" * (spare * 3 // 4 + 2)), "token_too_large")
    refused("." * 100_000, "token_too_large")


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "jwk", "crit", "b64", "zip"])
@pytest.mark.parametrize("value", [None, "", [], "https://idp.example/", ["exp"], {}, True])
def test_a_token_names_no_key_and_no_extension(name: str, value: Any) -> None:
    """SV-07: refused whatever stands there, and nothing is fetched. The twins: hints that choose nothing."""
    refused(mint(header={name: value}), "forbidden_header")
    assert opened(mint(header={"x5t": "AA", "x5t#S256": "AA", "cty": "x", "iss": "y"}))


@pytest.mark.parametrize(
    "value", [None, 5, [], ["ES256"], {}, "es256", "ES256 ", "", "none", "ES384"]
)
def test_the_algorithm_is_one_of_ours_letter_by_letter(value: Any) -> None:
    """SV-04: no alg but one of the allowed ones, and no type but text."""
    refused(mint(header={"alg": value}), "algorithm_not_allowed")
    assert opened(mint(header={"alg": "ES256"}))


@pytest.mark.parametrize("algorithms", [(), [], "ES256", ("none",), ("ES224",), ("HS256",)])
def test_what_allows_no_algorithm_allows_none(algorithms: Any) -> None:
    """Empty is not "the recommended ones"; a lone text is letters."""
    refused(mint(), "algorithm_not_allowed", algorithms=algorithms)
    assert opened(mint(), algorithms={ES, "none"})


@pytest.mark.parametrize("value", [None, 5, [], {}, True])
@pytest.mark.parametrize("name", ["kid", "typ"])
def test_a_name_or_a_type_that_is_no_text_is_refused(name: str, value: Any) -> None:
    """Unhashable ones crash a reader that looks them up."""
    refused(mint(header={name: value}), "malformed_token")
    assert opened(mint())


@pytest.mark.parametrize(
    "head",
    [
        b"", b"[]", b"null", b'"x"', b"5", b"{", b'{"alg":"ES256",}', b"\xef\xbb\xbf{}", b'{"alg":\xff}',
        b'{"alg":"ES256","x":NaN}', b'{"alg":"ES256","x":1e999}', b'{"alg":"ES256","x":' + b"9" * 5000 + b"}",
        b'{"alg":"ES256","x":"\\ud800"}', b'{"alg":"ES256"}{}', '{"alg":"ES256"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_a_header_is_one_json_object(head: bytes) -> None:
    """Of finite numbers, in UTF-8, of whole characters."""
    refused(mint(header=head), "malformed_token")
    assert opened(mint(header=b' { "alg" : "ES256" ,"kid":"k1"} \n'))


@pytest.mark.parametrize(
    "head",
    [
        b'{"alg":"none","alg":"ES256","kid":"k1"}',
        b'{"alg":"ES256","kid":"k1","kid":"k1"}',
        b'{"alg":"ES256","kid":"k1","\\u0061lg":"ES256"}',
        b'{"alg":"ES256","kid":"k1","x":[{"a":1,"a":1}]}',
        b'{"alg":"ES256","kid":"k1","x":{"a":{"b":1,"c":":","b":"\\u003a"}}}',
    ],
)
def test_a_member_stands_once_at_any_depth(head: bytes) -> None:
    """RFC 7515 §4: two readers would take different ones (CWE-436). The twin has other names."""
    refused(mint(header=head), "duplicate_member")
    assert opened(
        mint(header=b'{"alg":"ES256","kid":"k1","x":{"a":{"b":1,"c":":","d":"\\u003a"}}}')
    )


def test_an_object_has_a_depth() -> None:
    """32 objects and lists inside each other, whatever the caller's stack is; 33 are refused."""
    inside = MAX_DEPTH - 1
    at_limit = b'{"x":' + b"[" * inside + b"]" * inside + b"}"
    assert object_of(at_limit)
    assert object_of(b'{"x":"' + b"[" * 5000 + b'"}')
    for deep in (MAX_DEPTH, 900, 5000):
        for text_ in (
            b'{"x":' + b"[" * deep + b"]" * deep + b"}",
            b'{"x":' * (deep + 1) + b"1" + b"}" * (deep + 1),
        ):
            with pytest.raises(ValueError, match="deep"):
                object_of(text_)
    with pytest.raises(DuplicateMemberError):
        object_of(b'{"\\n":' + b"[" * inside + b"]" * inside + b',"\\n":1}')


def test_an_unknown_key_is_refused_and_named() -> None:
    """SV-05: the code tells whoever refreshes keys; what the token asks for is `named_key`."""
    token = mint(header={"kid": "k2"})
    refused(token, "unknown_key")
    assert named_key(token) == "k2"
    assert opened(token, jwk_of(ES, kid="k2"))
    assert named_key(mint(header=b"{}")) is None
    assert named_key(mint(header=b'{"kid":5}')) is None
    with pytest.raises(Refused, match="malformed_token"):
        named_key("a")


def test_a_key_is_for_its_own_algorithm() -> None:
    """RFC 8725 §3.1: the token chooses none. PS256 with a key that is pinned to RS256, and its twin."""
    token = mint("PS256")
    refused(token, "algorithm_not_allowed", keys=jwk_of("RS256"), algorithms=("RS256", "PS256"))
    assert opened(token, jwk_of("PS256"), ("RS256", "PS256"))
    unpinned = {name: value for name, value in jwk_of("RS256").items() if name != "alg"}
    assert opened(token, unpinned, ("RS256", "PS256"))
    assert opened(token, unpinned, ("PS256",))


def test_a_header_that_lies_about_its_algorithm_is_refused() -> None:
    """The signature is RS384's and the header says RS256; the twin is true."""
    unpinned = {name: value for name, value in jwk_of("RS256").items() if name != "alg"}
    both = ("RS256", "RS384")
    refused(mint("RS256", signed_as="RS384"), "bad_signature", keys=unpinned, algorithms=both)
    assert opened(mint("RS384"), unpinned, both)


@pytest.mark.parametrize("keys", [None, 5, {}, b"short", {"keys": []}, "x"])
def test_unusable_keys_refuse(keys: Any) -> None:
    """`verify_jws` raises Refused alone."""
    with pytest.raises(Refused, match="unusable_keys"):
        verify_jws(mint(), keys=keys, algorithms=(ES,))


def test_a_remembered_header_is_checked_as_the_first_one() -> None:
    """Only a verified token's header is kept; other bytes under the same header are refused."""
    opener = Opener(KeySet.of(jwk_of(ES)), frozenset({ES}))
    forged = mint(private=private_key(ES, "other"))
    headings = opener._moment.headings
    for _ in range(2):
        with pytest.raises(Refused):
            opener.open(forged)
        assert headings == {}
    assert opener.open(mint())[1] == json.dumps(CLAIMS).encode()
    assert len(headings) == 1
    with pytest.raises(Refused, match="bad_signature"):
        opener.open(forged)
    head, body, signature = mint(claims={"sub": "other"}).split(".")
    with pytest.raises(Refused, match="bad_signature"):
        opener.open(f"{head}.{mint().split('.')[1]}.{signature}")
    assert opener.open(f"{head}.{body}.{signature}")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer that writes another header into each token fills nothing."""
    monkeypatch.setattr(jws, "MAX_HEADINGS", 3)
    opener = Opener(KeySet.of(jwk_of(ES)), frozenset({ES}))
    for number in range(10):
        assert opener.open(mint(header={"n": number}))
        assert len(opener._moment.headings) <= 3


def test_new_keys_forget_what_the_old_ones_verified() -> None:
    """SV-25: the snapshot of the moment decides: a key that is gone verifies nothing more."""

    class Rolling:
        current = KeySet.of(jwk_of(ES))

    source = Rolling()
    opener = Opener(source, frozenset({ES, "RS256"}))
    token, other = mint(), mint("RS256")
    assert opener.open(token)
    source.current = KeySet.of(jwk_of("RS256"))
    with pytest.raises(Refused, match="algorithm_not_allowed"):
        opener.open(token)
    assert opener.open(other)
    source.current = KeySet([])
    with pytest.raises(Refused, match="unknown_key"):
        opener.open(other)


def test_a_pem_key_is_for_every_name() -> None:
    """It has none itself, so `kid` chooses nothing."""
    assert opened(mint("RS256"), _pem(), ("RS256",))
    assert opened(mint("RS256", header={"kid": "other"}), _pem(), ("RS256",))
    refused(
        mint("RS256", private=rsa_key("other")), "bad_signature", keys=_pem(), algorithms=("RS256",)
    )


def _pem() -> str:
    return pem_of(rsa_key()).decode()


def test_a_second_signature_of_the_same_content_is_a_signature() -> None:
    """ECDSA is malleable: (r, n - s) verifies too. So a token's text is no name for it (see verify_jws)."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    signed, _, signature = mint().rpartition(".")
    raw = octets(signature)
    twin = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    assert text(twin) != signature
    assert opened(f"{signed}.{text(twin)}").payload == opened(f"{signed}.{signature}").payload
