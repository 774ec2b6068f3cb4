"""What each process of this scenario serves."""

from pathlib import Path
from typing import Any

from pratique.demo.network import Network
from pratique.demo.wire import Wire


def serve(kind: str, port: int, settings: dict[str, Any]) -> None:
    """Serve one of the five on loopback."""
    if kind in ("canary", "site"):
        _serve_wire(kind, port, settings)
    else:
        _serve_api(kind, port, settings)


def _serve_wire(kind: str, port: int, settings: dict[str, Any]) -> None:
    from .canary import canary
    from .site import site

    token = settings["token"]
    if kind == "canary":
        Wire(port, canary(settings["marker"]), token=token).serve()
    Wire(port, site, token=token, certificate=Path(settings["certificate"])).serve()


def _serve_api(kind: str, port: int, settings: dict[str, Any]) -> None:
    import uvicorn

    from .guarded import guarded
    from .told import Told
    from .twins import safer, vulnerable

    Network(Path(settings["table"])).enter()
    told = Told(settings["path"], settings["marker"], settings["key"], settings["order"])
    app = {"vulnerable": vulnerable, "safer": safer, "guarded": guarded}[kind](told)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        log_level="critical",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
