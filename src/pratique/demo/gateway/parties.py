"""What each process of this scenario serves."""

from pathlib import Path
from typing import Any


def serve(kind: str, port: int, settings: dict[str, Any]) -> None:
    """Serve one of the four on loopback: the gateway, or an API behind it."""
    if kind == "gateway":
        from .proxy import serve as serve_gateway

        serve_gateway(
            port,
            tls_port=settings["tls_port"],
            behind=settings["behind"],
            certificate=Path(settings["certificate"]),
        )
        return
    from werkzeug.serving import make_server

    from .guarded import guarded
    from .twins import safer, vulnerable

    made = {"vulnerable": vulnerable, "safer": safer, "guarded": guarded}[kind]
    make_server("127.0.0.1", port, made(settings["path"]), threaded=True).serve_forever()
