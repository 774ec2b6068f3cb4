"""The WSGI application that gunicorn serves in the tests: behind a unix socket, or at loopback."""

from pratique.forwarded import ProxyPolicy
from tests.forwarded.doors import wsgi_app

app = wsgi_app(
    ProxyPolicy(
        trusted=("127.0.0.1", "unix:"),
        header="x-forwarded-for",
        proto="x-forwarded-proto",
        hosts=("api.example.com",),
    )
)
