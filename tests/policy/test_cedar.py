"""Cedar decides by all of its policies or not at all, and says by which."""

import random
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from pratique.core.access import Access, Asker, access
from pratique.core.crossing import Crossing
from pratique.core.decision import Decision
from pratique.core.question import Decide
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.policy import CedarPolicy, Entity, Extension
from tests.client.shop import may
from tests.policy.shop_in_cedar import POLICIES, SCHEMA, cedar


@dataclass
class User:
    id: int = 1
    role: str = "customer"
    is_suspended: bool = False


@dataclass
class Order:
    id: int = 10
    owner_id: int | None = 1
    state: str = "open"


def thing(policies: str, facts: Any = None, *, schema: str | None = None) -> CedarPolicy:
    """Return a policy over one kind of thing with these attributes."""
    return CedarPolicy(
        policies,
        schema=schema,
        principal=lambda user: Entity("User", str(user)),
        resource=lambda row: Entity("Thing", "1", facts or {}),
    )


def refused_by(policy: CedarPolicy, *asked: Any) -> Refused:
    """Return the refusal of a decision."""
    with pytest.raises(Refused) as refused:
        policy(*(asked or ("ann", "read", None)))
    return refused.value


def test_the_reasons_are_the_policies_that_decided() -> None:
    """A permission names what permits, a refusal what forbids; without either, there is no reason."""
    policy = cedar()
    assert policy(User(), "read", Order()) == Decision(True, ("readers",))
    forbidden = policy(User(is_suspended=True), "read", Order())
    assert forbidden == Decision(False, ("suspended",))
    assert policy(User(), "admin.orders", None) == Decision(False, ())


def test_a_decision_is_as_true_as_its_answer() -> None:
    """`if policy(…)` means what it says: a refusal isn't truthy for being an object (CWE-697)."""
    policy = cedar()
    assert policy(User(), "update", Order())
    assert not policy(User(), "update", Order(state="shipped"))


def test_cedar_says_what_python_says_on_ten_thousand_requests() -> None:
    """The same rules in Cedar and in Python decide alike, over users, verbs and orders by chance (seed 7).

    Python's user loader leaves out who is suspended; in Cedar that is a `forbid`.
    """
    chance, policy, tally = random.Random(7), cedar(), {True: 0, False: 0}
    for _ in range(10_000):
        user = User(
            chance.randint(1, 9), chance.choice(["customer", "admin", ""]), chance.random() < 0.1
        )
        verb = chance.choice(["read", "update", "profile.read", "admin.orders"])
        owner = chance.choice([None, 1, 2, 3])
        state = chance.choice(["open", "shipped", "OPEN", ""])
        order = Order(chance.randint(1, 99), owner, state)
        row = order if verb in ("read", "update") else None
        expected = may(user, verb, row) and not user.is_suspended
        assert policy(user, verb, row).is_allowed is expected, (user, verb, order)
        tally[expected] += 1
    print(tally)
    assert min(tally.values()) > 1_000


WEAK = """
@id("all") permit (principal, action, resource);
@id("blocked") forbid (principal, action, resource) when { resource.blocked };
"""


def test_a_forbid_that_is_skipped_permits_nothing() -> None:
    """Cedar skips a policy that fails, and would allow by the rest: refused, retry, the policy is named (CWE-636)."""
    refused = refused_by(thing(WEAK))
    assert (refused.code, refused.answer) == ("internal", Answer.RETRY)
    assert "blocked" in refused.detail
    assert thing(WEAK, {"blocked": False})("ann", "read", None) == Decision(True, ("all",))
    assert thing(WEAK, {"blocked": True})("ann", "read", None) == Decision(False, ("blocked",))


def test_a_permit_that_is_skipped_refuses_nothing_for_good() -> None:
    """A failed permit is no "no" either: the sender is asked to retry."""
    policy = '@id("tagged") permit (principal, action, resource) when { resource.tag == "a" };'
    assert "tagged" in refused_by(thing(policy)).detail
    assert thing(policy, {"tag": "a"})("ann", "read", None).is_allowed
    assert not thing(policy, {"tag": "b"})("ann", "read", None).is_allowed


@pytest.mark.parametrize(
    "value",
    [1.5, None, 1 << 63, "\ud800", b"x", {"x": object()}, [float("nan")], {1: 2}],
    ids=["float", "null", "64 bits", "surrogate", "bytes", "object", "nan", "name"],
)
def test_a_value_that_cedar_has_not_is_no_decision(value: object) -> None:
    """What can't be written is refused, never left out; the largest number and any text are taken."""
    allow = "permit (principal, action, resource);"
    refused = refused_by(thing(allow, {"value": value}))
    assert (refused.code, refused.answer) == ("internal", Answer.RETRY)
    for good in ((1 << 63) - 1, "ü\x00", [True], {"x": {"y": "z"}}, Extension("ip", "10.0.0.1")):
        assert thing(allow, {"value": good})("ann", "read", None).is_allowed


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_a_record_of_somebody_else_is_no_entity(name: str) -> None:
    """A user's own JSON can't name itself the owner: the escapes of Cedar's JSON are refused (CWE-843)."""
    policy = "permit (principal, action, resource) when { resource.owner == principal };"
    sent = {"owner": {name: {"type": "User", "id": "ann"}}}
    assert refused_by(thing(policy, sent)).code == "internal"
    assert thing(policy, {"owner": Entity("User", "ann")})("ann", "read", None).is_allowed
    assert not thing(policy, {"owner": Entity("User", "bob")})("ann", "read", None).is_allowed


def test_a_quote_in_an_id_is_a_quote() -> None:
    """An id is never text of the language: no id is somebody else by its quotes (CWE-74)."""
    policy = 'permit (principal == User::"ann", action, resource);'
    for name in ('ann"', 'x", User::"ann', "ann\\", "Ann", " ann"):
        assert not thing(policy)(name, "read", None).is_allowed
    assert thing(policy)("ann", "read", None).is_allowed


def test_a_decision_sees_the_principal_the_resource_and_their_parents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No more than the slice is handed to Cedar; who is in a group by a parent's parent is in it."""
    policy = CedarPolicy(
        'permit (principal in Group::"all", action, resource) when { resource in principal.home };',
        principal=lambda user: Entity("User", user, {"home": Entity("Shop", "s")}, [staff]),
        resource=lambda row: Entity("Order", "1", {}, [Entity("Shop", "s")]),
    )
    staff = Entity("Group", "staff", {}, [Entity("Group", "all")])
    inner, asked = policy._ask, list[str]()
    monkeypatch.setattr(policy, "_ask", lambda r, e: (asked.append(e), inner(r, e))[1])
    assert policy("ann", "read", None).is_allowed
    assert asked[0].count('"uid"') == 3  # user, order, staff: Group "all" and the shop are named
    staff = Entity("Group", "guests")
    assert not policy("ann", "read", None).is_allowed


def test_two_entities_of_one_name_must_agree() -> None:
    """Which of them would count? Refused; where both say the same, it is one."""

    def policy(level: int) -> CedarPolicy:
        return CedarPolicy(
            "permit (principal, action, resource) when { principal.level > 1 };",
            principal=lambda user: Entity("User", user, {"level": 2}),
            resource=lambda row: Entity("Order", "1"),
            entities=lambda user, row: [Entity("User", user, {"level": level})],
        )

    assert refused_by(policy(9)).code == "internal"
    assert policy(2)("ann", "read", None).is_allowed


def test_further_entities_context_and_an_action_of_a_group_are_read() -> None:
    """What policies read besides: an owner's attributes, the context, an action's group."""
    policy = CedarPolicy(
        """permit (principal, action in Action::"reading", resource)
        when { resource.owner.open && context.hour < 18 };""",
        principal=lambda user: Entity("User", user),
        resource=lambda row: Entity("Order", "1", {"owner": Entity("User", "bob")}),
        action=lambda verb: Entity("Action", verb, {}, [Entity("Action", f"{verb}ing")]),
        entities=lambda user, row: [Entity("User", "bob", {"open": True})],
        context=lambda user, verb, row: {"hour": row},
    )
    assert policy("ann", "read", 9).is_allowed
    assert not policy("ann", "read", 19).is_allowed
    assert not policy("ann", "writ", 9).is_allowed


@pytest.mark.parametrize(
    ("policies", "schema", "said"),
    [
        ("permit (", None, "unexpected end of input"),
        ("", None, "no policy permits anything"),
        ("forbid (principal, action, resource);", None, "no policy permits anything"),
        ("permit (principal == ?principal, action, resource);", None, "template"),
        ('@id("a") permit (principal, action, resource);' * 2, None, "one name"),
        (POLICIES, "entity {", "error parsing schema"),
        (POLICIES, "{}x", "schema"),
        (POLICIES.replace(".suspended }", ".blocked }"), SCHEMA, "attribute `blocked`"),
        (POLICIES.replace('Action::"update"', 'Action::"updat"'), SCHEMA, "updat"),
    ],
)
def test_what_can_not_decide_does_not_start(policies: str, schema: str | None, said: str) -> None:
    """A policy's mistake is found before the first request, in Cedar's own words; the whole one starts."""
    with pytest.raises(BoundaryError, match=said):
        cedar(policies, schema)
    assert cedar(POLICIES, SCHEMA).words == "4 Cedar policies over our own state"
    assert cedar(POLICIES, None)(User(), "read", Order()).is_allowed


def test_a_request_outside_the_schema_is_no_decision() -> None:
    """A verb that the schema hasn't, or an attribute of another type: refused, retry; a declared one is decided."""
    assert refused_by(cedar(), User(), "delete", Order()).code == "internal"
    assert refused_by(cedar(), User(role=3), "read", Order()).code == "internal"
    assert cedar()(User(), "read", Order()).is_allowed


def test_without_the_library_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named; with it, the same line starts."""
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "cedarpy", None)
        with pytest.raises(BoundaryError, match=r"pratique\[cedar\]"):
            cedar()
    assert cedar()(User(), "read", Order()).is_allowed


@pytest.mark.parametrize(
    "told",
    [("NoDecision", [], []), ("Allow", [], []), ("Maybe", ["policy0"], []), ("", [], [])],
)
def test_an_answer_that_cedar_never_gives_allows_nothing(
    monkeypatch: pytest.MonkeyPatch, told: tuple[str, list[str], list[str]]
) -> None:
    """No decision, or a permission by no policy: refused, retry; "Allow" by a policy allows."""
    policy = cedar()
    monkeypatch.setattr(policy, "_ask", lambda request, entities: told)
    assert refused_by(policy, User(), "read", Order()).code == "internal"
    monkeypatch.setattr(policy, "_ask", lambda request, entities: ("Allow", ["policy0"], []))
    assert policy(User(), "read", Order()) == Decision(True, ("readers",))


@pytest.mark.parametrize("name", ["", 7, None])
def test_an_entity_without_a_name_is_none(name: Any) -> None:
    """An id that is no text, or empty, is a mistake and not somebody; a text is."""
    with pytest.raises(ValueError, match="a text that isn't empty"):
        Entity("User", name)
    assert Entity("User", "7").uid == {"type": "User", "id": "7"}


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (Decision(False, ("no",)), "not_allowed"),
        (Decision("true"), "internal"),
        (Decision(1), "internal"),
        (Decision(None), "not_allowed"),
    ],
)
def test_a_decision_allows_by_exactly_true(crossing: Crossing, told: Decision, code: str) -> None:
    """ALLOWED: whatever a decision holds beside True is refused; True goes on, and its reasons into the event."""

    def decide(told: Decision) -> object:
        asker = Asker.of(lambda user: user, arguments=1, role="user")
        rule = Access("read", asker, Asker.of(may, arguments=3, role="policy"))
        flow = access(crossing, rule, "ann", key=None, session=None)
        next(flow)
        assert isinstance(flow.send("ann"), Decide)
        return flow.send(told)

    with pytest.raises(Refused) as refused:
        decide(told)
    assert refused.value.code == code
    with pytest.raises(StopIteration):
        decide(Decision(True, ("yes",)))
    assert crossing.remark == ("decided", "by yes")


def test_a_callable_that_raises_is_named_and_not_its_text() -> None:
    """Which of them, where it stands, and that there was no object; the same policy with one decides."""

    def of(row: Any) -> Entity:
        return Entity("Thing", row["id"])

    policy = CedarPolicy(
        "permit (principal, action, resource);",
        principal=lambda user: Entity("User", user),
        resource=of,
    )
    with pytest.raises(Refused) as refused:
        policy("ann", "profile.read", None)
    assert refused.value.code == "internal"
    assert "resource= at test_cedar.py:" in refused.value.detail
    assert refused.value.detail.endswith("raised TypeError on None: the action has no object")
    with pytest.raises(Refused) as refused:
        policy("ann", "read", {"secret": "s3cr3t"})
    assert refused.value.detail.endswith("raised KeyError")
    assert policy("ann", "read", {"id": "1"}).is_allowed
