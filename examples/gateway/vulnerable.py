"""The same API, believing what anybody writes: never to be copied."""

from collections import Counter

from flask import Flask, request

OFFICE = "203.0.113.7"
LIMIT = 5


def create_app() -> Flask:
    """Return the API that takes the leftmost entry for the client."""
    app = Flask(__name__)
    guesses = Counter[str]()
    mails: list[str] = []
    app.extensions["mails"] = mails

    def client() -> str:
        told = request.headers.get("X-Forwarded-For", request.remote_addr or "")
        return told.split(",")[0].strip()

    @app.post("/login")
    def login() -> tuple[str, int]:
        guesses[client()] += 1
        return ("too many guesses", 429) if guesses[client()] > LIMIT else ("wrong password", 401)

    @app.get("/report")
    def report() -> tuple[str, int]:
        is_office = client() == OFFICE
        return ("the office's report", 200) if is_office else ("not from here", 403)

    @app.post("/reset")
    def reset() -> str:
        host = request.headers.get("X-Forwarded-Host", request.host)
        mails.append(f"https://{host}/reset?token=t1")
        return "look into your mail"

    @app.get("/card")
    def card() -> tuple[str, int]:
        is_https = request.headers.get("X-Forwarded-Proto") == "https"
        return ("card 4242", 200) if is_https else ("https only", 403)

    @app.post("/orders")
    def order() -> tuple[str, int]:
        is_sold = request.headers.get("CF-IPCountry") == "CH"
        return ("ordered", 200) if is_sold else ("it isn't sold there", 403)

    return app
