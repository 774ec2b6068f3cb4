"""The bytes that are signed, made again from the message itself."""

import re
from collections.abc import Sequence
from typing import Final

from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.core.structured import InnerList, Params, write

from .component import Component, Message, value_of

MAX_BASE: Final = 64 * 1024
"""Characters; a real one has under 2,000."""
_LINE: Final = re.compile(r"[\t\x20-\x7e]*")


def signature_params(components: Sequence[Component], params: Params) -> InnerList:
    """Return covered components and parameters as the list that stands in Signature-Input."""
    return InnerList(tuple(one.item for one in components), params)


def signature_base(components: Sequence[Component], params: Params, message: Message) -> bytes:
    """Return the signature base over the components of a message, in their order.

    Args:
        components: What is covered.
        params: The parameters of the signature, in their order.
        message: As WE have it. The sender's own text of a component is never used.

    Raises:
        Refused: AUTHENTIC, code "duplicate_component", "absent_component",
            "unsupported_component", "signature_too_large".

    Source: RFC 9421 §2.5, with its numbers.
    """
    lines: list[str] = []  # 1. the output is empty
    seen = set[object]()
    for number, component in enumerate(components, 1):  # 2. in order
        if component.identity in seen:
            # 2.1. Attack: a component listed twice lets its second value go unsigned.
            detail = f"component {number} of the signature is covered twice"
            raise Refused(AUTHENTIC, detail, code="duplicate_component")
        seen.add(component.identity)
        value = value_of(component, message)  # 2.5
        if _LINE.fullmatch(value) is None:  # 4. ASCII; and a line break would be a line of its own
            detail = f"the value of component {number} isn't one line of ASCII"
            raise Refused(AUTHENTIC, detail, code="unsupported_component")
        lines.append(f"{component}: {value}\n")  # 2.2 to 2.4, 2.6, 2.7
    lines.append(f'"@signature-params": {write(signature_params(components, params))}')  # 3.
    base = "".join(lines)
    if len(base) > MAX_BASE:
        detail = f"the signature covers {len(base)} characters, at most {MAX_BASE} are looked at"
        raise Refused(AUTHENTIC, detail, code="signature_too_large")
    return base.encode("ascii")  # 5.
