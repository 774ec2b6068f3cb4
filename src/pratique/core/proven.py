"""The value that comes out of a crossing, with its proofs."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    from .boundary import Proof

    A_co = TypeVarWithDefault("A_co", covariant=True, default=object)
else:
    A_co = TypeVar("A_co", covariant=True)

T_co = TypeVar("T_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)
L_co = TypeVar("L_co", covariant=True)

_SEAL: Final = object()  # core/crossing.py alone takes it


class Proven(Generic[T_co, A_co]):
    """A value that crossed with every proof its boundary owes. Only a crossing makes one.

    It can't be pickled, copied or built by hand: a proof is of this crossing, at this time.

    `Proven[Order, Literal["read"]]` also says for which action it was proven; `Proven[Order]` is
    one for any, `Proven[Order, object]`: whoever reads takes it, and a write sink that names its
    action doesn't.
    """

    __slots__ = ("_proofs", "_value", "crossing_id", "proven_at")

    def __init__(
        self,
        value: T_co,
        proofs: "tuple[Proof, ...]",
        crossing_id: str,
        proven_at: datetime,
        *,
        seal: object,
    ) -> None:
        if seal is not _SEAL:
            message = "Proven is made by a crossing. To vouch by hand, see pratique.unsafe.vouch()."
            raise TypeError(message)
        self._value = value
        self._proofs = proofs
        self.crossing_id = crossing_id
        self.proven_at = proven_at
        """UTC, when the claim reached us: no proof is older."""

    @property
    def value(self) -> T_co:
        """Return the proven value."""
        return self._value

    @property
    def proofs(self) -> "tuple[Proof, ...]":
        """Return how each obligation was discharged, and when, in the order of the obligations."""
        return tuple(proof.done(self.proven_at) for proof in self._proofs)

    def age(self, at: datetime) -> timedelta:
        """Return how old the oldest proof can be at *at* (UTC)."""
        return at - self.proven_at

    def __repr__(self) -> str:
        """Return the type and the crossing; the value may be personal."""
        return f"{type(self).__name__}[{type(self._value).__name__}]({self.crossing_id})"

    if not TYPE_CHECKING:  # Python 3.11 knows no default of a type parameter

        @classmethod
        def __class_getitem__(cls, given: Any) -> Any:
            """Return the type with its parameters; the action is `object` where it isn't said."""
            is_one = cls is Proven and not isinstance(given, tuple)
            return super().__class_getitem__((given, object) if is_one else given)

    def __reduce__(self) -> NoReturn:
        message = "a Proven is not picklable: what crossed another process is a claim again"
        raise TypeError(message)

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()


class Admitted(Proven[E_co], Generic[E_co, C_co, L_co]):
    """An event that crossed, with what its source confirmed and our own row that it belongs to."""

    __slots__ = ("_confirmed", "_linked")

    def __init__(
        self,
        value: E_co,
        proofs: "tuple[Proof, ...]",
        crossing_id: str,
        proven_at: datetime,
        *,
        confirmed: C_co,
        linked: L_co,
        seal: object,
    ) -> None:
        super().__init__(value, proofs, crossing_id, proven_at, seal=seal)
        self._confirmed = confirmed
        self._linked = linked

    @property
    def confirmed(self) -> C_co:
        """Return what the source of truth said."""
        return self._confirmed

    @property
    def linked(self) -> L_co:
        """Return our own row, in the handler's own session."""
        return self._linked
