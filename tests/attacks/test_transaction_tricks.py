"""What a user's own callables can do to the one transaction by mistake; each with its admitting twin."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from pratique import Refused, stores
from pratique.core.callback import Callback
from pratique.core.refusal import BoundaryError, StoreError
from pratique.webhook import Webhook, providers
from tests.shop import SECRET, Shop, claim, held, plain_sqlite3, sync_orm


def replace(shop: Shop, step: str, call: Any) -> None:
    """Put a callable in the place of one of the registration's."""
    registered = shop.payments._registered[0]
    old: Callback = getattr(registered, step)
    object.__setattr__(registered, step, Callback(call, False, old.wants_session, step))


@pytest.mark.parametrize("make", [plain_sqlite3, lambda path: sync_orm(f"sqlite:///{path}")])
def test_a_link_that_commits_uses_no_key_up(make: Any, tmp_path: Path) -> None:
    """The event would be lost: its key kept, its effect not. Without the commit it is admitted."""
    shop = make(tmp_path / "shop.db")
    real = shop.payments._registered[0].link.call
    commits = [True]

    def link(invoice: Any, db: Any) -> Any:
        if commits and commits.pop():
            db.commit()
        return real(invoice, db)

    replace(shop, "link", link)
    with shop.perimeter as perimeter:
        with pytest.raises((Refused, BoundaryError)):
            perimeter.admit(shop.payments, claim())
        assert perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_statement_that_rolls_back_by_itself_takes_the_key_along(tmp_path: Path) -> None:
    """INSERT OR ROLLBACK, caught by the handler: what comes after it has no key, and must not be committed."""
    shop = sync_orm(f"sqlite:///{tmp_path}/shop.db")
    real = shop.payments._registered[0].act.call
    tricks = [True]

    def act(paid: Any, db: Any) -> None:
        if tricks and tricks.pop():
            try:
                db.execute(
                    text(
                        "INSERT OR ROLLBACK INTO subscription (id, customer, state, upgrades, amount) VALUES (1, 'x', 'x', 0, 0)"
                    )
                )
            except IntegrityError:
                db.execute(text("UPDATE subscription SET upgrades = upgrades + 1 WHERE id = 1"))
                return
        real(paid, db)

    replace(shop, "act", act)
    with shop.perimeter as perimeter:
        with pytest.raises((BoundaryError, Refused)):
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 0
        assert perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_commit_behind_an_apostrophe_in_a_comment_is_seen(tmp_path: Path) -> None:
    """Comments and literals are read in one pass; a COMMIT inside a literal is no commit."""
    for sql, wanted in (("/* it's */ COMMIT -- '", 0), ("SELECT '; COMMIT' -- it's", 1)):
        shop = sync_orm(f"sqlite:///{tmp_path}/{wanted}.db")
        real = shop.payments._registered[0].act.call

        def act(paid: Any, db: Any, real: Any = real, sql: str = sql) -> None:
            real(paid, db)
            db.flush()
            db.execute(text(sql))

        replace(shop, "act", act)
        with shop.perimeter as perimeter:
            if wanted:
                perimeter.admit(shop.payments, claim())
            else:
                with pytest.raises(BoundaryError):
                    perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == wanted


def test_an_effect_whose_settle_failed_is_unknown_and_not_done_again_at_once(
    tmp_path: Path,
) -> None:
    """Outside a transaction: the key stays held until its lease ends. The twin settles."""
    shop = held(stores.sqlite(tmp_path / "keys.db"))
    store = shop.perimeter.store
    real = store.settle

    def fail(*_: Any, **__: Any) -> bool:
        raise StoreError("down")

    with shop.perimeter as perimeter:
        store.settle = fail
        with pytest.raises(Refused) as unknown:
            perimeter.admit(shop.payments, claim())
        assert unknown.value.code == "unknown"
        store.settle = real
        with pytest.raises(Refused) as busy:
            perimeter.admit(shop.payments, claim())
        assert (busy.value.code, shop.row["upgrades"]) == ("busy", 1)
        assert perimeter.admit(shop.payments, claim("evt_2", invoice="in_2"))


def test_who_leaves_a_pin_out_takes_both_modes(tmp_path: Path) -> None:
    """One secret at a pinned and an unpinned boundary: one delivery would open at both."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    shop.payments.prepare(shop.perimeter.store)
    for pins, clashes in (({}, True), ({"livemode": True}, True), ({"livemode": False}, False)):
        other = Webhook("other", providers.stripe(secrets=SECRET, **pins), scope="other")
        other.prepare(shop.perimeter.store)
        assert bool(set(other.exclusive()) & set(shop.payments.exclusive())) is clashes


async def test_exceptions_that_futures_do_not_take_are_refused(tmp_path: Path) -> None:
    """A sync `confirm` behind an async door that raises StopIteration; then it answers."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    real = shop.payments._registered[0].confirm.call
    raises = [True]

    def confirm(event: Any) -> Any:
        if raises and raises.pop():
            raise StopIteration
        return real(event)

    replace(shop, "confirm", confirm)
    async with shop.perimeter as perimeter:
        with pytest.raises(Refused) as refused:
            await perimeter.aadmit(shop.payments, claim())
        assert (refused.value.obligation, refused.value.code) == ("confirmed", "internal")
        assert await perimeter.aadmit(shop.payments, claim())
