"""What an HTML form sends reaches a view as the declared fields, by each framework's door."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from starlette.testclient import TestClient

from pratique.client import Form
from tests.client import doors
from tests.client.shop import ORIGIN, TOKENS, Shop
from tests.client.test_door import DOORS
from tests.serving import served

KIND = "application/x-www-form-urlencoded"


class OrderForm(Form, forbid_unknown_fields=True):
    """What the page's form holds."""

    note: Annotated[str, msgspec.Meta(max_length=100)] = ""
    quantity: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1


@pytest.fixture(params=DOORS)
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """Give the shop by each door, whose orders are changed by a form."""
    monkeypatch.setattr(doors, "OrderChange", OrderForm)
    door, session = request.param.split()
    made = Shop(tmp_path, is_async=session == "async", door=getattr(doors, door))
    yield made
    made.engine.dispose()


@pytest.fixture
def http(shop: Shop) -> Iterator[TestClient]:
    """Give a client of it."""
    with served(shop.app) as client:
        yield client


def post(http: TestClient, content: bytes, kind: str = KIND, **more: str) -> httpx.Response:
    """Send a form as ann, from a page of ours."""
    headers = {"cookie": f"session={TOKENS['ann']}", "origin": ORIGIN, "content-type": kind, **more}
    return http.request("PATCH", "/orders/10", content=content, headers=headers)


def test_a_form_is_written(shop: Shop, http: TestClient) -> None:
    """Its texts become the declared types; the hidden token of the page is nobody's field."""
    sent: dict[str, Any] = {"csrfmiddlewaretoken": "x" * 64, "note": "Grüße & mehr", "quantity": 7}
    answer = post(http, urlencode(sent).encode(), f"{KIND}; charset=UTF-8")
    assert answer.status_code == 200
    order = shop.read(10)
    assert (order.note, order.quantity) == ("Grüße & mehr", 7)


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"owner_id=2", KIND, 422, "bad_content"),
        (b"note=x&price=1", KIND, 422, "bad_content"),
        (b"quantity=0", KIND, 422, "bad_content"),
        (b"quantity=1.5", KIND, 422, "bad_content"),
        (b"quantity=nan", KIND, 422, "bad_content"),
        (b"note=a&note=b", KIND, 422, "duplicate_member"),
        (b"note=%ff", KIND, 400, "malformed_content"),
        (b"\xff=1", KIND, 400, "malformed_content"),
        (b"note", KIND, 400, "malformed_content"),
        (b"note=x;quantity=2", KIND, 200, ""),
        (b"&".join(b"n%d=1" % n for n in range(201)), KIND, 400, "malformed_content"),
        (b'{"note": "x"}', "application/json", 415, "content_type"),
        (b"note=x", "multipart/form-data; boundary=b", 415, "content_type"),
        (b"note=x", "text/plain", 415, "content_type"),
    ],
)
def test_another_form_is_refused(
    shop: Shop, http: TestClient, content: bytes, kind: str, status: int, code: str
) -> None:
    """CWE-915, CWE-436: what isn't named, is out of bounds, comes twice or is no form: nothing is written. A ";" parts nothing."""
    answer = post(http, content, kind)
    assert answer.status_code == status
    order = shop.read(10)
    if status == 200:
        assert order.note == "x;quantity=2"
    else:
        assert answer.json()["code"] == code
        assert (order.note, order.quantity, order.owner_id) == ("", 1, 1)


def test_a_form_of_another_site_is_refused(shop: Shop, http: TestClient) -> None:
    """CWE-352: a page elsewhere can post a form with our cookie; it isn't our page. Ours is served."""
    assert post(http, b"note=theirs", origin="https://evil.example").status_code == 401
    assert shop.read(10).note == ""
    assert post(http, b"note=ours").status_code == 200
