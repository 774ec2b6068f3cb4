"""A client whose token is bound to its certificate: it works on its own TLS connections alone."""

import ssl
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

DER, OTHER = b"a client's certificate", b"another's"


def bound(der: bytes = DER, **more: Any) -> str:
    """Return a token that is bound to a certificate."""
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


def test_over_real_tls(tmp_path: Path) -> None:
    """A stolen token on the thief's own verified connection is refused; the client's is let in."""
    pki = Pki(tmp_path)
    pem = x509.load_pem_x509_certificates(Path(pki.good).read_bytes())[0]
    token = {"authorization": f"Bearer {bound(pem.public_bytes(Encoding.DER))}"}
    api = Api(CertificateToken(POLICY))
    with by_uvicorn(api.app, **tls(pki, ssl.CERT_OPTIONAL)) as url:
        place = url.replace("/orders", "/me")
        told = [pki.get(place, who, headers=token) for who in ("", pki.other, pki.good)]
    assert [answer.status_code for answer in told] == [401, 401, 200]
    assert {answer.headers["www-authenticate"] for answer in told[:2]} == {'Bearer realm="api"'}
    assert api.codes == ["no_client_certificate", "other_certificate", ""]


def test_a_server_that_shows_no_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    """What comes with uvicorn can't show one; our protocol does."""
    pki = Pki(tmp_path)
    with by_uvicorn(Api(CertificateToken(POLICY)).app, http="h11", **tls(pki)) as url:
        assert url == ""
    with by_uvicorn(Api(CertificateToken(POLICY)).app, **tls(pki)) as url:
        assert isinstance(pki.get(url.replace("/orders", "/me"), pki.good), httpx.Response)
