"""What each process of this scenario serves."""

from pathlib import Path
from socket import socket
from typing import Any

from pratique.demo.network import Network
from pratique.demo.wire import Seen, Wire


def serve(kind: str, port: int, settings: dict[str, Any]) -> None:
    """Serve one of the five on loopback."""
    if kind in ("canary", "partner"):
        _serve_wire(kind, port, settings)
    else:
        _serve_api(kind, port, settings)


def _serve_wire(kind: str, port: int, settings: dict[str, Any]) -> None:
    from .partner import answer, canary

    token = settings["token"]
    if kind == "canary":
        Wire(port, canary(settings["approval"]), token=token).serve()

    def by_the_script(connection: socket, seen: Seen) -> None:
        answer(connection, seen, partner.script)

    certificate = Path(settings["certificate"])
    partner = Wire(port, by_the_script, token=token, certificate=certificate)
    partner.serve()


def _serve_api(kind: str, port: int, settings: dict[str, Any]) -> None:
    import uvicorn

    from .guarded import guarded
    from .twins import safer, vulnerable

    Network(Path(settings["table"])).enter()
    made = {"vulnerable": vulnerable, "safer": safer, "guarded": guarded}[kind]
    uvicorn.run(
        made(settings["path"], settings["key"]),
        host="127.0.0.1",
        port=port,
        log_level="critical",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
