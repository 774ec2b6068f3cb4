"""A partner that signs its answers: TLS alone is no longer enough, and an answer is to one question."""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Fields, Obligation, Perimeter, Secret
from pratique.core.checklist import blast_radius
from pratique.core.crossing import Crossing
from pratique.core.proofs.authentic.rfc9421 import (
    MessageKey,
    RequestMessage,
    ResponseMessage,
    ResponseSignature,
    sign_response,
)
from pratique.core.proofs.authentic.rfc9421.policy import RESPONSE_COMPONENTS
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import Goal, Root, minimal_sets
from pratique.fetch import FetchPolicy
from pratique.partner import NoSubject, Partner
from tests.fetch.world import Seen, World, reply
from tests.partner.risk import HONEST, HOST, ORDER, Risk, Score

SEED = bytes(range(32))
THEIRS = MessageKey.private("risk-2026", "ed25519", SEED)
STRANGER = MessageKey.private("risk-2026", "ed25519", SEED[::-1])
UNBOUND = ("@status", "content-digest")
ABOUT = {"order": "order"}


def public_key() -> MessageKey:
    """Return the partner's public key, as it hands it out."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    raw = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    return MessageKey.public("risk-2026", "ed25519", raw)


def owed(**given: Any) -> ResponseSignature:
    """Return what the signature of an answer must be."""
    return ResponseSignature(**{"keys": [public_key()], "max_age": timedelta(minutes=1), **given})


def signing(
    key: MessageKey = THEIRS,
    *,
    says: Any = HONEST,
    coded: Callable[[bytes], bytes] = bytes,
    lines: tuple[tuple[str, str], ...] = (),
    at: datetime | None = None,
    **given: Any,
) -> Callable[[Seen], bytes]:
    """Return a partner that signs what it answers, bound to what it saw."""

    def answer(seen: Seen) -> bytes:
        asked = RequestMessage(
            seen.method, f"https://{HOST}{seen.target}", Fields(seen.fields.items()), seen.content
        )
        content = coded(json.dumps(says).encode())
        fields = Fields([("Content-Type", "application/json"), *lines])
        made = sign_response(
            ResponseMessage(200, fields, content, asked),
            key=key,
            at=at or datetime.now(UTC),
            **given,
        )
        return reply(200, content, **{name.replace("-", "_"): value for name, value in made})

    return answer


def altered(answer: Callable[[Seen], bytes], old: bytes, new: bytes) -> Callable[[Seen], bytes]:
    """Return the same partner with somebody in between who writes *new* for *old*."""

    def changed(seen: Seen) -> bytes:
        told = answer(seen)
        assert old in told
        return told.replace(old, new)

    return changed


def stripped(answer: Callable[[Seen], bytes], name: bytes) -> Callable[[Seen], bytes]:
    """Return the same partner with somebody in between who drops a field."""

    def without(seen: Seen) -> bytes:
        head, _, content = answer(seen).partition(b"\r\n\r\n")
        kept = [line for line in head.split(b"\r\n") if not line.startswith(name + b":")]
        return b"\r\n".join(kept) + b"\r\n\r\n" + content

    return without


@pytest.mark.parametrize("is_async", [False, True])
def test_an_honest_answer_is_proven_by_tls_and_by_its_signature(
    world: World, *, is_async: bool
) -> None:
    """The twin of all: two proofs of AUTHENTIC, and the record names the key."""
    risk = Risk(world, is_async=is_async, signature=owed())
    world.server.answer = signing()
    assert risk.ask().score == 12
    (record,) = risk.records
    assert record.secret == "risk-2026"
    assert "authentic" in record.proofs


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (signing(STRANGER), "bad_signature"),
        (signing(MessageKey.private("risk-2025", "ed25519", SEED)), "unknown_key"),
        (altered(signing(), b'"score": 12', b'"score": 11'), "wrong_digest"),
        (altered(signing(), b" 200 X", b" 201 X"), "bad_signature"),
        (stripped(signing(), b"Signature"), "missing_signature"),
        (stripped(signing(), b"Signature-Input"), "missing_signature"),
        (stripped(signing(), b"Content-Digest"), "absent_component"),
        (signing(components=UNBOUND), "uncovered_component"),
        (signing(components=RESPONSE_COMPONENTS[1:]), "uncovered_component"),
        (signing(at=datetime(2020, 1, 1, tzinfo=UTC)), "stale"),
        (signing(expires=datetime(2020, 1, 1, tzinfo=UTC)), "expired"),
        (signing(at=datetime(2100, 1, 1, tzinfo=UTC)), "from_the_future"),
    ],
)  # fmt: skip
def test_an_answer_that_the_partner_did_not_sign_is_refused(
    world: World, answer: Callable[[Seen], bytes], code: str, *, is_async: bool
) -> None:
    """Wrong key, other body, other status, stripped, old: over good TLS, and not believed."""
    risk = Risk(world, is_async=is_async, signature=owed())
    world.server.answer = answer
    refused = risk.refusal()
    assert (refused.code, refused.status) == (code, 502)
    world.server.answer = signing()
    assert risk.ask().order == ORDER


def test_an_answer_to_another_question_is_refused(world: World) -> None:
    """An honest, signed answer, kept and given to another question: whoever ends the TLS can."""
    risk = Risk(world, is_async=False, signature=owed())
    free: dict[str, Any] = {"about": NoSubject("to see the signature alone")}
    world.server.answer = signing()
    risk.ask("o_2", **free)
    kept = signing()(world.server.seen[0])
    world.server.answer = lambda _: kept
    assert risk.refusal(**free).code == "bad_signature"
    assert risk.ask("o_2", **free).score == 12
    loose = Risk(world, is_async=False, signature=owed(components=UNBOUND))
    assert loose.refusal(**free).code == "bad_signature"  # what is signed counts, owed or not
    world.server.answer = signing(components=UNBOUND)
    assert loose.ask(**free).score == 12  # what a partner that signs no ;req leaves open


def test_an_answer_to_other_content_is_refused(world: World) -> None:
    """A POST carries its Content-Digest, so that the partner can bind its answer to that."""
    risk = Risk(world, is_async=False, signature=owed())
    asked: dict[str, Any] = {"about": NoSubject("to see the signature alone")}
    world.server.answer = signing()
    assert risk.post({"amount": 1}, **asked).score == 12
    assert world.server.seen[0].fields["content-digest"].startswith("sha-256=:")
    kept = signing()(world.server.seen[0])
    world.server.answer = lambda _: kept
    assert risk.refusal(lambda: risk.post({"amount": 2}, **asked)).code == "bad_signature"
    assert risk.post({"amount": 1}, **asked).score == 12
    part = [one for one in RESPONSE_COMPONENTS if one != "content-digest;req"]
    world.server.answer = signing(components=part)
    refused = risk.refusal(lambda: risk.post({"amount": 1}, **asked))
    assert refused.code == "uncovered_component"
    assert risk.ask().score == 12  # a question without content has none to be bound to


def test_a_digest_is_over_the_content_on_the_wire(world: World) -> None:
    """RFC 9530 §2: with its Content-Encoding; decoded afterwards, and cut off is refused."""
    risk = Risk(world, is_async=False, signature=owed())
    world.server.answer = signing(coded=gzip.compress, lines=(("Content-Encoding", "gzip"),))
    assert risk.ask().score == 12
    world.server.answer = signing(
        coded=lambda raw: gzip.compress(raw)[:-4], lines=(("Content-Encoding", "gzip"),)
    )
    assert risk.refusal().code == "broken_coding"
    world.server.answer = signing(lines=(("Content-Encoding", "gzip"),))
    assert risk.refusal().code == "broken_coding"


def test_what_is_signed_is_still_only_what_the_partner_says(world: World) -> None:
    """A genuine signature on a wrong answer: type, subject and limits are looked at as ever."""
    risk = Risk(world, is_async=False, signature=owed())
    for lie, code in (({"score": 101}, "bad_answer"), ({"order": "o_9"}, "not_about_it")):
        world.server.answer = signing(says={**HONEST, **lie})
        assert risk.refusal().code == code
    world.server.answer = lambda _: reply(503, b"")
    assert risk.refusal().code == "partner_unavailable"


def test_the_declaration_names_both_proofs_and_their_roots() -> None:
    """A wrong CA alone invents nothing any more; the partner itself does."""

    def declared(**given: Any) -> Any:
        partner = Partner("risk", f"https://{HOST}/v1", **given)
        call = partner.call("GET /score", Score, about=ABOUT)
        return partner, call.declaration

    _, plain = declared()
    partner, signed = declared(signature=owed())
    methods = [p.method for p in signed.proofs if p.obligation is Obligation.AUTHENTIC]
    assert len(methods) == 2
    assert "RFC 9421" in methods[1]
    assert "risk-2026" in methods[1]
    assert '"@target-uri";req' in methods[1]

    def kinds(declaration: Any) -> set[tuple[str, ...]]:
        sets = minimal_sets(declaration, Goal.INVENT)
        return {tuple(sorted(str(root.kind) for root in way)) for way in sets}

    assert ("ca",) in kinds(plain)
    assert ("ca",) not in kinds(signed)
    assert ("ca", "key") in kinds(signed)
    assert ("party",) in kinds(signed)
    assert dict(blast_radius(partner))["key:risk.example/risk-2026"] == "suppress"
    assert "bound to method and target" in signed.facts["signature"]
    assert "signature" not in plain.facts
    _, loose = declared(signature=owed(components=UNBOUND))
    assert "not bound to the question" in loose.facts["signature"]
    in_place = partner.declarations()[-1]
    assert [p.obligation for p in in_place.proofs].count(Obligation.AUTHENTIC) == 2


def test_a_shared_secret_is_read_at_the_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HMAC: unset, the perimeter doesn't start; set, the answer is proven, and its root is a secret."""
    key = MessageKey.shared("risk-hmac", Secret.env("RISK_HMAC"))
    risk = Risk(world, is_async=False, signature=owed(keys=[key]))
    (debt,) = risk.perimeter.debts()
    assert "RISK_HMAC is not set" in debt
    monkeypatch.setenv("RISK_HMAC", base64.b64encode(SEED).decode())
    world.server.answer = signing(MessageKey.shared("risk-hmac", SEED))
    assert risk.ask().score == 12
    roots = {str(root) for root in risk.partner.declarations()[0].proofs[1].roots}
    assert roots == {"secret:risk.example/risk-hmac"}


def test_a_key_that_is_rolled_has_two_for_a_while(world: World) -> None:
    """Two names, two keys: either signs."""
    new = MessageKey.private("risk-2027", "ed25519", SEED[::-1])
    risk = Risk(world, is_async=False, signature=owed(keys=[public_key(), new]))
    for key in (THEIRS, new):
        world.server.answer = signing(key)
        assert risk.ask().score == 12
    assert [record.secret for record in risk.records] == ["risk-2026", "risk-2027"]


def test_a_policy_that_follows_redirects_has_no_signed_answers() -> None:
    """To which of the questions would it be bound? Refused where it is written; without, it may."""
    base = f"https://{HOST}/v1"
    policy = FetchPolicy(hosts={HOST}, content_types={"application/json"}, redirects=1)
    with pytest.raises(BoundaryError, match="redirects=0"):
        Partner("risk", base, policy=policy, signature=owed())
    assert Partner("risk", base, policy=policy).signature is None


def test_nothing_is_minted_while_a_further_proof_is_owed(world: World) -> None:
    """CWE-636: a check that was left out is no proof, whatever ran before it."""
    risk = Risk(world, is_async=False)
    crossing = Crossing(risk.partner, Any)  # type: ignore[arg-type]
    assert isinstance(risk.perimeter, Perimeter)
    crossing.discharge(Obligation.AUTHENTIC)
    assert crossing.is_authentic
    crossing.reopen(Obligation.AUTHENTIC)
    assert not crossing.is_authentic
    with pytest.raises(Refused):
        crossing.prove(Root)
