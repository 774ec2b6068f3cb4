"""Project Wycheproof's cases, read in place: each JWS, JWK and signature is decided as it is labelled.

They are other people's data and aren't copied: PRATIQUE_VECTORS names the folder that holds `wycheproof/`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pratique.core.proofs.authentic.algorithm import ALGORITHMS
from pratique.core.proofs.authentic.jws import verify_jws
from pratique.core.proofs.authentic.key import Key
from pratique.core.refusal import BoundaryError, Refused
from tests.vector_files import find

ES_OR_PS = "the key's alg is another one than the header's; RFC 7517 §4.4 is taken at its word"
OVERRIDES: dict[int, tuple[bool, str]] = {
    346: (False, ES_OR_PS),
    347: (False, ES_OR_PS + ' ("ES521" is none at all)'),
    350: (False, ES_OR_PS),
    351: (False, ES_OR_PS + ' ("ES521" is none at all)'),
    367: (True, "the same token as 357, which is valid"),
    370: (True, "the same token as 357, which is valid"),
    372: (False, "'?' is no letter of base64url (RFC 7515 §2)"),
    373: (False, "'?' is no letter of base64url (RFC 7515 §2)"),
}
"""tcId of json_web_signature_test.json -> (our verdict, the reason). Nothing else may differ."""


def groups(name: str) -> list[dict[str, Any]]:
    """Return the groups of one file, or skip visibly."""
    path = find(f"wycheproof/{name}.json")
    if path is None:
        pytest.skip(f"no wycheproof/{name}.json: PRATIQUE_VECTORS doesn't name its folder")
    found: list[dict[str, Any]] = json.loads(path.read_text())["testGroups"]
    assert found
    return found


def is_accepted(token: Any, keys: Any) -> bool:
    """Verify a JWS with the group's keys; anything but Refused goes through."""
    try:
        verify_jws(token, keys=keys, algorithms=ALGORITHMS)
    except Refused:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "overrides", "cases"),
    [
        ("json_web_signature_test", OVERRIDES, 401),
        ("json_web_key_test", {}, 26),
        ("json_web_crypto_test", {}, 83),
    ],
)
def test_a_token_is_decided_as_labelled(
    name: str,
    overrides: dict[int, tuple[bool, str]],
    cases: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every case of the file; what is encrypted (JWE) is no signature and refused."""
    wrong, ran = [], 0
    for group in groups(name):
        for case in group["tests"]:
            ran += 1
            label = case["result"] == "valid" and "jws" in case
            wanted = overrides.get(case["tcId"], (label,))[0]
            token = case["jws"] if "jws" in case else case["jwe"]
            if is_accepted(token, group.get("public") or group["private"]) is not wanted:
                wrong.append((case["tcId"], case["comment"], case["result"]))
    with capsys.disabled():
        print(f" [{ran} of {name}]", end="")
    assert wrong == []
    assert ran >= cases


def test_no_override_is_idle() -> None:
    """Each of the eight still differs from its label: the table holds nothing for later."""
    labels = {
        case["tcId"]: case["result"] == "valid"
        for group in groups("json_web_signature_test")
        for case in group["tests"]
    }
    assert len(OVERRIDES) == 8
    assert [tc for tc, (ours, _) in OVERRIDES.items() if labels[tc] is ours] == []


def test_the_two_that_are_labelled_invalid_are_the_valid_token() -> None:
    """367 and 370 are letter by letter 357."""
    tokens = {
        case["tcId"]: case["jws"]
        for group in groups("json_web_signature_test")
        for case in group["tests"]
    }
    assert tokens[367] == tokens[370] == tokens[357]


def keys_of(group: dict[str, Any]) -> Iterator[Key]:
    """Yield the key of a group in each form in which it is there."""
    jwk = group.get("publicKeyJwk") or group.get("keyJwk")
    if jwk is not None:
        yield Key.of_jwk({k: v for k, v in jwk.items() if k != "alg"})
    yield Key.of_pem(group["publicKeyPem"])


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("ecdsa_secp256r1_sha256_p1363_test", "ES256"),
        ("ecdsa_secp384r1_sha384_p1363_test", "ES384"),
        ("ecdsa_secp521r1_sha512_p1363_test", "ES512"),
        ("ed25519_test", "EdDSA"),
        ("rsa_signature_2048_sha256_test", "RS256"),
        ("rsa_pss_2048_sha256_mgf1_32_test", "PS256"),
    ],
)
def test_a_signature_is_decided_as_labelled(
    name: str, algorithm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every case, with the key as JWK and as PEM. A key that we don't take makes its group refused."""
    wrong, ran, taken = [], 0, Counter[bool]()
    for group in groups(name):
        try:
            keys = list(keys_of(group))
        except BoundaryError:
            keys = []
        taken[bool(keys)] += 1
        for case in group["tests"]:
            ran += 1
            signature, content = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
            found = {key.verifier(algorithm)(signature, content) for key in keys} or {False}
            allowed = (
                {True, False} if case["result"] == "acceptable" else {case["result"] == "valid"}
            )
            if len(found) != 1 or not found <= allowed:
                wrong.append((case["tcId"], case["comment"], case["flags"], case["result"]))
    with capsys.disabled():
        print(f" [{ran} of {name}]", end="")
    assert wrong == []
    assert ran > 100
    assert taken[True] > 0


def test_a_mac_is_decided_as_labelled(capsys: pytest.CaptureFixture[str]) -> None:
    """HS256 has a whole tag and a key of its size (RFC 7518 §3.2): cut tags and short keys are refused."""
    wrong, ran, accepted = [], 0, 0
    for group in groups("hmac_sha256_test"):
        for case in group["tests"]:
            ran += 1
            secret, tag = bytes.fromhex(case["key"]), bytes.fromhex(case["tag"])
            wanted = case["result"] == "valid" and len(tag) == len(secret) == 32
            if len(secret) >= 32:
                found = Key(secret).verifier("HS256")(tag, bytes.fromhex(case["msg"]))
                wanted |= case["result"] == "valid" and len(tag) == 32
            else:
                with pytest.raises(BoundaryError):
                    Key(secret)
                found = False
            accepted += found
            if found is not wanted:
                wrong.append((case["tcId"], case["comment"]))
    with capsys.disabled():
        print(f" [{ran} of hmac_sha256_test]", end="")
    assert wrong == []
    assert accepted > 20
