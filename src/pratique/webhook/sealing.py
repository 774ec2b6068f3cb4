"""What an event of ours is signed with, so that its receiver reads the key that we mean."""

from datetime import datetime

from pratique.core.claim import Claim, Fields
from pratique.core.obligation import AUTHENTIC, UNIQUE
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.secret import LiveSecret, weakness

from .key import event_key, event_prefix
from .opened import is_id
from .scheme import Scheme, Secrets
from .signature_field import MAX_CANDIDATES


def sealed(scheme: Scheme, content: bytes, *, key: str, secrets: Secrets, at: datetime) -> Fields:
    """Return the fields that prove one attempt, once the scheme itself opens what they sign.

    Args:
        scheme: How it is signed.
        content: What is sent.
        key: The event's id.
        secrets: Each that is live at *at* signs.
        at: When it is sent, UTC.

    Raises:
        Refused: AUTHENTIC, code "no_secret", "bad_secret", "expired_secret"; UNIQUE, code
            "bad_event_key".
        BoundaryError: more secrets than the scheme's field holds signatures.
    """
    if is_id(key) is None:
        raise _bad_key()
    signing = _signing(scheme, secrets, at)
    try:
        fields = scheme.seal(content, secret=signing, at=at, key=key)
    except ValueError:  # a public key signs nothing
        raise _bad_secret() from None
    _require_key(scheme, Claim(content, fields, at), key, signing[0])
    return fields


def _signing(scheme: Scheme, secrets: Secrets, at: datetime) -> tuple[str, ...]:
    given = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    values = tuple(_value(each) for each in given if not _is_over(each, at))
    if not values:
        why = "each is past its not-after" if given else "none is given"
        code = "expired_secret" if given else "no_secret"
        raise Refused(AUTHENTIC, f"there is no secret to sign with: {why}", code=code)
    for value in values:
        try:
            is_short = scheme.keying(value).is_short
        except ValueError:
            raise _bad_secret() from None
        if is_short or weakness(value) is not None:
            raise _bad_secret()
    most = MAX_CANDIDATES if scheme.joint else 1
    if len(values) > most:
        message = (
            f"{scheme.name}: {len(values)} secrets are live, and its field holds at most {most} "
            "signatures. Pass the one in force."
        )
        raise BoundaryError(message)
    return values


def _require_key(scheme: Scheme, claim: Claim, key: str, secret: str) -> None:
    # An id with a "." moves the border of what Standard Webhooks signs; where the id stands in the
    # content, it is the content's. Two ids of one event let a receiver take it twice (CWE-294).
    try:
        opened = scheme.opener([LiveSecret("sealed with", secret)])(claim)
    except Refused:
        raise _bad_key() from None
    if opened.key != event_key(event_prefix(scheme.name, ""), opened.account, key.encode()):
        raise _bad_key()


def _value(secret: str | LiveSecret) -> str:
    return secret if isinstance(secret, str) else secret.value


def _is_over(secret: str | LiveSecret, at: datetime) -> bool:
    return (
        isinstance(secret, LiveSecret) and secret.not_after is not None and at >= secret.not_after
    )


def _bad_key() -> Refused:
    return Refused(
        UNIQUE,
        "the event's key isn't one that the receiver reads from what is signed",
        code="bad_event_key",
        hint="letters, digits, _ and -; where the scheme has the id in the content, that one",
    )


def _bad_secret() -> Refused:
    return Refused(
        AUTHENTIC,
        "a secret can't sign: it is weak, or not in the scheme's form",
        code="bad_secret",
        hint="make a new one for this customer: secrets.token_bytes(32)",
    )
