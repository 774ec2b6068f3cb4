"""base64url as tokens and keys have it: one text for one value, without padding."""

from binascii import Error, a2b_base64, b2a_base64
from typing import Final

_OTHER: Final = ord("!")
_TO_BASE64: Final = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(
        byte, byte if chr(byte).isascii() and chr(byte).isalnum() else _OTHER
    )
    for byte in range(256)
)
_PADDING: Final = (b"", b"!", b"==", b"=")


def decode(text: bytes) -> bytes:
    """Return the bytes that an unpadded base64url text stands for.

    The text is written again and compared: padding, other characters, white space and bits behind
    the last byte are refused, so that no two texts have one value.

    Raises:
        ValueError: it isn't what an encoder writes.

    Source: RFC 7515 §2 "Base64url Encoding", appendix C; RFC 4648 §3.5 "Canonical Encoding".
    """
    padded = text.translate(_TO_BASE64) + _PADDING[len(text) & 3]
    try:
        value = a2b_base64(padded)
    except Error:
        value = b""
    if b2a_base64(value, newline=False) != padded:
        message = "it isn't base64url without padding"
        raise ValueError(message)
    return value


def encode(value: bytes) -> str:
    """Return the one text of a value. See `decode`."""
    text = b2a_base64(value, newline=False).rstrip(b"=").decode("ascii")
    return text.replace("+", "-").replace("/", "_")
