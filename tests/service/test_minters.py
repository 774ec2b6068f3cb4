"""Who may mint: each with its own key and its own users; and tokens that are made to look like theirs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pratique.core.claim import Claim, Fields
from pratique.core.proofs.authentic.base64url import encode
from pratique.core.refusal import BoundaryError, Refused
from pratique.service import ANYBODY, Context, Issuer, Minter, TransactionToken
from tests.service.orders import GATEWAY, NOON, STAFF, TOKENS, Orders, token


def minter(issuer: Issuer = TOKENS, **changes: Any) -> Minter:
    """Return a minter of an issuer."""
    told: dict[str, Any] = {
        "issuer": issuer.name,
        "keys": issuer.jwks(),
        "scopes": {"order.read"},
        "subjects": "customer:",
    }
    return Minter(**{**told, **changes})


def declared(*minters: Minter, trust_domain: str = "shop.example") -> TransactionToken:
    """Return what reads their tokens."""
    return TransactionToken(trust_domain, minters=minters)


def signed(issuer: Issuer, head: dict[str, Any] | None = None, **claims: Any) -> str:
    """Sign whatever is said with the issuer's own key."""
    now = int(NOON.timestamp())
    told = {
        "iss": issuer.name,
        "aud": issuer.trust_domain,
        "iat": now,
        "exp": now + 60,
        "txn": "t",
        "sub": "customer:1",
        "scope": "order.read",
        "req_wl": GATEWAY,
        "tctx": {"object": "10"},
        **claims,
    }
    header = {"alg": "EdDSA", "typ": "txntoken+jwt", "kid": issuer.key_name, **(head or {})}
    content = ".".join(encode(json.dumps(part).encode()) for part in (header, told))
    return f"{content}.{encode(issuer._key.sign(content.encode()))}"


def proven(text: str, reader: TransactionToken, *, key: str | None = "10") -> Context:
    """Return what a token says, proven."""
    flow = reader.prove(
        Claim(b"", Fields([("Txn-Token", text)]), NOON),
        caller=GATEWAY,
        scope="order.read",
        key=key,
    )
    with pytest.raises(StopIteration) as end:
        next(flow)
    found: Context = end.value.value
    return found


def test_actions_that_are_added_after_the_declaration_are_not_minted_for() -> None:
    """A minter's actions are copied where it is declared; what it had then passes."""
    scopes = {"order.write"}
    reader = declared(minter(scopes=scopes))
    scopes.add("order.read")
    with pytest.raises(Refused) as refused:
        proven(signed(TOKENS), reader)
    assert refused.value.code == "minter_may_not"
    assert proven(signed(TOKENS), declared(minter(scopes=scopes))).subject == "customer:1"


@pytest.mark.parametrize("subjects", ["customer", "c", "user1", "é"])
def test_a_prefix_ends_where_a_name_begins(subjects: str) -> None:
    """SV-26: "customer" is the beginning of "customer-service:9" too; "customer:", "auth0|" or anybody start."""
    with pytest.raises(BoundaryError, match="in the middle of a word"):
        declared(minter(subjects=subjects))
    for right in (f"{subjects}:", "auth0|", "https://id.example/", ANYBODY):
        assert declared(minter(subjects=right)).trust_domain


def test_two_minters_have_no_key_in_common() -> None:
    """SV-13, SV-26: the thief of one would mint for the other's users, by the other's name."""
    again = Issuer(STAFF.name, trust_domain="shop.example", seed=bytes(range(32)), key_name="s1")
    with pytest.raises(BoundaryError, match="Each minter has its own"):
        declared(minter(), minter(again, subjects="staff:"))
    assert declared(minter(), minter(STAFF, subjects="staff:")).trust_domain


@pytest.mark.parametrize("algorithms", [("HS256",), ("EdDSA", "HS512")])
def test_a_minter_shares_no_secret(algorithms: tuple[str, ...]) -> None:
    """SV-26: each service that verifies with it could mint for any user at every other one; a public key starts."""
    secret = bytes(range(64, 128))
    with pytest.raises(BoundaryError, match="each service that verifies has too"):
        declared(minter(keys=secret, algorithms=algorithms))
    assert declared(minter(algorithms=("EdDSA",))).trust_domain


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aud": ["bank.example"]}, "wrong_audience"),
        ({"aud": ["shop.example", 1]}, "wrong_audience"),
        ({"aud": ["bank.example", "shop.example"]}, None),
        ({"scope": "order.reads order.rea"}, "token_for_another_action"),
        ({"scope": "order.read\torder.list"}, "token_for_another_action"),
        ({"scope": ["order.list", "order.read"]}, None),
        ({"tctx": [{"object": "10"}]}, "token_for_another_object"),
        ({"tctx": "object"}, "token_for_another_object"),
        ({"tctx": {"object": ["10"]}}, "token_for_another_object"),
        ({"tctx": {"object": 10}}, "token_for_another_object"),
        ({"tctx": None}, "token_for_another_object"),
        ({"req_wl": [GATEWAY]}, "token_of_another_caller"),
        ({"req_wl": GATEWAY + "/"}, "token_of_another_caller"),
        ({"txn": ""}, "bad_claim"),
        ({"txn": 7}, "bad_claim"),
        ({"sub": "staff:9"}, "minter_may_not"),
        ({"sub": "customer"}, "minter_may_not"),
        ({"sub": "Customer:1"}, "minter_may_not"),
        ({"sub": " customer:1"}, "minter_may_not"),
        ({"sub": ["customer:1"]}, "bad_claim"),
    ],
)
def test_what_a_token_says_is_read_one_way(change: dict[str, Any], code: str | None) -> None:
    """SV-12, SV-18, SV-26: signed by the minter's own key, and for something else; the honest lists are read."""
    reader = declared(minter(scopes={"order.read", "order.list"}))
    if code is None:
        assert proven(signed(TOKENS, **change), reader).subject == "customer:1"
        return
    with pytest.raises(Refused) as refused:
        proven(signed(TOKENS, **change), reader)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "head",
    [
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": "txntoken"},
        {"alg": "none"},
        {"kid": "s1"},
    ],
)
def test_another_header_is_another_token(head: dict[str, Any]) -> None:
    """SV-04, SV-08, SV-14: another type, no algorithm, the other minter's key name; the honest one is read."""
    orders = Orders()
    with pytest.raises(Refused) as refused:
        orders.ask(orders.read, token=signed(TOKENS, head))
    assert refused.value.status == 401
    assert orders.ask(orders.read, token=signed(TOKENS)).id == "10"


def test_one_minters_key_under_anothers_name_is_refused() -> None:
    """SV-05, SV-13: it says which key is tried, and the signature then isn't that key's."""
    orders = Orders()
    for key_name in ("k1", "s1"):
        forged = signed(STAFF, {"kid": key_name}, iss=TOKENS.name)
        with pytest.raises(Refused) as refused:
            orders.ask(orders.read, token=forged)
        assert refused.value.obligation == "authentic"


@pytest.mark.parametrize(
    "inside", [b'{"x":' + b"[" * 6000 + b"]" * 6000 + b"}", b'{"iss":5}', b"[]"]
)
def test_a_token_that_nobody_signed_is_no_trouble(inside: bytes) -> None:
    """SV-08: a deep or odd claims set is a 401, no 503; a token inside a token too."""
    orders = Orders()
    for part in (inside, token().encode()):
        with pytest.raises(Refused) as refused:
            orders.ask(orders.read, token=f"e30.{encode(part)}.AAAA")
        assert (refused.value.code, refused.value.status) == ("malformed_token", 401)


def refused_to_narrow(narrow: Callable[[], object]) -> str:
    """Return why it isn't narrowed."""
    with pytest.raises(BoundaryError) as caught:
        narrow()
    return str(caught.value)


def test_a_parent_of_another_trust_domain_is_not_narrowed() -> None:
    """A token for the bank is none for the shop because we hold both; the shop's own is narrowed, whoever minted it."""
    bank = Issuer(
        "https://bank.example",
        trust_domain="bank.example",
        seed=bytes(range(50, 82)),
        key_name="b1",
    )
    told: dict[str, Any] = {"scope": ["order.read"], "caller": GATEWAY, "at": NOON}
    parent = proven(signed(bank), declared(minter(bank), trust_domain="bank.example"))
    assert "another trust domain" in refused_to_narrow(lambda: STAFF.narrow(parent, **told))
    own = proven(signed(TOKENS), declared(minter()))
    narrowed = STAFF.narrow(own, **told)
    assert proven(narrowed, declared(minter(STAFF))).subject == "customer:1"
    # The other issuer's own range is what counts from here on.
    with pytest.raises(Refused, match="may not mint"):
        proven(narrowed, declared(minter(STAFF, subjects="staff:")))


@pytest.mark.parametrize(
    "about", [["object"], "object", 7, {"object": {"id": "10"}}, {"object": None}]
)
def test_a_parent_whose_context_is_no_object_of_texts_is_not_narrowed(about: Any) -> None:
    """Of an issuer that writes another form: our own mistake, and said so; an object of texts is narrowed."""
    told: dict[str, Any] = {"scope": ["order.read"], "caller": GATEWAY, "at": NOON}
    parent = proven(signed(TOKENS, tctx=about), declared(minter()), key=None)
    assert "tctx" in refused_to_narrow(lambda: TOKENS.narrow(parent, **told))
    assert TOKENS.narrow(proven(signed(TOKENS), declared(minter())), **told)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subject": 1}, "each a text"),
        ({"caller": None}, "each a text"),
        ({"about": {"object": 10}}, "str(order.id)"),
    ],
)
def test_what_no_service_would_believe_is_not_minted(change: dict[str, Any], said: str) -> None:
    """A number is another user and another object than its text: said where it is minted, and no 401 elsewhere."""
    told: dict[str, Any] = {"subject": "customer:1", "scope": ["order.read"], "caller": GATEWAY}
    told |= {"at": NOON, "about": {"object": "10"}}
    with pytest.raises(BoundaryError) as caught:
        TOKENS.mint(**told | change)
    assert said in str(caught.value)
    assert proven(TOKENS.mint(**told), declared(minter())).subject == "customer:1"
