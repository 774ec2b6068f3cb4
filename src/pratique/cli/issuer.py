"""`pratique issuer`: keys of a minter of tokens, and what an unverified token says."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from pratique.core.proofs.authentic.base64url import decode
from pratique.core.proofs.authentic.jws import MAX_TOKEN_BYTES
from pratique.core.proofs.authentic.numeric_date import is_numeric_date
from pratique.core.proofs.authentic.strict_json import DuplicateMemberError, object_of
from pratique.core.refusal import BoundaryError
from pratique.service.signing_key import ALGORITHMS, SigningKey, public_set

from .wording import counted

_SHOWN: Final = 256
"""Characters of one value: what it says is what was asked for, and a screen is enough of it."""
_DATES: Final = frozenset({"exp", "iat", "nbf", "auth_time"})
_SEGMENTS: Final = 3
UNVERIFIED: Final = (
    "UNVERIFIED. Nobody has proven any of this: whoever wrote the token may have written anything."
)
issuer = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local can be a secret
    help="Make and publish the keys of a minter of tokens, and look at a token.",
)


@issuer.command("new-key")
def new_key(
    kid: Annotated[str, typer.Option(help="Name of the key, another one for each: 2026-11.")],
    out: Annotated[Path, typer.Option(help="A new file, made with mode 0600.")],
    alg: Annotated[str, typer.Option(help="EdDSA or ES256.")] = ALGORITHMS[0],
) -> None:
    """Make a private key: PKCS#8 PEM in a file that its owner alone may read."""
    try:
        key = SigningKey.new(kid, algorithm=alg)
        key.write(out)
    except BoundaryError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(
        f"{out}: a private key for {key.algorithm}, kid {key.name}. It leaves this file "
        "for a secret store alone."
    )
    typer.echo(f"Publish its public part: pratique issuer jwks {out}")


@issuer.command()
def jwks(
    files: Annotated[list[Path], typer.Argument(help="Of private keys; several while they roll.")],
) -> None:
    """Print the public keys of these files as one JWK set."""
    keys: list[SigningKey] = []
    for file in files:
        if not file.exists():
            message = f"{file} isn't there"
            raise typer.BadParameter(message)
        try:
            keys.append(SigningKey.read(file))
        except BoundaryError as error:
            _end(str(error) if str(file) in str(error) else f"{file}: {error}")
    try:
        typer.echo(json.dumps(public_set(keys), indent=2))
    except BoundaryError as error:
        _end(str(error))


@issuer.command()
def show(
    token_file: Annotated[str, typer.Argument(help="A file with the token, or - for stdin.")],
) -> None:
    """Tell what a token says of itself. Nothing of it is verified."""
    token = _token_of(token_file).strip()
    segments = token.split(b".")
    if len(segments) != _SEGMENTS:
        found = counted(len(segments), "segment", "segments")
        _end(f"it is no signed token: {found} between dots, and 3 are owed")
    typer.echo(UNVERIFIED)
    for name, segment in zip(("header", "claims"), segments, strict=False):
        typer.echo(name)
        for line in _told(_members_of(segment, name)):
            typer.echo(f"  {line}")


def _token_of(place: str) -> bytes:
    if place == "-":
        content = sys.stdin.buffer.read(MAX_TOKEN_BYTES + 1)
    elif not _is_file(place):
        # Its text isn't said again: it may be the token itself.
        message = (
            "there is no such file. Give a file that holds the token, or - and the token on "
            "standard input. A token among the arguments is seen by everybody who can run ps, and "
            "stays in the shell's history: if this was one, have it withdrawn"
        )
        raise typer.BadParameter(message)
    else:
        with Path(place).open("rb") as file:
            content = file.read(MAX_TOKEN_BYTES + 1)
    if len(content) > MAX_TOKEN_BYTES:
        _end(f"it is longer than {MAX_TOKEN_BYTES} bytes: no verifier of ours takes it")
    return content


def _is_file(place: str) -> bool:
    try:
        return Path(place).is_file()
    except (OSError, ValueError):  # a name that is too long, or has a NUL
        return False


def _members_of(segment: bytes, name: str) -> dict[str, Any]:
    try:
        return object_of(decode(segment))
    except DuplicateMemberError:
        _end(f"its {name} has two members of one name: every verifier should refuse it")
    except ValueError:
        _end(f"its {name} is no JSON object in base64url without padding")


def _told(members: dict[str, Any]) -> list[str]:
    """Return each member in ASCII, escaped: a token may not move the reader's cursor."""
    width = max((len(_cut(name)) for name in members), default=0)
    lines: list[str] = []
    for name, value in members.items():
        line = f"{_cut(name):<{width}}  {_cut(value)}"
        if name in _DATES and is_numeric_date(value):
            line += f"  ({datetime.fromtimestamp(value, UTC).isoformat(timespec='seconds')})"
        lines.append(line)
    return lines


def _cut(value: Any) -> str:
    # JSON escapes the controls up to U+001F; DEL is one more.
    text = json.dumps(value).replace("\x7f", "\\u007f")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _end(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
