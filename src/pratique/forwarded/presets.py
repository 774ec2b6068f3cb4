"""Policies for proxies that many have, each with what the proxy must be told for it to hold.

Each takes the networks of one's own proxies and one's own names; what it adds is the fields in
which that proxy writes. What nginx, HAProxy, Caddy and Envoy do when they are told so is measured:
docs/reference/proxies.md. `pratique forwarded check` asks a deployment.
"""

from collections.abc import Sequence

from .policy import ProxyPolicy


def nginx(
    *, trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str] = ()
) -> ProxyPolicy:
    """Return the policy for nginx.

    Configure, in the `location` that has `proxy_pass` (a `proxy_set_header` in an inner block drops
    those of the outer ones)::

        proxy_set_header Host              $host;
        proxy_set_header X-Forwarded-For   $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;

    and leave `underscores_in_headers off;` as it is by default. `$host` has no port: where a name
    of yours has one, it is `$http_host`. An nginx that listens on a unix socket has no address for
    its client, and writes "unix:", which is refused.

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: nginx.org, ngx_http_proxy_module, "proxy_set_header", "$proxy_add_x_forwarded_for";
    ngx_http_core_module, "underscores_in_headers".
    """
    return _appended(trusted, hosts, edge_fields)


def haproxy(
    *, trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str] = ()
) -> ProxyPolicy:
    """Return the policy for HAProxy.

    Configure::

        option forwardfor
        http-request set-header X-Forwarded-Proto https if { ssl_fc }
        http-request set-header X-Forwarded-Proto http  if !{ ssl_fc }
        http-request del-header _ -m sub

    The last line drops fields with an underscore, which HAProxy otherwise passes on.

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: HAProxy Configuration Manual, "option forwardfor", "http-request set-header",
    "http-request del-header", "ssl_fc".
    """
    return _appended(trusted, hosts, edge_fields)


def envoy(
    *, trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str] = ()
) -> ProxyPolicy:
    """Return the policy for Envoy as an edge proxy.

    Configure, in the HTTP connection manager: `use_remote_address: true`, and in its
    `common_http_protocol_options` `headers_with_underscores_action: REJECT_REQUEST`. Without the
    first Envoy passes the client's own X-Forwarded-For and X-Forwarded-Proto on and adds nothing.
    It joins two lines of Host by a comma, which is refused.

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: envoyproxy.io, "HTTP header manipulation", x-forwarded-for, x-forwarded-proto; "Best
    practices: configuring Envoy as an edge proxy".
    """
    return _appended(trusted, hosts, edge_fields)


def caddy(
    *, trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str] = ()
) -> ProxyPolicy:
    """Return the policy for Caddy.

    `reverse_proxy` sets X-Forwarded-For and X-Forwarded-Proto by itself, and drops what a client
    sent of them, unless the client is in `trusted_proxies`. Name there the proxies before Caddy and
    nobody else, and the same networks in *trusted*. Add::

        request_header -*_*

    which drops fields with an underscore: it otherwise passes them on.

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: caddyserver.com, Caddyfile directives "reverse_proxy", "Defaults", and "request_header",
    "Examples"; since 2.6.3 "trusted_proxies" is a global option as well.
    """
    return _appended(trusted, hosts, edge_fields)


def traefik(
    *, trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str] = ()
) -> ProxyPolicy:
    """Return the policy for Traefik.

    Leave `forwardedHeaders.insecure: false` at each entry point, and name in
    `forwardedHeaders.trustedIPs` the proxies before Traefik and nobody else. Its X-Real-Ip,
    X-Forwarded-Host, -Port and -Server are stripped. Of a WebSocket it writes "ws" or "wss".

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: doc.traefik.io, "EntryPoints", "Forwarded Headers".
    """
    return _appended(trusted, hosts, edge_fields)


def aws_alb(
    *, trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str] = ()
) -> ProxyPolicy:
    """Return the policy for an AWS Application Load Balancer.

    *trusted* are the subnets that the load balancer is in; whatever else runs in them is trusted
    too, so let the application's security group admit the load balancer's alone. Leave
    `routing.http.xff_header_processing.mode = append`, and set
    `routing.http.drop_invalid_header_fields.enabled = true`: it drops fields with an underscore,
    as every name that isn't letters, digits and hyphens.
    Its health checks send none of these fields: answer them on a port of their own, or declare
    `missing="peer"`.

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: AWS, Elastic Load Balancing, "HTTP headers and Application Load Balancers"; "Edit
    attributes for your Application Load Balancer".
    """
    return _appended(trusted, hosts, edge_fields)


def cloudflare(
    *,
    trusted: Sequence[str],
    hosts: Sequence[str],
    edge_fields: Sequence[str] = ("cf-ipcountry",),
) -> ProxyPolicy:
    """Return the policy for Cloudflare, whose edge connects to the application itself.

    *trusted* are the ranges that Cloudflare publishes (cloudflare.com/ips). They prove that it is
    Cloudflare and not that it is your zone: any of its customers can send a request from there.
    Turn Authenticated Origin Pulls on with a certificate of your own, or connect by a tunnel, and
    then trust the tunnel's address. "Remove visitor IP headers" must be off, and Pseudo IPv4 must
    not overwrite.

    Raises:
        BoundaryError: see `ProxyPolicy`.

    Source: developers.cloudflare.com, "Cloudflare HTTP headers", CF-Connecting-IP, CF-IPCountry;
    "Authenticated Origin Pulls".
    """
    return ProxyPolicy(
        trusted=trusted,
        header="cf-connecting-ip",
        proto="x-forwarded-proto",
        hosts=hosts,
        edge_fields=edge_fields,
    )


def _appended(
    trusted: Sequence[str], hosts: Sequence[str], edge_fields: Sequence[str]
) -> ProxyPolicy:
    return ProxyPolicy(
        trusted=trusted,
        header="x-forwarded-for",
        proto="x-forwarded-proto",
        hosts=hosts,
        edge_fields=edge_fields,
    )
