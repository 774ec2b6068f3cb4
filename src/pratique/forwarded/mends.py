"""What to write into a proxy's configuration so that its preset holds: a line for each part."""

from collections.abc import Mapping
from typing import Final

from .probes import Part

MENDS: Final[Mapping[str, Mapping[Part, tuple[str, ...]]]] = {
    "nginx": {
        "client": ("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",),
        "scheme": ("proxy_set_header X-Forwarded-Proto $scheme;",),
        "host": ("proxy_set_header Host $host;",),
        "underscore": ("underscores_in_headers off;",),
    },
    "haproxy": {
        "client": ("option forwardfor",),
        "scheme": (
            "http-request set-header X-Forwarded-Proto https if { ssl_fc }",
            "http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
        ),
        "underscore": ("http-request del-header _ -m sub",),
    },
    "envoy": {
        "client": ("use_remote_address: true",),
        "scheme": ("use_remote_address: true",),
        "underscore": ("headers_with_underscores_action: REJECT_REQUEST",),
    },
    "caddy": {
        "client": ("trusted_proxies",),
        "scheme": ("trusted_proxies",),
        "underscore": ("request_header -*_*",),
    },
    "traefik": {
        "client": ("forwardedHeaders.insecure: false",),
        "scheme": ("forwardedHeaders.insecure: false",),
    },
    "aws_alb": {
        "client": ("routing.http.xff_header_processing.mode = append",),
        "underscore": ("routing.http.drop_invalid_header_fields.enabled = true",),
    },
    "cloudflare": {
        "client": ('"Remove visitor IP headers" must be off',),
    },
}
"""By the name of the preset."""

_ANY: Final[Mapping[Part, str]] = {
    "client": "let the proxy append its peer's address to the declared field, or overwrite it",
    "scheme": "let the proxy overwrite the declared field of the scheme",
    "host": "let the proxy pass one Host on, the client's, and the policy name yours in hosts=",
    "underscore": "let the proxy drop or refuse fields with an underscore",
    "target": "let nothing before the application take a target from a field",
    "framing": "let the proxy refuse a request with two lengths",
}


def mends_of(preset: str, part: Part) -> tuple[str, ...]:
    """Return what to configure.

    Args:
        preset: "nginx"; "" where the proxy isn't known.
        part: What is wrong.
    """
    return MENDS.get(preset, {}).get(part) or (_ANY[part],)
