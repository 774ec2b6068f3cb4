"""The fields in which somebody says who, whence, how or for what: only ours may reach an app."""

from typing import Final

from pratique.core.memo import Memo

_CLIENT: Final = """
forwarded x-forwarded x-real-ip x-client-ip client-ip x-cluster-client-ip true-client-ip
x-true-client-ip cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 fastly-client-ip fly-client-ip
x-azure-clientip x-azure-socketip x-appengine-user-ip x-appengine-remote-addr
x-nf-client-connection-ip x-envoy-external-address x-envoy-internal x-proxyuser-ip x-remote-ip
x-remote-addr x-originating-ip wl-proxy-client-ip proxy-client-ip do-connecting-ip
x-vercel-forwarded-for x-vercel-proxied-for x-coming-from x-host-ip x-ip remote-addr x-client
x-peer-ip x-source-ip incap-client-ip cloudfront-viewer-address ali-cdn-real-ip cdn-src-ip
x-cdn-src-ip
"""
"""Each a field that some CDN, proxy or library reads the client's address from."""
_SCHEME: Final = """
x-scheme x-url-scheme x-https x-ssl x-http-scheme front-end-https cloudfront-forwarded-proto
cf-visitor fly-forwarded-proto fly-forwarded-port fly-forwarded-ssl x-arr-ssl x-client-scheme
"""
_HOST: Final = "x-host x-original-host x-http-host-override x-host-override x-server-name"
_TARGET: Final = """
x-original-url x-original-uri x-original-method x-original-path x-rewrite-url x-rewrite-uri
x-http-method-override x-http-method x-method-override x-script-name script-name path-info
x-envoy-original-path x-envoy-original-host x-envoy-original-method x-override-url x-proxy-url
x-waws-unencoded-url x-request-uri x-replaced-path
"""
"""IIS, Symfony, Rails, oauth2-proxy, Envoy, Traefik: each overrides the request line somewhere."""
_FRAMEWORK: Final = """
x-middleware-subrequest x-middleware-rewrite x-middleware-next x-middleware-prefetch x-invoke-path
x-invoke-query x-invoke-status x-matched-path x-now-route-matches x-sveltekit-action
x-sendfile-type x-accel-mapping x-accel-redirect x-accel-internal x-django-internal proxy
"""
"""Between the parts of one framework alone: Next.js (CVE-2025-29927), Rack; `Proxy` is httpoxy's
(CVE-2016-5385)."""
_EDGE: Final = """
cf-ipcountry cf-ipcity cf-ipcontinent cf-iplatitude cf-iplongitude cf-region cf-region-code
cf-timezone cf-postal-code cf-bot-score cf-threat-score cf-verified-bot x-country x-country-code
x-geo-country x-geoip-country x-client-geo-location x-appengine-country x-appengine-city
x-appengine-region x-vercel-ip-country x-vercel-ip-city x-vercel-ip-country-region
cloudfront-viewer-country cloudfront-viewer-country-name cloudfront-viewer-city
cloudfront-is-mobile-viewer cloudfront-viewer-tls cloudfront-viewer-ja3-fingerprint x-risk
x-risk-score x-bot-score x-device-type x-ja3 x-ja3-fingerprint x-ja4 fastly-geo-country
x-azure-ref-geo
"""
"""What only an edge can know of a client. Yours is declared: ProxyPolicy(edge_fields=…)."""
NAMES: Final = frozenset(f"{_CLIENT} {_SCHEME} {_HOST} {_TARGET} {_FRAMEWORK} {_EDGE}".split())
PREFIXES: Final = ("x-forwarded-", "x-original-forwarded-", "x-proxyuser-", "x-middleware-")
CERTIFICATE: Final = "x-forwarded-client-cert"
"""Where the proxy that writes it is itself proven by mTLS, the service boundary reads it."""
FRAMING: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "authorization", "cookie", "te"}
)
"""Fields that frame a message or say who sent it: no hop may be told to drop them."""
_known: Final = Memo[str, bool](1024)


def is_family(name: str) -> bool:
    """Say whether a field is of this family.

    Args:
        name: In lower case.
    """
    found = _known.get(name)
    if found is None:
        found = _known.keep(name, name in NAMES or name.startswith(PREFIXES))
    return found


def is_alias(name: str, own: frozenset[str]) -> bool:
    """Say whether CGI would take the name for another one's: `X_Forwarded_For`.

    A WSGI server makes HTTP_X_FORWARDED_FOR of both, and joins them.

    Args:
        name: In lower case.
        own: Further fields that a policy declares.

    Source: RFC 3875 §4.1.18; CVE-2015-0219 (Django).
    """
    if "_" not in name:
        return False
    meant = name.replace("_", "-")
    return is_family(meant) or meant in own or meant in FRAMING
