"""A shop's API behind nginx, on Flask: who the client is, the shop's own proxy says."""

from collections import Counter

from flask import Flask, request

from pratique import Perimeter
from pratique.forwarded import Forwarded, presets
from pratique.integrations.flask import Pratique, origin

PROXIES = ("127.0.0.1",)
"""Your proxies' own addresses, and nobody else's."""
HOST = "shop.example"
OFFICE = "203.0.113.7"
LIMIT = 5
"""Guesses of a password that one client has."""


def create_app() -> Flask:
    """Return the guarded API."""
    perimeter = Perimeter()
    perimeter.declare(
        Forwarded(
            "edge",
            # Its docstring says what nginx must be told for it to hold.
            presets.nginx(trusted=PROXIES, hosts=(HOST,), edge_fields=("cf-ipcountry",)),
        )
    )
    app = Flask(__name__)
    Pratique(perimeter).init_app(app)
    guesses = Counter[str]()
    mails: list[str] = []
    app.extensions["mails"] = mails

    @app.post("/login")
    def login() -> tuple[str, int]:
        client = origin(request).client
        guesses[client] += 1
        return ("too many guesses", 429) if guesses[client] > LIMIT else ("wrong password", 401)

    @app.get("/report")
    def report() -> tuple[str, int]:
        is_office = origin(request).client == OFFICE
        return ("the office's report", 200) if is_office else ("not from here", 403)

    @app.post("/reset")
    def reset() -> str:
        # request.host is one of ours by now, so that the link is too.
        mails.append(f"https://{request.host}/reset?token=t1")
        return "look into your mail"

    @app.get("/card")
    def card() -> tuple[str, int]:
        return ("card 4242", 200) if request.is_secure else ("https only", 403)

    @app.post("/orders")
    def order() -> tuple[str, int]:
        is_sold = request.headers.get("CF-IPCountry") == "CH"
        return ("ordered", 200) if is_sold else ("it isn't sold there", 403)

    return app
