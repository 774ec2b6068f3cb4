"""The examples of RFC 9421 itself: appendix B.2 and B.3, read in place."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Fields, Refused
from pratique.core.proofs.authentic.rfc9421 import (
    MessageKey,
    RequestMessage,
    RequestSignature,
    ResponseMessage,
    ResponseSignature,
    signature_base,
    verify_request,
    verify_response,
)
from pratique.core.proofs.authentic.rfc9421.component import Message
from pratique.core.proofs.authentic.rfc9421.policy import SignaturePolicy
from pratique.core.proofs.authentic.rfc9421.signature_input import (
    chosen,
    covered_by,
    members_of,
    signature_in,
)
from tests.vector_files import find, read

# Appendix B.1: keys that everybody knows.
RSA_PSS = """-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----
"""
ECC_P256 = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lf
w0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==
-----END PUBLIC KEY-----
"""
ED25519 = base64.b64decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
SHARED = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
KEYS = [
    MessageKey.public("test-key-rsa-pss", "rsa-pss-sha512", RSA_PSS),
    MessageKey.public("test-key-ecc-p256", "ecdsa-p256-sha256", ECC_P256),
    MessageKey.public("test-key-ed25519", "ed25519", ED25519),
    MessageKey.shared("test-shared-secret", SHARED),
]
AT = datetime.fromtimestamp(1618884473, UTC)
DAY: dict[str, Any] = {"keys": KEYS, "max_age": timedelta(days=1)}
FILE = find("rfc9421_B2.json")


def lines_of(head: str) -> Fields:
    """Return header lines as fields."""
    return Fields([(line.split(":", 1)[0], line.split(":", 1)[1]) for line in head.splitlines()])


def message_of(text: str) -> Message:
    """Return a message as the RFC prints it."""
    head, _, content = text.partition("\n\n")
    first, _, lines = head.partition("\n")
    if first.startswith("HTTP/"):
        return ResponseMessage(int(first.split()[1]), lines_of(lines), content.encode())
    method, target, _ = first.split()
    fields = lines_of(lines)
    return RequestMessage(
        method, f"https://{(fields.one('Host') or '').strip()}{target}", fields, content.encode()
    )


def with_fields(message: Message, extra: Fields) -> Message:
    """Return a message with more fields; one of the same name is replaced."""
    kept = [line for line in message.fields if line[0] not in extra]
    fields = Fields([*kept, *extra])
    if isinstance(message, RequestMessage):
        return RequestMessage(message.method, message.url, fields, message.content)
    return ResponseMessage(message.status, fields, message.content, message.request)


def cases() -> Iterator[tuple[str, str, Message]]:
    """Yield (section, signature base as printed, message with its signature)."""
    sections = read(FILE) if FILE is not None else []
    if not sections:
        return
    request, response = (message_of(block["text"]) for block in sections[0]["blocks"])
    for section in sections[1:]:
        base = ""
        for block in section["blocks"]:
            text = block["text"]
            if text.startswith('"') and '"@signature-params"' in text:
                base = text
            elif text.startswith("Signature-Input:"):
                of = response if '"@status"' in base else request
                extra = list(lines_of(text))
                # B.2.4 was signed with another Content-Digest than "Test Cases" prints.
                digest = re.search(r'^"content-digest": (.*)$', base, re.MULTILINE)
                if digest is not None:
                    extra.append(("Content-Digest", digest.group(1)))
                yield section["section"], base, with_fields(of, Fields(extra))
            elif "\nSignature-Input:" in text:
                yield "B.3, behind a TLS terminator", base, message_of(text)


CASES = list(cases())
needs_vectors = pytest.mark.skipif(not CASES, reason="no vectors: set PRATIQUE_VECTORS")


def open_policy() -> SignaturePolicy:
    """Return a policy that owes no component: what the examples cover is their business."""
    return SignaturePolicy(**DAY)


@needs_vectors
@pytest.mark.parametrize(("section", "base", "message"), CASES, ids=[case[0] for case in CASES])
def test_an_example_has_its_base_and_its_signature(
    section: str, base: str, message: Message
) -> None:
    """Made again from the message, each base is the printed one, and its signature verifies."""
    label, member = chosen(members_of(message.fields, "Signature-Input"), open_policy())
    covered, params = covered_by(member)
    signature = signature_in(members_of(message.fields, "Signature")[label])
    ours = signature_base(covered, params, message)
    assert ours.decode() == base
    key = open_policy().by_name[str(dict(params)["keyid"])]
    assert key.verify(signature, ours)
    assert not key.verify(signature, ours + b"\n")
    assert not key.verify(signature[:-1] + bytes([signature[-1] ^ 1]), ours)


def verdict(message: Message) -> str:
    """Return the code with which a default policy refuses; "" where it verifies."""
    try:
        if isinstance(message, RequestMessage):
            verify_request(message, RequestSignature(**DAY), at=AT)
        else:
            components = ("@status", "content-digest")
            verify_response(message, ResponseSignature(**DAY, components=components), at=AT)
    except Refused as refused:
        return refused.code
    return ""


@needs_vectors
def test_only_the_examples_that_cover_enough_pass_a_policy() -> None:
    """Nothing covered, or the authority alone: genuine, and no proof of what is acted on."""
    print(f"{len(CASES)} examples of RFC 9421")
    assert len(CASES) == 7
    found = {section: verdict(message) for section, _, message in CASES}
    full = {section for section, code in found.items() if not code}
    assert full == {
        "Full Coverage using rsa-pss-sha512",
        "Signing a Response using ecdsa-p256-sha256",
    }
    assert {code for code in found.values() if code} == {"uncovered_component"}
