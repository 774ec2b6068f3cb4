"""The other way out of a crossing: what was owed, why it is refused, what the sender is told."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from .obligation import Obligation


class Answer(StrEnum):
    """What the sender should do with a refusal."""

    REJECT = "reject"
    """It is wrong. Only this one counts as a refusal in alerts."""
    ACKNOWLEDGE = "acknowledge"
    """It arrived and changes nothing (settled, ignored, mismatch).

    2xx, so that a sender doesn't resend for days.
    """
    RETRY = "retry"
    """It can't be decided now: 503 with Retry-After."""


class PratiqueError(Exception):
    """The base of every error that pratique raises."""


class BoundaryError(PratiqueError):
    """A declaration that is ours to mend: the perimeter doesn't start.

    Attributes:
        debts: Every debt, one sentence each, with its mend.
    """

    def __init__(self, *debts: str) -> None:
        self.debts: tuple[str, ...] = debts
        super().__init__(debts[0] if len(debts) == 1 else _listed(debts))


class StoreError(PratiqueError):
    """The store can't answer: down, locked, full, or not the one that was declared."""


class StoreBusy(StoreError):
    """Another crossing has the row, the key or the file for now.

    Attributes:
        retry_after: The pause after which it is worth another try.
    """

    def __init__(self, detail: str, *, retry_after: timedelta = timedelta(seconds=1)) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class StoreUnknown(StoreError):
    """The database was lost while a commit was under way: it was made, or it wasn't."""


_TITLES: Final[dict[Obligation, str]] = {
    Obligation.AUTHENTIC: "Not authentic",
    Obligation.FRESH: "Not fresh",
    Obligation.UNIQUE: "Not unique",
    Obligation.CONFIRMED: "Not confirmed",
    Obligation.LINKED: "Not linked",
    Obligation.ALLOWED: "Not allowed",
    Obligation.VALID: "Not valid",
}
_STATUS: Final[dict[Obligation, int]] = {
    Obligation.AUTHENTIC: 401,
    Obligation.FRESH: 400,
    Obligation.UNIQUE: 409,
    Obligation.CONFIRMED: 409,
    Obligation.LINKED: 403,
    Obligation.ALLOWED: 403,
    Obligation.VALID: 400,
}
_OF_OTHERS: Final = 500
"""From here on it isn't the sender who can mend it: what is wrong is for the operator alone."""
TOO_MANY: Final = 429
"""RFC 6585 §4: too many requests, with Retry-After."""
_RETRY_AFTER: Final = timedelta(seconds=5)


class Refused(PratiqueError):
    """A claim that doesn't cross.

    It holds no unproven value: whoever catches it can't be handed what was refused.

    Args:
        obligation: The obligation that isn't met.
        detail: For the operator: what came and what was owed, with numbers and units, never with a
            claimed value.
        code: Stable, lower_snake, listed in docs/reference/refusals.md.
        hint: For the operator: what to do now.
        answer: What the sender is asked to do.
        status: HTTP status where the obligation's own doesn't fit (413 for a size).
        retry_after: With `Answer.RETRY`, or status 429: the pause that the sender is asked to make.
    """

    def __init__(
        self,
        obligation: Obligation,
        detail: str,
        *,
        code: str,
        hint: str = "",
        answer: Answer = Answer.REJECT,
        status: int | None = None,
        retry_after: timedelta = _RETRY_AFTER,
    ) -> None:
        # Not super(): where it is another library's exception too, that one has its own arguments.
        Exception.__init__(self, obligation, detail, code)
        self.obligation = obligation
        self.detail = detail
        self.code = code
        self.hint = hint
        self.answer = answer
        self.status: int = status if status is not None else _status(obligation, answer)
        has_pause = answer is Answer.RETRY or status == TOO_MANY
        self.retry_after: timedelta | None = retry_after if has_pause else None
        self.crossing_id = ""
        self.challenge = ""
        """What WWW-Authenticate says of a 401: the boundary's scheme, and its name as the realm."""
        self.error = ""
        """What it says besides in `error`, for a scheme whose honest clients need it."""
        self.fields: dict[str, str] = {}
        """Further fields of the answer; ours, never what came."""
        self.content = b""
        """What an acknowledgement says, where its sender waits for a text: a handshake's answer."""

    def facts(self) -> dict[str, Any]:
        """Return what it was made of, for an exception that is a refusal and another library's."""
        return {
            "obligation": self.obligation,
            "detail": self.detail,
            "code": self.code,
            "hint": self.hint,
            "answer": self.answer,
            "status": self.status,
            "retry_after": self.retry_after or _RETRY_AFTER,
        }

    def __str__(self) -> str:
        """Say it in one line, for the operator."""
        hint = f" ({self.hint})" if self.hint else ""
        return f"not {self.obligation}: {self.detail} [{self.code}]{hint}"

    def problem(self) -> dict[str, object]:
        """Return the problem details object that the sender is given. Source: RFC 9457.

        Every `authentic` refusal is the same one: the code would tell an attacker how far the
        forgery came.
        """
        obligation = self.obligation
        problem: dict[str, object] = {
            "type": f"urn:pratique:refusal:{obligation}",
            "title": _TITLES[obligation],
            "status": self.status,
        }
        if obligation is not Obligation.AUTHENTIC or self.answer is not Answer.REJECT:
            problem["code"] = self.code
        if obligation is Obligation.VALID and self.status < _OF_OTHERS:
            problem["detail"] = self.detail
        return problem


def too_large(limit: int) -> Refused:
    """Return the refusal of a delivery over the size limit."""
    return Refused(
        Obligation.VALID, f"the content has more than {limit} bytes", code="too_large", status=413
    )


def mismatch(what: str, *, expected: object, got: object) -> str:
    """Return the one sentence in which an expectation and what came are compared.

    Both are ours, never claimed.
    """
    return f"{what} is {got}, expected {expected}"


def _status(obligation: Obligation, answer: Answer) -> int:
    if answer is Answer.ACKNOWLEDGE:
        return 200
    return 503 if answer is Answer.RETRY else _STATUS[obligation]


def _listed(debts: Sequence[str]) -> str:
    return f"{len(debts)} debts:\n" + "\n".join(
        f"  {number}. {debt}" for number, debt in enumerate(debts, 1)
    )
