"""`pratique webhook new NAME`: the file of a sender that isn't declared yet, and its test."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

webhook = typer.Typer(no_args_is_help=True, help="Senders of webhooks.")

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SCHEME: Final = '''\
"""{title}: HMAC-SHA256 over time and content. Say here what isn't bound, and who could use that."""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text

SCHEME = Scheme(
    name="{name}",
    party="{name}",
    documentation="https://example.invalid/where-{name}-describes-how-it-signs",
    binds=("time", "content"),
    read=single("X-{title}-Signature", time="X-{title}-Timestamp"),
    pieces=lambda time, _id, claim, _facts: (f"{{time}}.".encode(), claim.content),
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(id="id", type="type", about="data.id"),
    seal_fields=lambda time, _id, signature: [
        ("X-{title}-Timestamp", time),
        ("X-{title}-Signature", signature),
    ],
    signed_time=True,
    signed_key=True,
    # "literal" once the test below has one of the sender's own documentation, library or tests.
    source="unconfirmed",
)
'''
TEST: Final = '''\
"""{title}: a delivery of its own opens, and what isn't wholly as it signed is refused."""

from datetime import UTC, datetime

import pytest

from pratique import Claim, Fields, Refused
from {module} import SCHEME

LITERAL: tuple[str, bytes, dict[str, str], int] | None = None
"""(secret, content, fields, seconds since 1970), from the sender. That we open what we sealed
ourselves proves nothing of how the sender signs."""
AT = datetime(2026, 1, 5, tzinfo=UTC)
SECRET = "a-secret-of-at-least-16-bytes"
CONTENT = b'{{"id": "evt_1", "type": "thing.made", "data": {{"id": "thing_1"}}}}'


def test_the_senders_own_delivery_opens() -> None:
    """Its literal, and not ours."""
    if LITERAL is None:
        pytest.skip("no literal of the sender's: the scheme stays unconfirmed")
    secret, content, fields, at = LITERAL
    claim = Claim(content, Fields(list(fields.items())), datetime.fromtimestamp(at, UTC))
    assert SCHEME.open(claim, secrets=[secret]).key


def test_another_byte_secret_or_time_is_refused() -> None:
    """Beside the honest delivery, which opens."""
    honest = SCHEME.sealed(CONTENT, secret=SECRET, at=AT)
    assert SCHEME.open(honest, secrets=[SECRET]).envelope
    for claim, secret in (
        (Claim(CONTENT + b" ", honest.fields, AT), SECRET),
        (honest, "another-secret-of-16-bytes"),
        (Claim(CONTENT, honest.fields, AT.replace(year=2027)), SECRET),
        (Claim(CONTENT, Fields(), AT), SECRET),
    ):
        with pytest.raises(Refused):
            SCHEME.open(claim, secrets=[secret])
'''


@webhook.command()
def new(
    name: Annotated[str, typer.Argument(help='In keys and events: "acme", "acme-pay".')],
    folder: Annotated[
        Path, typer.Option(help="Of the sender's file; in Python a package or a plain folder.")
    ] = Path(),
    tests: Annotated[Path, typer.Option(help="Of its test.")] = Path(),
) -> None:
    """Write the file of a sender that isn't declared yet, and its test.

    What is written opens nothing of the sender's before you say how it signs, and no boundary takes
    it but through `unsafe.unconfirmed` before the test has a literal of its own.
    """
    if _NAME.fullmatch(name) is None:
        raise typer.BadParameter("small letters, digits, and - between them", param_hint="name")
    stem = name.replace("-", "_")
    scheme, test = folder / f"{stem}.py", tests / f"test_{stem}.py"
    for path in (scheme, test):
        if path.exists():
            typer.echo(f"{path} is there: nothing is written over.", err=True)
            raise typer.Exit(2)
    title = name.title()
    for path, text in ((scheme, SCHEME), (test, TEST)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            text.format(name=name, title=title, module=_module_of(scheme)), encoding="utf-8"
        )
        typer.echo(f"wrote {path}")


def _module_of(path: Path) -> str:
    parts = [part for part in path.with_suffix("").parts if part not in (".", "src", "/")]
    return ".".join(parts) if not path.is_absolute() else path.stem
