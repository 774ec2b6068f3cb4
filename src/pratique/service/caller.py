"""Which service calls, and what it may ask for: proven by the certificate of its TLS connection."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, get_args, runtime_checkable

import msgspec

from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.obligation import ALLOWED, AUTHENTIC
from pratique.core.proofs.authentic.mtls import (
    SpiffeId,
    is_trust_domain,
    parse_spiffe_id,
    shown_chain,
    spiffe_id_of,
)
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import Root, RootKind, ways

from .claimed import FORWARDED, refuse_claimed
from .xfcc import Mode, forwarded_id

# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,256}")
_SHOWN: Final = 128
Allow = Mapping[str, Collection[str]]


class Caller(msgspec.Struct, frozen=True, gc=False):
    """A service that is known by its certificate."""

    id: str
    """Its SPIFFE id."""
    scopes: frozenset[str]
    """What we let it ask for. Ours, from the declaration; never its own word."""


class CallerProof(Protocol):
    """What the service boundary needs to know who calls."""

    @property
    def reads_client_certificate(self) -> bool:
        """Say whether it rests on TLS, so that the server must show client certificates."""
        ...

    def prove(self, claim: Claim) -> Caller:
        """Return who calls.

        Raises:
            Refused: AUTHENTIC, or ALLOWED for a proven service that isn't one of the callers.
        """
        ...

    def declared(self) -> Proof:
        """Return it as the declaration and the report say it."""
        ...


@runtime_checkable
class AskingProof(CallerProof, Protocol):
    """A caller's proof that may have to look for a key before it knows."""

    def proving(self, claim: Claim) -> Flow[Caller]:
        """Do what `prove` does, with a question where it is needed."""
        ...


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The caller's own TLS connection ends at our server. Made by `mtls`."""

    trust_domain: str
    scopes: Mapping[str, frozenset[str]]
    controller: str
    reads_client_certificate: bool = True

    def prove(self, claim: Claim) -> Caller:
        """Return who calls. See `mtls`."""
        chain = shown_chain(claim.via)
        refuse_claimed(claim.fields)
        return self.caller(spiffe_id_of(chain, at=claim.received_at))

    def caller(self, name: SpiffeId) -> Caller:
        """Return the caller of a proven name.

        Raises:
            Refused: AUTHENTIC, code "wrong_trust_domain"; ALLOWED, code "unknown_caller".
        """
        self.require_domain(name)
        text = str(name)
        scopes = self.scopes.get(text)
        if scopes is None:
            raise Refused(
                ALLOWED,
                f"{text[:_SHOWN]} isn't one of the {len(self.scopes)} allowed callers",
                code="unknown_caller",
                hint="name it in allow=, with the scopes that it needs",
            )
        return Caller(text, scopes)

    def require_domain(self, name: SpiffeId) -> None:
        """Refuse a name of another trust domain: its CA may not name our services.

        Raises:
            Refused: AUTHENTIC, code "wrong_trust_domain".
        """
        if name.trust_domain != self.trust_domain:
            raise Refused(
                AUTHENTIC,
                f"the trust domain is {name.trust_domain[:_SHOWN]}, expected {self.trust_domain}",
                code="wrong_trust_domain",
                hint="a CA bundle holds more than the CA of this trust domain",
            )

    def declared(self) -> Proof:
        """Return it as the declaration and the report say it."""
        method = f"mTLS: an X.509-SVID of {self.trust_domain}, {_counted(self.scopes)} by name"
        return Proof(AUTHENTIC, method, ways(*self.roots()))

    def roots(self) -> Sequence[Root]:
        """Return who can make it lie: the CA, and each caller for itself."""
        authority = Root(RootKind.CA, self.trust_domain, controller=self.controller)
        return (authority, *(Root(RootKind.PARTY, name, controller=name) for name in self.scopes))


@dataclass(frozen=True, slots=True)
class ForwardedCertificate:
    """The caller's TLS connection ends at a proxy that comes by mTLS itself.

    Made by `forwarded_certificate`.
    """

    callers: ClientCertificate
    proxies: ClientCertificate
    by: str
    mode: Mode
    reads_client_certificate: bool = True

    def prove(self, claim: Claim) -> Caller:
        """Return who calls. See `forwarded_certificate`."""
        chain = shown_chain(claim.via)
        refuse_claimed(claim.fields, but=FORWARDED)
        proxy = spiffe_id_of(chain, at=claim.received_at)
        self.proxies.require_domain(proxy)
        if str(proxy) not in self.proxies.scopes:
            # Whoever may open a connection to us isn't thereby one who may say who calls.
            raise Refused(
                AUTHENTIC,
                f"{str(proxy)[:_SHOWN]} isn't a declared proxy, and may not name another caller",
                code="not_the_proxy",
                hint="a service of the same network calls past the proxy; or proxies= lacks one",
            )
        name = forwarded_id(claim.fields, by=self.by, mode=self.mode, at=claim.received_at)
        return self.callers.caller(name)

    def declared(self) -> Proof:
        """Return it as the declaration and the report say it."""
        method = (
            f"X-Forwarded-Client-Cert ({self.mode}) by {self.by}, from "
            f"{len(self.proxies.scopes)} proxies by mTLS: {self.callers.trust_domain}, "
            f"{_counted(self.callers.scopes)} by name"
        )
        roots = dict.fromkeys((*self.proxies.roots(), *self.callers.roots()))
        return Proof(AUTHENTIC, method, ways(*roots))


def mtls(trust_domain: str, *, allow: Allow, controller: str = "us") -> ClientCertificate:
    """Prove the caller by the client certificate of its own TLS connection.

    The server verifies the certificate, against a CA bundle that holds the CA of this trust domain
    alone; the door hands it over (`Claim.via.tls`). A field of the request never does.

    Args:
        trust_domain: "shop.example".
        allow: SPIFFE id of each caller and the scopes that it has with us, none included:
            {"spiffe://shop.example/gateway": {"orders.read"}}.
        controller: Who runs the CA.

    Raises:
        BoundaryError: nobody is allowed, an id is none or of another trust domain, a scope is none.

    Source: SPIFFE X.509-SVID §2, §5; guide §6.
    """
    if not is_trust_domain(trust_domain):
        raise BoundaryError(
            f"mtls({trust_domain!r}): a trust domain is a name such as shop.example: "
            "a-z, 0-9, '.', '-' and '_', without spiffe://."
        )
    given: object = allow
    if not isinstance(given, Mapping):
        raise BoundaryError(
            f"mtls({trust_domain!r}, allow=…) says what each caller may: "
            f'{{"spiffe://{trust_domain}/gateway": {{"order.read"}}}}.'
        )
    if not allow:
        raise BoundaryError(f"mtls({trust_domain!r}, allow={{}}) lets nobody call. Name a caller.")
    scopes: dict[str, frozenset[str]] = {}
    for name, granted in allow.items():
        _require_caller(name, trust_domain)
        scopes[name] = _scopes(name, granted)
    return ClientCertificate(trust_domain, scopes, controller)


def forwarded_certificate(
    trust_domain: str,
    *,
    allow: Allow,
    proxies: ClientCertificate,
    by: str,
    mode: Mode = "SANITIZE_SET",
    controller: str = "us",
) -> ForwardedCertificate:
    """Prove the caller by `X-Forwarded-Client-Cert` of a proxy that comes by mTLS itself.

    Believed is the last element alone, from a declared proxy, with `By` as declared and one URI.
    Where the proxy also sends `Cert`, the certificate is read too. The proxy's listener must
    require and verify client certificates. With Envoy's `FORWARD_ONLY` and `ALWAYS_FORWARD_ONLY`
    its clients write the field: those can't be told from here, and aren't for this.

    Args:
        trust_domain: Of the callers.
        allow: As with `mtls`.
        proxies: `mtls("shop.example", allow={"spiffe://shop.example/edge": ()})`.
        by: The URI name in the certificate that the proxy shows its clients.
        mode: The proxy's `forward_client_cert_details`. "SANITIZE_SET" writes the field anew: one
            element. With "APPEND_FORWARD" others may stand before it, and then it rests on the CA
            too that no certificate has a "," in a URI or DNS name.
        controller: Who runs the callers' CA.

    Raises:
        BoundaryError: as with `mtls`, `by` is no SPIFFE id, or `mode` is another.

    Source: Envoy, "HTTP header manipulation", "x-forwarded-client-cert"; CWE-290.
    """
    callers = mtls(trust_domain, allow=allow, controller=controller)
    if not _is_workload(by):
        raise BoundaryError(f"forwarded_certificate(by={by!r}) is no SPIFFE id of a proxy.")
    if mode not in get_args(Mode):
        raise BoundaryError(
            f"forwarded_certificate(mode={mode!r}): the proxy writes the field in "
            f"{' and '.join(get_args(Mode))} alone."
        )
    return ForwardedCertificate(callers, proxies, by, mode)


def _require_caller(name: Any, trust_domain: str) -> None:
    if not (isinstance(name, str) and _is_workload(name)):
        raise BoundaryError(
            f"mtls(allow={{{name!r}: …}}): it is no SPIFFE id of a service, "
            f"spiffe://{trust_domain}/its/path."
        )
    if parse_spiffe_id(name).trust_domain != trust_domain:
        raise BoundaryError(
            f"mtls({trust_domain!r}, allow={{{name!r}: …}}): it is of another trust domain. "
            "A trust domain has its own CA: declare it by itself."
        )


def _is_workload(text: str) -> bool:
    try:
        return bool(parse_spiffe_id(text).path)
    except ValueError:
        return False


def _scopes(name: str, granted: Any) -> frozenset[str]:
    # A str is a collection of its letters.
    if isinstance(granted, str | bytes) or not _is_collection(granted):
        raise BoundaryError(f'mtls(allow={{{name!r}: …}}): scopes are a set: {{"orders.read"}}.')
    scopes: frozenset[Any] = frozenset(granted)
    for scope in scopes:
        if not isinstance(scope, str) or _SCOPE.fullmatch(scope) is None:
            raise BoundaryError(
                f"mtls(allow={{{name!r}: …}}): the scope {scope!r} is none (RFC 6749 §3.3)."
            )
    return scopes


def _is_collection(value: object) -> bool:
    return isinstance(value, Collection)


def _counted(scopes: Mapping[str, frozenset[str]]) -> str:
    return "1 caller" if len(scopes) == 1 else f"{len(scopes)} callers"
