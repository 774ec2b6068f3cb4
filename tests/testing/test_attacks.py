"""`pytest --pratique` in a user's project: every attack is sent, and a proof that is gone is noticed."""

import re
from pathlib import Path

import fastapi
import pytest
import sqlalchemy.orm
import starlette.testclient

import pratique.testing.collecting
from pratique.report.tested import Tried, read_tested
from tests.docs.pages import ROOT
from tests.testing.shop_project import SHOP

pytest_plugins = "pytester"
# Loaded here once: a run in this process would load them anew each time.
LOADED = (fastapi, sqlalchemy.orm, starlette.testclient, pratique.testing.collecting)

SUITE = """
import pytest
import shop_app
from pratique.testing import Honest, Request, delivery, example, session_cookie

@example(shop_app.it.payments, "invoice.paid")
def paid():
    return delivery(shop_app.it.payments, "invoice.paid", object_id="in_1").to("/hooks/payments")

@pytest.fixture
def order_id():
    return 10

@example(shop_app.it.shop, "order.update")
def written(order_id):
    def by_ann(number):
        fields = {**session_cookie(shop_app.it.shop, "a" * 32), "content-type": "application/json"}
        return Request("PATCH", f"/orders/{number}", b'{"note": "x"}', tuple(fields.items()))
    return Honest(by_ann(order_id), foreign=by_ann(20))

def test_plain():
    pass
"""
# What other plugins import at the end of a run takes longer than our items.
INI = "[pytest]\naddopts = -p no:hypothesispytest -p no:anyio -p no:pytest_cov\npratique_app = shop_app:app\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n"
WEBHOOK, CLIENT, SKIPPED = 16, 6, 2
"""Items of the two examples, the honest ones included; no update reads or deletes."""


def project(pytester: pytest.Pytester, old: str = "", new: str = "", *, suite: str = SUITE) -> None:
    """Write the project, with a mistake in it."""
    assert old in SHOP
    text = SHOP.replace(old, new) if old else SHOP
    pytester.makeini(INI)
    pytester.makepyfile(shop_app=f"{text}\nit = Shop()\napp = it.app\n", test_boundaries=suite)


def failed(done: pytest.RunResult) -> set[str]:
    """Return the ids of the attacks whose items failed."""
    lines = [line for line in done.outlines if line.startswith("FAILED ")]
    return {line.partition(" - ")[0].rpartition("::")[2] for line in lines}


def test_every_attack_on_a_claim_with_an_example_is_refused(pytester: pytest.Pytester) -> None:
    """An item an attack, named after boundary, claim and attack; the honest example is admitted."""
    project(pytester)
    done = pytester.runpytest_inprocess("--pratique", "-v")
    done.assert_outcomes(passed=WEBHOOK + CLIENT + 1, skipped=SKIPPED)
    done.stdout.fnmatch_lines(
        [
            "*test_boundaries.py::pratique::payments::invoice.paid::honest PASSED*",
            "*test_boundaries.py::pratique::payments::invoice.paid::WH-03 PASSED*",
            "*test_boundaries.py::pratique::shop::order.update::CL-02 PASSED*",
        ]
    )


def test_it_is_off_by_default(pytester: pytest.Pytester) -> None:
    """The twin: without the option the suite has its own tests alone, and writes nothing."""
    project(pytester)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert not (pytester.path / ".pratique").exists()


MUTANTS = {
    "the source is not asked": (
        "INVOICES.get(event.object_id)",
        '"cus_1"',
        {"WH-20"},
    ),
    "any signature is one": (
        'providers.stripe(secrets=Secret(SECRET, name="main"), livemode=True)',
        "unchecked()",
        {"WH-03", "WH-04", "WH-05", "WH-07", "WH-12"},
    ),
    "any order is found": ("update = owned(", "any_order()\n        update = owned(", {"CL-02"}),
    "any session is one": ("    return None", "    return Session(1, NOON, NOON)", {"CL-02"}),
    "the route is naked": ("endpoint(self.payments))", "lambda: {})", {"honest", "WH-01"}),
}
HELPERS = """
from dataclasses import replace
from pratique.client.ownership import OwnedRows

class Yes:
    is_short = False
    def __init__(self, real):
        self.seal = real.seal
    def compiled(self):
        return lambda pieces, candidates: True

def unchecked():
    scheme = providers.get("stripe")
    sender = scheme(secrets=Secret(SECRET, name="main"), livemode=True)
    return replace(sender, scheme=replace(scheme, keying=lambda secret: Yes(scheme.keying(secret))))

def any_order():
    OwnedRows.find = lambda self, user, key, db: db.get(Order, key)

class Base"""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_proof_that_is_gone_is_noticed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    """Law 9: with a no-op in a proof's place at least one attack succeeds, and its item fails."""
    from pratique.client.ownership import OwnedRows

    monkeypatch.setattr(OwnedRows, "find", OwnedRows.find)  # what a mutant changes is put back
    old, new, wanted = MUTANTS[mutant]
    project(pytester, old, new)
    shop = pytester.path / "shop_app.py"
    shop.write_text(shop.read_text().replace("\nclass Base", HELPERS, 1))
    done = pytester.runpytest_inprocess("--pratique", "--tb=no")
    assert wanted <= failed(done)


def test_the_results_are_kept_by_digest(pytester: pytest.Pytester) -> None:
    """Two runs write the same but for the time; what was tested of another declaration is dropped."""
    project(pytester)
    file = pytester.path / ".pratique" / "tested.json"
    pytester.runpytest_inprocess("--pratique")
    first = read_tested(file)
    assert len(first) == WEBHOOK + CLIENT
    assert {each.outcome for each in first if each.attack == "honest"} == {"admitted"}
    assert {each.outcome for each in first if each.attack != "honest"} == {"refused"}
    pytester.runpytest_inprocess("--pratique", "-k", "WH-03")
    again = read_tested(file)
    assert [told(each) for each in again] == [told(each) for each in first]
    assert again[-1].at >= first[-1].at
    project(pytester, "livemode=True", "")  # another declaration? its proofs are the same: it stays
    other = Tried("payments", "invoice.paid", "WH-99", "0" * 16, "refused", first[0].at)
    stranger = Tried("elsewhere", "x", "WH-01", "0" * 16, "refused", first[0].at)
    plant(file, (*again, other, stranger))
    pytester.runpytest_inprocess("--pratique", "-k", "WH-03")
    kept = read_tested(file)
    assert other not in kept
    assert stranger in kept


def told(each: Tried) -> tuple[str, ...]:
    """Return a result without its time."""
    return each.boundary, each.claim, each.attack, each.digest, each.outcome


def plant(file: Path, tested: tuple[Tried, ...]) -> None:
    """Write results of an earlier run."""
    from pratique.report.tested import write_tested

    write_tested(file, tested)


def test_a_claim_without_an_example_is_named(pytester: pytest.Pytester) -> None:
    """What isn't attacked is said at the end; with both examples nothing is."""
    cut = SUITE[: SUITE.index("@pytest.fixture")]
    project(pytester, suite=cut)
    done = pytester.runpytest_inprocess("--pratique", "-k", "WH-03")
    done.stdout.fnmatch_lines(["*without an example: shop order.update*"])
    project(pytester)
    assert "without an example" not in pytester.runpytest_inprocess("--pratique").stdout.str()


GOING_OUT = """
import msgspec, pytest
from pratique import Perimeter
from pratique.fetch import Fetch
from pratique.partner import Partner
from pratique.testing import FakePartner, Question, counterexample, example
from typing import Annotated, Literal

class Score(msgspec.Struct, forbid_unknown_fields=True):
    order: int
    score: Annotated[int, msgspec.Meta(ge=0, le=100)]
    verdict: Literal["approve", "review"]

bank = FakePartner()
perimeter = Perimeter()
risk = perimeter.declare(Partner("risk", bank.base, policy=bank.policy()))
pages = perimeter.declare(Fetch("pages", bank.policy(content_types={"text/html", "application/json"})))
score = risk.call("GET /score/{order}", Score, about={"order": "order"}, unknown="refuse")

@pytest.fixture(scope="session", autouse=True)
def served():
    with bank:
        yield
    perimeter.close()

@example(risk, "GET /score/{order}")
def scored():
    honest = {"order": 7, "score": 12, "verdict": "approve"}
    return Question(bank, lambda: score.ask(values={"order": 7}), honest, "score", "verdict")

@example(pages, "fetch")
def fetched():
    bank.answers(b"{}")
    return bank.base

def may(user, owner):
    return user == owner

@counterexample(may)
def somebody_elses():
    return "bob", "ann"

async def lets_all(user):
    return True

@counterexample(lets_all)
def anybody():
    return ("bob",)
"""


def test_what_goes_out_and_what_judges_is_tried_too(pytester: pytest.Pytester) -> None:
    """The room's answers and URLs; a callable that lets its counterexample through fails, its twin passes."""
    pytester.makeini(INI)
    pytester.makepyfile(test_out=GOING_OUT)
    done = pytester.runpytest_inprocess("--pratique", "-rA")
    assert failed(done) == {"anybody"}
    done.stdout.fnmatch_lines(["*pratique::counterexample::somebody_elses*"])
    done.stdout.fnmatch_lines(["*lets_all says yes to its counterexample*"])


def test_the_suite_of_the_how_to_passes(pytester: pytest.Pytester) -> None:
    """The page's own blocks, as the file that a reader makes of them."""
    page = (ROOT / "docs" / "how-to" / "test-your-boundaries.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    pytester.makeini(INI.replace("shop_app", "test_shop"))
    pytester.makepyfile(
        test_shop="\n".join(blocks).replace("\n\ntest_a_paid_invoice_activates_once()\n", "")
    )
    done = pytester.runpytest_inprocess("--pratique")
    done.assert_outcomes(passed=WEBHOOK + 2, failed=0)


def test_a_looser_answer_type_is_noticed(pytester: pytest.Pytester) -> None:
    """Law 9 for a partner: without its bounds a number out of them is believed; with them it isn't."""
    pytester.makeini(INI)
    bounded = "Annotated[int, msgspec.Meta(ge=0, le=100)]"
    for kind, wanted in ((bounded, set[str]()), ("float", {"UP-03"})):
        pytester.makepyfile(test_out=GOING_OUT.replace(bounded, kind))
        done = pytester.runpytest_inprocess("--pratique", "--tb=no", "-k", "UP-03")
        assert failed(done) == wanted


def test_a_test_sees_what_crossed_during_it(pytester: pytest.Pytester) -> None:
    """The fixture has the records of the test alone; an application that isn't named is an error."""
    project(
        pytester,
        suite="""
import pytest, shop_app
from starlette.testclient import TestClient
from pratique.testing import session_cookie

@pytest.mark.parametrize("round", [1, 2])
def test_records(crossings, round):
    fields = session_cookie(shop_app.it.shop, "a" * 32)
    answer = TestClient(shop_app.app).patch("/orders/10", headers=fields, json={"note": "x"})
    assert answer.status_code == 200
    assert [record.outcome for record in crossings.of("shop")] == ["proven"]

def test_nobody(pratique_app):
    assert pratique_app is shop_app.app
""",
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=3)
    pytester.makeini(INI.replace("shop_app:app", "shop_app"))
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(passed=2, errors=1)
    assert 'isn\'t "module:name"' in done.stdout.str()


EDGE = """
from datetime import UTC, datetime
from starlette.applications import Starlette
from pratique import Perimeter
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.integrations.starlette import guard

perimeter = Perimeter(clock=lambda: datetime(2026, 11, 26, tzinfo=UTC))
policy = ProxyPolicy(
    trusted=("10.0.0.0/24",), header="x-forwarded-for", hosts=("api.example.com",)
)
edge = perimeter.declare(Forwarded("edge", policy))
naked = Starlette()
app = guard(Starlette(), perimeter)
"""
HOPS = """
import edge_app
from pratique.testing import Hop, example

@example(edge_app.edge, "origin")
def hop():
    fields = (("Host", "api.example.com"), ("X-Forwarded-For", "203.0.113.9"))
    return Hop("203.0.113.9", "10.0.0.1", fields)
"""


@pytest.mark.parametrize(("app", "is_tried"), [("app", True), ("", True), ("naked", False)])
def test_a_hop_is_sent_to_the_application_that_is_named(
    pytester: pytest.Pytester, app: str, is_tried: bool
) -> None:
    """Behind its guard every item passes, and so it does by itself where none is named; an application without its guard fails each."""
    pytester.makeini(INI.replace("shop_app:app", f"edge_app:{app}" if app else ""))
    pytester.makepyfile(edge_app=EDGE, test_edge=HOPS)
    told = pytester.runpytest_inprocess("--pratique").parseoutcomes()
    passed, failures = told.get("passed", 0), told.get("failed", 0)
    assert (passed > 5, failures > 5) == (is_tried, not is_tried)
    assert 0 in (passed, failures)
