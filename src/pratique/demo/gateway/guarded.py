"""The same API, guarded: the gateway's word is taken from the gateway, and of nobody else."""

from flask import Flask, request

from pratique import Perimeter
from pratique.events import AT_ONCE, JsonLines
from pratique.forwarded import Forwarded, presets
from pratique.integrations.flask import Pratique, Public, origin

from .shop import COUNTRY, HOST, Seeing, with_endpoints

GATEWAY = "127.0.0.1"
"""Nobody but the gateway calls from there."""
ORIGINS = frozenset({f"https://{HOST}"})


def declared(path: str) -> tuple[Perimeter, Forwarded]:
    """Declare the boundary: whose word is taken, and for what."""
    perimeter = Perimeter(events=JsonLines(f"{path}.events.jsonl", delay=AT_ONCE))
    policy = presets.nginx(trusted=(GATEWAY,), hosts=(HOST,), edge_fields=(COUNTRY,))
    edge = perimeter.declare(Forwarded("edge", policy, record="every"))
    return perimeter, edge


def guarded(path: str) -> Flask:
    """Return the guarded API: behind the boundary Flask's own words say what is proven."""
    perimeter, _ = declared(path)
    app = Flask("guarded", static_folder=None)
    Pratique(perimeter).init_app(app)
    with_endpoints(
        app,
        path,
        Seeing(
            client=lambda: origin(request).client,
            is_https=lambda: request.is_secure,
            base=lambda: f"https://{request.host}",
            country=lambda: request.headers.get(COUNTRY, ""),
            may_read=lambda origin: origin in ORIGINS,
        ),
    )
    anybody = Public("who a client is, its address alone says here; log-in is no part of this")
    for view in app.view_functions.values():
        anybody(view)
    return app
