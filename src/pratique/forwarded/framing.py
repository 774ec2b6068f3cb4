"""Signs that two programs on the way may read one request differently: request smuggling."""

from collections.abc import Mapping
from typing import Final

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

from .family import FRAMING, is_alias, is_family

Values = str | tuple[str, ...]
ByName = Mapping[str, Values]
_ORDINARY: Final = frozenset({"keep-alive", "close", "Upgrade", "upgrade", "Keep-Alive", "Close"})
_LENGTH_DIGITS: Final = 19
"""Of 2^63: no server takes a longer length."""


def check(fields: ByName, own: frozenset[str]) -> None:
    """Refuse a request that carries a sign of smuggling.

    Args:
        fields: By name in lower case.
        own: The fields that the policy declares.

    Raises:
        Refused: VALID, code "field_alias", "hop_by_hop" or "bad_framing".

    Source: RFC 9112 §6.1, §6.3, §11.2; RFC 9110 §7.6.1; CWE-444.
    """
    if "_" in "".join(fields) and any(is_alias(name, own) for name in fields):
        raise Refused(
            VALID,
            "a field with an underscore is another one's to a WSGI server",
            code="field_alias",
            hint="let the proxy drop fields with underscores: nginx does, others are told to",
            status=400,
        )
    connection = fields.get("connection")
    if connection is not None and connection not in _ORDINARY:
        _check_connection(connection, own)
    length = fields.get("content-length")
    coding = fields.get("transfer-encoding")
    if coding is not None:
        _check_coding(coding, length)
    elif length is not None:
        _check_length(length)


def _check_connection(connection: Values, own: frozenset[str]) -> None:
    lines = (connection,) if isinstance(connection, str) else connection
    for line in lines:
        for option in line.split(","):
            name = option.strip(" \t").lower()
            if is_family(name) or name in own or (name in FRAMING and name != "te"):
                # CVE-2022-31813: a proxy drops what it was told to, and its own X-Forwarded-For.
                raise Refused(
                    VALID,
                    "Connection names a field that frames the message or says who sent it",
                    code="hop_by_hop",
                    hint="no honest client does: RFC 9110 §7.6.1",
                    status=400,
                )


def _check_coding(coding: Values, length: Values | None) -> None:
    if not isinstance(coding, str) or coding.strip(" \t").lower() != "chunked":
        raise _bad("Transfer-Encoding isn't the one word chunked")
    if length is not None:
        raise _bad("Transfer-Encoding and Content-Length came together")


def _check_length(length: Values) -> None:
    if not isinstance(length, str):
        if len(set(length)) > 1:
            raise _bad("two lines of Content-Length differ")
        length = length[0]
    if not (length.isascii() and length.isdigit() and len(length) <= _LENGTH_DIGITS):
        raise _bad("Content-Length isn't digits alone")


def _bad(why: str) -> Refused:
    return Refused(
        VALID,
        f"the length of the request can be read in two ways: {why}",
        code="bad_framing",
        hint="look at the server or proxy that let it through",
        status=400,
    )
