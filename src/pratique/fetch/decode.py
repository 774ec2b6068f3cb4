"""Content codings, undone piece by piece under a cap: a small answer can hold a large one."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

ACCEPT_ENCODING: Final = "gzip, deflate"
_GZIP: Final = 16 + zlib.MAX_WBITS
_DEFLATE: Final = 8
_PIECE: Final = 64 * 1024
"""Bytes that one step undoes at the most, so that the cap is looked at before memory is taken."""


class Decoder(Protocol):
    """Undoes one coding."""

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        """Yield what *raw* holds, at most 64 KiB at a time."""
        ...

    def end(self) -> None:
        """Refuse what stopped in the middle."""
        ...


class _Zlib:
    """gzip, or deflate in the zlib format of RFC 9110 §8.4.1.2 (some send it bare)."""

    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._undo = zlib.decompressobj(_GZIP if is_gzip else zlib.MAX_WBITS)
        self._is_first = True

    def pieces(self, raw: bytes) -> Iterator[bytes]:
        if self._is_first and raw and not self._is_gzip and not _has_zlib_header(raw):
            self._undo = zlib.decompressobj(-zlib.MAX_WBITS)
        self._is_first = self._is_first and not raw
        while raw:
            try:
                piece = self._undo.decompress(raw, _PIECE)
            except zlib.error:
                raise _broken() from None
            yield piece
            raw = self._undo.unconsumed_tail
            if self._undo.eof:
                if raw or self._undo.unused_data:
                    raise _broken()
                return

    def end(self) -> None:
        if not self._undo.eof:
            raise _broken()


def decoder_of(codings: Sequence[str]) -> Decoder | None:
    """Return what undoes the declared coding; None where there is none.

    Raises:
        Refused: VALID, code "content_coding": one that we didn't ask for, or several. Nested
            codings multiply what one of them can hold.

    Source: RFC 9110 §8.4.
    """
    if not codings:
        return None
    named = _named(codings)
    if not named:
        return None
    if len(named) == 1 and named[0] in ("gzip", "x-gzip", "deflate"):
        return _Zlib(is_gzip=named[0] != "deflate")
    raise _unasked(named)


def _named(codings: Sequence[str]) -> list[str]:
    words = [word.strip().lower() for line in codings for word in line.split(",")]
    return [word for word in words if word not in ("", "identity")]


def _unasked(named: Sequence[str]) -> Refused:
    return Refused(
        VALID,
        f"the content has {len(named)} codings, or one that wasn't asked for",
        code="content_coding",
        hint=f"asked for is {ACCEPT_ENCODING}, once",
        status=502,
    )


def _has_zlib_header(raw: bytes) -> bool:
    # RFC 1950 §2.2: CMF says deflate, and the first two bytes are a multiple of 31.
    return raw[0] & 0x0F == _DEFLATE and int.from_bytes((raw + b"\1")[:2]) % 31 == 0


def _broken() -> Refused:
    return Refused(
        VALID,
        "the content isn't what its coding says",
        code="broken_coding",
        hint="the host sent it broken, or the connection ended in the middle: fetch it again",
        status=502,
    )
