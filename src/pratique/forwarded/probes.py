"""What a deployment is asked, to learn whether its proxy does its part: one honest request, spoofs.

All are harmless: a GET for the check's own path, or a POST of five bytes that both readings of its
length end at.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from .origin import Origin
from .policy import FORWARDED, LIST, ProxyPolicy

PATH: Final = "/.well-known/pratique-forwarded"
"""What answers the check; a proxy may put a prefix before it."""
TOKEN_FIELD: Final = "Pratique-Forwarded-Check"  # noqa: S105  a field's name
TOKEN_VARIABLE: Final = "PRATIQUE_FORWARDED_CHECK"  # noqa: S105  a variable's name
SPOOFED: Final = "198.51.100.66"
"""Of TEST-NET-2, RFC 5737: nobody's own."""
EVIL: Final = "evil.test"
_BAD_REQUEST: Final = 400
Part = Literal["client", "scheme", "host", "underscore", "target", "framing"]
"""What of the proxy's configuration a spoof tries."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request of the check.

    Args:
        id: Of the attack, "PX-04"; "" for the honest one.
        title: What is tried.
        part: What of the proxy's configuration it tries.
        fields: What is sent besides `Host` and the token.
        hosts: Lines of `Host` in place of the honest one.
        content: Of a POST; b"" for a GET.
    """

    id: str
    title: str
    part: Part
    fields: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    content: bytes = b""


HONEST: Final = Probe("", "honest", "client")


class Answered(msgspec.Struct, frozen=True):
    """What came back of one probe.

    Attributes:
        status: Of the answer; 0 where the connection ended without one.
        origin: What the application proved of that request; None where it told none.
        code: Of the refusal, where the boundary refused.
    """

    status: int
    origin: Origin | None = None
    code: str = ""


def probes_of(policy: ProxyPolicy, *, scheme: str, host: str) -> tuple[Probe, ...]:
    """Return every request to send, the honest one first.

    Args:
        policy: Of the deployment.
        scheme: By which it is asked; the other one is claimed.
        host: By which it is asked.
    """
    other = "http" if scheme == "https" else "https"

    def says(id: str, name: str, value: str = SPOOFED, part: Part = "client") -> Probe:
        return Probe(id, f"{name}: {value}", part, ((name, value),))

    return (
        HONEST,
        says("PX-04", "X-Forwarded-For"),
        says("PX-03", "X-Real-IP"),
        says("PX-03", "Forwarded", f"for={SPOOFED}"),
        *_declared(policy),
        says("PX-03", "X_Forwarded_For", part="underscore"),
        Probe("PX-06", "two lines of Host", "host", hosts=(host, EVIL)),
        Probe("PX-06", f"Host: {EVIL}", "host", hosts=(EVIL,)),
        says("PX-07", "X-Forwarded-Host", EVIL, "host"),
        says("PX-08", "X-Forwarded-Proto", other, "scheme"),
        says("PX-04", "Connection", "X-Forwarded-For"),
        says("PX-09", "X-Original-URL", "/admin", "target"),
        Probe(
            "CWE-444",
            "Content-Length and Transfer-Encoding",
            "framing",
            (("Content-Length", "5"), ("Transfer-Encoding", "chunked")),
            content=b"0\r\n\r\n",
        ),
    )


def _declared(policy: ProxyPolicy) -> list[Probe]:
    """Return the spoof of the field that the policy believes, where it is none of the usual."""
    header = policy.header
    if header in (None, LIST, FORWARDED, "x-real-ip"):
        return []
    return [Probe("PX-03", f"{header}: {SPOOFED}", "client", ((header, SPOOFED),))]


def is_believed(probe: Probe, answered: Answered, honest: Answered, wanted: Origin) -> bool:
    """Say whether a spoof made a difference. A refusal is none, whoever refuses.

    Args:
        probe: That was sent.
        answered: What came back.
        honest: What came back of the honest one.
        wanted: What should be proven of each of them; its client is "" where that isn't known.
    """
    found = answered.origin
    if probe.part == "target" and honest.origin is not None:
        return found != honest.origin and answered.status != _BAD_REQUEST
    if found is None:
        return False
    if honest.origin is not None:
        return found != honest.origin
    said = (found.scheme, found.host)
    return found.client == SPOOFED or said != (wanted.scheme, wanted.host)
