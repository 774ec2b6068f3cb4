"""Where other people's readers of URLs would send a request: httpx, requests, yarl, curl, urllib."""

import ctypes
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_void_p
from functools import cache
from typing import Any, NamedTuple

import httpx
import requests
import urllib3.util
import yarl

DEFAULT_PORTS = {"http": 80, "https": 443}


class Sent(NamedTuple):
    """Where a client would send a request, and what it would ask for there."""

    scheme: str
    host: str
    port: int
    path_and_query: str


class ClientRefusedError(ValueError):
    """The client sends nothing."""


Reader = Callable[[str], Sent]


def by_httpx(url: str) -> Sent:
    """Read as httpx does; its Host field has to be the URL's authority."""
    try:
        read = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ClientRefusedError from error
    _require_no_user(read.userinfo)
    host = read.raw_host.decode("ascii").strip("[]")
    return Sent(read.scheme, host, _port(read.scheme, read.port), read.raw_path.decode("ascii"))


def by_requests(url: str) -> Sent:
    """Read as requests prepares a request, and urllib3 then opens it."""
    try:
        prepared = requests.Request("GET", url).prepare()
    except (requests.RequestException, UnicodeError) as error:
        raise ClientRefusedError from error
    _require_no_user(prepared.headers.get("Authorization"))
    return by_urllib3(prepared.url or "")._replace(path_and_query=prepared.path_url)


def by_urllib3(url: str) -> Sent:
    """Read as urllib3 does."""
    try:
        read = urllib3.util.parse_url(url)
    except urllib3.exceptions.HTTPError as error:
        raise ClientRefusedError from error
    _require_no_user(read.auth)
    scheme = read.scheme or ""
    host = (read.host or "").strip("[]")
    return Sent(scheme, host, _port(scheme, read.port), read.request_uri)


def by_yarl(url: str) -> Sent:
    """Read as aiohttp does, but for one thing that yarl rewrites and that means the same.

    It undoes the percent-encoding of characters that may stand plainly (RFC 3986 §2.2): "%40" is
    sent as "@". Not of "/" and "+" in a path, nor of what divides a query.
    """
    try:
        read = yarl.URL(url)
    except ValueError as error:
        raise ClientRefusedError from error
    _require_no_user(read.raw_user, read.raw_password)
    ours = by_encoded_yarl(url).path_and_query
    path, mark, query = ours.partition("?")
    undone = _undone(path, "!$&'()*,:;=@") + mark + _undone(query, "!$'()*,/:?@")
    sent = ours if read.raw_path_qs == undone else read.raw_path_qs
    return Sent(read.scheme, read.raw_host or "", read.port or 0, sent)


def by_encoded_yarl(url: str) -> Sent:
    """Read as aiohttp does a `yarl.URL(url, encoded=True)`."""
    try:
        read = yarl.URL(url, encoded=True)
    except ValueError as error:
        raise ClientRefusedError from error
    _require_no_user(read.raw_user, read.raw_password)
    return Sent(read.scheme, read.raw_host or "", read.port or 0, read.raw_path_qs)


def by_urllib(url: str) -> Sent:
    """Read as the standard library does: urlsplit, and what urllib.request would ask for."""
    try:
        read = urllib.parse.urlsplit(url)
        port = read.port
        asked = urllib.request.Request(url).selector  # noqa: S310  it is not opened
    except ValueError as error:
        raise ClientRefusedError from error
    _require_no_user(read.username, read.password)
    return Sent(read.scheme, read.hostname or "", _port(read.scheme, port), asked)


def by_curl(url: str) -> Sent:
    """Read as `curl URL` does, by libcurl's own parser with the flags of a transfer."""
    library = curl()
    if library is None:
        raise ClientRefusedError("libcurl is absent")
    handle = library.curl_url()
    try:
        if library.curl_url_set(handle, _URL, url.encode("utf-8", "surrogatepass"), _TRANSFER):
            raise ClientRefusedError
        part = _parts(library, handle)
    finally:
        library.curl_url_cleanup(handle)
    _require_no_user(part["user"], part["password"], part["zone"])
    query = f"?{part['query']}" if part["query"] is not None else ""
    host = (part["host"] or "").strip("[]")
    return Sent(part["scheme"] or "", host, int(part["port"] or 0), f"{part['path']}{query}")


READERS: dict[str, Reader] = {
    "httpx": by_httpx,
    "requests": by_requests,
    "urllib3": by_urllib3,
    "yarl": by_yarl,
    "encoded yarl": by_encoded_yarl,
    "urllib": by_urllib,
    "curl": by_curl,
}

# curl/urlapi.h: enum CURLUPart, and the flags that a transfer sets for CURLOPT_URL.
_URL, _SCHEME, _USER, _PASSWORD, _HOST, _PORT, _PATH, _QUERY, _ZONE = 0, 1, 2, 3, 5, 6, 7, 8, 10
_DEFAULT_PORT, _NON_SUPPORT_SCHEME, _GUESS_SCHEME = 1 << 0, 1 << 3, 1 << 9
_TRANSFER = _GUESS_SCHEME | _NON_SUPPORT_SCHEME
_NAMES = {
    "scheme": _SCHEME, "user": _USER, "password": _PASSWORD, "host": _HOST, "port": _PORT,
    "path": _PATH, "query": _QUERY, "zone": _ZONE,
}  # fmt: skip


@cache
def curl() -> Any | None:
    """Return libcurl, or None where it is absent or older than its URL parser (7.62)."""
    for name in ("libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.4.dylib"):
        try:
            library = ctypes.CDLL(name)
            library.curl_url.restype = c_void_p
            library.curl_url_cleanup.argtypes = [c_void_p]
            library.curl_url_set.argtypes = [c_void_p, c_int, c_char_p, c_uint]
            library.curl_url_get.argtypes = [c_void_p, c_int, POINTER(c_void_p), c_uint]
            library.curl_free.argtypes = [c_void_p]
            library.curl_version.restype = c_char_p
        except (OSError, AttributeError):
            continue
        return library
    return None


def curl_version() -> str:
    """Return "libcurl/7.88.1", or that it is absent."""
    library = curl()
    return "absent" if library is None else str(library.curl_version().decode().split()[0])


def _parts(library: Any, handle: Any) -> dict[str, str | None]:
    return {name: _part(library, handle, number) for name, number in _NAMES.items()}


def _part(library: Any, handle: Any, number: int) -> str | None:
    found = c_void_p()
    if library.curl_url_get(handle, number, byref(found), _DEFAULT_PORT):
        return None
    text = ctypes.string_at(found.value or 0).decode("utf-8", "replace")
    library.curl_free(found)
    return text


def _undone(text: str, plain: str) -> str:
    for character in plain:
        text = text.replace(f"%{ord(character):02X}", character)
    return text


def _port(scheme: str, port: int | None) -> int:
    return DEFAULT_PORTS.get(scheme, 0) if port is None else port


def _require_no_user(*parts: object) -> None:
    if any(part not in (None, "", b"") for part in parts):
        raise AssertionError(f"a user, a password or a scope was read: {parts}")


def readers() -> Iterator[tuple[str, Reader]]:
    """Yield every reader that can be asked here."""
    for name, reader in READERS.items():
        if name != "curl" or curl() is not None:
            yield name, reader
