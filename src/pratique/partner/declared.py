"""What a partner's answers prove, by what, and what they don't: for the start and the report."""

from typing import TYPE_CHECKING, Any, Final

from pratique.core.boundary import Declaration, Proof
from pratique.core.obligation import (
    ALLOWED,
    AUTHENTIC,
    CONFIRMED,
    FRESH,
    LINKED,
    VALID,
    Obligation,
)
from pratique.core.roots import OWN_CODE, Way, ways

from .signed import BOUND, UNBOUND, rests_on, words_of
from .terms import Contract

if TYPE_CHECKING:
    from .boundary import Partner

INFORMS = "it informs: what follows is our own decision"


def declaration_of(partner: "Partner", name: str, contract: Contract[Any]) -> Declaration:
    """Return what the answers to one declared call prove."""
    proofs = [
        *_going_out(partner, contract.answer.name),
        _fresh(partner, contract),
    ]
    if contract.about is not None:
        proofs.append(_own(partner, LINKED, contract.about_words, contract.about.where))
    if contract.limits is not None:
        proofs.append(Proof(ALLOWED, "our business limits", ways(OWN_CODE), contract.limits.where))
    if contract.confirm is not None:
        source = contract.source
        roots = ways(OWN_CODE) if source is None else ways(source, OWN_CODE)
        words = "our own record" if source is None else f"asked at {source.name}"
        proofs.append(Proof(CONFIRMED, words, roots, contract.confirm.where))
    return Declaration(
        name=name,
        proofs=tuple(sorted(proofs, key=lambda proof: _ORDER.index(proof.obligation))),
        waivers=partner.waivers,
        facts={
            "outbound": f"{name} under {partner.base}",
            "forwarded": "no header of ours is made from a claim",
            "about": _about(contract),
            "decides": contract.decides or INFORMS,
            "unbounded": ", ".join(contract.answer.unbounded()) or "every field has its bounds",
            "limits": contract.limits.where if contract.limits else "those of its type alone",
            **_facts_of_signature(partner),
        },
        also_owes=frozenset({CONFIRMED}) if contract.decides else frozenset(),
    )


def in_place(partner: "Partner") -> Declaration:
    """Return what holds of a question whose terms are written where it is asked."""
    told = "given with each question: about=; without it none is sent"
    return Declaration(
        name="asked in place",
        proofs=(
            *_going_out(partner, "the type of each question"),
            Proof(FRESH, "asked now, and answered to that question", _who_answers(partner)),
            _own(partner, LINKED, told, ""),
        ),
        waivers=partner.waivers,
        facts={
            "outbound": f"any path of ours under {partner.base}",
            "decides": INFORMS,
            **_facts_of_signature(partner),
        },
    )


_ORDER: Final = list(Obligation)


def _going_out(partner: "Partner", type_name: str) -> list[Proof]:
    """Return the proofs of the fetch that an answer comes by; who answers is a root too."""
    found: list[Proof] = []
    for proof in partner.going_out.declarations()[0].proofs:
        if proof.obligation is AUTHENTIC:
            found.append(Proof(AUTHENTIC, proof.method, _who_answers(partner)))
            found.extend(_signed(partner))
        elif proof.obligation is VALID:
            method = f"{type_name}, no member twice, none that no field takes; {proof.method}"
            found.append(Proof(VALID, method, proof.ways))
        else:
            found.append(proof)
    return found


def _signed(partner: "Partner") -> list[Proof]:
    """Return the proof that an answer's signature is, where it is owed: both must lie together."""
    signature = partner.signature
    if signature is None:
        return []
    return [Proof(AUTHENTIC, words_of(signature), rests_on(signature, partner.party))]


def _facts_of_signature(partner: "Partner") -> dict[str, str]:
    if partner.signature is None:
        return {}
    return {"signature": BOUND if partner.signature.is_bound_to_the_request else UNBOUND}


def _who_answers(partner: "Partner") -> tuple[Way, ...]:
    authentic = partner.going_out.declarations()[0].proofs[0]
    return (*ways(partner.party), *authentic.ways)


def _fresh(partner: "Partner", contract: Contract[Any]) -> Proof:
    if contract.as_of is None or contract.max_age is None:
        words = "asked now, and answered to that question; how old its knowledge is isn't said"
        return Proof(FRESH, words, _who_answers(partner))
    age = f"its own time, at most {contract.max_age.total_seconds():g} s old"
    return Proof(FRESH, age, _who_answers(partner), contract.as_of.where)


def _own(partner: "Partner", obligation: Any, method: str, where: str) -> Proof:
    return Proof(obligation, method, ways(partner.party, OWN_CODE), where)


def _about(contract: Contract[Any]) -> str:
    if not contract.about_words.startswith("the answer repeats"):
        return contract.about_words
    return f"{contract.about_words}: an echo shows which question it answers, not that it is true"
