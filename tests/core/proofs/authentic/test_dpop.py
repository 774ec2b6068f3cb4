"""A proof that a client holds a key: for this request, this token, now."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwk as joserfc_jwk
from joserfc import jws as joserfc_jws

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic.dpop import (
    DPoPProof,
    proof_of,
    require_bound,
    verify_proof,
)
from pratique.core.proofs.authentic.dpop_policy import DPoPPolicy
from pratique.core.refusal import BoundaryError, Refused
from tests.proofs_of_possession import API, NOON, Holder, b64

TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
OF_THE_STANDARD = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk"
    "lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUw"
    "Q2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1Ijoia"
    "HR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjo"
    "iZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRi"
    "mPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
FOR_A_TOKEN_ENDPOINT = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk"
    "lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUw"
    "Q2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6I"
    "mh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A"
    "0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
CLIENT, THIEF = Holder(), Holder()
POLICY = DPoPPolicy(origin=API)


def verify(proof: str, **changes: Any) -> DPoPProof:
    """Verify a proof, as of noon."""
    told: dict[str, Any] = {
        "method": "GET",
        "target": "/me?x=1",
        "token": TOKEN,
        "at": NOON,
        **changes,
    }
    return verify_proof(proof, told.pop("policy", POLICY), **told)


def refusal(proof: str, **changes: Any) -> Refused:
    """Return why a proof proves nothing."""
    with pytest.raises(Refused) as caught:
        verify(proof, **changes)
    return caught.value


def test_the_proof_of_the_standard_is_read() -> None:
    """RFC 9449 §7.1 (the request of figure 12) and §6.1: its thumbprint."""
    shown = verify(
        OF_THE_STANDARD,
        policy=DPoPPolicy(origin="https://resource.example.org"),
        target="/protectedresource",
        at=datetime.fromtimestamp(1562262618, UTC),
    )
    assert shown.thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert (shown.id, shown.url) == (
        "e1j3V_bKic8-LAEB",
        "https://resource.example.org/protectedresource",
    )


def test_a_proof_for_no_token_is_refused() -> None:
    """RFC 9449 §4.1, §4.2: the example for a token endpoint has all but `ath`, which is owed here."""
    refused = refusal(
        FOR_A_TOKEN_ENDPOINT,
        policy=DPoPPolicy(origin="https://server.example.com"),
        method="POST",
        target="/token",
        at=datetime.fromtimestamp(1562262616, UTC),
    )
    assert refused.code == "wrong_token_hash"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"htm": "POST"}, "wrong_method"),
        ({"htm": "get"}, "wrong_method"),
        ({"htm": None}, "wrong_method"),
        ({"htm": ["GET"]}, "wrong_method"),
        ({"htu": "https://evil.example/me"}, "wrong_url"),
        ({"htu": f"{API}/you"}, "wrong_url"),
        ({"htu": f"{API}:8443/me"}, "wrong_url"),
        ({"htu": "http://api.example/me"}, "wrong_url"),
        ({"htu": f"{API}/x/../me"}, "wrong_url"),
        ({"htu": "/me"}, "wrong_url"),
        ({"htu": None}, "wrong_url"),
        ({"htu": 7}, "wrong_url"),
        ({"iat": None}, "bad_date"),
        ({"iat": "1795694400"}, "bad_date"),
        ({"iat": True}, "bad_date"),
        ({"iat": -1}, "bad_date"),
        ({"iat": 1e300}, "bad_date"),
        ({"iat": int(NOON.timestamp()) - 66}, "stale"),
        ({"iat": int(NOON.timestamp()) + 6}, "from_the_future"),
        ({"ath": None}, "wrong_token_hash"),
        ({"ath": ""}, "wrong_token_hash"),
        ({"ath": b64(b"x" * 32)}, "wrong_token_hash"),
        ({"ath": 1}, "wrong_token_hash"),
        ({"jti": None}, "bad_proof"),
        ({"jti": ""}, "bad_proof"),
        ({"jti": 7}, "bad_proof"),
        ({"jti": "a\u0000b"}, "bad_proof"),
        ({"jti": "a" * 257}, "bad_proof"),
        ({"header": {"typ": "JWT"}}, "bad_proof"),
        ({"header": {"typ": "DPOP+JWT"}}, "bad_proof"),
        ({"header": {"typ": "application/dpop+jwt"}}, "bad_proof"),
        ({"header": {"typ": None}}, "bad_proof"),
        ({"header": {"alg": "none"}}, "algorithm_not_allowed"),
        ({"header": {"alg": "HS256"}}, "algorithm_not_allowed"),
        ({"header": {"alg": "ES384"}}, "algorithm_not_allowed"),
        ({"header": {"alg": "EdDSA"}}, "algorithm_not_allowed"),
        ({"header": {"alg": ["ES256"]}}, "algorithm_not_allowed"),
        ({"header": {"jwk": None}}, "bad_proof_key"),
        ({"header": {"jwk": "x"}}, "bad_proof_key"),
        ({"header": {"jwk": {}}}, "bad_proof_key"),
        ({"header": {"jwk": {"kty": "oct", "k": "a" * 43}}}, "private_key_shown"),
        ({"header": {"jwk": {**CLIENT.jwk, "d": "a" * 43}}}, "private_key_shown"),
        ({"header": {"jwk": {**CLIENT.jwk, "k": "a" * 43}}}, "private_key_shown"),
        ({"header": {"jwk": {**CLIENT.jwk, "crv": "secp256k1"}}}, "bad_proof_key"),
        ({"header": {"jwk": {**CLIENT.jwk, "x": CLIENT.jwk["y"]}}}, "bad_proof_key"),
        ({"header": {"jwk": {**CLIENT.jwk, "x": CLIENT.jwk["x"] + "="}}}, "bad_proof_key"),
        ({"header": {"jwk": {**CLIENT.jwk, "use": "enc"}}}, "bad_proof_key"),
        ({"header": {"jwk": THIEF.jwk}}, "bad_signature"),
        ({"header": {"jku": "https://evil.example/keys"}}, "forbidden_header"),
        ({"header": {"x5c": ["x"]}}, "forbidden_header"),
        ({"header": {"crit": ["b64"], "b64": False}}, "forbidden_header"),
    ],
)
def test_a_hostile_proof_is_refused(changes: dict[str, Any], code: str) -> None:
    """RFC 9449 §4.3, each number: 401 and the same for all; the honest twin is read."""
    refused = refusal(CLIENT.proof(TOKEN, **changes))
    assert (refused.code, refused.status) == (code, 401)
    assert refused.problem()["type"] == "urn:pratique:refusal:authentic"
    assert refused.error == "invalid_dpop_proof"
    dates = ("bad_date", "stale", "from_the_future")
    assert refused.obligation is (FRESH if code in dates else AUTHENTIC)
    assert verify(CLIENT.proof(TOKEN)).thumbprint == CLIENT.jkt


@pytest.mark.parametrize(
    "changes",
    [
        {"htu": f"{API}/me?y=2#top"},
        {"htu": "HTTPS://API.EXAMPLE:443/m%65"},
        {"iat": int(NOON.timestamp()) - 65},
        {"iat": int(NOON.timestamp()) + 5},
        {"iat": NOON.timestamp() - 0.5},
        {"jti": "a" * 256},
        {"nonce": "whatever", "exp": 1},
        {"header": {"kid": "mine"}},
        {"header": {"jwk": {**CLIENT.jwk, "use": "sig", "kid": "mine", "alg": "ES256"}}},
    ],
)
def test_what_an_honest_client_may_send_too(changes: dict[str, Any]) -> None:
    """Each limit holds up to its last value; what isn't asked for isn't looked at."""
    assert verify(CLIENT.proof(TOKEN, **changes)).thumbprint == CLIENT.jkt


def test_another_form_is_refused() -> None:
    """Text that is no JWS, too long, or has two members of one name (CWE-436)."""
    honest = CLIENT.proof(TOKEN)
    head, body, signature = honest.split(".")
    forms = [
        "",
        "x",
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{honest}.x",
        f" {honest}",
        f"{honest}, {honest}",
        f"{head}.{body}.{signature}=",
        honest + "\u00e4",
        "a" * 8193,
        CLIENT.sign(b"[]", b"{}"),
        CLIENT.sign(b'{"typ":"dpop+jwt","typ":"dpop+jwt"}', b"{}"),
    ]
    header = json.dumps({"typ": "dpop+jwt", "alg": "ES256", "jwk": CLIENT.jwk}).encode()
    forms += [CLIENT.sign(header, text) for text in (b"[]", b"\xff", b'{"htm":"GET","htm":"GET"}')]
    for text in forms:
        refused = refusal(text)
        assert refused.code in ("bad_proof", "bad_signature"), text
        assert text[:9] not in str(refused) or len(text) < 9
    assert verify(honest).id


def test_a_request_target_that_is_no_path_is_refused() -> None:
    """The host of an absolute target is the client's word; so is a path that two readers resolve."""
    proof = CLIENT.proof(TOKEN)
    for target in ("https://api.example/me", "", "*", "/x/../me", "/%zz"):
        assert refusal(proof, target=target).code == "unusable_target"
    assert verify(proof, target="/me").url == f"{API}/me"


def test_a_nonce_of_ours_is_owed_where_it_is_asked_for() -> None:
    """RFC 9449 §9, §11.3: none, another, and an empty list of ours are refused."""
    for proof in (
        CLIENT.proof(TOKEN),
        CLIENT.proof(TOKEN, nonce="x"),
        CLIENT.proof(TOKEN, nonce=1),
    ):
        refused = refusal(proof, nonces=("now", "before"))
        assert (refused.code, refused.error) == ("wrong_nonce", "use_dpop_nonce")
    assert refusal(CLIENT.proof(TOKEN, nonce=""), nonces=()).code == "wrong_nonce"
    assert refusal(CLIENT.proof(TOKEN, nonce=""), nonces=("",)).code == "wrong_nonce"
    for nonce in ("now", "before"):
        assert verify(CLIENT.proof(TOKEN, nonce=nonce), nonces=("now", "before")).id


def test_a_token_is_bound_to_this_key_alone() -> None:
    """RFC 9449 §6.1: no cnf, another key's, another kind of binding; the client's own is in."""
    shown = verify(CLIENT.proof(TOKEN))
    for cnf, code in [
        (None, "unbound_token"),
        ({}, "bound_token"),
        ("jkt", "bound_token"),
        ({"jkt": THIEF.jkt}, "other_key"),
        ({"jkt": CLIENT.jkt.lower()}, "other_key"),
        ({"jkt": None}, "other_key"),
        ({"jkt": ""}, "other_key"),
        ({"x5t#S256": CLIENT.jkt}, "bound_token"),
        ({"jkt": CLIENT.jkt, "x5t#S256": CLIENT.jkt}, "bound_token"),
    ]:
        with pytest.raises(Refused) as caught:
            require_bound(cnf, shown)
        assert (caught.value.code, caught.value.status) == (code, 401)
    require_bound({"jkt": CLIENT.jkt}, shown)


def test_a_use_is_of_one_key_one_id_and_one_url() -> None:
    """RFC 9449 §11.1: two clients may choose one id; one client's id is used once a URL."""
    one = verify(CLIENT.proof(TOKEN, jti="a"))
    assert one.single_use == verify(CLIENT.proof(TOKEN, jti="a", htu=f"{API}/me?z")).single_use
    other_url = verify(CLIENT.proof(TOKEN, jti="a", url=f"{API}/you"), target="/you")
    others = {
        verify(THIEF.proof(TOKEN, jti="a")).single_use,
        verify(CLIENT.proof(TOKEN, jti="b")).single_use,
        other_url.single_use,
    }
    assert len({one.single_use, *others}) == 4


def test_the_field_comes_once() -> None:
    """RFC 9449 §4.3, 1."""
    for lines, code in (([], "no_proof"), ([("DPoP", "a"), ("dpop", "b")], "several_proofs")):
        with pytest.raises(Refused) as caught:
            proof_of(Fields(lines))
        assert caught.value.code == code
    assert proof_of(Fields([("dpop", "a")])) == "a"


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "api.example"},
        {"algorithms": ()},
        {"algorithms": ("HS256",)},
        {"algorithms": ("none",)},
        {"algorithms": "ES256"},
        {"max_age": timedelta(0)},
        {"max_age": timedelta(minutes=6)},
        {"leeway": timedelta(seconds=-1)},
        {"leeway": timedelta(minutes=2)},
    ],
)
def test_a_policy_that_is_none_is_our_mistake(changes: dict[str, Any]) -> None:
    """Empty, symmetric and endless are told at the import; the twin is made."""
    with pytest.raises(BoundaryError, match="DPoPToken"):
        DPoPPolicy(**{"origin": API, **changes})
    assert DPoPPolicy(origin=API, algorithms=("RS256", "PS256"))


def test_what_is_accepted_another_library_verifies_too() -> None:
    """What we take, joserfc takes with the key in it, and names the key alike."""
    for text in (OF_THE_STANDARD, *(CLIENT.proof(TOKEN) for _ in range(20))):
        known = joserfc_jws.extract_compact(text.encode())
        key = joserfc_jwk.import_key(known.headers()["jwk"])
        assert joserfc_jws.deserialize_compact(text, key, algorithms=["ES256"]).payload
        if text != OF_THE_STANDARD:
            assert key.thumbprint() == verify(text).thumbprint
