"""A declared way to a service of one's own, as narrow as it can be said."""

from dataclasses import dataclass, replace

from pratique.core.refusal import BoundaryError, Refused

from .address import Network, network_of
from .host import canonical_host
from .port import is_port


@dataclass(frozen=True, slots=True)
class Internal:
    """A narrow way to a service of one's own: this host, in this network, at this port.

    It opens nothing else, and never a cloud's metadata endpoint.

    Args:
        host: "wiki.corp.example", exactly.
        network: "10.1.2.0/24": every address of the host lies in it.
        port: One.
        reason: Why, for the report.
    """

    host: str
    network: str
    port: int
    reason: str

    @property
    def range(self) -> Network:
        """Return the network."""
        return network_of(self.network)

    def whole(self) -> "Internal":
        """Return it with its host in the one spelling.

        Raises:
            BoundaryError: no reason, host, port or network.
        """
        if not self.reason.strip():
            raise BoundaryError(f"Internal({self.host!r}) has no reason.")
        if not is_port(self.port):
            raise BoundaryError(f"Internal({self.host!r}): port {self.port} is outside 1 to 65535.")
        network_of(self.network)
        try:
            return replace(self, host=canonical_host(self.host))
        except Refused as refused:
            raise BoundaryError(f"Internal({self.host!r}): {refused.detail}.") from None
