"""Who calls: by the caller's own TLS connection, or by the word of a proxy that came by mTLS."""

from typing import Any

import pytest

from pratique.core.boundary import Declaration
from pratique.core.claim import Claim, Fields, Tls, Via
from pratique.core.obligation import ALLOWED, AUTHENTIC
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.roots import Goal, minimal_sets
from pratique.service import Caller, forwarded_certificate, mtls
from tests.service.authority import HOUR, NOW, Authority

GATEWAY = "spiffe://shop.example/gateway"
EDGE = "spiffe://shop.example/edge"
ALLOW = {GATEWAY: {"orders.read"}}
direct = mtls("shop.example", allow=ALLOW)
behind = forwarded_certificate(
    "shop.example", allow=ALLOW, proxies=mtls("shop.example", allow={EDGE: ()}), by=EDGE
)
authority = Authority()
FORWARDED = ("X-Forwarded-Client-Cert", f"By={EDGE};URI={GATEWAY}")
NO_TLS: tuple[str, ...] = ()


def claim(*uris: str, fields: tuple[tuple[str, str], ...] = (), at: Any = NOW) -> Claim:
    """Return a claim that came with the certificate of these names; without any, with none."""
    chain = (authority.issue(*uris),) if uris else ()
    return Claim(b"", Fields(fields), at, Via(tls=Tls(chain)))


def refused_by(proof: Any, what: Claim) -> tuple[Any, str]:
    """Return obligation and code with which a claim is refused."""
    with pytest.raises(Refused) as refused:
        proof.prove(what)
    return refused.value.obligation, refused.value.code


def test_knows_a_caller_by_its_certificate() -> None:
    """The id is the certificate's, the scopes are our own declaration's."""
    assert direct.prove(claim(GATEWAY)) == Caller(GATEWAY, frozenset({"orders.read"}))


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        (claim(), (AUTHENTIC, "no_client_certificate")),
        (claim("spiffe://shop.example/other"), (ALLOWED, "unknown_caller")),
        (claim("spiffe://shop.example/gateway/x"), (ALLOWED, "unknown_caller")),
        (claim("spiffe://other.example/gateway"), (AUTHENTIC, "wrong_trust_domain")),
        (claim(GATEWAY, EDGE), (AUTHENTIC, "bad_svid")),
        (claim(GATEWAY, at=NOW + 2 * HOUR), (AUTHENTIC, "certificate_dates")),
    ],
)
def test_refuses_who_is_not_proven_or_not_named(what: Claim, refusal: Any) -> None:
    """A caller that isn't proven is 401, a proven one that isn't named 403."""
    assert refused_by(direct, what) == refusal


@pytest.mark.parametrize("tls", [None, Tls(unseen="the server shows nothing"), Tls((b"",), "why")])
@pytest.mark.parametrize("proof", [direct, behind])
def test_a_server_that_shows_no_certificate_is_told_from_a_client_that_has_none(
    proof: Any, tls: Tls | None
) -> None:
    """What we can't see is our own fault: 503 with a code, never a caller."""
    blind = Claim(b"", Fields([FORWARDED]), NOW, Via(tls=tls))
    with pytest.raises(Refused) as refused:
        proof.prove(blind)
    refusal = refused.value
    assert (refusal.code, refusal.status, refusal.answer) == (
        "client_certificate_unseen",
        503,
        Answer.RETRY,
    )
    assert refusal.problem()["code"] == "client_certificate_unseen"


@pytest.mark.parametrize(
    "name",
    [
        "X-SSL-Client-Cert",
        "X-SSL-Client-Verify",
        "X-SSL-Client-S-DN",
        "X_SSL_Client_DN",
        "SSL-Client-Subject-DN",
        "Client-Cert",
        "client-cert-chain",
        "X-Client-Cert-Present",
        "X-Forwarded-Tls-Client-Cert",
        "X-Amzn-Mtls-Clientcert-Leaf",
        "X-ARR-ClientCert",
        "Cf-Client-Cert-Der-Base64",
        "X_Forwarded_Client_Cert",
        "X-SPIFFE-ID",
        "X.Forwarded.Client.Cert",
        "X-Forwarded--Client-Cert",
        "X-SSL-Cert",
        "X-Nginx-Ssl-Client-Cert",
        "X-Peer-Certificate",
        "X-Client-CN",
        "X-Client-Spiffe-Id",
        "X-Svid",
    ],
)
@pytest.mark.parametrize("uris", [NO_TLS, (GATEWAY,), (EDGE,)], ids=["none", "caller", "proxy"])
def test_refuses_a_field_that_names_a_certificate(name: str, uris: tuple[str, ...]) -> None:
    """SV-20, SV-22: with or without mTLS, to a caller or a proxy, such a field is refused."""
    lines = ((name, "spiffe://shop.example/gateway"),)
    assert refused_by(direct, claim(*uris, fields=lines)) == (AUTHENTIC, "claimed_certificate")
    assert refused_by(behind, claim(*uris, fields=(FORWARDED, *lines)))[1] == "claimed_certificate"


@pytest.mark.parametrize(
    "name", ["X-Request-Id", "Client-Id", "X-Client-Version", "X-Clientele", "X-Ssl"]
)
def test_admits_other_fields(name: str) -> None:
    """The twins: names of another family."""
    assert direct.prove(claim(GATEWAY, fields=((name, "1"),))).id == GATEWAY


def test_knows_a_caller_by_the_word_of_its_proxy() -> None:
    """The proxy came by mTLS, it wrote `By`, and it names one client."""
    assert behind.prove(claim(EDGE, fields=(FORWARDED,))) == Caller(
        GATEWAY, frozenset({"orders.read"})
    )


@pytest.mark.parametrize(
    ("what", "refusal"),
    [
        (claim(fields=(FORWARDED,)), (AUTHENTIC, "no_client_certificate")),
        (claim(GATEWAY, fields=(FORWARDED,)), (AUTHENTIC, "not_the_proxy")),
        (
            claim("spiffe://other.example/edge", fields=(FORWARDED,)),
            (AUTHENTIC, "wrong_trust_domain"),
        ),
        (claim(EDGE), (AUTHENTIC, "no_forwarded_certificate")),
        (claim(EDGE, fields=(FORWARDED, FORWARDED)), (AUTHENTIC, "bad_forwarded_certificate")),
        (
            claim(EDGE, fields=((FORWARDED[0], f"By={EDGE};URI={EDGE}"),)),
            (ALLOWED, "unknown_caller"),
        ),
        (
            claim(EDGE, fields=((FORWARDED[0], f"By={EDGE};URI=spiffe://other.example/gateway"),)),
            (AUTHENTIC, "wrong_trust_domain"),
        ),
    ],
    ids=[
        "no mTLS",
        "a neighbour",
        "a foreign edge",
        "no field",
        "two",
        "not named",
        "foreign caller",
    ],
)
def test_refuses_the_field_from_anybody_else(what: Claim, refusal: Any) -> None:
    """SV-27: a neighbour with a certificate of its own isn't the proxy."""
    assert refused_by(behind, what) == refusal


def test_the_field_is_refused_where_no_proxy_is_declared() -> None:
    """SV-22: to `mtls` it is one more field that claims a certificate."""
    assert refused_by(direct, claim(GATEWAY, fields=(FORWARDED,))) == (
        AUTHENTIC,
        "claimed_certificate",
    )


@pytest.mark.parametrize(
    ("domain", "allow"),
    [
        ("", ALLOW),
        ("spiffe://shop.example", ALLOW),
        ("Shop.example", ALLOW),
        ("shop.example", {}),
        ("shop.example", {"gateway": {"a"}}),
        ("shop.example", {"spiffe://shop.example": {"a"}}),
        ("shop.example", {"spiffe://other.example/gateway": {"a"}}),
        ("shop.example", {GATEWAY: "orders.read"}),
        ("shop.example", {GATEWAY: {""}}),
        ("shop.example", {GATEWAY: {"a b"}}),
        ("shop.example", {GATEWAY: {1}}),
        ("shop.example", {GATEWAY: None}),
        ("shop.example", {1: {"a"}}),
        ("shop.example", [GATEWAY]),
    ],
)
def test_a_declaration_that_lets_in_nobody_or_anybody_is_a_mistake(domain: str, allow: Any) -> None:
    """Law 6: empty is never "unset", and a text isn't a set of scopes."""
    with pytest.raises(BoundaryError):
        mtls(domain, allow=allow)
    with pytest.raises(BoundaryError):
        forwarded_certificate(domain, allow=allow, proxies=behind.proxies, by=EDGE)


@pytest.mark.parametrize("by", ["", "edge", "spiffe://shop.example"])
def test_by_is_a_workload(by: str) -> None:
    """The proxy's own name is pinned."""
    with pytest.raises(BoundaryError, match="by="):
        forwarded_certificate("shop.example", allow=ALLOW, proxies=behind.proxies, by=by)


def test_a_mode_in_which_clients_write_the_field_is_a_mistake() -> None:
    """FORWARD_ONLY and ALWAYS_FORWARD_ONLY hand on what the client wrote."""
    mode: Any = "FORWARD_ONLY"
    with pytest.raises(BoundaryError, match="SANITIZE_SET and APPEND_FORWARD"):
        forwarded_certificate(
            "shop.example", allow=ALLOW, proxies=behind.proxies, by=EDGE, mode=mode
        )


def invent(proof: Any) -> set[str]:
    """Return who alone can invent a claim, from the declaration."""
    declaration = Declaration("orders", (proof.declared(),))
    return {str(root) for way in minimal_sets(declaration, Goal.INVENT) for root in way}


def test_the_declaration_names_who_can_make_it_lie() -> None:
    """The CA, each caller for itself, and behind a proxy the proxy for everybody."""
    assert invent(direct) == {"ca:shop.example", f"party:{GATEWAY}"}
    assert invent(behind) == {"ca:shop.example", f"party:{GATEWAY}", f"party:{EDGE}"}
    assert direct.declared().obligation is behind.declared().obligation is AUTHENTIC
    assert direct.reads_client_certificate
    assert behind.reads_client_certificate
