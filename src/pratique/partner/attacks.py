"""The answers that this room's lock refuses, as data: its tests have a partner give them all."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from pratique.core.obligation import VALID, Obligation


@dataclass(frozen=True, slots=True)
class Honest:
    """An answer that is believed, from which the hostile ones are made.

    Args:
        members: What it says: one JSON object.
        number: Which member is a whole number within bounds.
        choice: Which member is one of few words.
    """

    members: Mapping[str, Any]
    number: str
    choice: str

    def text(self, **raw: str) -> bytes:
        """Return it as JSON, with other values, written as JSON, of some members."""
        told = {name: msgspec.json.encode(value).decode() for name, value in self.members.items()}
        told.update(raw)
        return ("{" + ",".join(f'"{name}":{value}' for name, value in told.items()) + "}").encode()

    def also(self, members: str) -> bytes:
        """Return it with members more, written as JSON."""
        return self.text()[:-1] + b"," + members.encode() + b"}"


@dataclass(frozen=True, slots=True)
class Attack:
    """One answer that is believed by nobody.

    Args:
        id: "UP-07".
        title: What is wrong with it.
        code: With which it is refused, where members that no field takes are refused too.
        content: Makes it of an honest one.
        status: With which it comes.
        fields: With which it comes, beside Content-Type: application/json.
        obligation: What it is refused by.
    """

    id: str
    title: str
    code: str
    content: Callable[[Honest], bytes]
    status: int = 200
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    obligation: Obligation = VALID


def _number(raw: str, code: str = "bad_answer") -> Attack:
    return Attack("UP-03", f"a number that is {raw}", code, lambda h: h.text(**{h.number: raw}))


def _choice(raw: str) -> Attack:
    return Attack(
        "UP-01", f"a choice that is {raw}", "bad_answer", lambda h: h.text(**{h.choice: raw})
    )


def _more(members: str) -> Attack:
    return Attack("UP-04", f"more: {members}", "unknown_fields", lambda h: h.also(members))


def _instead(title: str, content: bytes, code: str, status: int = 200, **fields: str) -> Attack:
    told = {name.replace("_", "-"): value for name, value in fields.items()}
    return Attack("UP-07", title, code, lambda _: content, status, told)


def _status(status: int, code: str) -> Attack:
    return Attack("UP-07", f"the answer under {status}", code, lambda h: h.text(), status)


def _made(title: str, code: str, content: Callable[[Honest], bytes], **fields: str) -> Attack:
    told = {name.replace("_", "-"): value for name, value in fields.items()}
    return Attack("UP-07", title, code, content, 200, told)


def _twice(honest: Honest, *, name: str | None = None) -> bytes:
    return honest.also(f'"{name or honest.number}":{honest.members[honest.number]}')


def _escaped(honest: Honest) -> str:
    return f"\\u{ord(honest.number[0]):04x}{honest.number[1:]}"


ATTACKS: Final[tuple[Attack, ...]] = (
    *map(_choice, ('"escalate"', '""', "null", "7", '["approve"]', '"APPROVE"')),
    *map(
        _number,
        ("-1", "1e309", '"12,5"', '"12"', "true", "null", "1.5", "[1]", "99999999999999999999"),
    ),
    _number("NaN", "malformed_answer"),
    _number("Infinity", "malformed_answer"),
    _number("007", "malformed_answer"),
    *map(_more, ('"role":"admin"', '"is_admin":true', '"user_id":7', '"tenant":{"id":1}')),
    _instead("an error under 200", b'{"error":{"code":"none"}}', "bad_answer"),
    _made("an error beside the answer", "error_under_200", lambda h: h.also('"error":"none"')),
    _made("errors beside the answer", "error_under_200", lambda h: h.also('"errors":["none"]')),
    _instead("nothing", b"", "malformed_answer"),
    _instead("no content", b"", "partner_status", 204),
    _instead("a page", b"<html>soon</html>", "content_type", Content_Type="text/html"),
    _made("it as a page", "content_type", Honest.text, Content_Type="text/html"),
    _instead("null", b"null", "bad_answer"),
    _instead("lists without end", b"[" * 100_000, "bad_answer"),
    _made("half of it", "malformed_answer", lambda h: h.text()[: len(h.text()) // 2]),
    _made("two of it", "malformed_answer", lambda h: h.text() * 2),
    _made("it in a list", "bad_answer", lambda h: b"[" + h.text() + b"]"),
    _made("it in a text", "bad_answer", lambda h: msgspec.json.encode(h.text().decode())),
    _made("a member twice", "duplicate_member", _twice),
    _made(
        "a member twice, once escaped",
        "duplicate_member",
        lambda h: _twice(h, name=_escaped(h)),
    ),
    _made("a member twice, further in", "duplicate_member", lambda h: h.also('"a":{"b":1,"b":2}')),
    _made(
        "another charset", "charset", Honest.text, Content_Type="application/json; charset=utf-16"
    ),
    _made("UTF-16", "malformed_answer", lambda h: h.text().decode().encode("utf-16")),
    _made("a mark of the byte order", "malformed_answer", lambda h: b"\xef\xbb\xbf" + h.text()),
    _made(
        "bytes that are no UTF-8",
        "malformed_answer",
        lambda h: h.also('"a":"').replace(b'"}', b'\xff"}'),
    ),
    _made("too deep to end", "too_deep", lambda h: h.text()[:-1] + b',"a":' + b"[" * 200_000),
    _made("too deep", "too_deep", lambda h: h.also('"a":' + "[" * 70 + "]" * 70)),
    _made(
        "a coding that is cut off",
        "broken_coding",
        lambda h: gzip.compress(h.text())[:-9],
        Content_Encoding="gzip",
    ),
    _made("a coding that it hasn't", "broken_coding", Honest.text, Content_Encoding="gzip"),
    _made("two codings", "content_coding", Honest.text, Content_Encoding="gzip, gzip"),
    _status(404, "partner_has_none"),
    _status(410, "partner_has_none"),
    _status(401, "partner_denies"),
    _status(403, "partner_denies"),
    _status(500, "partner_unavailable"),
    _status(429, "partner_unavailable"),
    _status(418, "partner_status"),
    _status(206, "partner_status"),
    _status(304, "partner_status"),
)
"""Each of them comes over TLS from the partner itself."""
