"""The laws of signatures: any bytes are refused or verified; what is covered can't be changed."""

from datetime import timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pratique import Fields, Refused
from pratique.core.proofs.authentic.rfc9421 import (
    RequestMessage,
    ResponseMessage,
    Signed,
    verify_request,
    verify_response,
)
from tests.core.proofs.authentic.rfc9421.parties import (
    ASKED,
    AT,
    SECRET,
    URL,
    answer_policy,
    answered,
    policy,
    signed,
)

COVERED = ("@method", "@target-uri", "content-digest", "content-type", "@path", "@query")
REQUEST = signed(components=COVERED, nonce="n-17", tag="orders", expires=AT + timedelta(minutes=2))
RESPONSE = answered(nonce="n-18")
OWED = policy(components=COVERED[:4])

# Text that is nearly a signature reaches further than text that is none.
NEARLY = st.lists(
    st.sampled_from(
        [
            *'();:,="@ ?0x\t\\é',
            "sig1=",
            '"@method"',
            '"@target-uri"',
            '"content-digest"',
            '"content-type"',
            '"@query-param";name="dry"',
            '"content-type";bs',
            '"content-digest";key="sha-256"',
            ";created=1795694400",
            ';keyid="k"',
            ';alg="ed25519"',
            ";expires=1795694460",
            ":AAAA:",
        ]
    ),
    max_size=16,
).map("".join)
ANYTHING = st.one_of(
    NEARLY, st.text(alphabet=st.characters(max_codepoint=0xFF), max_size=40), st.just("")
)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["Signature-Input", "Signature", "Content-Digest", "Content-Type", "X"]),
        ANYTHING,
    ),
    max_size=6,
)


def verdict(message: Any) -> Signed | Refused:
    """Return what came of a message; nothing but Refused is raised."""
    try:
        if isinstance(message, RequestMessage):
            return verify_request(message, OWED, at=AT)
        return verify_response(message, answer_policy(), at=AT)
    except Refused as refused:
        return refused


@given(LINES, st.binary(max_size=20), st.text(max_size=20), st.text(max_size=8))
@settings(max_examples=300)
def test_any_request_is_refused_or_verified(
    lines: list[tuple[str, str]], content: bytes, url: str, method: str
) -> None:
    """Law 1: and without the key nothing is verified."""
    try:
        fields = Fields(lines)
    except Refused:
        return
    for where in (URL, url):
        assert isinstance(verdict(RequestMessage(method, where, fields, content)), Refused)
    assert isinstance(verdict(ResponseMessage(200, fields, content, ASKED)), Refused)


@given(LINES)
def test_lines_beside_an_honest_signature_change_nothing_or_refuse(
    lines: list[tuple[str, str]],
) -> None:
    """Whatever else stands in the message: the signature is what it was, or it is refused."""
    try:
        fields = Fields([*REQUEST.fields, *lines])
    except Refused:
        return
    found = verdict(RequestMessage("POST", URL, fields, REQUEST.content))
    if isinstance(found, Signed):
        assert found == verdict(REQUEST)
        assert fields.all("Content-Type") == ("application/json",)


def flipped(text: str, bit: int) -> str:
    """Return a text with one bit of it flipped."""
    raw = bytearray(text.encode("latin-1"))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    return raw.decode("latin-1")


def bits(message: Any) -> list[tuple[str, int]]:
    """Return every bit of what a message's signature covers, and of the signature itself."""
    found = [("content", bit) for bit in range(len(message.content) * 8)]
    for place, (_, value) in enumerate(message.fields):
        found += [(f"field {place}", bit) for bit in range(len(value) * 8)]
    request = message if isinstance(message, RequestMessage) else message.request
    found += [("method", bit) for bit in range(len(request.method) * 8)]
    found += [("url", bit) for bit in range(len(request.url) * 8)]
    return found


def with_flipped(message: Any, where: str, bit: int) -> Any:
    """Return a message with that bit flipped."""
    lines = list(message.fields)
    if where.startswith("field"):
        place = int(where.split()[1])
        lines[place] = (lines[place][0], flipped(lines[place][1], bit))
    content = message.content
    if where == "content":
        content = flipped(content.decode("latin-1"), bit).encode("latin-1")
    request = message if isinstance(message, RequestMessage) else message.request
    method = flipped(request.method, bit) if where == "method" else request.method
    url = flipped(request.url, bit) if where == "url" else request.url
    if isinstance(message, RequestMessage):
        return RequestMessage(method, url, Fields(lines), content)
    asked = RequestMessage(method, url, request.fields, request.content)
    return ResponseMessage(message.status, Fields(lines), content, asked)


def is_the_same(one: Any, other: Any) -> bool:
    """Say whether two messages are one by RFC 9110: a scheme or host in other letters."""
    first = one if isinstance(one, RequestMessage) else one.request
    second = other if isinstance(other, RequestMessage) else other.request
    try:
        return bool(first.target == second.target and first.method == second.method)
    except Refused:
        return False


def test_every_flipped_bit_refuses() -> None:
    """Law 4: each bit of content, fields, method, target, parameters and signature."""
    for message, uncovered in ((REQUEST, ()), (RESPONSE, ("field 0",))):
        assert isinstance(verdict(message), Signed)
        passed: list[tuple[str, int]] = []
        for where, bit in bits(message):
            try:
                changed = with_flipped(message, where, bit)
            except Refused:
                continue  # no field on the wire
            if where in uncovered or (where == "url" and is_the_same(message, changed)):
                continue
            if isinstance(verdict(changed), Signed):
                passed.append((where, bit))
        assert passed == []


@given(st.integers(min_value=0), st.sampled_from(["Signature", "Signature-Input"]))
@example(0, "Signature")
def test_no_refusal_tells_more_than_it_must(bit: int, name: str) -> None:
    """Law 5: no key, no signature, at most 64 characters of what came."""
    lines = [(n, flipped(v, bit) if n == name else v) for n, v in REQUEST.fields]
    try:
        found = verdict(RequestMessage("POST", URL, Fields(lines), REQUEST.content))
    except Refused:
        return
    assert isinstance(found, Refused)
    text = f"{found} {found.detail} {found.hint} {found.problem()}"
    signature = (REQUEST.fields.one("Signature") or "")[8:40]
    assert signature not in text
    assert SECRET.hex() not in text
    assert "n-17" not in text
