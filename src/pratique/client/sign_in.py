"""Who a client is before it has a session: by what it sends, its guesses counted beforehand."""

import unicodedata
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, ClassVar, Final

from pratique.core.access import Asker, is_nothing
from pratique.core.attempts import Attempts
from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.key import ATTEMPTS, prefixed
from pratique.core.obligation import AUTHENTIC, FRESH, VALID
from pratique.core.peer import network_of
from pratique.core.question import Flow, Lookup
from pratique.core.refusal import Answer, Refused
from pratique.core.roots import OWN_CODE, Root, RootKind, ways
from pratique.core.store import Store
from pratique.core.writable import UNPROCESSABLE, Content

MAX_ACCOUNT: Final = 320
"""Characters: 64 before the @ and 255 after it. Source: RFC 5321 §4.5.3.1."""
_UNAUTHENTICATED: Final = 401


def account_name(text: str) -> str:
    """Return one spelling for what people take for one account: NFKC, lower case, no outer space.

    Source: Unicode Technical Report 36 §3; CWE-178.
    """
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    return unicodedata.normalize("NFKC", folded)


def peer_address(claim: Claim) -> str:
    """Return where a request came from: the whole IPv4 address, the network of an IPv6 one.

    The peer's, as the server has it. Behind a proxy that is the proxy's, unless the server takes
    the client's from it (`uvicorn --proxy-headers --forwarded-allow-ips=…`): all clients would then
    be one.
    """
    return network_of(claim.via.peer)


class SignIn:
    """Who signs in, redeems a code that was mailed, or sets a new password by one: no session yet.

    Each attempt is counted before anything is compared: by the address that it comes from, then by
    the account that it names, whether there is one or not. Past either limit it is refused with
    429, the right password too. An account that isn't there is answered like a wrong password.

    Args:
        content: What is sent, a `msgspec.Struct`; the action declares the same one.
        account: (content) -> the account that it names, as it was sent: `lambda sent: sent.email`.
        check: (account, content[, session]) -> the subject, or None: the account is there, and this
            is its password or its code. It is asked for every account alike: let it compare with
            some hash also where there is none, since time tells too. It may be async. None: nothing
            is compared, as when somebody asks that a code be mailed. Each request counts, the
            subject is the account that was named, and the boundary waives AUTHENTIC and FRESH.
        attempts: `limit` at one account whoever tries, `in_all` from one address, in a window.
        spelling: (text) -> one spelling of an account; counted and handed to `check`. It folds at
            least what your own look-up folds, else each spelling has attempts of its own.
        address: (claim) -> where it came from. Proven, never a field that a client writes.

    Raises:
        BoundaryError: see `Content`; a callable takes another number of arguments.

    Source: OWASP API2:2023; OWASP ASVS 5.0 §6.3.1; NIST SP 800-63B §3.2.2; CWE-307, CWE-204.
    """

    challenge: ClassVar[str] = "SignIn"

    def __init__(
        self,
        content: type[Any],
        *,
        account: Callable[[Any], str],
        check: Callable[..., Any] | None,
        attempts: Attempts,
        spelling: Callable[[str], str] = account_name,
        address: Callable[[Claim], str] = peer_address,
    ) -> None:
        self._content = Content(content)
        self._account, self._spelling, self._address = account, spelling, address
        self._check = None if check is None else Asker.of(check, arguments=2, role="check")
        self.attempts = attempts

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return who it is, by what was sent.

        Raises:
            Refused: VALID, what `Content.read` refuses, code "bad_content": it names no account;
                ALLOWED, code "too_many_attempts" (429); AUTHENTIC, code "wrong_credentials".
        """
        claim = crossing.claim
        sent = self._content.read(claim.content, claim.fields)
        account = self._named(sent)
        name = crossing.boundary.name.encode()
        by_address = _counter(name, b"address", self._address(claim))
        by_account = _counter(name, b"account", account)
        # Before our own rows are asked: a count differs in nothing for an account that isn't there.
        yield from self.attempts.count(by_address, by_account)
        if self._check is None:
            return account
        found: object = yield Lookup(*self._check.with_session((account, sent), session))
        if is_nothing(found):
            raise Refused(
                AUTHENTIC,
                "no account of ours has these credentials",
                code="wrong_credentials",
                status=_UNAUTHENTICATED,
            )
        if found is True:
            raise Refused(
                AUTHENTIC,
                "check returned bool, not the subject",
                code="internal",
                hint="return the account's own key, or None",
                answer=Answer.RETRY,
            )
        crossing.discharge(AUTHENTIC)
        crossing.discharge(FRESH)
        # This attempt alone: whoever guesses gains nothing when the account's owner signs in.
        yield from self.attempts.repeated(by_address, by_account)
        return found

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: our own rows, asked now; nothing where nothing is compared."""
        if self._check is None:
            return ()
        rows, limit = Root(RootKind.STORE, "accounts"), self.attempts
        words = (
            f"what was sent, compared by our own code; {limit.limit} attempts at an account and "
            f"{limit.in_all} from an address in {limit.per}"
        )
        where = self._check.callback.where
        return (
            Proof(AUTHENTIC, words, ways(rows, OWN_CODE), where),
            Proof(FRESH, "compared with our own rows as they are now", ways(rows, OWN_CODE), where),
        )

    def read(self) -> list[str]:
        """Need nothing at the start."""
        return []

    def store_debts(self, store: Store | None) -> list[str]:
        """See `AsksStore`."""
        if store is not None:
            return []
        debt = (
            "attempts are counted, and there is no store that keeps the counts. "
            "Pass one: Perimeter(store=stores.sqlite(path))."
        )
        return [debt]

    def _named(self, sent: Any) -> str:
        told: object = self._account(sent)
        account = self._spelling(told) if isinstance(told, str) else ""
        if not 0 < len(account) <= MAX_ACCOUNT or not account.isprintable():
            raise Refused(
                VALID,
                f"it names no account of 1 to {MAX_ACCOUNT} printable characters",
                code="bad_content",
                status=UNPROCESSABLE,
            )
        return account


def _counter(boundary: bytes, kind: bytes, name: str) -> bytes:
    digest = sha256(name.encode("utf-8", "surrogatepass")).digest()
    return prefixed(ATTEMPTS, boundary, b"before a session", kind) + digest
