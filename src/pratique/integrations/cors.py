"""Cross-origin policies that let any site act in a visitor's name: refused at the start."""

import inspect
import re
from collections.abc import Iterable
from typing import Any, Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from pratique.core.perimeter import Perimeter
from pratique.forwarded import Forwarded

_ANYBODY: Final = ("https://evil.test", "http://evil.test", "null")


def cors_debts(
    middleware: Iterable[Middleware | CORSMiddleware], perimeter: Perimeter
) -> list[str]:
    """Return what is wrong with each CORSMiddleware.

    With credentials, the origins that it names must not be anybody's: not "*", which it then
    reflects, not "null", which each sandboxed frame is, and no pattern that a look-alike of our own
    hosts matches.

    Args:
        middleware: As Starlette keeps it: an application's, or a route's, which is made by then.
        perimeter: Its forwarded boundary knows our own hosts.

    Source: OWASP API8:2023; CWE-942; Fetch, "CORS protocol and credentials".
    """
    hosts = [
        host
        for boundary in perimeter.boundaries
        if isinstance(boundary, Forwarded)
        for host in boundary.policy.hosts
    ]
    found: list[str] = []
    for each in middleware:
        if isinstance(each, CORSMiddleware):
            found += _debts(_arguments_of(each), hosts)
        elif isinstance(each.cls, type) and issubclass(each.cls, CORSMiddleware):
            found += _debts(_arguments(each), hosts)
    return found


def _arguments(each: Middleware) -> dict[str, Any]:
    signature = inspect.signature(CORSMiddleware.__init__)
    bound = signature.bind(None, None, *each.args, **each.kwargs)
    bound.apply_defaults()
    return bound.arguments


def _arguments_of(made: CORSMiddleware) -> dict[str, Any]:
    pattern = made.allow_origin_regex
    return {
        "allow_credentials": "Access-Control-Allow-Credentials" in made.simple_headers,
        "allow_origins": made.allow_origins,
        "allow_origin_regex": None if pattern is None else pattern.pattern,
    }


def _debts(arguments: dict[str, Any], hosts: Iterable[str]) -> Iterable[str]:
    if not arguments["allow_credentials"]:
        return
    origins = arguments["allow_origins"]
    for any_of in ("*", "null"):
        if any_of in origins:
            yield (
                f'CORSMiddleware allows credentials to "{any_of}", so that any site acts in a '
                "visitor's name. Name the origins, or leave allow_credentials out."
            )
    pattern = arguments["allow_origin_regex"]
    if pattern is None:
        return
    lookalike = next((each for each in _strangers(hosts) if re.fullmatch(pattern, each)), None)
    if lookalike is not None:
        yield (
            f"CORSMiddleware(allow_origin_regex={pattern!r}) allows credentials to {lookalike}. "
            "Escape its dots and name what stands in front: "
            r'r"https://([a-z0-9-]+\.)?example\.com".'
        )


def _strangers(hosts: Iterable[str]) -> Iterable[str]:
    """Yield origins that are nobody's of ours: anybody, and look-alikes of each host."""
    yield from _ANYBODY
    for host in hosts:
        name = host.removeprefix("*.")
        for scheme in ("https", "http"):
            yield f"{scheme}://evil-{name}"
            yield f"{scheme}://evil{name}"
            yield f"{scheme}://{name}.evil.test"
            yield f"{scheme}://{name}@evil.test"
            for place, letter in enumerate(name):
                if letter == ".":
                    yield f"{scheme}://{name[:place]}x{name[place + 1 :]}"
