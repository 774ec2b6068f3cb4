"""An answer whose sender signs it: read as it came, verified against what we asked."""

from typing import Final

from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.content_digest import CONTENT_DIGEST, content_digest
from pratique.core.proofs.authentic.rfc9421 import (
    MessageKey,
    RequestMessage,
    ResponseMessage,
    ResponseSignature,
    verify_response,
)
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError
from pratique.core.roots import Root, RootKind, Way, ways
from pratique.fetch.budget import Budget
from pratique.fetch.flow import Arrived, Intake, Read
from pratique.fetch.policy import FetchPolicy

from .asked import Lines

UNBOUND: Final = "not bound to the question: an honest answer to another one passes"
BOUND: Final = "bound to method and target of the question, as we asked it"


def require_one_hop(signature: ResponseSignature | None, policy: FetchPolicy) -> None:
    """Refuse a declaration in which it isn't clear which request an answer is bound to.

    Raises:
        BoundaryError: the policy follows redirects.
    """
    if signature is not None and policy.redirects:
        raise BoundaryError(
            f"Partner(signature=…, policy=…): the policy follows {policy.redirects} redirects, and "
            "a signed answer is bound to one question. Take redirects=0."
        )


def digest_of_question(signature: ResponseSignature | None, content: bytes) -> Lines:
    """Return the field that lets an answer be bound to the content of the question too."""
    if signature is None or not content:
        return ()
    return ((CONTENT_DIGEST, content_digest(content)),)


def signed_content(
    crossing: Crossing,
    arrived: Arrived,
    signature: ResponseSignature,
    *,
    policy: FetchPolicy,
    budget: Budget,
) -> Flow[bytes]:
    """Read the content of an answer, decoded, once its signature holds.

    The digest is over the content as it is on the wire (RFC 9530 §2): nothing decoded is handed on
    before that is compared.

    Args:
        crossing: Of the claim that the answer is. Its `authentic` is open again until the
            signature holds: that the host was the right one is no longer enough.
        arrived: The answer, its content still to be read.
        signature: What its signature must be.
        policy: What an answer may be.
        budget: What it may spend.

    Raises:
        Refused: AUTHENTIC or FRESH, see `verify_response`; VALID, as every content that is read.
    """
    crossing.reopen(AUTHENTIC)
    head = arrived.head
    intake = Intake(head, policy, budget)
    wire, pieces = list[bytes](), list[bytes]()
    while raw := (yield Read(head.body)):
        wire.append(raw)
        pieces.extend(intake.pieces(raw))
    asked = _as_asked(crossing.claim, arrived.url)
    answer = ResponseMessage(head.status, head.fields, b"".join(wire), asked)
    signed = verify_response(answer, signature, at=crossing.claim.received_at)
    crossing.secret_name = signed.keyid
    crossing.discharge(AUTHENTIC)
    intake.end()
    return b"".join(pieces)


def rests_on(signature: ResponseSignature, party: Root) -> tuple[Way, ...]:
    """Return what makes a signature lie: one of its keys, or the party that has them all."""
    return ways(*(_root(key, party) for key in signature.keys))


def words_of(signature: ResponseSignature) -> str:
    """Return the method of the proof, for the report."""
    covered = ", ".join(map(str, signature.owed))
    keys = ", ".join(key.keyid for key in signature.keys)
    age = signature.max_age.total_seconds()
    return f"RFC 9421 signature over {covered}, by {keys}, at most {age:g} s old"


def _root(key: MessageKey, party: Root) -> Root:
    # Whoever verifies with a shared secret could have signed: it is ours to lose as well.
    kind = RootKind.SECRET if key.is_shared else RootKind.KEY
    return Root(kind, f"{party.name}/{key.keyid}", party.controller, (party,))


def _as_asked(claim: Claim, url: str) -> RequestMessage:
    return RequestMessage(claim.via.method, url, claim.fields, claim.content)
