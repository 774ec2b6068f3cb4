"""Before there is a session: guesses are counted by account and by address, and no answer tells which accounts there are."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven, stores, unsafe
from pratique.client import Attempts, Change, Client, SignIn
from pratique.client.sign_in import account_name, peer_address
from pratique.core.claim import Claim, Fields, Via
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.refusal import BoundaryError, StoreError
from pratique.integrations.fastapi import called, does, guard
from pratique.stores import memory_store
from tests.client.shop import Kept

WINDOW = timedelta(minutes=15)
RIGHT = "correct horse"


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent."""

    email: str
    password: str


class Email(msgspec.Struct, forbid_unknown_fields=True):
    """Whom a code is to be mailed to."""

    email: str


@dataclass
class Asking:
    """Whoever asks, for an account that there may be."""

    account: str


@dataclass
class Account:
    """A row of ours."""

    id: int
    is_suspended: bool = False


class Door:
    """An application in which one may sign in, and what its own code was asked."""

    def __init__(self, store: Any = None, **more: Any) -> None:
        self.accounts = {"ann@shop.example": Account(1), "bob@shop.example": Account(2)}
        self.asked: list[str] = []
        self.redeemed: list[Account] = []
        self.address = "203.0.113.1"
        self.kept = Kept()
        facts: dict[str, Any] = {
            "account": lambda sent: sent.email,
            "check": self.check,
            "attempts": Attempts(5, per=WINDOW, in_all=20),
            "address": lambda claim: self.address,
            **more,
        }
        self.perimeter = Perimeter(store=store or stores.memory(), events=self.kept)
        boundary = self.perimeter.declare(
            Client(
                "sign-in",
                identity=SignIn(Credentials, **facts),
                user=self.user,
                policy=lambda *_: True,
            )
        )
        self.app = guard(FastAPI(), self.perimeter)
        prove = called(boundary, "session.open", content=Credentials)

        @boundary.once("code.redeem", key=lambda asked: (1, 0), content=Credentials)
        def redeem(proven: Any) -> None:
            self.redeemed.append(proven.value.user)

        self.app.post("/codes")(does(redeem))

        @self.app.post("/sessions")
        async def open_session(
            who: Annotated[Proven[Change[Account, Credentials], Literal["session.open"]], prove],
        ) -> Any:
            return {"account": who.value.object.id}

    def check(self, account: str, sent: Credentials) -> object:
        self.asked.append(account)
        found = self.accounts.get(account)
        return found.id if found is not None and sent.password == RIGHT else None

    def user(self, subject: object) -> Account | None:
        rows = [one for one in self.accounts.values() if one.id == subject]
        return rows[0] if rows and not rows[0].is_suspended else None


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the clock of the store."""
    told = [1000.0]
    monkeypatch.setattr(memory_store, "monotonic", lambda: told[0])
    return told


@pytest.fixture
def door() -> Door:
    """Give an application."""
    return Door()


@pytest.fixture
def http(door: Door) -> Iterator[TestClient]:
    """Give a client of it."""
    with TestClient(door.app) as client:
        yield client


def enter(http: TestClient, email: str = "ann@shop.example", password: str = "guess") -> Any:
    """Try to sign in."""
    return http.post("/sessions", json={"email": email, "password": password})


def test_a_thousand_guesses_are_five(now: list[float], door: Door, http: TestClient) -> None:
    """CL-14, CWE-307: from fifty addresses 5 are compared, then 429, the right password too; bob signs in meanwhile, ann after the window."""
    told = []
    for guess in range(1000):
        door.address = f"203.0.113.{guess // 20}"
        told.append(enter(http, password=str(guess)).status_code)
    assert told == [401] * 5 + [429] * 995
    assert len(door.asked) == 5
    door.address = "198.51.100.1"
    limited = enter(http, password=RIGHT)
    assert (limited.status_code, limited.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(limited.headers["retry-after"]) <= WINDOW.total_seconds()
    assert enter(http, "bob@shop.example", RIGHT).json() == {"account": 2}
    now[0] += WINDOW.total_seconds()
    assert enter(http, password=RIGHT).json() == {"account": 1}


def test_one_address_tries_twenty_accounts(now: list[float], door: Door, http: TestClient) -> None:
    """One password at a thousand accounts: 20 are compared, and no row is written for another; somebody else signs in from elsewhere."""
    told = [enter(http, f"user-{n}@shop.example").status_code for n in range(100)]
    assert told == [401] * 20 + [429] * 80
    store: Any = door.perimeter.store
    assert len(store._counts) == 21
    assert enter(http, password=RIGHT).status_code == 429
    door.address = "198.51.100.1"
    assert enter(http, password=RIGHT).status_code == 200
    now[0] += WINDOW.total_seconds()
    door.address = "203.0.113.1"
    assert enter(http, password=RIGHT).status_code == 200


def test_no_answer_tells_which_accounts_there_are(
    now: list[float], door: Door, http: TestClient
) -> None:
    """CWE-204: wrong password, no such account: the same status, fields and content at each attempt, within the limit and past it."""
    assert now == [1000.0]  # the pause is told in whole seconds: a slow machine isn't an oracle
    own = {"crossing-id", "date"}

    def answer(email: str) -> tuple[int, bytes, list[tuple[str, str]]]:
        told = enter(http, email)
        fields = sorted((k, v) for k, v in told.headers.items() if k not in own)
        return told.status_code, told.content, fields

    there = [answer("ann@shop.example") for _ in range(7)]
    door.address = "198.51.100.1"
    absent = [answer("nobody@shop.example") for _ in range(7)]
    assert [one[0] for one in there] == [401] * 5 + [429] * 2
    for mine, theirs in zip(there, absent, strict=True):
        assert mine == theirs
    assert door.asked == ["ann@shop.example"] * 5 + ["nobody@shop.example"] * 5


@pytest.mark.parametrize(
    "spelled",
    [
        "Ann@Shop.Example",
        "  ann@shop.example ",
        "ANN@SHOP.EXAMPLE",
        "ａnn@shop.example",
    ],
)
def test_a_spelling_has_no_attempts_of_its_own(door: Door, http: TestClient, spelled: str) -> None:
    """CWE-178: what is one account to `check` is one to the counter; the twin signs in with it."""
    assert enter(http, spelled, RIGHT).json() == {"account": 1}
    for _ in range(5):
        enter(http)
    assert enter(http, spelled, RIGHT).status_code == 429
    assert enter(http, "bob@shop.example", RIGHT).status_code == 200


def test_the_owner_gives_a_guesser_nothing(now: list[float], door: Door, http: TestClient) -> None:
    """A success takes back its own attempt alone: between two of ann's own the guesser still has five in all; she isn't counted at all."""
    assert [enter(http, password=RIGHT).status_code for _ in range(8)] == [200] * 8
    door.address = "198.51.100.1"
    assert [enter(http).status_code for _ in range(4)] == [401] * 4
    assert enter(http, password=RIGHT).status_code == 200
    assert [enter(http).status_code for _ in range(2)] == [401, 429]
    now[0] += WINDOW.total_seconds()
    assert enter(http, password=RIGHT).status_code == 200


def test_a_guess_that_goes_on_does_not_lengthen_the_window(
    now: list[float], door: Door, http: TestClient
) -> None:
    """The window ends when it was to end, however often somebody tried in it."""
    for minute in range(15):
        enter(http, password=str(minute))
        now[0] += 60
    assert enter(http, password=RIGHT).status_code == 200


@pytest.mark.parametrize(
    ("email", "status"),
    [("", 422), (" ", 422), ("a\x00@shop.example", 422), ("a" * 321, 422), ("a" * 320, 401)],
)
def test_an_account_has_a_name(http: TestClient, email: str, status: int) -> None:
    """Empty, unprintable or endless names are refused before anything is counted."""
    assert enter(http, email).status_code == status


@pytest.mark.parametrize(
    ("told", "status"),
    [(True, 503), (False, 401), ("", 401), ([], 401), ((), 401), ({}, 401), (b"", 401), (0, 200)],
)
def test_a_yes_is_no_subject(told: object, status: int) -> None:
    """`check` says who it is; a subject may be 0, a bare yes or a query without rows names nobody."""
    door = Door(check=lambda account, sent: told)
    door.accounts["zero@shop.example"] = Account(0)
    with TestClient(door.app) as http:
        assert enter(http).status_code == status


def test_a_suspended_account_does_not_sign_in(door: Door, http: TestClient) -> None:
    """Our own state as it is now; told to nobody but who has the password."""
    door.accounts["bob@shop.example"].is_suspended = True
    assert enter(http, "bob@shop.example", RIGHT).status_code == 403
    assert enter(http, "bob@shop.example").status_code == 401
    assert enter(http, password=RIGHT).status_code == 200


def test_what_is_no_json_is_no_attempt(door: Door, http: TestClient) -> None:
    """A form of another site, or a field too many: refused, and the five are still there."""
    for _ in range(6):
        assert http.post("/sessions", data={"email": "ann@shop.example"}).status_code == 415
        sent = {"email": "ann@shop.example", "password": RIGHT, "admin": True}
        assert http.post("/sessions", json=sent).status_code == 422
    assert enter(http, password=RIGHT).status_code == 200


def test_a_code_that_was_mailed_is_redeemed_once(
    now: list[float], door: Door, http: TestClient
) -> None:
    """The limit and single use together: guesses are counted, the right one has its effect, and once."""
    sent = {"email": "ann@shop.example", "password": RIGHT}
    assert http.post("/codes", json={**sent, "password": "000000"}).status_code == 401
    assert [http.post("/codes", json=sent).status_code for _ in range(2)] == [200, 409]
    assert len(door.redeemed) == 1
    guesses = [http.post("/codes", json={**sent, "password": str(n)}) for n in range(5)]
    assert [one.status_code for one in guesses] == [401] * 4 + [429]
    now[0] += WINDOW.total_seconds()
    assert http.post("/codes", json=sent).status_code == 409


def test_who_asks_for_a_code_is_counted_and_proves_nothing(now: list[float]) -> None:
    """Without `check` the start owes two waivers; with them each request counts, and an account that isn't there is answered alike."""
    mailed: list[str] = []
    identity = SignIn(Email, account=lambda sent: sent.email, check=None, attempts=Attempts(3))

    def app(*waivers: Any) -> FastAPI:
        perimeter = Perimeter(store=stores.memory())
        client = Client(
            "codes",
            identity=identity,
            user=Asking,
            policy=lambda *_: True,
            waivers=waivers,
        )
        asked = called(perimeter.declare(client), "code.ask", content=Email)
        made = guard(FastAPI(), perimeter)

        @made.post("/codes", status_code=202)
        async def ask(
            who: Annotated[Proven[Change[Asking, Email], Literal["code.ask"]], asked],
        ) -> None:
            if who.value.object.account == "ann@shop.example":
                mailed.append(who.value.object.account)

        return made

    with pytest.raises(BoundaryError, match="AUTHENTIC"), TestClient(app()):
        pass
    facts: dict[str, Any] = {
        "reason": "the code goes to the account's own mailbox",
        "owner": "shop",
        "until": date.today() + timedelta(days=90),  # noqa: DTZ011  any day to come
        "bound": "3 mails an account in 15 minutes",
    }
    waived = [unsafe.waive(one, **facts) for one in (AUTHENTIC, FRESH)]
    with TestClient(app(*waived)) as http:
        for email in ("Ann@shop.example", "nobody@shop.example"):
            told = [http.post("/codes", json={"email": email}) for _ in range(4)]
            assert [one.status_code for one in told] == [202] * 3 + [429]
        assert mailed == ["ann@shop.example"] * 3
        now[0] += WINDOW.total_seconds()
        assert http.post("/codes", json={"email": "ann@shop.example"}).status_code == 202


def test_a_store_that_is_down_compares_nothing(
    door: Door, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncounted is refused: 503, and nobody's password is looked at; the same one is admitted afterwards."""

    def down(*_: object) -> None:
        message = "it is down"
        raise StoreError(message)

    with monkeypatch.context() as patched:
        patched.setattr(door.perimeter.store, "count", down)
        assert enter(http, password=RIGHT).status_code == 503
    assert door.asked == []
    assert enter(http, password=RIGHT).status_code == 200


def test_counts_are_kept_in_the_store(tmp_path: Path) -> None:
    """A new process of the same application knows them; the sweep lets go of them after the window, and the account is free."""
    path = tmp_path / "kept.db"

    def another() -> Any:
        return stores.sqlite3(lambda: sqlite3.connect(path))

    with TestClient(Door(another()).app) as http:
        assert [enter(http).status_code for _ in range(5)] == [401] * 5
    store = another()
    with TestClient(Door(store).app) as http:
        assert enter(http, password=RIGHT).status_code == 429
        with sqlite3.connect(path) as db:
            db.execute("UPDATE pratique_key SET expires_ms = expires_ms - 900000")
        db.close()
        assert stores.sweep(store) == 2
        assert enter(http, password=RIGHT).status_code == 200


def test_without_a_store_it_does_not_start() -> None:
    """Nothing would be counted; with one it starts."""
    for store in (None, stores.memory()):
        identity = SignIn(
            Credentials,
            account=lambda sent: sent.email,
            check=lambda account, sent: 1,
            attempts=Attempts(5),
        )
        perimeter = Perimeter(store=store)
        client = Client("sign-in", identity=identity, user=str, policy=lambda *_: True)
        perimeter.declare(client).action("session.open")
        if store is None:
            with pytest.raises(BoundaryError, match="no store that keeps the counts"):
                perimeter.start()
        else:
            with perimeter:
                assert perimeter.is_started


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "20010db800010002::/64"),
        ("2001:db8:1:2::9", "20010db800010002::/64"),
        ("2001:db8:1:3::9", "20010db800010003::/64"),
        ("fe80::1%eth0", "fe80000000000000::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_ipv6_is_one_address(peer: str, told: str) -> None:
    """RFC 6177: whoever has one IPv6 address has 2^64 of them."""
    claim = Claim(b"", Fields([]), datetime(2026, 11, 26, tzinfo=UTC), Via(peer=peer))
    assert peer_address(claim) == told


def test_one_spelling_stays_one() -> None:
    """Folding twice changes nothing."""
    for text in ("Straße@Shop.Example", "ﬁsh", "İ@x"):
        assert account_name(account_name(text)) == account_name(text)
