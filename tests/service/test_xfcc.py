"""What the last element of `X-Forwarded-Client-Cert` says, and which texts say nothing."""

import contextlib
from hashlib import sha256
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.service.xfcc import MAX_FIELD, Mode, elements_of, forwarded_id
from tests.service.authority import HOUR, NOW, Authority, pem

EDGE = "spiffe://shop.example/edge"
GATEWAY = "spiffe://shop.example/gateway"
HASH = "0f" * 32
LAST = f'By={EDGE};Hash={HASH};Subject="CN=a";URI={GATEWAY}'
authority = Authority()


def code_of(*lines: str, mode: Mode = "APPEND_FORWARD") -> str:
    """Return the code with which these lines are refused."""
    fields = Fields([("x-forwarded-client-cert", line) for line in lines])
    with pytest.raises(Refused) as refused:
        forwarded_id(fields, by=EDGE, mode=mode, at=NOW)
    assert refused.value.obligation is AUTHENTIC
    return refused.value.code


def named(line: str, mode: Mode = "APPEND_FORWARD") -> str:
    """Return whom the line names."""
    fields = Fields([("X-Forwarded-Client-Cert", line)])
    return str(forwarded_id(fields, by=EDGE, mode=mode, at=NOW))


def with_cert(leaf: bytes, *, uri: str = GATEWAY, digest: str = "") -> str:
    """Return an element with the whole certificate, as Envoy writes it."""
    cert = quote(pem(leaf), safe="")
    return f'By={EDGE};Hash={digest or sha256(leaf).hexdigest()};Cert="{cert}";Subject="";URI={uri}'


@pytest.mark.parametrize(
    "line",
    [
        LAST,
        f"by={EDGE};uri={GATEWAY}",
        f'By="{EDGE}";URI="{GATEWAY}";DNS=a.example;DNS=b.example',
        f"By=spiffe://other.example/far;URI=spiffe://shop.example/admin,{LAST}",
        f'Subject="CN=a,URI={EDGE};By=x";By={EDGE};URI={GATEWAY}',
        rf'Subject="CN=\"a\",O=b\\";By={EDGE};URI={GATEWAY}',
        rf'By=x;Subject="\",By={EDGE};URI=spiffe://shop.example/admin",{LAST}',
    ],
    ids=[
        "plain",
        "case of keys",
        "quoted",
        "a hop before",
        "separators",
        "escapes",
        "a quoted forgery",
    ],
)
def test_reads_the_last_element(line: str) -> None:
    """Envoy's grammar: the rightmost element alone, keys in any case, separators inside quotes."""
    assert named(line) == GATEWAY


@pytest.mark.parametrize(
    "line",
    [
        f'x="{LAST}',
        f'By=x;Subject=",{LAST}',
        rf'By=x;Subject="\",{LAST}',
        f"{LAST},",
        f"{LAST};",
        f",{LAST}",
        f"{LAST};;DNS=a",
        f"{LAST} ",
        f"junk,{LAST}",
        f"By={EDGE};URI={GATEWAY};URI=spiffe://shop.example/admin",
        f"By={EDGE};By={EDGE};URI={GATEWAY}",
        f"By={EDGE}",
        f"By={EDGE};URI=",
        f"By={EDGE};URI=spiffe://shop.example",
        f"By={EDGE};URI=https://shop.example/gateway",
        f"By={EDGE};URI=spiffe://shop.example/g%61teway",
        f"By={EDGE};URI={GATEWAY};Scope=all",
        f"By={EDGE};URI={GATEWAY}\x01",
        f"By={EDGE};URI={GATEWAY}é",
        f'By={EDGE};URI={GATEWAY}"x"',
        f"By={EDGE};URI={GATEWAY};DNS={'a' * MAX_FIELD}",
    ],
)
def test_refuses_what_does_not_name_one_client(line: str) -> None:
    """CWE-436: an unclosed quote of a client, a second URI, a key that isn't Envoy's."""
    assert code_of(line) == "bad_forwarded_certificate"


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"URI={GATEWAY}",
        f"By={GATEWAY};URI={GATEWAY}",
        f"{LAST},By=spiffe://other.example/x;URI={GATEWAY}",
    ],
)
def test_refuses_an_element_by_another(line: str) -> None:
    """`By` is pinned, and it is the last element's."""
    assert code_of(line) == "forwarded_by_another"


def test_refuses_two_lines_and_none() -> None:
    """One line alone: which of two is the proxy's can't be told (CWE-436)."""
    assert code_of(LAST, LAST) == "bad_forwarded_certificate"
    assert code_of() == "no_forwarded_certificate"
    assert named(LAST) == GATEWAY


def test_a_name_that_writes_an_element_of_its_own_is_refused() -> None:
    """Envoy doesn't quote URI and DNS: SANITIZE_SET writes one element, so two are a forgery."""
    forged = f'By={EDGE};Hash={HASH};Subject="";URI=spiffe://shop.example/a,By={EDGE};URI={GATEWAY}'
    assert code_of(forged, mode="SANITIZE_SET") == "bad_forwarded_certificate"
    assert named(LAST, mode="SANITIZE_SET") == GATEWAY


def test_reads_the_certificate_where_it_is_sent() -> None:
    """Envoy names the first URI alone: `Cert` shows a second one, another name, another hash, the dates."""
    good = authority.issue(GATEWAY)
    assert named(with_cert(good)) == GATEWAY
    assert code_of(with_cert(authority.issue(GATEWAY, EDGE))) == "bad_svid"
    assert code_of(with_cert(good, uri=EDGE)) == "bad_forwarded_certificate"
    assert code_of(with_cert(good, digest=HASH)) == "bad_forwarded_certificate"
    old = authority.issue(GATEWAY, not_after=NOW - HOUR / 2)
    assert code_of(with_cert(old)) == "certificate_dates"
    for broken in ("", "%FF", "-----BEGIN%20CERTIFICATE-----"):
        line = f'By={EDGE};Cert="{broken}";URI={GATEWAY}'
        assert code_of(line) == "bad_forwarded_certificate"


def test_a_certificate_names_its_holder_where_the_proxy_names_nobody() -> None:
    """Behind nginx the certificate comes alone: it is read as one, with its names, dates and hash."""

    def alone(leaf: bytes, more: str = "") -> str:
        return f'By={EDGE};{more}Cert="{quote(pem(leaf), safe="")}"'

    good = authority.issue(GATEWAY)
    assert named(alone(good)) == GATEWAY
    assert code_of(alone(authority.issue(GATEWAY, EDGE))) == "bad_svid"
    assert code_of(alone(authority.issue())) == "bad_svid"
    assert code_of(alone(authority.issue(GATEWAY, not_after=NOW - HOUR / 2))) == "certificate_dates"
    for wrong in (alone(good, f"Hash={HASH};"), alone(good, "URI=;"), f"By={EDGE}"):
        assert code_of(wrong) == "bad_forwarded_certificate"


@given(st.one_of(st.text(max_size=40), st.text(alphabet='BbyURI=",;\\ax', max_size=40)))
def test_whatever_a_client_wrote_first_names_nobody_else(text: str) -> None:
    """Left of what the proxy wrote may stand anything: the client is who the proxy says, or refused."""
    name = GATEWAY
    with contextlib.suppress(Refused):
        name = named(f"{text},{LAST}")
    assert name == GATEWAY


def test_a_value_is_given_without_its_quotes_and_escapes() -> None:
    r"""\" and \\ stand for one character each."""
    assert elements_of(r'Subject="CN=\"a\"\\"') == [{"subject": 'CN="a"\\'}]
