"""Hostile deliveries, by mutation of honest ones before and after they are signed; as many for a seed as are asked for."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pratique import Claim, Fields, Refused
from pratique.core.claim import Via

from .delivery_parties import Party, challenges, parties, party

# fmt: off
TEXTS = [
    "", " ", "\t", "é", "\udcff", "٣", "9" * 5000, "-1", "0", "1e400", "None", "null", "[]", "{}", "a.b", "a,b", "a;b", "t=1", "v1=",
    "v1,", "v0=", "sha256=", "sha1=" + "0" * 40, "=" * 44, "A" * 43 + "=", "0" * 64, "ff" * 64, "e30.e30.e30", "e30..", "x" * 70_000,
    "2026-11-24T00:00:00Z", "2026-13-44T99:99:99Z", "\u2028", "%00", "&", "|", "whsec_", "0" * 10, "1" * 13, ",,,,", " , ", "v1,é",
]
CONTENTS = [
    b"", b"\0", b"null", b"1", b"[]", b'"x"', b"{", b"{}", b"[{}]", b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}{}", b"a=1&a=2", b"a=%ff", b"a",
    b'{"id":' * 200 + b"1" + b"}" * 200, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"id": 1e999}', b'{"id": "\\ud800"}',
    '{"id": "é", "type": "ü"}'.encode(), b'{"id": "a", "id": "b"}', b'{"id": {"id": []}, "type": 1, "data": "x", "events": {}}',
    b'{"events": [1, null, {}, []]}', b'{"event": null, "payload": [], "webhookTimestamp": "x", "time_ms": []}', b"x" * 100_000,
    b'{"id": "' + b"a" * 300 + b'"}', b'{"event_id": "../..", "event": {"id": ".."}}', b'{"id": 123456789012345678901234567890}',
    b'{"notificationItems": [1]}', b'{"signature": {"timestamp": "1", "token": 5}}', b'{"Type": "Notification", "TopicArn": []}',
    b"bt_signature=a&bt_payload=b", b"bt_signature=our_public_key|a&bt_payload=%0A", b"abc", b"payload=%7B%7D", b"id=tr_x", b"id=tr_x&id=tr_y",
]
NAMES = [
    "webhook-id", "svix-id", "webhook-signature", "X-Hub-Signature", "X-Hub-Signature-256", "Stripe-Signature", "X-HubSpot-Signature",
    "Authorization", "X-Forwarded-Host", "X-Forwarded-Proto", "Host", "X-Original-URL", "Content-Type", "Content-Encoding", "x-a",
    "X-DocuSign-Signature-2", "box-signature-secondary", "X-Slack-Retry-Num", "X-GitHub-Delivery", "PAYPAL-CERT-URL", "PAYPAL-AUTH-ALGO",
]
TARGETS = [
    "/", "/?", "/?one=1", "/?one=1&two=2", "/?two=2", "/?bodySHA256=00", "/?one=1&bodySHA256=" + "e3b0c44298fc1c149afbf4c8996fb924"
    "27ae41e4649b934ca495991b7852b855", "/?one=1{", "/?one=1%7B", "//x?one=1", "/?one=1#a", "/?" + "a=1&" * 400, "/?one=1&é", "",
    "http://evil.example/?one=1", "/?crc_token=" + "a" * 20, "/?hub.mode=subscribe&hub.challenge=x", "/?bt_challenge=" + "ab" * 10,
    "/?crc_token=a&crc_token=b", "/?bt_challenge=" + "ab" * 12,
]
# fmt: on


FEW = 60
"""Deliveries of senders whose key is fetched, before they are changed."""


@dataclass(frozen=True)
class Shown:
    """One delivery as it is shown, and the honest one that it was made of."""

    party: Party
    claim: Claim
    twin: Claim
    secrets: tuple[str, ...]
    url: str | None
    how: tuple[str, ...] = ()
    """What was done to it; nothing where it is honest."""
    is_opening: bool = True
    """What the sender signed is something that it does send, now."""


def deliveries(kind: str, seed: int, clock: Callable[[], float] = time.time) -> Iterator[Shown]:
    """Yield deliveries of the class without end; the same for the same seed, clock and keys."""
    dice, senders = random.Random(seed), parties(kind)
    made = _asked if kind == "challenge" else _sent
    # A private key of RSA takes long to load: a few deliveries are sealed, once in a minute.
    step = 60 if kind in ("fetched-key", "challenge") else 1
    while True:
        sender = dice.choice(senders)
        few = random.Random(dice.randrange(FEW)) if kind == "fetched-key" else dice
        shown = made(sender, int(clock()) // step * step, few)
        if shown is None:
            continue
        for _ in range(dice.choice((0, 1, 1, 1, 1, 2, 3))):
            shown = _changed(shown, dice)
        yield shown


def deliveries_of(name: str) -> Iterator[Shown]:
    """Yield deliveries of one sender as it sends them, without end."""
    dice, sender = random.Random(0), party(name)
    while True:
        shown = _sent(sender, int(time.time()), dice)
        if shown is not None:
            yield shown


@lru_cache(2048)
def _sealed(sender: Party, content: bytes, at: int, number: int) -> Claim | None:
    try:
        return sender.seal(content, datetime.fromtimestamp(at, UTC), number)
    except (ValueError, LookupError, TypeError, AttributeError, Refused):
        return None  # there is no such delivery


def _sent(sender: Party, now: int, dice: random.Random) -> Shown | None:
    """Return what the sender signs: honest, at another time, with another content, by a stranger."""
    at, number, how = now, 0, list[str]()
    if dice.random() < 0.1:
        bound = int(sender.scheme.tolerance.total_seconds())
        lead = dice.choice((max(bound - 4, 1), bound + 4, 3600, 86_400, 400_000_000))
        at, how = now + lead * dice.choice((-1, 1)), ["time"]
    content = sender.content(datetime.fromtimestamp(at, UTC))
    if dice.random() < 0.15:
        content, how = _other_content(content, dice), [*how, "content"]
    if dice.random() < 0.03:
        number, how = 1, [*how, "stranger"]
    claim = _sealed(sender, content, at, number)
    if claim is None:
        return None
    claim = _at(claim, datetime.fromtimestamp(now, UTC))
    return Shown(sender, claim, claim, sender.secrets, sender.url, tuple(how), not how)


def _asked(sender: Party, now: int, dice: random.Random) -> Shown | None:
    """Return a handshake."""
    at = datetime.fromtimestamp(now, UTC)
    token, content, target = dice.choice(list(challenges(sender, at)))
    claim = _sealed(sender, content, now, 0) if content else Claim(b"", Fields(), at)
    if claim is None:
        return None
    method = "POST" if content else "GET"
    claim = Claim(claim.content, claim.fields, at, Via(method=method, target=target))
    is_plain = token == "ab" * 10 or (sender.name == "aws-sns" and token == "0123456789abcdef0123")
    how = () if is_plain else ("token",)
    return Shown(sender, claim, claim, sender.secrets, sender.url, how, is_plain)


def _at(claim: Claim, at: datetime) -> Claim:
    return Claim(claim.content, claim.fields, at, claim.via)


def _other_content(content: bytes, dice: random.Random) -> bytes:
    luck = dice.random()
    if luck < 0.6:
        return dice.choice(CONTENTS)
    if luck < 0.8:
        return _some_bytes(content, dice)
    try:
        members = json.loads(content)
    except ValueError:
        return content + dice.choice(CONTENTS)
    name = dice.choice(list(members)) if isinstance(members, dict) else 0
    members[name] = dice.choice((None, 5, "é", [], {}, "a" * 300, {"id": "x"}, "..", 1.5, True, -1))
    return json.dumps(members, ensure_ascii=dice.random() < 0.5).encode()


def _some_bytes(content: bytes, dice: random.Random) -> bytes:
    told = bytearray(content)
    change = dice.randrange(6)
    place = dice.randrange(len(told) + 1)
    if change == 0 and told:
        told[place % len(told)] ^= 1 << dice.randrange(8)
    elif change == 1:
        told[place:place] = dice.choice(
            (b" ", b"\n", b"\0", b"\r\n", b"&", b"\xff", b"a", b"0", b"}")
        )
    elif change == 2:
        del told[place : place + dice.choice((1, 1, 1, 10))]
    elif change == 3:
        told += dice.choice((b" ", b"\n", b"\r\n", b"\0", b"&a=1", b"{}"))
    elif change == 4 and told:
        del told[-1]
    else:
        told[:] = dice.randbytes(dice.randrange(80))
    return bytes(told)


Change = Callable[[Shown, random.Random], Shown]


def _changed(shown: Shown, dice: random.Random) -> Shown:
    change = dice.choices(list(CHANGES), list(CHANGES.values()))[0]
    try:
        made = change(shown, dice)
    except Refused:
        return shown  # a control character: no field at all
    if made is shown:
        return shown
    return replace(made, how=(*shown.how, change.__name__.lstrip("_")))


def _having(
    shown: Shown, lines: list[tuple[str, str]] | None = None, content: bytes | None = None
) -> Shown:
    was = shown.claim
    fields = was.fields if lines is None else Fields(lines)
    claim = Claim(was.content if content is None else content, fields, was.received_at, was.via)
    return replace(shown, claim=claim)


def _content(shown: Shown, dice: random.Random) -> Shown:
    return _having(shown, content=_some_bytes(shown.claim.content, dice))


def _content_replaced(shown: Shown, dice: random.Random) -> Shown:
    return _having(shown, content=dice.choice(CONTENTS))


def _spelt_anew(shown: Shown, dice: random.Random) -> Shown:
    """Write the same JSON, or the same form, with other bytes; or some member more than once."""
    content = shown.claim.content
    try:
        members = json.loads(content)
    except (ValueError, RecursionError):
        spelt = content.replace(b"%2B", b"%2b").replace(b"%7C", b"|").replace(b"%0A", b"%0a")
        parts = spelt.split(b"&")
        dice.shuffle(parts)
        return _having(shown, content=b"&".join(parts))
    if isinstance(members, dict) and members and dice.random() < 0.5:
        name = dice.choice(list(members))
        twice = json.dumps({name: dice.choice((members[name], 1, "x"))})[1:-1].encode()
        at_end = dice.random() < 0.5
        body = content.strip()
        spelt = body[:-1] + b"," + twice + b"}" if at_end else b"{" + twice + b"," + body[1:]
        return _having(shown, content=spelt)
    spelt = json.dumps(members, indent=dice.choice((None, 1)), ensure_ascii=dice.random() < 0.5)
    return _having(shown, content=spelt.encode("utf-8", "surrogatepass"))


def _member(shown: Shown, dice: random.Random) -> Shown:
    """Change a member somewhere in the JSON, or take it out, or copy an item of a list."""
    try:
        told = json.loads(shown.claim.content)
    except (ValueError, RecursionError):
        return shown
    place = told
    while True:
        if isinstance(place, dict) and place:
            name: str | int = dice.choice(list(place))
        elif isinstance(place, list) and place:
            if dice.random() < 0.3:
                place.append(place[0])
                break
            name = dice.randrange(len(place))
        else:
            return shown
        if isinstance(place[name], dict | list) and place[name] and dice.random() < 0.8:
            place = place[name]
            continue
        luck = dice.randrange(3)
        if luck == 0:
            del place[name]
        elif luck == 1 and isinstance(place, dict):
            place[f"{name}x"] = place[name]
        else:
            place[name] = dice.choice((None, 5, "", "x", [], {}, "é", f"{place[name]} ", True, 1.5))
        break
    return _having(shown, content=json.dumps(told).encode())


def _lines(shown: Shown) -> list[tuple[str, str]]:
    return list(shown.claim.fields)


def _value(shown: Shown, dice: random.Random) -> Shown:
    """Change a character of a field, put one in, or take one out."""
    lines = _lines(shown)
    if not lines:
        return shown
    place = dice.randrange(len(lines))
    name, value = lines[place]
    at, change = dice.randrange(len(value) + 1), dice.randrange(4)
    if change == 0 and value:
        at %= len(value)
        value = value[:at] + chr(ord(value[at]) ^ 1 << dice.randrange(7)) + value[at + 1 :]
    elif change == 1:
        value = value[:at] + dice.choice(" \t=,;.:|&é+-_0a/%\x7f\ud800") + value[at:]
    elif change == 2:
        value = value[:at] + value[at + dice.choice((1, 1, 4)) :]
    else:
        value = dice.choice(
            (value.upper(), value.lower(), value.swapcase(), f" {value}", f"{value} ", value * 2)
        )
    lines[place] = (name, value)
    return _having(shown, lines)


def _value_replaced(shown: Shown, dice: random.Random) -> Shown:
    lines = _lines(shown)
    if not lines:
        return shown
    place = dice.randrange(len(lines))
    others = [value for _, value in lines]
    lines[place] = (lines[place][0], dice.choice(TEXTS if dice.random() < 0.8 else others))
    return _having(shown, lines)


def _listed(shown: Shown, dice: random.Random) -> Shown:
    """Put several signatures or times into one field."""
    lines = _lines(shown)
    if not lines:
        return shown
    place = dice.randrange(len(lines))
    name, value = lines[place]
    sign = dice.choice((",", ";", " ", ", ", "&", "  "))
    other = dice.choice(
        (value, "v1,AAAA", "v1=00", "h1=00", "t=1", "ts=1", "v9,x", "v1a,x", *TEXTS[:9])
    )
    parts = [value, *[other] * dice.choice((1, 1, 2, 9))]
    dice.shuffle(parts)
    lines[place] = (name, sign.join(parts))
    return _having(shown, lines)


def _field_missing(shown: Shown, dice: random.Random) -> Shown:
    lines = _lines(shown)
    if not lines:
        return shown
    lines.pop(dice.randrange(len(lines)))
    return _having(shown, lines)


def _field_doubled(shown: Shown, dice: random.Random) -> Shown:
    lines = _lines(shown)
    if not lines:
        return shown
    name, value = dice.choice(lines)
    more = (dice.choice((name, name.lower(), name.upper())), dice.choice((value, *TEXTS)))
    lines.insert(dice.randrange(len(lines) + 1), more)
    return _having(shown, lines)


def _field_renamed(shown: Shown, dice: random.Random) -> Shown:
    lines = _lines(shown)
    if not lines:
        return shown
    place = dice.randrange(len(lines))
    name, value = lines[place]
    others = (name.upper(), name.lower(), name.title(), name.replace("-", "_"), dice.choice(NAMES))
    lines[place] = (dice.choice(others), value)
    return _having(shown, lines)


def _field_added(shown: Shown, dice: random.Random) -> Shown:
    lines = _lines(shown)
    values = [value for _, value in lines]
    lines.append((dice.choice(NAMES), dice.choice((*TEXTS, *values))))
    return _having(shown, lines)


def _split_shifted(shown: Shown, dice: random.Random) -> Shown:
    """Move characters over the border between a field and the content, or between two fields."""
    lines, content = _lines(shown), shown.claim.content
    if not lines:
        return shown
    place, count = dice.randrange(len(lines)), dice.choice((1, 1, 2, 5))
    name, value = lines[place]
    luck = dice.randrange(4)
    if luck == 0:
        lines[place] = (name, value[:-count])
        content = value[-count:].encode("utf-8", "surrogatepass") + content
    elif luck == 1:
        lines[place], content = (name, value + content[:count].decode("latin-1")), content[count:]
    elif luck == 2:
        lines[place] = (name, value + content[-count:].decode("latin-1"))
        content = content[:-count]
    else:
        other = dice.randrange(len(lines))
        lines[place] = (name, value[count:])
        lines[other] = (lines[other][0], lines[other][1] + value[:count])
    return _having(shown, lines, content)


def _later(shown: Shown, dice: random.Random) -> Shown:
    """Let it come at another time."""
    seconds = dice.choice((1, 59, 61, 299, 301, 3601, 86_401, 10**8)) * dice.choice((-1, 1))
    return replace(
        shown, claim=_at(shown.claim, shown.claim.received_at + timedelta(seconds=seconds))
    )


def _secrets(shown: Shown, dice: random.Random) -> Shown:
    """Let two secrets be live, or a stranger's alone, or none."""
    party = shown.party
    if party.another is None:
        return shown
    ours, other = party.secrets, (party.another,)
    return replace(
        shown,
        secrets=dice.choice(
            (ours + other, other + ours, other * 3 + ours, other, (), ("",), ours * 2)
        ),
    )


def _url(shown: Shown, dice: random.Random) -> Shown:
    """Let another URL be declared than the one that the sender was told."""
    url = shown.url
    if url is None:
        return shown
    host = "shop.example"
    return replace(
        shown,
        url=dice.choice((
            url.replace(host, host.upper()), url.replace(host, f"{host}:443"), url.replace(host, f"{host}:8443"),
            url.replace("https", "http"), f"{url}&two=2", url.partition("?")[0], f"{url}#a", f"{url}/", None, "",
            url.replace("/hooks", "/%68ooks"), url.replace("/hooks", "%2Fhooks"), url.replace(host, "evil.example"),
            url.replace("https://", "https://u:p@"), url.replace("/hooks", "//hooks"), f"{url}{{", url.replace("=", "%3D"),
        )),
    )  # fmt: skip


def _request(shown: Shown, dice: random.Random) -> Shown:
    was = shown.claim
    target = dice.choice(TARGETS) if dice.random() < 0.7 else was.via.target
    method = dice.choice((was.via.method, was.via.method, "GET", "PUT", "post", ""))
    claim = Claim(was.content, was.fields, was.received_at, Via(method=method, target=target))
    return replace(shown, claim=claim)


def _pair_moved(shown: Shown, dice: random.Random) -> Shown:
    """Move the first pairs of a form to the end of the query: nothing stands between for Twilio."""
    was = shown.claim
    pairs = sorted(pair for pair in was.content.decode("latin-1").split("&"))
    if len(pairs) < 2:
        return shown
    count = dice.randrange(1, len(pairs))
    moved = "".join(pairs[:count]).replace("=", "")
    via = Via(method=was.via.method, target=was.via.target + moved)
    content = "&".join(pairs[count:]).encode("latin-1")
    return replace(shown, claim=Claim(content, was.fields, was.received_at, via))


def _anything(shown: Shown, dice: random.Random) -> Shown:
    """Keep the names of the fields, and nothing else."""
    lines = [(name, dice.choice(TEXTS)) for name, _ in _lines(shown) if dice.random() < 0.8]
    return _having(shown, lines, dice.choice((dice.choice(CONTENTS), dice.randbytes(60))))


CHANGES: dict[Change, int] = {
    _content: 5, _content_replaced: 2, _spelt_anew: 3, _member: 4, _value: 6, _value_replaced: 3, _listed: 3,
    _field_missing: 2, _field_doubled: 3, _field_renamed: 2, _field_added: 3, _split_shifted: 4, _later: 2,
    _secrets: 3, _url: 3, _request: 3, _anything: 1,
    _pair_moved: 1,
}  # fmt: skip
