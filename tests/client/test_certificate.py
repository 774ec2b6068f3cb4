"""A client whose token is bound to its certificate: it works on its own TLS connections alone."""

import ssl
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pratique import Perimeter
from pratique.client import CertificateToken, Client
from pratique.core.claim import Claim, Fields, Tls, Via
from pratique.core.refusal import Refused
from tests.client.test_bearer import token as minted
from tests.client.test_dpop import POLICY, Api
from tests.integrations.test_mtls import Pki, by_uvicorn, tls
from tests.proofs_of_possession import NOON, b64
from tests.service.authority import NOW, Authority

_AUTHORITY, DAY, SECOND = Authority(), timedelta(days=1), timedelta(seconds=1)


def issued(begin: datetime = NOON - DAY, end: datetime = NOON + DAY) -> bytes:
    """Return a client's certificate that holds in this time, DER."""
    return _AUTHORITY.issue(not_before=begin, not_after=end)


DER, OTHER = issued(), issued()


def bound(der: bytes = DER, **more: Any) -> str:
    """Return a token that is bound to a certificate, and to more."""
    return minted(cnf={"x5t#S256": b64(sha256(der).digest()), **more})


def ask(token: str, shown: Tls | None, **fields: str) -> object:
    """Ask as a client on a connection; whom it is taken for."""
    perimeter = Perimeter(clock=lambda: NOON)
    boundary = Client(
        "api", identity=CertificateToken(POLICY), user=lambda s: s, policy=lambda *_: True
    )
    me = perimeter.declare(boundary).action("me")
    lines = [("Authorization", f"Bearer {token}"), *fields.items()]
    claim = Claim(b"", Fields(lines), NOON, Via(method="GET", target="/me", tls=shown))
    with perimeter:
        return perimeter.carry(boundary, claim, me.flow).value


@pytest.mark.parametrize(
    ("token", "shown", "code", "status"),
    [
        (bound(), Tls(()), "no_client_certificate", 401),
        (bound(), Tls((OTHER,)), "other_certificate", 401),
        (bound(), Tls((OTHER, DER)), "other_certificate", 401),
        (bound(), None, "client_certificate_unseen", 503),
        (bound(), Tls((DER,), unseen="it can't"), "client_certificate_unseen", 503),
        (minted(), Tls((DER,)), "unbound_token", 401),
        (minted(cnf={}), Tls((DER,)), "bound_token", 401),
        (minted(cnf={"jkt": "x"}), Tls((DER,)), "bound_token", 401),
        (bound(jkt="x"), Tls((DER,)), "bound_token", 401),
        (minted(cnf={"x5t#S256": ""}), Tls((DER,)), "other_certificate", 401),
        (minted(cnf={"x5t#S256": None}), Tls((DER,)), "other_certificate", 401),
        (minted(cnf={"x5t#S256": sha256(DER).hexdigest()}), Tls((DER,)), "other_certificate", 401),
        (minted(aud="x"), Tls((DER,)), "wrong_audience", 401),
    ],
)
def test_another_connection_is_refused(
    token: str, shown: Tls | None, code: str, status: int
) -> None:
    """RFC 8705 §3: no certificate, another one, no binding, another kind; the client's own is in."""
    with pytest.raises(Refused) as caught:
        ask(token, shown)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert ask(bound(), Tls((DER,))) == "user-1"


def test_a_field_names_no_certificate() -> None:
    """What a request says of certificates is the client's word (CWE-290)."""
    named = b64(DER)
    with pytest.raises(Refused) as caught:
        ask(bound(), Tls(()), **{"X-Client-Cert": named, "Client-Cert": f":{named}:"})
    assert caught.value.code == "no_client_certificate"
    assert ask(bound(), Tls((DER,)), **{"X-Client-Cert": "x"}) == "user-1"


@pytest.mark.parametrize(
    ("begin", "end"),
    [(NOON - DAY, NOON - SECOND), (NOON + SECOND, NOON + DAY)],
    ids=["over", "not yet"],
)
def test_a_certificate_out_of_its_time_is_refused(begin: datetime, end: datetime) -> None:
    """RFC 5280 §4.1.2.5, by the perimeter's clock: on a connection that outlives it too; in its first and last second it is let in."""
    out = issued(begin, end)
    for _ in range(2):  # what was read once is judged anew
        with pytest.raises(Refused) as caught:
            ask(bound(out), Tls((out,)))
        refused = caught.value
        assert (refused.code, refused.status) == ("certificate_dates", 401)
    for edge in (issued(NOON, NOON + DAY), issued(NOON - DAY, NOON)):
        assert ask(bound(edge), Tls((edge,))) == "user-1"


@pytest.mark.parametrize("leaf", [b"no certificate", b"0" * 70_000], ids=["unread", "too large"])
def test_a_certificate_whose_time_can_t_be_read_is_refused(leaf: bytes) -> None:
    """A foreign exception never leaves a flow: what can't be read has no time; what can is let in."""
    with pytest.raises(Refused) as caught:
        ask(bound(leaf), Tls((leaf,)))
    assert (caught.value.code, caught.value.status) == ("certificate_dates", 401)
    assert ask(bound(), Tls((DER,))) == "user-1"


def test_over_real_tls(tmp_path: Path) -> None:
    """A stolen token on the thief's own verified connection is refused; the client's is let in until its certificate ends, on an open connection too."""
    pki = Pki(tmp_path)
    pem = x509.load_pem_x509_certificates(Path(pki.good).read_bytes())[0]
    began = int(NOW.timestamp())  # as the certificates: TLS looks at its own clock
    cnf = {"x5t#S256": b64(sha256(pem.public_bytes(Encoding.DER)).digest())}
    token = {"authorization": f"Bearer {minted(cnf=cnf, iat=began, exp=began + 5400)}"}
    api = Api(CertificateToken(POLICY))
    api.perimeter.clock = lambda: NOW
    with by_uvicorn(api.app, **tls(pki, ssl.CERT_OPTIONAL)) as url:
        place = url.replace("/orders", "/me")
        told = [pki.get(place, who, headers=token) for who in ("", pki.other, pki.good)]
        with pki.client(pki.good) as open_connection:
            told += [open_connection.get(place, headers=token)]
            api.perimeter.clock = lambda: pem.not_valid_after_utc + SECOND
            told += [open_connection.get(place, headers=token)]
    assert [answer.status_code for answer in told] == [401, 401, 200, 200, 401]
    assert {answer.headers["www-authenticate"] for answer in told[:2]} == {'Bearer realm="api"'}
    codes = ["no_client_certificate", "other_certificate", "", "", "certificate_dates"]
    assert api.codes == codes


def test_a_server_that_shows_no_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    """What comes with uvicorn can't show one; our protocol does."""
    pki = Pki(tmp_path)
    with by_uvicorn(Api(CertificateToken(POLICY)).app, http="h11", **tls(pki)) as url:
        assert url == ""
    with by_uvicorn(Api(CertificateToken(POLICY)).app, **tls(pki)) as url:
        assert isinstance(pki.get(url.replace("/orders", "/me"), pki.good), httpx.Response)
