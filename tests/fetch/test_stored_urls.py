"""A URL that was stored is somebody else's still: it crosses again where it is used."""

import pytest

from pratique import Perimeter
from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, Fetch, FetchPolicy, gate
from tests.fetch.world import World, reply

GOOD = "93.184.215.14"
POLICY = FetchPolicy(hosts=PUBLIC, schemes={"http"}, content_types={"image/png"})


@pytest.fixture
def avatars(world: World) -> Fetch:
    """Give the boundary of a job that refreshes avatars."""
    world.names["img.test"] = [GOOD]
    world.server.answer = lambda _: reply(200, b"png", Content_Type="image/png")
    return Perimeter().declare(Fetch("avatars", POLICY))


def refresh(avatars: Fetch, rows: list[str]) -> list[str]:
    """Run the job, and return the code of each row; "" where it arrived."""
    codes: list[str] = []
    assert avatars.perimeter is not None
    with avatars.perimeter:
        for row in rows:
            try:
                avatars.get(row)
                codes.append("")
            except Refused as refused:
                codes.append(refused.code)
    return codes


def test_a_name_that_moved_is_refused_at_use(world: World, avatars: Fetch) -> None:
    """FT-16: stored while it led to the open internet, used when it leads inside (CWE-367)."""
    rows = [gate("http://img.test/me.png", POLICY).url]
    assert refresh(avatars, rows) == [""]
    world.names["img.test"] = ["10.0.0.7"]
    seen = len(world.server.seen)
    assert refresh(avatars, rows) == ["address_not_allowed"]
    assert len(world.server.seen) == seen
    world.names["img.test"] = [GOOD]
    assert refresh(avatars, rows) == [""]


def test_a_row_from_before_the_policy_is_judged_by_it(world: World, avatars: Fetch) -> None:
    """FT-16: nobody looked at it when it was stored; the one beside it arrives."""
    rows = ["http://127.0.0.1/", "file:///etc/passwd", "http://u@img.test/", "http://img.test/"]
    wanted = ["address_not_allowed", "bad_url", "bad_url", ""]
    assert refresh(avatars, rows) == wanted
    assert world.touched == [f"{GOOD}:80"]


def test_a_url_inside_an_answer_is_gated_like_any(world: World, avatars: Fetch) -> None:
    """FT-17: a profile's picture, a feed's enclosure: what a proven answer names is a new claim."""
    world.names["idp.test"] = [GOOD]
    inside = "http://169.254.169.254/latest/meta-data/"
    for named, code in ((inside, "metadata_endpoint"), ("http://img.test/", "")):
        world.server.answer = lambda seen, named=named: (
            reply(200, named.encode(), Content_Type="image/png")
            if seen.fields["host"] == "idp.test"
            else reply(200, b"png", Content_Type="image/png")
        )
        assert avatars.perimeter is not None
        with avatars.perimeter:
            told = avatars.get("http://idp.test/profile").value.content.decode()
        assert refresh(avatars, [told]) == [code]
    assert {touched.partition(":")[0] for touched in world.touched} == {GOOD}
