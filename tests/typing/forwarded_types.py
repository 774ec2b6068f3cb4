"""Where a request comes from: the right forms, which have no error."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from pratique import Perimeter, Proven
from pratique.core.claim import Fields
from pratique.forwarded import Forwarded, Origin, ProxyPolicy, origin_of, presets
from pratique.integrations import starlette, wsgi

policy: ProxyPolicy = presets.nginx(trusted=["10.0.0.0/24"], hosts=["api.example.com"])
edge: Forwarded = Perimeter().declare(Forwarded("edge", policy, record="every"))


def of(fields: Fields) -> str:
    """Weigh fields by hand."""
    found: Origin = origin_of("10.0.0.1", fields, policy, scheme="https", target="/orders")
    return found.client


def key(request: Request) -> str:
    """Give a rate limiter its key."""
    return starlette.origin(request).client


def key_of(environ: Mapping[str, Any]) -> str:
    """Do the same in WSGI."""
    return wsgi.origin(environ).client


def audit(origin: Proven[Origin]) -> str:
    """Act on what crossed."""
    return f"{origin.value.scheme}://{origin.value.host} from {origin.value.client}"
