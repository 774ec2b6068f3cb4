"""Honest calls and attacks as data: what is sent, and what may hold afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from . import rows
from .guarded import GATEWAY
from .rows import OTHER, Order, User, order_of, user_of
from .target import LIST, REFUND, Fields, Target

Run = Callable[[Target, int], bool]
"""(shop, tenant) -> whether it was sound."""
_LISTING = "/api/admin/orders"
_SPELLINGS = ("x-user-role", "X_User_Role", "x-role", "x-roles", "x-is-admin", "x-auth-role")


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Args:
        id: Of the attack in docs/explanation/attacks, "H" for an honest one.
        title: What is sent.
        run: Sends it in a tenant of its own, and reads back.
    """

    id: str
    title: str
    run: Run


def _refund(order: int) -> str:
    return f"/api/admin/orders/{order}/refund"


def _lists(who: str, fields: Callable[[Target, int], Fields], query: str = "") -> Run:
    """Ask the service for the orders in this way: it is sound that none are listed."""

    def run(t: Target, n: int) -> bool:
        return not t.has_listed(t.call("GET", _LISTING + query, who=who, fields=fields(t, n)))

    return run


def _root(**more: Any) -> Callable[[Target, int], Fields]:
    return lambda t, n: t.said(user_of("root", n), LIST, **more)


def _refunds(name: str, action: str, about: str, times: int = 1) -> Run:
    """Let the gateway refund this one's order, with a token for that: one refund, if any."""

    def run(t: Target, n: int) -> bool:
        fields = t.said(user_of("root", n), action, about=str(order_of(about, n)))
        for _ in range(times):
            t.call("POST", _refund(order_of(name, n)), fields=fields)
        return int(t.order(name, n)["refunds"]) == (times > 1)

    return run


def _changed_root(**values: Any) -> Run:
    """Change the admin in our own state, then let them list the orders."""

    def run(t: Target, n: int) -> bool:
        rows.change(t.path, User, user_of("root", n), **values)
        return _lists("gateway", _root())(t, n)

    return run


def _deputy(field: str, value: str) -> Run:
    """Let a customer put a field into their request to the shop's own admin listing."""

    def run(t: Target, n: int) -> bool:
        said = value.format(root=user_of("root", n))
        answer = t.ask(user_of("ann", n), "GET", _LISTING, fields=[(field, said)])
        return not t.has_listed(answer)

    return run


def _reads(user: str) -> Run:
    """Let this one, or nobody, read an order of ann's."""

    def run(t: Target, n: int) -> bool:
        who = user and user_of(user, n)
        return not t.has_listed(t.ask(who, "GET", f"/api/orders/{order_of('ann', n)}"))

    return run


def _writes(sent: dict[str, Any], *, by: str = "ann", state: str = "open") -> Run:
    """Let this one write to ann's order: sound is that the order stays as it is."""

    def run(t: Target, n: int) -> bool:
        rows.change(t.path, Order, order_of("ann", n), state=state)
        before = t.order("ann", n)
        filled = {k: order_of("bob", n) if v is rows else v for k, v in sent.items()}
        t.ask(user_of(by, n), "PATCH", f"/api/orders/{order_of('ann', n)}", sent=filled)
        # What stands beside a hostile field may be written or not: a note of one's own.
        kept = set(before) - ({"note"} if by == "ann" and state == "open" else set[str]())
        after = t.order("ann", n)
        return all(after.get(name) == before[name] for name in kept)

    return run


def _becomes(**sent: str) -> Run:
    """Let a customer write this of themselves."""

    def run(t: Target, n: int) -> bool:
        before = t.user("ann", n)
        t.ask(user_of("ann", n), "PATCH", "/api/me", sent={"name": "Ann", **sent})
        return all(t.user("ann", n)[name] == before[name] for name in sent)

    return run


def _suspended(t: Target, n: int) -> bool:
    rows.change(t.path, User, user_of("ann", n), is_suspended=True)
    return _reads("ann")(t, n)


def _signed_out(t: Target, n: int) -> bool:
    """Read with a cookie that was copied before its owner signed out."""
    t.login(user_of("ann", n), ended_at=_ago(0))
    return _reads("ann")(t, n)


def _changed_password(seconds: float) -> Run:
    """Read with a session from before, or after, the password was changed."""

    def run(t: Target, n: int) -> bool:
        rows.change(t.path, User, user_of("ann", n), password_at=_ago(seconds))
        return _reads("ann")(t, n)

    return run


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def _of_the_reports(user: str) -> Callable[[Target, int], Fields]:
    """Return what the minter of the reports says for this one."""
    return lambda t, n: t.said(user_of(user, n), LIST, by="reports", minter="reports")


def _audits(t: Target, n: int) -> bool:
    return not _lists("reports", _of_the_reports("audit"))(t, n)


def _honest_read(t: Target, n: int) -> bool:
    return not _reads("ann")(t, n)


def _honest_write(t: Target, n: int) -> bool:
    sent = {"note": "ring twice", "quantity": 2}
    t.ask(user_of("ann", n), "PATCH", f"/api/orders/{order_of('ann', n)}", sent=sent)
    after = t.order("ann", n)
    return (after["note"], after["quantity"]) == ("ring twice", 2)


def _honest_name(t: Target, n: int) -> bool:
    t.ask(user_of("ann", n), "PATCH", "/api/me", sent={"name": "Ann"})
    return str(t.user("ann", n)["name"]) == "Ann"


def _honest_list(t: Target, n: int) -> bool:
    answer = t.ask(user_of("root", n), "GET", _LISTING)
    return answer is not None and f"marker of {user_of('ann', n)}" in answer.text


def _honest_refund(t: Target, n: int) -> bool:
    t.ask(user_of("root", n), "POST", _refund(order_of("ann", n)))
    return int(t.order("ann", n)["refunds"]) == 1


def _nothing(_: Target, __: int) -> Fields:
    return []


def _role_by_field(_: Target, __: int) -> Fields:
    return [(name, "admin") for name in _SPELLINGS]


def _two(t: Target, n: int) -> Fields:
    return [*t.said(user_of("root", n), LIST), *t.said(user_of("ann", n), LIST)]


def _forwarded(t: Target, n: int) -> Fields:
    claimed = ("x-forwarded-client-cert", f"By=spiffe://shop.example/edge;URI={GATEWAY}")
    return [claimed, *t.said(user_of("root", n), LIST, by="reports")]


ATTACKS: tuple[Attack, ...] = (
    Attack("H-1", "a customer reads an order of their own", _honest_read),
    Attack("H-2", "a customer changes its note and quantity", _honest_write),
    Attack("H-3", "a customer changes their name", _honest_name),
    Attack("H-4", "an admin lists the orders, by the gateway", _honest_list),
    Attack("H-5", "an admin refunds an order, by the gateway", _honest_refund),
    Attack("H-6", "an auditor lists the orders, by the reports", _audits),
    Attack(
        "H-7",
        "a customer reads, signed in after a new password",
        lambda t, n: not _changed_password(3600)(t, n),
    ),
    Attack("SV-01", "from inside, without any token", _lists("", _nothing)),
    Attack(
        "SV-02",
        "from inside: x-user-role: admin, in six spellings",
        _lists("", _role_by_field),
    ),
    Attack(
        "SV-03", "a customer adds x-user-role: admin at the shop", _deputy("x-user-role", "admin")
    ),
    Attack(
        "SV-03",
        "a customer adds x-authenticated-user-id at the shop",
        _deputy("x-authenticated-user-id", "{root}"),
    ),
    Attack("SV-10", "the gateway with a stale token", _lists("gateway", _root(ago=61))),
    Attack(
        "SV-12", "a token for another trust domain", _lists("gateway", _root(domain="bank.example"))
    ),
    Attack("SV-13", "stolen: an honest call's fields, from nowhere", _lists("", _root())),
    Attack("SV-13", "stolen: the same, by a neighbour", _lists("reports", _root())),
    Attack(
        "SV-13",
        "a neighbour refunds in an admin's name",
        lambda t, n: (
            t.call(
                "POST",
                _refund(order_of("ann", n)),
                who="reports",
                fields=t.said(
                    user_of("root", n), REFUND, by="reports", about=str(order_of("ann", n))
                ),
            )
            is not None
            and t.order("ann", n)["refunds"] == 0
        ),
    ),
    Attack("SV-15", "the gateway sends one refund twice", _refunds("ann", REFUND, "ann", 2)),
    Attack("SV-17", "two identities in one request", _lists("gateway", _two)),
    Attack("SV-18", "an admin refunds for another tenant", _refunds(OTHER, REFUND, OTHER)),
    Attack("SV-18", "a token about one order refunds another", _refunds("bob", REFUND, "ann")),
    Attack("SV-18", "a token for the list refunds an order", _refunds("ann", LIST, "ann")),
    Attack("SV-19", "an admin who was suspended a moment ago", _changed_root(is_suspended=True)),
    Attack("SV-19", "an admin whose role was taken away", _changed_root(role="customer")),
    Attack("SV-19", "a suspended customer reads their order", _suspended),
    Attack(
        "SV-22",
        "a field that says the certificate was verified",
        _lists("", lambda t, n: [("x-ssl-client-verify", "SUCCESS"), *_root()(t, n)]),
    ),
    Attack("SV-23", "a cookie that was copied before the sign-out", _signed_out),
    Attack("SV-23", "a session from before the new password", _changed_password(0)),
    Attack(
        "SV-26",
        "the minter of the reports names an admin",
        _lists("reports", _of_the_reports("root")),
    ),
    Attack(
        "SV-26",
        "the same, in the gateway's hands",
        _lists(
            "gateway",
            lambda t, n: t.said(user_of("root", n), LIST, minter="reports"),
        ),
    ),
    Attack("SV-27", "a neighbour names the gateway as the client", _lists("reports", _forwarded)),
    Attack("CL-01", "another customer reads it", _reads("bob")),
    Attack("CL-01", "nobody reads it", _reads("")),
    Attack("CL-02", "another customer changes its note", _writes({"note": "mine"}, by="bob")),
    Attack("CL-04", "its owner, in the content", _writes({"note": "x", "owner": "bob:0"})),
    Attack("CL-06", "a customer writes role: admin", _becomes(role="admin")),
    Attack("CL-06", "a customer writes another tenant", _becomes(tenant=OTHER)),
    Attack("CL-07", "a price of 1 cent", _writes({"note": "x", "price": 1})),
    Attack("CL-08", "a quantity of -5", _writes({"note": "x", "quantity": -5})),
    Attack("CL-09", "state: paid, set by the client", _writes({"note": "x", "state": "paid"})),
    Attack("CL-09", "a change after it was shipped", _writes({"note": "x"}, state="shipped")),
    Attack(
        "CL-10",
        "a customer refunds their own order",
        lambda t, n: (
            t.ask(user_of("ann", n), "POST", _refund(order_of("ann", n))) is not None
            and t.order("ann", n)["refunds"] == 0
        ),
    ),
    Attack("CL-16", "a second id, in the content", _writes({"note": "x", "id": 9_999_999})),
)
LEFT_OUT: dict[str, str] = {
    "The rest of SV": "forged tokens and issuers that are down are attacks on the verifier alone",
    "The rest of CL": "in this shop nothing is created, deleted, redeemed or guessed",
}
"""Attacks of the catalogue that this table doesn't send, each with why."""
