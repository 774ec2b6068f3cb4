"""A declared egress proxy: the one way out of a network that has no other."""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pratique.core.obligation import ALLOWED, VALID
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.roots import Root, RootKind
from pratique.core.secret import Secret

from .address import Network, is_inside, network_of
from .host import canonical_host
from .port import is_port

MAX_HEAD: Final = 16_384
"""Bytes of a proxy's answer before the tunnel begins."""
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r\n")


@dataclass(frozen=True, slots=True)
class EgressProxy:
    """A proxy of one's own. The environment's proxies are never used; a declared one is.

    By default we look names up and judge every address ourselves, and the proxy is told to connect
    to a checked address. TLS runs inside the tunnel, so that the host still proves its name.

    Args:
        host: The proxy's name or address.
        port: Its port.
        network: "10.0.0.0/8": every address of the proxy lies in it.
        reason: Why, for the report.
        credential: "user:password", sent as Basic (RFC 7617) to the proxy alone.
        enforces: Where the proxy alone can resolve names: what it enforces in our place, in words
            for the report. It is then told the name, and which address it connects to is proven by
            nothing of ours.
        controller: Who runs it.

    Raises:
        BoundaryError: no host, port, network or reason; a credential that is no `Secret`.
    """

    host: str
    port: int
    network: str
    reason: str
    credential: Secret | None = None
    enforces: str = ""
    controller: str = "us"

    def __post_init__(self) -> None:
        """Refuse what is empty."""
        if not self.reason.strip():
            raise BoundaryError(f"EgressProxy({self.host!r}) has no reason.")
        if not is_port(self.port):
            raise BoundaryError(f"EgressProxy({self.host!r}): port {self.port} is none.")
        if self.credential is not None and not isinstance(self.credential, Secret):
            raise BoundaryError(
                f'EgressProxy({self.host!r}): credential= is no Secret: pass Secret.env("NAME").'
            )
        network_of(self.network)
        try:
            canonical_host(self.host)
        except Refused as refused:
            raise BoundaryError(f"EgressProxy({self.host!r}): {refused.detail}.") from None

    @property
    def range(self) -> Network:
        """Return the network that it lies in."""
        return network_of(self.network)

    @property
    def root(self) -> Root:
        """Return it as something that a proof can rest on."""
        return Root(RootKind.PARTY, f"egress proxy {self.host}", controller=self.controller)

    def judge(self, addresses: Sequence[str]) -> Sequence[str]:
        """Return the addresses of the proxy itself.

        Raises:
            Refused: ALLOWED, code "proxy_not_allowed": one lies outside its network.
        """
        networks = (self.range,)
        for address in addresses:
            if not is_inside(address, networks):
                raise Refused(
                    ALLOWED,
                    "the egress proxy has an address outside the network that was declared",
                    code="proxy_not_allowed",
                    hint="look the proxy's name up, and compare it with EgressProxy(network=…)",
                    status=502,
                )
        return addresses

    def unread(self) -> list[str]:
        """Return what is wrong with its credential, one sentence each."""
        try:
            self._authorization()
        except BoundaryError as error:
            return list(error.debts)
        return []

    def ask(self, host: str, port: int) -> bytes:
        """Return the request for a tunnel. Source: RFC 9110 §9.3.6.

        Args:
            host: A checked address, or the name where the proxy enforces.
            port: Of the target.

        Raises:
            BoundaryError: the credential can't be read.
        """
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        lines = [
            f"CONNECT {authority} HTTP/1.1",
            f"Host: {authority}",
            *self._authorization(),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

    def _authorization(self) -> list[str]:
        if self.credential is None:
            return []
        live = self.credential.read()
        if not live:
            raise BoundaryError(f"{self.credential!r} is unset: the proxy would get no credential.")
        basic = b64encode(live[0].value.encode()).decode()
        return [f"Proxy-Authorization: Basic {basic}"]


def tunnel_is_open(head: bytes) -> bool:
    """Say whether a proxy's answer has come whole, and opens the tunnel.

    Args:
        head: What it has sent so far.

    Raises:
        Refused: VALID, code "proxy_refused": it says no, says too much, or isn't HTTP.
    """
    end = head.find(b"\r\n\r\n")
    if end < 0:
        if len(head) > MAX_HEAD:
            raise _refused(f"its answer has more than {MAX_HEAD} bytes")
        return False
    status = _STATUS.match(head)
    if status is None:
        raise _refused("its answer isn't HTTP")
    if not status[1].startswith(b"2"):
        raise _refused(f"it answers with status {int(status[1])}")
    if len(head) > end + 4:
        # What comes before our TLS begins would be taken for the host's own words.
        raise _refused("it sends something before the tunnel is used")
    return True


def proxy_hung_up() -> Refused:
    """Return the refusal of a proxy that ends the connection before the tunnel is open."""
    return _refused("it ends the connection")


def _refused(why: str) -> Refused:
    return Refused(
        VALID,
        f"the egress proxy opens no tunnel: {why}",
        code="proxy_refused",
        hint="look at the proxy's own log",
        answer=Answer.RETRY,
    )
