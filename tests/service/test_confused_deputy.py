"""The twelve confused-deputy cases: each is refused, and the honest call beside it is answered."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pratique.core.refusal import BoundaryError, Refused
from pratique.service import Issuer, Minter, TransactionToken
from tests.service.orders import GATEWAY, NOON, REPORTS, STAFF, TOKENS, Orders, token, without_id


@pytest.fixture
def orders() -> Orders:
    """Give the service."""
    return Orders()


def refusal(ask: Callable[[], Any]) -> Refused:
    """Return why it isn't answered."""
    with pytest.raises(Refused) as caught:
        ask()
    return caught.value


def test_the_honest_call_is_answered(orders: Orders) -> None:
    """The twin of all twelve: a proven caller, a user by a token bound to it, the user's own order."""
    assert orders.ask(orders.read, token=token()).id == "10"
    last = orders.kept.records[-1]
    assert last.proofs == ("authentic", "fresh", "confirmed", "linked", "allowed", "valid")
    staff = token(issuer=STAFF, subject="staff:9", scope=["orders.list"], about={})
    assert orders.ask(orders.list, token=staff).role == "admin"


def test_a_caller_that_names_another_user_is_refused(orders: Orders) -> None:
    """1: the user comes in the token, never in a field: whoever adds one is refused, token or not (CWE-441)."""
    for field in (
        "X-User-Id",
        "X-Authenticated-User-Id",
        "X_User_Id",
        "x-user-role",
        "X-Forwarded-User",
        "X-Auth-Request-Email",
        "X-Tenant-Id",
        "Remote-User",
        "X-Is-Admin",
        "X-Roles",
    ):
        refused = refusal(
            lambda f=field: orders.ask(orders.read, token=token(), fields={f: "staff:9"})
        )
        assert (refused.code, refused.status) == ("unsigned_identity", 401)
    for harmless in ("User-Agent", "X-Request-Id", "Accept", "X-Account-Region", "Traceparent"):
        assert orders.ask(orders.read, token=token(), fields={harmless: "x"}).id == "10"


def test_a_caller_without_the_action_is_refused(orders: Orders) -> None:
    """2: a service that may not do this for anybody; what it is granted it may."""
    refused = refusal(lambda: orders.ask(orders.read, token=token(caller=REPORTS), peer=REPORTS))
    assert (refused.obligation, refused.code) == ("allowed", "caller_may_not")
    staff = token(issuer=STAFF, subject="staff:9", scope=["orders.list"], about={}, caller=REPORTS)
    assert orders.ask(orders.list, token=staff, peer=REPORTS).role == "admin"


def test_a_token_for_another_audience_is_refused(orders: Orders) -> None:
    """3: another trust domain's token."""
    other = Issuer(TOKENS.name, trust_domain="bank.example", seed=bytes(range(32)), key_name="k1")
    assert (
        refusal(lambda: orders.ask(orders.read, token=token(issuer=other))).code == "wrong_audience"
    )


def test_a_token_of_another_caller_is_refused(orders: Orders) -> None:
    """4: req_wl: a token that was seen elsewhere is no use to whoever saw it."""
    refused = refusal(lambda: orders.ask(orders.read, token=token(caller=REPORTS)))
    assert (refused.obligation, refused.code) == ("linked", "token_of_another_caller")


def test_a_token_for_another_action_is_refused(orders: Orders) -> None:
    """5: right user, wrong action."""
    refused = refusal(lambda: orders.ask(orders.read, token=token(scope=["orders.list"])))
    assert refused.code == "token_for_another_action"


@pytest.mark.parametrize("about", [{"object": "20"}, {}, {"object": "010"}, {"order": "10"}])
def test_a_token_for_another_object_is_refused(orders: Orders, about: dict[str, str]) -> None:
    """6: right user, wrong object; none named; another spelling."""
    refused = refusal(lambda: orders.ask(orders.read, token=token(about=about)))
    assert refused.code == "token_for_another_object"


def test_another_tenants_object_is_not_found(orders: Orders) -> None:
    """7: the minter says that it is about order 20; our own state says that it isn't this user's."""
    refused = refusal(
        lambda: orders.ask(orders.read, token=token(about={"object": "20"}), key="20")
    )
    assert (refused.code, refused.status) == ("not_found", 404)
    other = token(subject="customer:2", about={"object": "20"})
    assert orders.ask(orders.read, token=other, key="20").id == "20"


@pytest.mark.parametrize("seconds", [61, 3600, -6])
def test_a_stale_token_is_refused(orders: Orders, seconds: int) -> None:
    """8: over its time, or from the future."""
    refused = refusal(
        lambda: orders.ask(orders.read, token=token(at=NOON - timedelta(seconds=seconds)))
    )
    assert (refused.obligation, refused.status) == ("fresh", 401)
    assert orders.ask(orders.read, token=token(at=NOON - timedelta(seconds=59))).id == "10"


@pytest.mark.parametrize(("lead", "ahead"), [(None, 5), (0, 0), (60, 60)])
def test_a_minters_clock_may_be_a_little_ahead(
    orders: Orders, lead: int | None, ahead: int
) -> None:
    """A minter 5 s ahead is believed, or as far as is declared; a second more isn't, and nothing lives longer for it."""
    more = {} if lead is None else {"lead": timedelta(seconds=lead)}
    minter = Minter(
        issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"order.read"}, subjects="customer:"
    )
    orders.service.context = TransactionToken("shop.example", minters=[minter], **more)

    def read(seconds: int) -> Any:
        return orders.ask(orders.read, token=token(at=NOON + timedelta(seconds=seconds)))

    assert read(ahead).id == "10"
    assert refusal(lambda: read(ahead + 1)).code == "from_the_future"
    assert refusal(lambda: read(-61)).code == "expired_token"
    with pytest.raises(BoundaryError, match="lead="):
        TransactionToken("shop.example", minters=[minter], lead=timedelta(seconds=61))


def test_a_replayed_write_is_refused(orders: Orders) -> None:
    """9, SV-15: whoever recorded a write sends it again: its token works once, by its `jti`; a new one for a new refund does (CWE-294)."""
    orders.is_repeatable = True
    first = token(scope=["order.refund"])
    orders.ask(orders.refund, token=first)
    for fields in ({}, {"Idempotency-Key": "k"}):
        refused = refusal(lambda f=fields: orders.ask(orders.refund, token=first, fields=f))
        assert (refused.obligation, refused.code, refused.status) == ("unique", "token_used", 409)
    assert orders.refunds == ["10"]
    orders.ask(orders.refund, token=token(scope=["order.refund"]))
    assert orders.refunds == ["10", "10"]
    reading = token()
    assert [orders.ask(orders.read, token=reading).id for _ in range(2)] == ["10", "10"]


def test_a_write_that_was_done_is_refused_by_any_token(orders: Orders) -> None:
    """SV-15: the business key holds where a new token is minted; the refused one's token isn't used up."""
    orders.ask(orders.refund, token=token(scope=["order.refund"]))
    second = token(scope=["order.refund"])
    refused = refusal(lambda: orders.ask(orders.refund, token=second))
    assert (refused.code, refused.status) == ("already_applied", 409)
    assert orders.refunds == ["10"]
    orders.is_repeatable = True
    orders.ask(orders.refund, token=second)
    assert orders.refunds == ["10", "10"]


def test_two_callers_never_share_an_idempotency_key(orders: Orders) -> None:
    """CL-13 between services: the same key by another caller for the same user is its own; by the same one it is told again."""

    def ask(caller: str) -> bool:
        said = token(scope=["order.refund"], caller=caller)
        sent = {"Idempotency-Key": '"k"'}
        told = orders.ask(orders.refund, token=said, peer=caller, fields=sent)
        return bool(told.is_repeated)

    orders.is_repeatable = True
    assert [ask(GATEWAY), ask(GATEWAY), ask(REPORTS)] == [False, True, False]
    assert orders.refunds == ["10", "10"]


def test_a_one_time_action_owes_a_token_id(orders: Orders) -> None:
    """A token without `jti` could be shown for ever: 401; reading doesn't owe it."""
    bare = without_id(token(scope=["order.refund"]))
    assert refusal(lambda: orders.ask(orders.refund, token=bare)).code == "bad_claim"
    assert orders.refunds == []
    assert orders.ask(orders.read, token=without_id(token())).id == "10"


def test_a_suspended_user_is_refused(orders: Orders) -> None:
    """10: suspended a moment ago, deleted, or never there."""
    orders.users["customer:1"].is_suspended = True
    assert refusal(lambda: orders.ask(orders.read, token=token())).code == "unknown_user"
    orders.users["customer:1"].is_suspended = False
    assert orders.ask(orders.read, token=token()).id == "10"
    unknown = token(subject="customer:77")
    assert refusal(lambda: orders.ask(orders.read, token=unknown)).code == "unknown_user"


def test_a_role_is_the_one_of_now(orders: Orders) -> None:
    """11: an admin by the token's time, not any more by our own state."""
    staff = token(issuer=STAFF, subject="staff:9", scope=["orders.list"], about={})
    orders.users["staff:9"].role = "customer"
    assert refusal(lambda: orders.ask(orders.list, token=staff)).code == "not_allowed"
    orders.users["staff:9"].role = "admin"
    assert orders.ask(orders.list, token=staff).role == "admin"


def test_two_tokens_are_refused(orders: Orders) -> None:
    """12: two identities in one request: two programs would take each another one."""
    fields = {"txn-token": token(subject="customer:2")}
    assert (
        refusal(lambda: orders.ask(orders.read, token=token(), fields=fields)).code
        == "duplicate_field"
    )


def test_a_minter_names_its_own_users_and_actions(orders: Orders) -> None:
    """SV-26: who took over the gateway mints no staff, and who took over the back office no orders."""
    staff = token(subject="staff:9", scope=["orders.list"], about={})
    assert refusal(lambda: orders.ask(orders.list, token=staff)).code == "minter_may_not"
    order = token(issuer=STAFF, subject="staff:9")
    assert refusal(lambda: orders.ask(orders.read, token=order)).code == "minter_may_not"
    stranger = Issuer(
        "https://evil.example", trust_domain="shop.example", seed=bytes(range(9, 41)), key_name="k1"
    )
    assert (
        refusal(lambda: orders.ask(orders.read, token=token(issuer=stranger))).code
        == "unknown_minter"
    )
    impostor = Issuer(
        TOKENS.name, trust_domain="shop.example", seed=bytes(range(9, 41)), key_name="k1"
    )
    assert (
        refusal(lambda: orders.ask(orders.read, token=token(issuer=impostor))).obligation
        == "authentic"
    )


@pytest.mark.parametrize("peer", ["", "10.0.0.7", "spiffe://shop.example/unknown"])
def test_nobody_calls_without_a_certificate(orders: Orders, peer: str) -> None:
    """SV-01: an honest token in the hands of whoever can't prove who calls."""
    assert refusal(lambda: orders.ask(orders.read, token=token(), peer=peer)).status == 401


@pytest.mark.parametrize(
    "text", [None, "", "x", "a.b.c", "..", "e30.e30.e30", "\u00e9.\u00e9.\u00e9", "a" * 20_000]
)
def test_what_is_no_token_is_refused(orders: Orders, text: str | None) -> None:
    """Any text: 401, and nothing but a refusal."""
    assert refusal(lambda: orders.ask(orders.read, token=text)).status == 401


def test_a_narrowed_token_is_for_no_more_than_its_parent(orders: Orders) -> None:
    """The next call of a transaction: same user and transaction, fewer actions, not a moment longer."""
    parent = TOKENS.mint(
        "customer:1",
        scope=["order.read", "orders.list"],
        caller=GATEWAY,
        at=NOON,
        about={"object": "10"},
    )
    claim_of = orders.service.context.prove
    from pratique.core.claim import Claim, Fields

    flow = claim_of(
        Claim(b"", Fields([("Txn-Token", parent)]), NOON),
        caller=GATEWAY,
        scope="order.read",
        key="10",
    )
    with pytest.raises(StopIteration) as end:
        next(flow)
    context = end.value.value
    narrowed = TOKENS.narrow(
        context, scope=["order.read"], caller=GATEWAY, at=NOON + timedelta(seconds=30)
    )
    claims = json.loads(_payload(narrowed))
    assert claims["exp"] == int(NOON.timestamp()) + 60
    assert (claims["sub"], claims["txn"], claims["scope"]) == (
        "customer:1",
        context.transaction,
        "order.read",
    )
    assert orders.ask(orders.read, token=token()).id == "10"
    for wrong in (
        {"scope": ["order.refund"]},
        {"scope": ["order.read"], "about": {"object": "20"}},
        {"scope": ["order.read"], "at": NOON + timedelta(seconds=60)},
        {"scope": []},
    ):
        with pytest.raises(BoundaryError):
            TOKENS.narrow(context, **{"caller": GATEWAY, "at": NOON, **wrong})


def _payload(text: str) -> bytes:
    from pratique.core.proofs.authentic.base64url import decode

    return decode(text.split(".")[1].encode())


def test_a_token_is_never_in_a_record(orders: Orders) -> None:
    """Law 5: neither it nor its user stands in any text or event."""
    honest = token()
    orders.ask(orders.read, token=honest)
    # Not its end: one Ed25519 signature in sixteen ends in a zero byte.
    other = honest[:-40] + ("B" if honest[-40] == "A" else "A") + honest[-39:]
    refused = refusal(lambda: orders.ask(orders.read, token=other))
    told = repr(orders.kept.records) + str(refused) + repr(refused.problem())
    assert honest[20:60] not in told
    assert "customer:1" not in told


def test_what_is_declared_is_said(orders: Orders) -> None:
    """Both parties are roots, so that the report says what the thief of each could do."""
    read, _, _ = orders.service.declarations()
    roots = {str(root) for proof in read.proofs for root in proof.roots}
    assert f"party:{TOKENS.name}" in roots
    assert "ca:shop.example" in roots
    assert orders.perimeter.debts() == []
    refund = orders.service.declarations()[-1]
    (unique,) = (proof for proof in refund.proofs if proof.obligation == "unique")
    assert unique.method == "single use of the business key, in the effect's transaction, memory"
