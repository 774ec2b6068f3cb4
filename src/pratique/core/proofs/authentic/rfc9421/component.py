"""What a signature can cover of a message: identifiers of components, and their values."""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.core.structured import (
    Item,
    Malformed,
    Params,
    read_dictionary,
    read_item,
    write,
    write_dictionary,
)

from .message import RequestMessage, ResponseMessage

Message = RequestMessage | ResponseMessage
MAX_VALUE: Final = 16 * 1024
"""Characters of one field with all its lines."""
MAX_PARAMETERS: Final = 256
"""Of a query."""
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]{1,256}")
_DERIVED_NAME: Final = re.compile(r"@[a-z\-]{1,32}")
# RFC 9421 §2.1, §2.5 step 4: a signature base is ASCII; what isn't is covered by `bs` alone.
_PLAIN: Final = re.compile(r"[\t\x20-\x7e]*")
_OWS: Final = " \t"
# RFC 9421 §2.1.1: `sf` is for fields whose type is known. These are, and all are dictionaries.
_DICTIONARIES: Final = frozenset(
    {
        "accept-signature",
        "content-digest",
        "priority",
        "repr-digest",
        "signature",
        "signature-input",
        "want-content-digest",
        "want-repr-digest",
    }
)
_SHOWN: Final = 64


class Component(msgspec.Struct, frozen=True):
    """One component identifier: a name with its parameters. Source: RFC 9421 §2.

    Attributes:
        name: "@method", "content-type".
        params: In the order in which they came.
    """

    name: str
    params: Params = ()

    @property
    def identity(self) -> tuple[str, frozenset[tuple[str, Any]]]:
        """Return what makes it the same as another: the order of parameters doesn't."""
        return self.name, frozenset(self.params)

    @property
    def is_of_the_request(self) -> bool:
        """Say whether it is a component of the request that a response answers."""
        return ("req", True) in self.params

    @property
    def item(self) -> Item:
        """Return it as a structured field item."""
        return Item(self.name, self.params)

    def __str__(self) -> str:
        """Write it as it stands in the signature base: "@method";req."""
        return write(self.item)


def component_of(text: str) -> Component:
    """Return the component of a declaration: `@method`, `@method;req`, `"@method";req`.

    Raises:
        ValueError: it is no identifier.
    """
    if not text.startswith('"'):
        name, semicolon, params = text.partition(";")
        text = f'"{name}"{semicolon}{params}'
    return component(read_item(text))


def component(item: Item) -> Component:
    """Return a structured field item as the component that it names.

    Raises:
        Malformed: its name is no derived component's and no field's in lower case.
    """
    name = item.value
    if type(name) is not str or not (_FIELD_NAME.fullmatch(name) or _DERIVED_NAME.fullmatch(name)):
        raise Malformed("a component's name is no field's in lower case, and none with an @")
    return Component(name, item.params)


def value_of(component: Component, message: Message) -> str:
    """Return the value of a component, taken from the message as WE have it.

    Raises:
        Refused: AUTHENTIC, code "unsupported_component", "absent_component".

    Source: RFC 9421 §2.5 step 2.5.
    """
    given = dict(component.params)
    source: Message = message
    # "If the component identifier contains the req parameter and the target message is a request,
    # produce an error"; a response without its request has none of these components either.
    if "req" in given:
        if given.pop("req") is not True or isinstance(message, RequestMessage):
            raise _unsupported(component, "req is a flag, and for a response alone")
        if message.request is None:
            raise _absent(component)
        source = message.request
    if component.name.startswith("@"):
        return _derived(component, given, source)
    return _field(component, given, source.fields)


def _derived(component: Component, given: dict[str, Any], source: Message) -> str:
    name = component.name
    if name == "@query-param" and isinstance(source, RequestMessage):
        wanted = given.pop("name", None)
        if type(wanted) is not str or given:
            raise _unsupported(component, "it has one parameter, name")
        return _query_parameter(component, wanted, source)
    if given:
        raise _unsupported(component, "it has a parameter that we don't read")
    if isinstance(source, ResponseMessage):
        if name != "@status":
            raise _unsupported(component, "of itself a response has @status alone")
        return str(source.status)
    read = _OF_A_REQUEST.get(name)
    if read is None:
        raise _unsupported(component, "a request has no such component")
    return read(source)


# RFC 9421 §2.2.1 to §2.2.7. A request without a query has "?" (§2.2.7).
_OF_A_REQUEST: Final[dict[str, Callable[[RequestMessage], str]]] = {
    "@method": lambda request: request.method,
    "@target-uri": lambda request: request.target.text,
    "@authority": lambda request: request.target.authority,
    "@scheme": lambda request: request.target.scheme,
    "@request-target": lambda request: request.target.path + request.target.query,
    "@path": lambda request: request.target.path,
    "@query": lambda request: request.target.query or "?",
}


def _query_parameter(component: Component, wanted: str, request: RequestMessage) -> str:
    """Return one parameter of the query, decoded and quoted again. Source: RFC 9421 §2.2.8."""
    pairs = [pair for pair in request.target.query[1:].split("&") if pair]
    if len(pairs) > MAX_PARAMETERS:
        raise _unsupported(component, f"the query has more than {MAX_PARAMETERS} parameters")
    found = [
        _requoted(value)
        for name, _, value in (pair.partition("=") for pair in pairs)
        if _requoted(name) == wanted
    ]
    if not found:
        raise _absent(component)
    if len(found) > 1:  # "If a parameter name occurs multiple times …, it MUST NOT be included"
        raise _unsupported(component, "the query has that parameter more than once")
    return found[0]


def _requoted(text: str) -> str:
    """Return text of a query as the URL standard's form serialiser percent-encodes it."""
    raw = unquote_to_bytes(text.replace("+", " "))
    return quote(raw, safe="*").replace("~", "%7E")


def _field(component: Component, given: dict[str, Any], fields: Fields) -> str:
    unknown = set(given) - {"sf", "key", "bs"}
    if "tr" in given:
        raise _unsupported(component, "trailers aren't kept")
    if unknown or any(given.get(flag, True) is not True for flag in ("sf", "bs")):
        raise _unsupported(component, "it has a parameter that we don't read")
    if "bs" in given and len(given) > 1:  # §2.1.3: incompatible with sf and key
        raise _unsupported(component, "bs stands alone")
    lines = fields.all(component.name)
    if not lines:
        raise _absent(component)
    # §2.1: strip each line, join with a comma and a space. Obsolete folding can't be in `Fields`.
    stripped = [line.strip(_OWS) for line in lines]
    if "bs" in given:
        return ", ".join(write(Item(_raw(component, line))) for line in stripped)
    if component.name == "set-cookie" and len(lines) > 1:  # §2.1: its values hold commas
        raise _unsupported(component, "several Set-Cookie lines are covered by bs alone")
    value = ", ".join(stripped)
    if len(value) > MAX_VALUE:
        raise _unsupported(component, f"it has more than {MAX_VALUE} characters")
    if _PLAIN.fullmatch(value) is None:
        raise _unsupported(component, "it isn't printable ASCII: such a field is covered by bs")
    if "key" in given or "sf" in given:
        return _structured(component, given, value)
    return value


def _structured(component: Component, given: dict[str, Any], value: str) -> str:
    """Return a dictionary, or one member of it, in its canonical form. Source: §2.1.1, §2.1.2."""
    key = given.get("key")
    if component.name not in _DICTIONARIES and key is None:
        raise _unsupported(component, "sf is for dictionaries whose type we know")
    try:
        members = read_dictionary(value)
    except Malformed as error:
        raise _unsupported(component, str(error)) from None
    if key is None:
        return write_dictionary(members)
    if type(key) is not str:
        raise _unsupported(component, "key is a string")
    if key not in members:
        raise _absent(component)
    return write(members[key])


def _raw(component: Component, line: str) -> bytes:
    if len(line) > MAX_VALUE:
        raise _unsupported(component, f"it has more than {MAX_VALUE} characters")
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        raise _unsupported(component, "it holds what no field on the wire can") from None


def _absent(component: Component) -> Refused:
    return Refused(
        AUTHENTIC,
        f"what is signed covers {_shown(component)}, and the message has none",
        code="absent_component",
        hint="look for something on the way that drops or renames it",
    )


def _unsupported(component: Component, why: str) -> Refused:
    return Refused(
        AUTHENTIC,
        f"what is signed covers {_shown(component)}, which can't be looked at: {why}",
        code="unsupported_component",
    )


def _shown(component: Component) -> str:
    return str(component)[:_SHOWN]
