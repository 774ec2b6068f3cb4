"""`pratique forwarded check`: asks a running deployment whether it believes what a client says."""

import os
from collections.abc import Iterable
from typing import Annotated, Final, NoReturn
from urllib.parse import urlsplit

import typer

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import Refused
from pratique.forwarded import Forwarded, Origin, ProxyPolicy
from pratique.forwarded.address import address_of
from pratique.forwarded.mends import MENDS, mends_of
from pratique.forwarded.probes import (
    PATH,
    TOKEN_VARIABLE,
    Answered,
    Part,
    Probe,
    is_believed,
    probes_of,
)

from .application import application
from .asking import FOUND, Asking, word
from .wording import counted

_NOT_THERE: Final = 404
_FAILED: Final = 500
_PARTS: Final[dict[str, tuple[Part, ...]]] = {
    "no_forwarded": ("client", "scheme"),
    "bad_host": ("host",),
    "host_not_allowed": ("host",),
    "hop_by_hop": ("framing",),
    "bad_framing": ("framing",),
    "field_alias": ("underscore",),
}
"""What to look at where an honest request is refused with this code."""
forwarded = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local can be a secret
    help="Ask a deployment whether its proxy does its part.",
)


@forwarded.callback()
def group() -> None:
    """Keep `check` a command of its own name."""


@forwarded.command()
def check(
    url: Annotated[str, typer.Option(help="Where clients reach it: https://api.shop.example")],
    perimeter: Annotated[str, typer.Option(help="module:attribute of the perimeter.")],
    *,
    host: Annotated[str, typer.Option(help="Host to send; that of the URL by default.")] = "",
    source: Annotated[str, typer.Option(help="Own address to connect from.")] = "",
    client: Annotated[str, typer.Option(help="The address that it must see; not asked: any.")] = "",
    proxy: Annotated[str, typer.Option(help=f"What stands there: {', '.join(MENDS)}.")] = "",
    cafile: Annotated[str, typer.Option(help="Of the certificate's authority, PEM.")] = "",
) -> None:
    """Send an honest request and spoofs; end with 1 where one is believed.

    The deployment and this command hold the same token in PRATIQUE_FORWARDED_CHECK.
    """
    token, policy = os.environ.get(TOKEN_VARIABLE, ""), _policy_of(application(perimeter).perimeter)
    if not token:
        _wrong(f"set {TOKEN_VARIABLE}, here and where the application runs, to one random token")
    if proxy and proxy not in MENDS:
        _wrong(f"--proxy is one of {', '.join(MENDS)}")
    place = urlsplit(url)
    if place.scheme not in ("http", "https") or not place.hostname:
        _wrong("--url is http://… or https://…")
    name = host or place.netloc.rpartition("@")[2]
    try:
        expected = policy.names.admit(name, place.scheme)
    except Refused as refused:
        _wrong(f"{name} isn't a host of the policy: {refused.detail}. Name one: --host")
    asking = Asking(place, name, token, source=source, cafile=cafile)
    wanted = Origin(client or source, place.scheme, expected)
    raise typer.Exit(_check(asking, policy, wanted, proxy))


def _check(asking: Asking, policy: ProxyPolicy, wanted: Origin, preset: str) -> int:
    """Send every probe and print a line for each; return the exit code."""
    probes = probes_of(policy, scheme=asking.place.scheme, host=asking.host)
    try:
        honest = asking.send(probes[0])
        faults = _print_honest(probes[0], honest, policy, wanted, preset)
        for probe in probes[1:]:
            answered = asking.send(probe)
            believed = is_believed(probe, answered, honest, wanted)
            _print(probe, answered, "BELIEVED" if believed else _verdict(answered))
            if believed:
                faults += 1
                _print_mends(mends_of(preset, probe.part))
    except OSError as error:
        typer.echo(f"{asking.place.netloc}: {error}", err=True)
        return 2
    if honest.status in (0, _NOT_THERE):
        typer.echo(
            f"nothing answers the check at {PATH}: set {TOKEN_VARIABLE} where the application "
            "runs, to this command's token, and let the proxy pass that path on",
            err=True,
        )
        return 2
    typer.echo(f"{counted(len(probes), 'request', 'requests')}, {faults} to mend")
    return 1 if faults else 0


def _print_honest(
    probe: Probe, answered: Answered, policy: ProxyPolicy, wanted: Origin, preset: str
) -> int:
    wrong = _wrongs(answered, policy, wanted)
    _print(probe, answered, "WRONG" if wrong else "as declared")
    for part, why in wrong:
        typer.echo(f"    {why}")
        if part is not None:
            _print_mends(mends_of(preset, part))
    return len(wrong)


def _wrongs(
    answered: Answered, policy: ProxyPolicy, wanted: Origin
) -> list[tuple[Part | None, str]]:
    """Return what is wrong with the answer to the honest request.

    Each with its part of the proxy's configuration; None where the proxy can't mend it.
    """
    found, asked_from = answered.origin, address_of(wanted.client)
    if found is None:
        if answered.status == FOUND:
            why = "nothing is proven: the boundary only observes, and lets everything through"
            return [(None, f"{why}. Ask again when observe= is taken out")]
        if answered.status >= _FAILED:
            why = f"{answered.status} is a failure and no refusal: see the log of the application"
            return [(None, why)]
        if asked_from is not None and policy.peers.holds(asked_from):
            why = f"{wanted.client} is a proxy by the policy, and no client: ask from elsewhere"
            return [(None, f"{why}, --source or --client")]
        why = f"an honest request is refused: {answered.status} {answered.code}".rstrip()
        return [(part, why) for part in _PARTS.get(answered.code, ("client",))]
    wrong: list[tuple[Part | None, str]] = []
    address = address_of(found.client)
    if wanted.client and found.client != wanted.client:
        wrong.append(("client", f"the client is {wanted.client}, and another one is seen"))
    elif address is not None and policy.peers.holds(address) and not policy.internal_clients:
        wrong.append(("client", "a proxy is taken for the client"))
    if found.scheme != wanted.scheme:
        wrong.append(("scheme", f"the scheme is {wanted.scheme}"))
    if found.host != wanted.host:
        wrong.append(("host", f"the host is {wanted.host}"))
    return wrong


def _print(probe: Probe, answered: Answered, verdict: str) -> None:
    typer.echo(f"{probe.id:<8} {probe.title:<38} {_told(answered):<48} {verdict}".rstrip())


def _print_mends(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(f"    mend: {line}")


def _told(answered: Answered) -> str:
    """Return what the application proved, or the status: no more than the deployment tells."""
    origin = answered.origin
    if origin is not None:
        return ", ".join(map(word, (origin.client, origin.scheme, origin.host)))
    if answered.status == 0:
        return "the connection ended"
    return f"{answered.status} {answered.code}".rstrip()


def _verdict(answered: Answered) -> str:
    """Return what became of a spoof that isn't believed. A failure is no refusal."""
    if answered.origin is not None:
        return "ignored"
    if answered.status == FOUND:
        return "let through"
    return "failed" if answered.status >= _FAILED else "refused"


def _policy_of(found: Perimeter) -> ProxyPolicy:
    for boundary in found.boundaries:
        if isinstance(boundary, Forwarded):
            return boundary.policy
    message = "the perimeter declares no Forwarded(…)"
    raise typer.BadParameter(message)


def _wrong(message: str) -> NoReturn:
    raise typer.BadParameter(message)
