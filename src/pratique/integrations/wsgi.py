"""What every WSGI door shares: reading under a cap, building the claim, answering.

WSGI folds the lines of one field into one value, with commas, before an application sees them, and
writes `-` and `_` of a name alike: what came twice can only be told from the grammar of the value.
Source: PEP 3333; RFC 3875 §4.1.18.
"""

import time
from collections.abc import MutableMapping
from io import BytesIO
from itertools import compress
from typing import Any, Final
from urllib.parse import quote

from pratique.core.boundary import Boundary
from pratique.core.claim import Claim, Fields, Tls, Via
from pratique.core.memo import Memo
from pratique.core.obligation import VALID
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import Refused, too_large

from .limits import DEFAULT_CAP, READ_SECONDS, cut_off, length_of, too_slow
from .reply import Reply, accepted, not_there, refusal
from .shadow import observes
from .tls import tls_of_environ
from .wsgi_edge import Guarded, guard, origin

__all__ = [
    "Guarded",
    "claim_of",
    "deliver",
    "guard",
    "origin",
    "read_content",
]

Environ = MutableMapping[str, Any]
_CHUNK: Final = 1 << 16
_CONTENT: Final = (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length"))
_LONGEST: Final = 256
_UNSEEN: Final = Tls(
    unseen="this server shows a WSGI application no client certificate: gunicorn's workers sync "
    "and gthread do, docs/how-to/prove-a-calling-service-by-mtls.md"
)


def claim_of(environ: Environ, content: bytes, perimeter: Perimeter) -> Claim:
    """Build the claim from a WSGI environ and the raw content.

    Raises:
        Refused: VALID, an impossible field.
    """
    return Claim(
        content,
        Fields(_fields(environ)),
        perimeter.clock(),
        Via(
            peer=str(environ.get("REMOTE_ADDR") or ""),
            scheme=str(environ.get("wsgi.url_scheme") or "http"),
            method=str(environ.get("REQUEST_METHOD") or ""),
            target=_target(environ),
            tls=tls_of_environ(environ) or _UNSEEN,
        ),
    )


def read_content(environ: Environ, cap: int) -> bytes:
    """Read the content, at most *cap* bytes and, between two reads, `READ_SECONDS` long.

    What was read stands in the environ again, for what comes after. One read that waits for its
    bytes is ended by the server's own limit (gunicorn: `--timeout`).

    Raises:
        Refused: VALID, code "too_large" (413), "too_slow" (408), "cut_off" (400),
            "unknown_length" (411).
    """
    declared = str(environ.get("CONTENT_LENGTH") or "")
    length: int | None = length_of(declared, cap) if declared else None
    if length is None and not environ.get("wsgi.input_terminated"):
        if environ.get("HTTP_TRANSFER_ENCODING"):
            what = "the server can't tell where the content ends"
            raise Refused(VALID, what, code="unknown_length", status=411)
        length = 0
    content = b"" if length == 0 else _read(environ["wsgi.input"], cap, length)
    environ["wsgi.input"] = BytesIO(content)
    environ["CONTENT_LENGTH"] = str(len(content))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return content


def deliver(perimeter: Perimeter, boundary: Boundary, environ: Environ) -> Reply:
    """Let one request cross a boundary, from its first byte to the answer.

    What the effect itself raises goes on to the framework.
    """
    if boundary.is_disabled:
        return not_there()
    try:
        content = read_content(environ, getattr(boundary, "max_content_bytes", DEFAULT_CAP))
        claim = claim_of(environ, content, perimeter)
    except Refused as refused:
        return refusal(perimeter.refuse(boundary, refused))
    try:
        crossed = perimeter.admit(boundary, claim)
        reply = accepted(crossed.crossing_id, receipt=boundary.receipt)
    except Refused as refused:
        reply = refusal(refused)
    if observes(boundary, claim.received_at):
        reply.shadowed = content
    return reply


def _read(stream: Any, cap: int, length: int | None) -> bytes:
    ends = time.monotonic() + READ_SECONDS
    chunks: list[bytes] = []
    size = 0
    while length is None or size < length:
        wanted = min(_CHUNK, (cap + 1 if length is None else length) - size)
        try:
            chunk = stream.read(wanted)
        except Exception:  # noqa: BLE001  each server has its own for a connection that ended
            chunk = None
        if not chunk and (chunk is None or length is not None):
            raise cut_off()
        if not chunk:
            break
        size += len(chunk)
        chunks.append(chunk)
        if size > cap:
            raise too_large(cap)
        if time.monotonic() > ends:
            raise too_slow()
    return b"".join(chunks)


class _Names(Memo[str, str]):
    """The field that a variable of an environ holds, by name; "" where it is none."""

    def __missing__(self, key: str) -> str:
        """Look at a new one; what is too long is looked at each time."""
        name = key[5:].replace("_", "-").lower() if key.startswith("HTTP_") else ""
        return self.keep(key, name) if len(key) <= _LONGEST else name


_name_of: Final = _Names(1024).__getitem__


def _fields(environ: Environ) -> list[tuple[str, str]]:
    # By functions of the interpreter's own: an environ has several times as many variables.
    names = [*map(_name_of, environ)]
    said = compress(zip(names, environ.values(), strict=True), names)
    lines = [(name, str(value)) for name, value in said]
    for key, name in _CONTENT:  # PEP 3333: empty or absent where none came
        value = environ.get(key)
        if value:
            lines.append((name, str(value)))
    return lines


def _target(environ: Environ) -> str:
    """Return path and query as they came, where the server tells; else as it decoded them."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw:
        return str(raw)
    path = str(environ.get("SCRIPT_NAME") or "") + str(environ.get("PATH_INFO") or "")
    query = str(environ.get("QUERY_STRING") or "")
    quoted = quote(path.encode("latin-1"), safe="/!$&'()*+,;=:@~") or "/"
    return f"{quoted}?{query}" if query else quoted
