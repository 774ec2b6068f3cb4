"""What we ask a partner: a path of ours, with values that can't lead anywhere else."""

import re
from collections.abc import Mapping
from typing import Final, TypedDict
from urllib.parse import quote, urlencode

import msgspec

from pratique.core.obligation import VALID
from pratique.core.refusal import BoundaryError, Refused

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
REPEATABLE: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""Asked twice, they do what they do once. Source: RFC 9110 §9.2.2."""
_PATH: Final = re.compile(r"/[A-Za-z0-9_~.!$&'()*+,;=:@{}/%\-]*", re.ASCII)
_PLACE: Final = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_DOTS: Final = frozenset({".", ".."})
Lines = tuple[tuple[str, str], ...]


class Asked(TypedDict, total=False):
    """What one question to a partner holds.

    Keys:
        params: The query, by name.
        values: What stands in the places of the path: "/orders/{order}" has one.
        content: Sent as JSON.
        idempotency_key: Sent as Idempotency-Key; with one, a POST may be asked again.
        principal: Who caused it: lookups that hang are counted as theirs.
    """

    params: Mapping[str, object]
    values: Mapping[str, object]
    content: object
    idempotency_key: str
    principal: str


class Question(msgspec.Struct, frozen=True):
    """One request to a partner, and the words in which it was asked."""

    method: str
    url: str
    lines: Lines
    content: bytes
    words: Mapping[str, object]
    """`values` and `params` together: what an answer must be about."""
    principal: str = ""

    @property
    def is_repeatable(self) -> bool:
        """Say whether asking again does no more than asking once."""
        return self.method in REPEATABLE or any(n == "Idempotency-Key" for n, _ in self.lines)


def require_path(path: str) -> None:
    """Refuse a path that isn't one of ours as it stands: it would be a user's.

    Raises:
        BoundaryError: it doesn't begin with "/", or holds "..", a query or something unquoted.
    """
    if _PATH.fullmatch(path) is None or _DOTS & set(path.split("/")) or path.startswith("//"):
        raise BoundaryError(
            "a partner's path is written by us: it begins with / and holds no query, no .. and no "
            'text of a user. Name a place, "/orders/{order}", and pass values={"order": …}.'
        )


def question(
    base: str, method: str, path: str, asked: Asked, words: Mapping[str, object] | None = None
) -> Question:
    """Return the request for a path under the partner's base.

    Args:
        base: The partner's, without a slash at its end.
        method: One of `METHODS`.
        path: Ours, with its places.
        asked: What fills them.
        words: What the answer must be about; by default the values and the query.

    Raises:
        Refused: VALID, code "bad_value": a value would leave its place in the path, or is no
            text in UTF-8.
        BoundaryError: a place has no value, or a value no place.

    Source: CWE-22, CWE-74; RFC 3986 §3.3.
    """
    try:
        return _question(base, method, path, asked, words)
    except UnicodeEncodeError:
        raise _bad_value("a value holds half of a surrogate pair, which no UTF-8 has") from None


def _question(
    base: str, method: str, path: str, asked: Asked, words: Mapping[str, object] | None
) -> Question:
    values, params = asked.get("values", {}), asked.get("params", {})
    query = "?" + urlencode({k: _text(v) for k, v in params.items()}, quote_via=quote)
    lines = [("Accept", "application/json")]
    content = b""
    if "content" in asked:
        content = msgspec.json.encode(asked["content"])
        lines.append(("Content-Type", "application/json"))
    key = asked.get("idempotency_key", "")
    if key:
        lines.append(("Idempotency-Key", key))
    url = base + _filled(path, values) + (query if params else "")
    about = {**params, **values} if words is None else words
    return Question(method, url, tuple(lines), content, about, asked.get("principal", ""))


def _filled(path: str, values: Mapping[str, object]) -> str:
    places = set(_PLACE.findall(path))
    if places != set(values):
        raise BoundaryError(
            f"the path {path} has the places {sorted(places)}, "
            f"and values={{…}} has {sorted(values)}."
        )
    texts = {name: _text(value) for name, value in values.items()}
    filled = _PLACE.sub(lambda place: quote(texts[place.group(1)], safe=""), path)
    # "..", a slash and an empty segment would be read as another path by the partner (CWE-22).
    if _DOTS & set(filled.split("/")) or any(
        not text or "/" in text or "\\" in text for text in texts.values()
    ):
        raise _bad_value("a value of the path is empty, a dot segment, or holds a slash")
    return filled


def _text(value: object) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)


def _bad_value(detail: str) -> Refused:
    hint = "such an object doesn't exist: refuse it where it comes in"
    return Refused(VALID, detail, code="bad_value", hint=hint)
