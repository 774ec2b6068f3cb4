"""One's own sender: a template whose borders can be shifted is refused where it is declared."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import Claim, Fields, Refused
from pratique.core.refusal import BoundaryError
from pratique.webhook import providers
from pratique.webhook.facts import Facts
from pratique.webhook.scheme import Scheme

AT = datetime(2026, 11, 24, tzinfo=UTC)
SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"


def declared(signed: str, **more: Any) -> Scheme:
    """Declare a sender that signs this template."""
    fields = {"time_field": "X-T"} if "{time}" in signed else {}
    fields |= {"id_field": "X-I"} if "{id}" in signed else {}
    return providers.generic("erp", signature_field="X-S", signed=signed, **fields, **more)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("{time}{content}", "{time}.{content}"),
        ("{content}1{time}", "{content}.1{time}"),
        ("{time}0{content}", "{time}0:{content}"),
        ("{id}7{time}.{content}", "{id}-7{time}.{content}"),
        ("{event-id}.{content}", "{id}.{content}"),
        ("{time:d}.{content}", "{time}.{content}"),
        ("{{content}}", "{content}"),
        ("{content}.{content}", "{content}"),
        ("{time}.{body}", "{time}.{content}"),
        ("", "v0:{time}:{content}"),
    ],
)
def test_refuses_a_template_that_means_two_things(wrong: str, right: str) -> None:
    """A border of digits beside a time is none: one signature would open several contents."""
    with pytest.raises(BoundaryError):
        declared(wrong)
    assert declared(right).name == "erp"


@settings(max_examples=80, deadline=None)
@given(
    template=st.sampled_from(
        ["{time}.{content}", "{content}.{time}", "{id}:{time}:{content}", "{content}-x{id}"]
    ),
    content=st.binary(max_size=20),
    shift=st.integers(-12, 12),
)
def test_one_signature_opens_one_split(template: str, content: bytes, shift: int) -> None:
    """Move the border by some bytes: only the honest reading of the signed text opens."""
    scheme = declared(template)
    sealed = dict(scheme.seal(content, secret=SECRET, at=AT, key="m1"))
    whole = b"".join(
        scheme.pieces(
            sealed.get("X-T", ""), sealed.get("X-I", ""), Claim(content, Fields(), AT), Facts()
        )
    )
    start = whole.index(content, len(whole.split(content)[0]) if content else 0)
    moved = whole[max(0, start + shift) :][: max(0, len(content) + abs(shift))]
    try:
        found = scheme.open(Claim(moved, Fields(list(sealed.items())), AT), secrets=[SECRET])
    except Refused:
        return
    assert moved == content
    assert found.key


@pytest.mark.parametrize(
    "wrong",
    [
        {"tolerance": timedelta(0)},
        {"tolerance": timedelta(seconds=-1)},
        {"tolerance": timedelta(days=2)},
        {"digest": "sha1"},
        {"digest": "md5"},
        {"encoding": "base32"},
    ],
)
def test_refuses_a_bound_that_bounds_nothing_and_a_digest_that_is_broken(
    wrong: dict[str, Any],
) -> None:
    """Law 6; the twin is the default."""
    with pytest.raises(BoundaryError):
        declared("{time}.{content}", **wrong)
    assert declared("{time}.{content}").tolerance == timedelta(seconds=300)


def test_an_id_with_a_sign_of_the_template_is_refused() -> None:
    """It would move the border between id and time."""
    scheme = declared("{id}:{time}:{content}")
    for event_id, opens in (("a:1", False), ("a b", False), ("a-1", True)):
        fields = scheme.seal(b"{}", secret=SECRET, at=AT, key=event_id)
        try:
            scheme.open(Claim(b"{}", fields, AT), secrets=[SECRET])
        except Refused:
            assert not opens
        else:
            assert opens


def test_a_sender_without_an_id_has_a_digest_for_its_key() -> None:
    """`id_path=""` says so, and the same content sent again is the same event (WH-30)."""
    scheme = declared("{time}.{content}", id_path="")
    content = b'{"type": "paid", "data": {"id": "in_1"}}'
    found = [
        scheme.open(
            Claim(content, scheme.seal(content, secret=SECRET, at=at), at), secrets=[SECRET]
        )
        for at in (AT, AT + timedelta(days=1))
    ]
    assert not scheme.signed_key
    assert found[0].key == found[1].key
    envelope = found[0].envelope
    assert envelope is not None
    assert (envelope.id, envelope.type, envelope.object_id) == ("", "paid", "in_1")
    other = content.replace(b"in_1", b"in_2")
    sealed = scheme.seal(other, secret=SECRET, at=AT)
    assert scheme.open(Claim(other, sealed, AT), secrets=[SECRET]).key != found[0].key
