"""The statements of an owner's policy are quoted, and no name becomes a setting of PostgreSQL's."""

from typing import Any

import pytest

from pratique import stores
from pratique.core.refusal import BoundaryError


def test_writes_the_statements_of_a_migration() -> None:
    """Enabled, forced for the owner of the table, and a condition for what is read and written."""
    own = "\"owner_id\" = NULLIF(current_setting('app.principal', true), '')::uuid"
    assert stores.owner_policy('shop.or"ders', "owner_id", type="uuid") == (
        'ALTER TABLE "shop"."or""ders" ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE "shop"."or""ders" FORCE ROW LEVEL SECURITY',
        f'CREATE POLICY "pratique_owner" ON "shop"."or""ders" USING ({own}) WITH CHECK ({own})',
    )


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"table": ""}, "is no name"),
        ({"table": "a.b.c"}, "names no table"),
        ({"table": "a\0"}, "is no name"),
        ({"owner": "é" * 32}, "is no name"),
        ({"setting": "role"}, "with a prefix"),
        ({"setting": "app.x', true) OR true --"}, "with a prefix"),
        ({"setting": "app." + "x" * 60}, "with a prefix"),
        ({"type": "text OR true"}, "is none of"),
    ],
)
def test_refuses_a_name_that_is_none(changed: dict[str, Any], word: str) -> None:
    """Empty, cut off by PostgreSQL, or more than a name; the twin is written."""
    good: dict[str, Any] = {"table": "orders", "owner": "é" * 31, "setting": "app.x"}
    with pytest.raises(BoundaryError, match=word):
        stores.owner_policy(**(good | changed))
    assert len(stores.owner_policy(**good)) == 3


@pytest.mark.parametrize("tables", [[], "orders", [""]])
def test_refuses_no_tables(tables: Any) -> None:
    """Empty is not "unset"; the twin is made."""
    with pytest.raises(BoundaryError):
        stores.row_level_security(lambda: None, tables)
    assert stores.row_level_security(lambda: None, ["orders"]).tables == ("orders",)
