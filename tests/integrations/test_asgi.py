"""The content of an ASGI request is read under its cap, and in its time where any is announced."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pratique import Perimeter
from pratique.core.refusal import Refused
from pratique.integrations.asgi import claim_of, read_content

CAP = 8


def scope(*fields: tuple[bytes, bytes], version: str = "1.1") -> dict[str, Any]:
    """Return the scope of a request."""
    return {"type": "http", "http_version": version, "headers": list(fields)}


def sender(*chunks: bytes) -> Any:
    """Return a server's receive that hands over these chunks, and then keeps silent."""
    left: Iterator[bytes] = iter(chunks)

    async def receive() -> dict[str, Any]:
        chunk = next(left, None)
        if chunk is None:
            await asyncio.Future[None]()
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    return receive


@pytest.mark.parametrize("fields", [(), ((b"transfer-encoding", b"chunked"),)], ids=["none", "te"])
async def test_content_is_read_whatever_was_announced(fields: Any) -> None:
    """What a server hands over counts, also without a field that announces it; over the cap it is refused."""
    assert await read_content(scope(*fields), sender(b"1234", b""), CAP) == b"1234"
    assert await read_content(scope(*fields), sender(b""), CAP) == b""
    with pytest.raises(Refused) as refused:
        await read_content(scope(*fields), sender(b"12345", b"6789", b""), CAP)
    assert refused.value.code == "too_large"


@pytest.mark.parametrize(
    "asked",
    [
        scope((b"content-length", b"4")),
        scope((b"transfer-encoding", b"chunked")),
        scope(version="2"),
        scope(version="3"),
    ],
    ids=["length", "chunked", "HTTP/2", "HTTP/3"],
)
async def test_a_sender_that_stalls_is_refused(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    """CWE-400: where content may follow, nobody waits longer than the limit; one in time is read."""
    assert await read_content(asked, sender(b"1234", b""), CAP) == b"1234"
    monkeypatch.setattr("pratique.integrations.asgi.READ_SECONDS", 0)
    with pytest.raises(Refused) as refused:
        await read_content(asked, sender(b"12"), CAP)
    assert refused.value.code == "too_slow"


@pytest.mark.parametrize(
    ("client", "peer"),
    [(None, ""), ((None, 0), ""), (("", 0), ""), (("10.0.0.1", 9), "10.0.0.1")],
)
def test_a_peer_without_an_address_is_none(client: Any, peer: str) -> None:
    """What a gateway leaves out is "", as `Via` says: a delivery that is kept can be read again."""
    claim = claim_of({**scope(), "client": client, "path": "/"}, b"", Perimeter())
    assert claim.via.peer == peer
