"""What we sign, others verify; what others sign, we verify: http-message-signatures is the oracle."""

import base64
import warnings
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from hypothesis import given
from hypothesis import strategies as st

from pratique import Fields
from pratique.core.proofs.authentic.content_digest import content_digest
from pratique.core.proofs.authentic.rfc9421 import (
    Algorithm,
    MessageKey,
    RequestMessage,
    ResponseMessage,
    sign_request,
    verify_request,
    verify_response,
)
from pratique.core.refusal import BoundaryError
from tests.core.proofs.authentic.rfc9421.parties import (
    ASKED,
    AT,
    OURS,
    REQUEST,
    RESPONSE,
    SECRET,
    THEIRS,
    URL,
    answer_policy,
    answered,
    material,
    pair,
    policy,
    signed,
)

THEIR_NAMES: dict[Algorithm, Any] = {
    Algorithm.ED25519: algorithms.ED25519,
    Algorithm.ECDSA_P256_SHA256: algorithms.ECDSA_P256_SHA256,
    Algorithm.ECDSA_P384_SHA384: algorithms.ECDSA_P384_SHA384,
    Algorithm.RSA_PSS_SHA512: algorithms.RSA_PSS_SHA512,
    Algorithm.RSA_V1_5_SHA256: algorithms.RSA_V1_5_SHA256,
    Algorithm.HMAC_SHA256: algorithms.HMAC_SHA256,
}


class Lines(MutableMapping[str, str]):
    """Field lines as that library wants them: every line in order, and settable by name."""

    def __init__(self, fields: Fields) -> None:
        self.lines = list(fields)

    def items(self) -> Any:
        return list(self.lines)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self.lines))

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, name: str) -> str:
        return ", ".join(v for n, v in self.lines if n.lower() == name.lower())

    def __setitem__(self, name: str, value: str) -> None:
        self.lines = [line for line in self.lines if line[0].lower() != name.lower()]
        self.lines.append((name, value))

    def __delitem__(self, name: str) -> None:
        self.lines = [line for line in self.lines if line[0].lower() != name.lower()]


class TheirRequest:
    def __init__(self, request: RequestMessage) -> None:
        self.method, self.url, self.headers = request.method, request.url, Lines(request.fields)


class TheirResponse:
    def __init__(self, response: ResponseMessage) -> None:
        self.status_code, self.headers = response.status, Lines(response.fields)
        self.request = TheirRequest(response.request) if response.request else None


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm

    def resolve_public_key(self, key_id: str) -> Any:
        if self.algorithm is Algorithm.HMAC_SHA256:
            return SECRET
        return material(self.algorithm).public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        return SECRET if self.algorithm is Algorithm.HMAC_SHA256 else material(self.algorithm)


def they_verify(message: Any, algorithm: Algorithm) -> bool:
    """Say whether the oracle verifies a message."""
    verifier = HTTPMessageVerifier(
        signature_algorithm=THEIR_NAMES[algorithm], key_resolver=Keys(algorithm)
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verifier.verify(message, max_age=timedelta(days=36500))
    except InvalidSignature:
        return False
    return True


def they_sign(message: Any, algorithm: Algorithm, covered: tuple[str, ...]) -> Fields:
    """Return the fields of a message that the oracle has signed."""
    signer = HTTPMessageSigner(
        signature_algorithm=THEIR_NAMES[algorithm], key_resolver=Keys(algorithm)
    )
    named: dict[str, Any] = {"key_id": "k", "created": NOW, "nonce": "n", "tag": "t"}
    signer.sign(message, covered_component_ids=covered, use_existing_digest=True, **named)
    return Fields(message.headers.items())


NOW = datetime.now(UTC).replace(microsecond=0)
"""That library verifies against its own clock."""
TEXT = tuple(
    f'"{name}"{params}'
    for name, params in (
        ("@status", ""),
        ("content-digest", ""),
        ("@method", ";req"),
        ("@target-uri", ";req"),
        ("content-digest", ";req"),
    )
)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_what_we_sign_the_oracle_verifies(algorithm: Algorithm) -> None:
    """Both kinds of message, every algorithm; the oracle refuses what was changed."""
    private, _ = pair(algorithm)
    request = signed(key=private, at=NOW)
    assert they_verify(TheirRequest(request), algorithm)
    moved = RequestMessage("PUT", request.url, request.fields, request.content)
    assert not they_verify(TheirRequest(moved), algorithm)
    response = answered(key=private, at=NOW)
    assert they_verify(TheirResponse(response), algorithm)
    other = ResponseMessage(201, response.fields, response.content, response.request)
    assert not they_verify(TheirResponse(other), algorithm)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_what_the_oracle_signs_we_verify(algorithm: Algorithm) -> None:
    """The other way round."""
    _, public = pair(algorithm)
    covered = ("@method", "@target-uri", "content-digest", "content-type")
    fields = they_sign(TheirRequest(ASKED), algorithm, covered)
    found = verify_request(
        RequestMessage("POST", URL, fields, ASKED.content), policy(keys=[public]), at=NOW
    )
    assert (found.nonce, found.tag, found.created) == ("n", "t", NOW)
    digest = ("Content-Digest", content_digest(RESPONSE.content))
    full = ResponseMessage(200, Fields([*RESPONSE.fields, digest]), RESPONSE.content, ASKED)
    answer = they_sign(TheirResponse(full), algorithm, TEXT)
    verified = verify_response(
        ResponseMessage(200, answer, full.content, ASKED), answer_policy(keys=[public]), at=NOW
    )
    assert verified.covered == TEXT


NAMES = st.sampled_from(["X-A", "x-b", "Date", "Accept"])
VALUES = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
WORDS = st.text(alphabet="abcXYZ019-._~", max_size=5)


@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.lists(WORDS, max_size=3),
    st.lists(st.tuples(WORDS, WORDS), max_size=3),
    st.binary(max_size=12),
)
def test_any_request_that_we_sign_the_oracle_reads_as_we_do(
    lines: list[tuple[str, str]],
    path: list[str],
    query: list[tuple[str, str]],
    content: bytes,
) -> None:
    """Every derived component, every field, several lines of one name: one signature base."""
    url = "https://host.example/" + "/".join(path)
    if query:
        url += "?" + "&".join(f"{name}={value}" for name, value in query)
    request = RequestMessage("POST", url, Fields(lines), content)
    names = sorted({name.lower() for name, _ in lines})
    components = ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path"]
    components += ["@query", *names, *(f"{name};bs" for name in names), "content-digest"]
    once = [name for name, _ in query if [n for n, _ in query].count(name) == 1 and name]
    components += [f'@query-param;name="{name.replace("~", "%7E")}"' for name in once]
    fields = sign_request(request, key=OURS, at=NOW, components=components)
    assert they_verify(
        TheirRequest(RequestMessage("POST", url, fields, content)), Algorithm.ED25519
    )


def test_a_request_keeps_its_own_fields_and_gets_three() -> None:
    """What goes to a client as it is; a digest that is there already is kept if it holds."""
    fields = sign_request(REQUEST, key=OURS, at=AT)
    assert [name for name, _ in fields] == [
        "Content-Type",
        "Content-Digest",
        "Signature-Input",
        "Signature",
    ]
    kept = sign_request(ASKED, key=OURS, at=AT)
    assert kept.all("Content-Digest") == ASKED.fields.all("Content-Digest")
    assert len(sign_request(RequestMessage("GET", URL), key=OURS, at=AT)) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"key": THEIRS},
        {"components": ("@method", "@method")},
        {"components": ("@status",)},
        {"components": ("x-none",)},
        {"components": ("Content-Type",)},
        {"label": "A b"},
        {"label": ""},
        {"components": ("x-long",)},
        {"components": tuple(f"x-{n}" for n in range(5))},
        {"nonce": "é"},
        {"tag": "a\nb"},
    ],
)
def test_what_can_not_be_signed_is_a_mistake_of_ours(given: dict[str, Any]) -> None:
    """Said where it is written, before anything goes out: a field of 16 KiB, 64 KiB in all."""
    long = [("X-Long", "a" * 16_385), *((f"X-{n}", "a" * 16_000) for n in range(5))]
    request = RequestMessage("POST", URL, Fields([*REQUEST.fields, *long]), REQUEST.content)
    with pytest.raises(BoundaryError):
        sign_request(request, **{"key": OURS, "at": AT, **given})
    some = ("@method", *(f"x-{n}" for n in range(4)))
    assert sign_request(request, key=OURS, at=AT, components=some)


def test_a_second_signature_has_a_label_of_its_own() -> None:
    """Two of one label would be refused by whoever reads them."""
    with pytest.raises(BoundaryError, match="twice"):
        signed(signed())
    assert len(signed(signed(), label="second").fields.all("Signature")) == 2


def test_content_that_is_not_its_own_digest_is_not_signed() -> None:
    """Nor a URL that isn't one."""
    wrong = RequestMessage("POST", URL, ASKED.fields, b"other")
    for request in (wrong, RequestMessage("POST", "api.example/orders")):
        with pytest.raises(BoundaryError, match="can't be signed"):
            sign_request(request, key=OURS, at=AT)


def test_the_deterministic_signatures_of_the_standard_are_ours() -> None:
    """RFC 9421 B.2.5: the same key over the same message gives the same bytes."""
    shared = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    lines = [("Date", "Tue, 20 Apr 2021 02:07:55 GMT"), ("Content-Type", "application/json")]
    fields = sign_request(
        RequestMessage("POST", "https://example.com/foo?param=Value&Pet=dog", Fields(lines)),
        key=MessageKey.shared("test-shared-secret", shared),
        at=datetime.fromtimestamp(1618884473, UTC),
        components=("date", "@authority", "content-type"),
        label="sig-b25",
    )
    assert fields.one("Signature") == "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
