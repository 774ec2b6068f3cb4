"""A request of Django's: what guards it, and its claim, read once and before Django parses it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream
from django.http import HttpRequest, HttpResponse

from pratique.core.boundary import Boundary
from pratique.core.claim import Claim
from pratique.core.obligation import VALID
from pratique.core.perimeter import Perimeter, utc_now
from pratique.core.refusal import BoundaryError, Refused, too_large
from pratique.integrations.asgi import claim_of as claim_of_scope
from pratique.integrations.limits import DEFAULT_CAP
from pratique.integrations.reply import Reply
from pratique.integrations.shadow import Rewound, let_go
from pratique.integrations.wsgi import claim_of as claim_of_environ
from pratique.integrations.wsgi import read_content as read_environ

_HELD: Final = "_pratique"


@dataclass(slots=True)
class Held:
    """What the door keeps of a request.

    Attributes:
        perimeter: What guards it.
        claim: Once it was read.
        context: For whom it was proven, of a service boundary.
    """

    perimeter: Perimeter
    claim: Claim | None = None
    context: object = None


def hold(request: HttpRequest, perimeter: Perimeter) -> None:
    """Note what guards a request."""
    setattr(request, _HELD, Held(perimeter))


def held_by(request: HttpRequest, boundary: Boundary) -> Held:
    """Return what the door keeps of a request.

    Raises:
        BoundaryError: the perimeter that guards the project doesn't declare the boundary, or no
            middleware of ours has seen the request.
    """
    held = getattr(request, _HELD, None)
    if not isinstance(held, Held) or boundary.perimeter is not held.perimeter:
        raise BoundaryError(
            f'Boundary "{boundary.name}" stands in a project that isn\'t guarded by its perimeter: '
            'MIDDLEWARE = ["pratique.integrations.django.Guard", …], '
            'PRATIQUE = {"PERIMETER": "shop.boundaries.perimeter"}.'
        )
    return held


def clock_of(request: HttpRequest) -> Callable[[], datetime]:
    """Return the clock of the perimeter that guards a request; the machine's where none does."""
    held: Held | None = getattr(request, _HELD, None)
    return utc_now if held is None else held.perimeter.clock


def context_held_by(request: HttpRequest) -> object:
    """Return for whom a request was proven; None where that was of no service boundary."""
    held: Held | None = getattr(request, _HELD, None)
    return None if held is None else held.context


def claim_once(
    request: HttpRequest, boundary: Boundary, cap: int = DEFAULT_CAP
) -> tuple[Held, Claim]:
    """Read the claim once a request, whoever of its proofs asks first; return what is kept too.

    Args:
        request: Of Django's.
        boundary: In whose name a refusal to read it is recorded.
        cap: Bytes of content. DATA_UPLOAD_MAX_MEMORY_SIZE has no part in it.

    Raises:
        Refused: what `read_content` and `claim_of` refuse.
        BoundaryError: see `held_by`; something took the content away before.
    """
    held = held_by(request, boundary)
    if held.claim is None:
        try:
            held.claim = _claim_of(request, _content_of(request, cap), held.perimeter)
        except Refused as refused:
            raise held.perimeter.refuse(boundary, refused)  # noqa: B904  the same refusal, recorded
    return held, held.claim


def claim_to_look_at(
    request: HttpRequest, boundary: Boundary, cap: int
) -> tuple[Held, Claim | None]:
    """Read the claim for a boundary that only observes, and leave the content to the view.

    Args:
        request: Of Django's; its content may have been read, as for a CSRF token in a form.
        boundary: In whose name what can't be read is recorded.
        cap: Bytes of content that are judged.

    Returns:
        What is kept, and None where the content is too large, or gone.

    Raises:
        Refused: the boundary doesn't observe any more.
        BoundaryError: see `held_by`.
    """
    held = held_by(request, boundary)
    if held.claim is None and _is_gone(request):
        gone = Refused(
            VALID,
            "Django has read the content as a form with files, and it can't be read again",
            code="content_gone",
            hint="declare it by the boundary, content=Type",
        )
        _let_go(held, boundary, gone)
        return held, None
    rewind = _rewinding(request)
    try:
        return claim_once(request, boundary, cap)
    except Refused as refused:
        rewind()
        let_go(held.perimeter, boundary, held.perimeter.clock(), refused)
        return held, None


def _let_go(held: Held, boundary: Boundary, refused: Refused) -> None:
    recorded = held.perimeter.refuse(boundary, refused)
    let_go(held.perimeter, boundary, held.perimeter.clock(), recorded)


def _is_gone(request: Any) -> bool:
    return bool(request._read_started) and not hasattr(request, "_body")  # noqa: SLF001


def _rewinding(request: Any) -> Callable[[], None]:
    """Return what puts back as much of the content as was read of it."""
    if hasattr(request, "_body"):
        return lambda: None
    if isinstance(request, ASGIRequest):
        stream: Any = request._stream  # noqa: SLF001  a file that Django has filled
        return lambda: stream.seek(0)
    environ = request.META
    declared, whole = environ.get("CONTENT_LENGTH"), Rewound(environ["wsgi.input"])
    chunked = environ.get("HTTP_TRANSFER_ENCODING")
    environ["wsgi.input"] = whole

    def again() -> None:
        stream: Any = whole.again()
        environ["wsgi.input"] = stream
        for name, value in (("CONTENT_LENGTH", declared), ("HTTP_TRANSFER_ENCODING", chunked)):
            if value is not None:
                environ[name] = value
        request._stream = LimitedStream(stream, int(declared or 0))  # noqa: SLF001  as Django has it

    return again


def response_of(reply: Reply) -> HttpResponse:
    """Return an answer as a response of Django's."""
    fields = {**reply.fields, "content-length": str(len(reply.content))}
    return HttpResponse(reply.content, status=reply.status, headers=fields)


def _claim_of(request: HttpRequest, content: bytes, perimeter: Perimeter) -> Claim:
    if isinstance(request, ASGIRequest):
        # With each line of each field; META has them folded.
        return claim_of_scope(dict(request.scope), content, perimeter)
    return claim_of_environ(request.META, content, perimeter)


def _content_of(request: HttpRequest, cap: int) -> bytes:
    """Return the raw content, and leave it to whoever asks Django for it later."""
    known: Any = request
    content: bytes
    if hasattr(known, "_body"):  # somebody asked for request.body: those are the bytes that came
        content = known._body  # noqa: SLF001
    elif known._read_started:  # noqa: SLF001
        raise BoundaryError(
            f"the content of {request.path} was read before it was proven. Let no middleware read "
            "request.POST of a guarded view: of its bytes nothing is left to prove."
        )
    elif isinstance(request, ASGIRequest):
        content = known._stream.read(cap + 1)  # noqa: SLF001  Django has read it all from the server
    else:
        content = read_environ(request.META, cap)
    if len(content) > cap:
        raise too_large(cap)
    known._body, known._read_started = content, True  # noqa: SLF001  as request.body leaves it
    known._stream = BytesIO(content)  # noqa: SLF001
    request.META["CONTENT_LENGTH"] = str(len(content))  # it may have come in chunks
    return content
