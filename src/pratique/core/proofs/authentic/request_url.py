"""One URL of ours and one of a client's, written so that they can be compared."""

import re
from typing import Final

from pratique.core.refusal import BoundaryError

MAX_URL: Final = 4096
"""Characters. A request line is 8 KiB at most with the servers that we know."""
_DEFAULT_PORTS: Final = {"https": "443", "http": "80"}
# RFC 3986 §3: scheme "://" host [":" port] path-abempty ["?" query] ["#" fragment], without user
# information: two readers of https://api.example@evil.example/ see two hosts (CWE-436).
_URL: Final = re.compile(
    r"(https?)://([a-z0-9\-._~]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
    r"((?:/[a-z0-9\-._~!$&'()*+,;=:@%]*)*)(?:\?[\x21-\x7e]*)?(?:#[\x21-\x7e]*)?",
    re.IGNORECASE | re.ASCII,  # without ASCII, the Kelvin sign is a k
)
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@%]*)+")
_ESCAPE: Final = re.compile(r"%(..?)?")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")


def normal_url(url: str) -> str:
    """Return a URL without query and fragment, as every spelling of it is compared.

    Scheme and host in lower case, no port where it is the scheme's own, "/" for no path, escapes in
    upper case and only where they are needed. A path with "." or ".." between slashes is none: a
    client has resolved it, and a router may not.

    Raises:
        ValueError: it is no http or https URL, has user information, or is over `MAX_URL`.

    Source: RFC 3986 §6.2.2, §6.2.3; RFC 9449 §4.3.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None:
        message = "it is no http or https URL"
        raise ValueError(message)
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    at = "" if port is None or port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{at}{normal_path(found[4] or '/')}"


def normal_path(path: str) -> str:
    """Return a path as it is compared. See `normal_url`.

    Raises:
        ValueError: it doesn't begin with "/", or has a segment "." or "..", or a broken escape.
    """
    if len(path) > MAX_URL or _PATH.fullmatch(path) is None:
        message = "it is no path that begins with a slash"
        raise ValueError(message)
    told = _ESCAPE.sub(_escape, path)
    if any(segment in (".", "..") for segment in told.split("/")):
        message = "it has a segment that is one or two dots"
        raise ValueError(message)
    return told


def origin_of(text: object, *, where: str) -> str:
    """Return a declared origin: https, and http for a loopback host alone.

    Raises:
        BoundaryError: it is none, or has a path; *where* names the argument.
    """
    try:
        told = normal_url(text) if isinstance(text, str) else ""
    except ValueError:
        told = ""
    host = told.partition("://")[2].removesuffix("/")
    is_here = re.fullmatch(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", host) is not None
    if not told.startswith("https://") and not (told and is_here):
        raise BoundaryError(f'{where} is where clients reach us: "https://api.example".')
    if told != f"{text}/":
        raise BoundaryError(
            f"{where} is an origin alone, in lower case, without path, and without the port that "
            'is the scheme\'s own: "https://api.example".'
        )
    return told.removesuffix("/")


def _escape(found: re.Match[str]) -> str:
    digits = found[1] or ""
    if _HEX.fullmatch(digits) is None:
        message = "it has a broken escape"
        raise ValueError(message)
    sign = chr(int(digits, 16))
    return sign if _UNRESERVED.fullmatch(sign) else f"%{digits.upper()}"
