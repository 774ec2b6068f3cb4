"""Write the reference of the senders from their declarations: what each signs, and its pitfalls."""

import sys
from collections.abc import Iterator
from importlib import import_module

from pratique.webhook import providers
from pratique.webhook.opened import Grade
from pratique.webhook.scheme import Scheme
from scripts.docstring import as_markdown

TITLE = "Senders of webhooks"
INTRODUCTION = """\
One heading a sender, written from its declaration in `src/pratique/webhook/providers/`. What isn't
bound may be anything. Without a signed time `confirm=` discharges `fresh`, and the key is used once
for good. A sender whose scheme no literal of its own confirms is declared through
`unsafe.unconfirmed` alone.
"""
GRADES = {
    Grade.SIGNED: "signed",
    Grade.WEAK: "weak: it made something, and the content isn't wholly bound to it",
    Grade.IDENTIFIED: "identified: a token rides along, for whoever saw one delivery to reuse",
    Grade.UNSIGNED: "unsigned: nothing but `confirmed` proves anything",
}


def senders() -> str:
    """Return the page."""
    names = providers.names()
    table = ["| sender | binds | time | key | grade | source |", "|---|---|---|---|---|---|"]
    table += [_row(providers.get(name)) for name in names]
    parts = [f"# {TITLE}", INTRODUCTION, "\n".join(table)]
    parts += ["\n".join(_section(providers.get(name))) for name in names]
    return "\n\n".join(parts) + "\n"


def _row(scheme: Scheme) -> str:
    time = f"{scheme.tolerance.total_seconds():.0f} s" if scheme.signed_time else "none"
    key = "signed id" if scheme.signed_key else "digest"
    link = f"[{scheme.name}](#{scheme.name})"
    bound = ", ".join(scheme.binds) or "nothing"
    return f"| {link} | {bound} | {time} | {key} | {scheme.grade} | {scheme.source} |"


def _section(scheme: Scheme) -> Iterator[str]:
    module = import_module(f"pratique.webhook.providers.{scheme.name.replace('-', '_')}")
    yield f"## {scheme.name}\n"
    yield as_markdown(module.__doc__ or "")
    yield ""
    yield f"- Its own page: <{scheme.documentation}>."
    yield f"- Grade: {GRADES[scheme.grade]}. Binds: {', '.join(scheme.binds) or 'nothing'}."
    yield f"- {_time(scheme)}"
    yield f"- {_key(scheme)}"
    if not scheme.signed_type:
        yield f"- The type of an event isn't signed (`{scheme.type_field}`): `content=` is owed."
    if scheme.signs_url:
        yield "- `url=` is owed: our public URL, as the sender was told it."
    for pin in scheme.pins:
        owed = "is owed" if pin.is_owed else "may be pinned"
        yield f"- `{pin.name}=` ({pin.type.__name__}) {owed}."
    if scheme.handshake is not None:
        way = "a GET: route the endpoint by GET too" if scheme.handshake.by_get else "a delivery"
        signed = "signed" if scheme.handshake.is_signed else "not signed"
        yield f"- It asks whether the endpoint is ours by {way}; that is {signed}, and answered."


def _time(scheme: Scheme) -> str:
    if not scheme.signed_time:
        return "No time is signed."
    where = "inside the content" if scheme.time_of is not None else scheme.time.words
    seconds = f"{scheme.tolerance.total_seconds():.0f} s"
    return f"Signed time: {where}. Age and lead: at most {seconds}."


def _key(scheme: Scheme) -> str:
    if scheme.signed_key:
        return "Key: the signed id. The same id is one event, whatever else differs."
    if scheme.repeats:
        return (
            "Key: a digest of the content, and the time: identical bytes are one event, the same "
            "content at another time is another one. `once=` says what happens once."
        )
    if scheme.digest_of is not None:
        return (
            "Key: a digest of what the signed content decodes to, without its time: two spellings "
            "of it are one event."
        )
    return "Key: a digest of the content: identical bytes are one event."


if __name__ == "__main__":
    sys.stdout.write(senders())
