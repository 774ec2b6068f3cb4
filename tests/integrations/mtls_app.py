"""The smallest application whose callers are proven by mTLS: ASGI and WSGI."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.routing import Route

from pratique import Perimeter
from pratique.core.boundary import Boundary, Declaration
from pratique.core.claim import Claim, Fields, Via
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, Obligation
from pratique.core.question import Flow
from pratique.core.refusal import Refused
from pratique.core.store import Store
from pratique.integrations.starlette import endpoint, guard
from pratique.integrations.tls import tls_of_environ
from pratique.service import CallerProof, forwarded_certificate, mtls

GATEWAY = "spiffe://shop.example/gateway"
OTHER = "spiffe://shop.example/other"
EDGE = "spiffe://shop.example/edge"
DIRECT = mtls("shop.example", allow={GATEWAY: {"orders.read"}})
PROXIES = mtls("shop.example", allow={EDGE: ()})
BEHIND = forwarded_certificate(
    "shop.example", allow={GATEWAY: {"orders.read"}}, proxies=PROXIES, by=EDGE
)
APPENDED = forwarded_certificate(
    "shop.example",
    allow={GATEWAY: {"orders.read"}},
    proxies=PROXIES,
    by=EDGE,
    mode="APPEND_FORWARD",
)


class Orders(Boundary):
    """A boundary that owes nothing but to know who calls."""

    kind: ClassVar[str] = "service"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC})

    def __init__(self, proof: CallerProof) -> None:
        super().__init__("orders", origin="a service of ours")
        self.proof = proof
        self.reads_client_certificate = proof.reads_client_certificate
        self.callers: list[str] = []
        self.refusals: list[Refused] = []

    def declarations(self) -> Sequence[Declaration]:
        return (Declaration("orders", (self.proof.declared(),)),)

    def prepare(self, store: Store | None) -> list[str]:
        return []

    def flow(self, crossing: Crossing) -> Flow[Any]:
        crossing.declaration = self.declarations()[0]
        try:
            caller = self.proof.prove(crossing.claim)
        except Refused as refused:
            self.refusals.append(refused)
            raise
        crossing.discharge(AUTHENTIC)
        self.callers.append(caller.id)
        yield from ()
        return crossing.prove(caller)


class Served:
    """An application with its boundary."""

    def __init__(self, proof: CallerProof) -> None:
        self.orders = Orders(proof)
        perimeter = Perimeter()
        perimeter.declare(self.orders)
        routes = [Route("/orders", endpoint(self.orders), methods=["GET"])]
        self.app = guard(Starlette(routes=routes), perimeter)


def hidden(app: Any) -> Any:
    """Return the application behind another layer, so that its start can't tell who serves it."""

    async def layer(scope: Any, receive: Any, send: Any) -> None:
        async def inner() -> Any:
            return await receive()

        await app(scope, inner, send)

    return layer


app = Served(DIRECT).app
app_hidden = hidden(Served(DIRECT).app)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with the id of the caller, or with the code of the refusal."""
    fields = Fields(
        (name.removeprefix("HTTP_").replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    )
    claim = Claim(b"", fields, datetime.now(UTC), Via(tls=tls_of_environ(environ)))
    try:
        status, text = 200, DIRECT.prove(claim).id
    except Refused as refused:
        status, text = refused.status, f"{refused.code} {refused.detail}"
    start_response(f"{status} ...", [("content-type", "text/plain")])
    return [text.encode()]
