"""Whom a verified certificate chain names, and which certificates name nobody."""

import contextlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic import mtls
from pratique.core.proofs.authentic.mtls import SpiffeId, parse_spiffe_id, spiffe_id_of
from pratique.core.refusal import Refused
from tests.service.authority import HOUR, NOW, Authority, usage

GATEWAY = "spiffe://shop.example/gateway"
SECOND = timedelta(seconds=1)
authority = Authority()
GOOD = authority.issue(GATEWAY, hosts=["gateway.shop.example"])


def code_of(*chain: bytes, at: Any = NOW) -> str:
    """Return the code with which a chain is refused."""
    with pytest.raises(Refused) as refused:
        spiffe_id_of(chain, at=at)
    assert refused.value.obligation is AUTHENTIC
    return refused.value.code


def test_names_the_workload_of_a_leaf() -> None:
    """X.509-SVID §2: one URI name, other names beside it."""
    name = spiffe_id_of((GOOD,), at=NOW)
    assert (name, str(name)) == (SpiffeId("shop.example", "/gateway"), GATEWAY)


def test_refuses_an_empty_chain() -> None:
    """A connection without a certificate names nobody."""
    assert code_of() == "no_client_certificate"


@pytest.mark.parametrize(
    "facts",
    [
        {"uris": ()},
        {"uris": (GATEWAY, "spiffe://shop.example/admin")},
        {"uris": (GATEWAY, "https://shop.example/")},
        {"uris": ("https://shop.example/gateway",)},
        {"uris": ("spiffe://shop.example",)},
        {"is_ca": True, "key_usage": usage("digital_signature", "key_cert_sign")},
        {"is_ca": True},
        {"key_usage": usage("digital_signature", "key_cert_sign")},
        {"key_usage": usage("digital_signature", "crl_sign")},
        {"key_usage": usage("key_encipherment")},
        {"key_usage": None},
        {"purposes": (ExtendedKeyUsageOID.SERVER_AUTH,)},
    ],
    ids=[
        "no URI",
        "two SPIFFE ids",
        "another URI beside it",
        "another scheme",
        "no path",
        "a CA",
        "a CA that signs nothing",
        "signs certificates",
        "signs revocations",
        "no signatures",
        "no key usage",
        "servers alone",
    ],
)
def test_refuses_a_leaf_that_is_not_one_workloads(facts: dict[str, Any]) -> None:
    """X.509-SVID §2, §4 and §5.2: each departure is refused."""
    uris = facts.pop("uris", (GATEWAY,))
    assert code_of(authority.issue(*uris, **facts)) == "bad_svid"


@pytest.mark.parametrize(
    "facts",
    [{"is_ca": None}, {"purposes": ()}, {"key_usage": usage("digital_signature", "key_agreement")}],
)
def test_admits_what_the_standard_leaves_open(facts: dict[str, Any]) -> None:
    """The twins: basic constraints and extended key usage may be absent, further usages may be set."""
    assert str(spiffe_id_of((authority.issue(GATEWAY, **facts),), at=NOW)) == GATEWAY


@pytest.mark.parametrize("at", [NOW - HOUR - SECOND, NOW + HOUR + SECOND], ids=["before", "after"])
def test_refuses_a_certificate_outside_its_time(at: Any) -> None:
    """A connection that lives longer than the certificate that opened it proves nothing more."""
    assert code_of(GOOD, at=at) == "certificate_dates"


@pytest.mark.parametrize("at", [NOW - HOUR, NOW + HOUR], ids=["first", "last"])
def test_admits_the_first_and_the_last_second(at: Any) -> None:
    """The twins: both ends count as its time (RFC 5280 §4.1.2.5)."""
    assert str(spiffe_id_of((GOOD,), at=at)) == GATEWAY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spiffe://",
        "spiffe:///gateway",
        "SPIFFE://shop.example/gateway",
        "spiffe://Shop.example/gateway",
        "spiffe://shop.example/",
        "spiffe://shop.example/gateway/",
        "spiffe://shop.example//gateway",
        "spiffe://shop.example/./gateway",
        "spiffe://shop.example/../gateway",
        "spiffe://shop.example/gateway/..",
        "spiffe://shop.example/g%61teway",
        "spiffe://shop%2eexample/gateway",
        "spiffe://shop.example/gateway?x=1",
        "spiffe://shop.example/gateway#x",
        "spiffe://shop.example/gateway;URI=x",
        "spiffe://user@shop.example/gateway",
        "spiffe://shop.example:443/gateway",
        "spiffe://[::1]/gateway",
        "spiffe://shop.example/gáteway",
        "spiffe://shop.example/gateway\n",
        "spiffe://shop.example\n/gateway",
        "spiffe://" + "a" * 256 + "/gateway",
        "spiffe://shop.example/" + "a" * 2048,
    ],
)
def test_refuses_what_is_no_spiffe_id(text: str) -> None:
    """SPIFFE-ID §2.1 to §2.3: one spelling, nothing decoded."""
    with pytest.raises(ValueError, match=r"^it"):
        parse_spiffe_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://shop.example",
        "spiffe://shop_1.example/ns/pay.ments/sa/De-fault_1",
        "spiffe://10.0.0.7/...",
        "spiffe://" + "a" * 255 + "/gateway",
        "spiffe://shop.example/" + "a" * 2026,
    ],
)
def test_reads_and_writes_a_spiffe_id(text: str) -> None:
    """The twins, and what is read is written the same."""
    assert str(parse_spiffe_id(text)) == text


@given(place=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_refused_or_read(place: int, bit: int) -> None:
    """Hostile bytes become a refusal; nothing else leaves."""
    changed = bytearray(GOOD)
    changed[place] ^= 1 << bit
    with contextlib.suppress(Refused):
        spiffe_id_of((bytes(changed),), at=NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(noise: bytes) -> None:
    """Law 1, for bytes that are no certificate at all, and for a leaf with something behind it."""
    assert code_of(noise) == "bad_svid"
    assert code_of(GOOD + noise + b"x") == "bad_svid"


def test_refuses_a_leaf_that_is_larger_than_any() -> None:
    """Nothing is parsed beyond the limit."""
    assert code_of(b"\x30" + bytes(mtls.MAX_CERTIFICATE)) == "bad_svid"


def test_what_is_remembered_is_bounded_and_judged_anew() -> None:
    """A read certificate is kept by digest, its dates are looked at each time, a refused one isn't kept."""
    mtls._svids.clear()
    spiffe_id_of((GOOD,), at=NOW)
    assert code_of(GOOD, at=NOW + 2 * HOUR) == "certificate_dates"
    assert code_of(b"no certificate") == "bad_svid"
    assert len(mtls._svids) == 1
    kept = mtls._svids[next(iter(mtls._svids))]
    mtls._svids.update({number.to_bytes(32): kept for number in range(mtls._svids.most)})
    spiffe_id_of((authority.issue(GATEWAY),), at=NOW)
    assert len(mtls._svids) == 1
