"""examples/gateway: who the client is, the shop's own proxy says, and nobody else."""

from typing import Any

import pytest

from examples.gateway import app as guarded
from examples.gateway import vulnerable

PROXY, OUTSIDER = "127.0.0.1", "198.51.100.9"
VULNERABLE, GUARDED = vulnerable.create_app, guarded.create_app


class Door:
    """One of the two APIs, as a peer with that address reaches it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._client = app.test_client()

    def ask(self, method: str, path: str, *, peer: str = OUTSIDER, **fields: str) -> Any:
        """Send one request; fields are written with underscores here."""
        told = {"Host": "shop.example"} | {name.replace("_", "-"): v for name, v in fields.items()}
        if peer == PROXY:
            # What nginx adds, told as the preset says.
            before = told.get("X-Forwarded-For", "")
            told["X-Forwarded-For"] = f"{before}, {OUTSIDER}".lstrip(", ")
            told.setdefault("X-Forwarded-Proto", "http")
        return self._client.open(
            path, method=method, headers=told, environ_base={"REMOTE_ADDR": peer}
        )

    def guesses(self, count: int, **fields: str) -> list[int]:
        """Guess a password so often, each time as another client."""
        return [
            self.ask("POST", "/login", X_Forwarded_For=f"192.0.2.{n}", **fields).status_code
            for n in range(count)
        ]


def wins(door: Door) -> dict[str, bool]:
    """Say which attacks of PX-01, PX-02, PX-04, PX-07, PX-08 and PX-12 succeed."""
    office, mails = guarded.OFFICE, door.app.extensions["mails"]
    door.ask("POST", "/reset", peer=PROXY, X_Forwarded_Host="evil.test")
    return {
        "guesses": 429 not in door.guesses(2 * guarded.LIMIT),
        "office": door.ask("GET", "/report", X_Forwarded_For=office).status_code == 200,
        "filled in before": door.ask(
            "GET", "/report", peer=PROXY, X_Forwarded_For=office
        ).status_code
        == 200,
        "link": "evil.test" in mails[-1],
        "https": door.ask("GET", "/card", X_Forwarded_Proto="https").status_code == 200,
        "country": door.ask("POST", "/orders", CF_IPCountry="CH").status_code == 200,
    }


def test_the_attacks_succeed_where_anybody_is_believed() -> None:
    """The twin shows that they are real."""
    assert all(wins(Door(VULNERABLE())).values())


def test_the_attacks_are_held_where_the_proxy_alone_is_believed() -> None:
    """PX-01 to PX-12: an outsider is itself, whatever it writes; the link names our own host."""
    door = Door(GUARDED())
    assert not any(wins(door).values())
    assert door.app.extensions["mails"] == ["https://shop.example/reset?token=t1"]


def test_another_host_is_refused_where_a_link_is_made() -> None:
    """PX-06: the mail isn't sent."""
    door = Door(GUARDED())
    assert door.ask("POST", "/reset", Host="evil.test").json["code"] == "host_not_allowed"
    assert door.app.extensions["mails"] == []


@pytest.mark.parametrize("make", [VULNERABLE, GUARDED])
def test_honest_clients_pass(make: Any) -> None:
    """The office reads, a customer pays by https and from home; six guesses are one too many."""
    door = Door(make())
    proxy = {"environ_base": {"REMOTE_ADDR": PROXY}}

    def through(method: str, path: str, client: str, **fields: str) -> int:
        told = {
            "Host": "shop.example",
            "X-Forwarded-For": client,
            "X-Forwarded-Proto": "https",
            "CF-IPCountry": "CH",
        }
        answer = door.app.test_client().open(path, method=method, headers=told | fields, **proxy)
        return int(answer.status_code)

    assert through("GET", "/report", guarded.OFFICE) == 200
    assert through("GET", "/card", OUTSIDER) == through("POST", "/orders", OUTSIDER) == 200
    asked = [through("POST", "/login", OUTSIDER) for _ in range(guarded.LIMIT + 1)]
    assert asked == [401] * guarded.LIMIT + [429]
    assert through("POST", "/login", "192.0.2.77") == 401
