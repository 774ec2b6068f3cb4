"""Hostile URLs, by a grammar and by mutation: the same ones for the same seed."""

import json
import random
import string
from collections.abc import Callable, Iterator

from tests import vector_files

SEEDS = (
    "http://a.example/",
    "https://a.example:8443/x/../y;p?q=1&r='#f",
    "http://user:pass@a.example/",
    "http://[2606:4700::1111]:8080/",
    "http://93.184.215.14/a%2fb",
    "http://bücher.example/ü?ü=ü",
    "http://xn--bcher-kva.example./",
    "https://a.example?x@b.example/",
    "https://a.example#@b.example/",
)
# fmt: off
SCHEMES = (
    "http", "https", "HTTP", "hTTps", "http:http", "ftp", "file", "ws", "httpſ", "http\t",
    ""
)
SEPARATORS = (
    "://", "://", "://", "://", "://", "://", ":/", ":", ":///", "//", ":\\\\", "://\\",
    ":////"
)
USERS = (
    "", "", "", "", "", "u@", "u:p@", "@", ":@", "a.example\\@", "a.example%40", "u%00@",
    "[@", "a.example:80@"
)
DOTS = (".", ".", ".", ".", ".", "。", "．", "｡", "%2e", "%2E", "..", "․")
PORTS = (
    "", "", "", "", ":80", ":443", ":8080", ":65535", ":65536", ":", ":0", ":080", ":+80",
    ":-1", ":8_0", ":８０", ":80:80", ": 80", ":80\t", ":0x50", ":99999999999", ":٨٠"
)
SEGMENTS = (
    "a", "b", ".", "..", "%2e", "%2E%2e", ".%2E", "%2f", "%5C", "\\", ";p=1", "@x", ":",
    "//", "a b", "ü", "%", "%zz", "%u0041", "[x]", "{x}", "|", "^", "`", "<", ">", '"', "'",
    "!$&'()*+,;=", "~", "%41", "%7E", "%7f", "%00", "%0d%0a", "\u202e", "é",
    "http://b.example", "%252e%252e", "%C0%AE", "\ud800", "𝕏", "...", "-._~", "*"
)
QUERIES = (
    "", "", "", "?", "?q", "?q=1&r=2", "?a b", "?ü", "?%41", "?%zz", "?'", '?"', "?<>",
    "?[x]", "?@b.example", "?//b.example/", "?a?b", "?a\\b", "?%00", "?a=%26%3d", "?{}",
    "?|^`", "?a+b%20c", "?;", "?\ud800", "?#", "??", "?a=/../b"
)
FRAGMENTS = ("", "", "", "", "#", "#f", "#@b.example", "#/../x", "#?x", "#\ud800", "#a#b")
LABELS = (
    "a", "b", "example", "xn--bcher-kva", "xn--a", "xn--", "ab--c", "a_b", "_dmarc", "-a",
    "a-", "a" * 63, "a" * 64, "0x7f", "127", "0", "00", "1e3", "bücher", "straße", "ς", "ⓔ",
    "ﬀ", "ℂ", "İ", "K", "\u200d", "\u00ad", "ا", "א", "あ", "한", "𝟏", "１", "a\u0301", "·",
    "l·l", "͵α", "xn--80ak6aa92e", "xn--fiqs8s", "xn--zckzah"
)
ENDS = ("example", "com", "test", "", "local", "xn--p1ai", "0x1", "1", "рф", "example.")
LITERALS = (
    "127.0.0.1", "93.184.215.14", "0177.0.0.1", "0x7f.1", "2130706433", "1.2.3",
    "1.2.3.4.5", "１２７.0.0.1", "127。0。0。1", "256.1.1.1", "[::1]", "[2606:4700::1111]",
    "[2606:4700:0:0:0:0:0:1111]", "[::ffff:8.8.8.8]", "[fe80::1%25eth0]", "[fe80::1%eth0]",
    "[::1", "::1]", "[v1.x]", "[1.2.3.4]", "[]", "[2606:4700::1111]x",
    "[2606:4700::1111].example", "[2606:4700::1111]@b", "[::93.184.215.14]",
    "[2001:DB8::A]", "[0:0:0:0:0:0:0:0]", "[2606:4700::01111]"
)
CONTROLS = tuple(map(chr, [*range(0x21), 0x7F, 0x85, 0xA0, 0xAD, 0x1680, 0x2028, 0x2029, 0x3000, 0xFEFF, 0xD800, 0xDFFF, 0x200B, 0x180E]))
TOKENS = (
    "@", "\\", "/", "//", "?", "#", ":", "%", "[", "]", "%25", "%40", "%2f", "%5c", "%00",
    "..", "://", "http://b.example", "b.example", "&", ";", "'", "*", "|", *CONTROLS
)
FULL_WIDTH = str.maketrans(string.digits + string.ascii_letters + "./:@?#", "".join(chr(ord(c) + 0xFEE0) for c in string.digits + string.ascii_letters + "./:@?#"))
# fmt: on


def urls(seed: int) -> Iterator[str]:
    """Yield URLs without end."""
    chance = random.Random(seed)
    seeds = [*SEEDS, *_of_the_vectors()]
    while True:
        draw = chance.random()
        if draw < 0.45:
            url = plain(chance)
        elif draw < 0.6:
            url = built(chance)
        else:
            url = chance.choice(seeds)
        if draw > 0.25:
            for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
                url = chance.choice(MUTATIONS)(chance, url)
        if len(seeds) < 5000 and chance.random() < 0.01:
            seeds.append(url)
        yield url


def plain(chance: random.Random) -> str:
    """Return a URL whose authority is mostly in order, and whose path and query are anything."""
    host = chance.choice((named, literal))(chance) if chance.random() < 0.5 else "a.example"
    port = chance.choice(("", "", ":80", ":443", ":8080", f":{chance.randrange(1, 65536)}"))
    scheme = chance.choice(("http", "https", "HTTP"))
    return f"{scheme}://{host}{port}{path(chance)}{query(chance)}{chance.choice(FRAGMENTS)}"


def built(chance: random.Random) -> str:
    """Return a URL of parts any of which can be out of order."""
    host = chance.choice((named, named, literal))(chance)
    front = chance.choice(SCHEMES) + chance.choice(SEPARATORS) + chance.choice(USERS)
    rest = path(chance) + query(chance) + chance.choice(FRAGMENTS)
    return front + host + chance.choice(PORTS) + rest


def named(chance: random.Random) -> str:
    """Return a name: labels, or letters of any script."""
    labels = [_label(chance) for _ in range(chance.choice((1, 1, 2, 2, 3, 5)))]
    if chance.random() < 0.02:
        labels *= 40
    return chance.choice(DOTS).join([*labels, chance.choice(ENDS)])


def literal(chance: random.Random) -> str:
    """Return an address, in some form."""
    draw = chance.random()
    if draw < 0.4:
        return chance.choice(LITERALS)
    if draw < 0.7:
        return ".".join(str(chance.randrange(256)) for _ in range(4))
    groups = [f"{chance.getrandbits(chance.choice((0, 4, 16))):x}" for _ in range(8)]
    if draw < 0.85:
        at = chance.randrange(7)
        groups[at : at + chance.randrange(1, 8 - at)] = ["", ""][: 1 if at > 0 else 2]
    return f"[{':'.join(groups)}]"


def path(chance: random.Random) -> str:
    """Return a path of segments; each is anything."""
    if chance.random() < 0.1:
        return ""
    count = chance.choice((0, 1, 1, 2, 3, 6))
    return "/" + "/".join(_segment(chance) for _ in range(count))


def query(chance: random.Random) -> str:
    """Return a query, or none."""
    if chance.random() < 0.6:
        return chance.choice(QUERIES)
    return "?" + "".join(_character(chance) for _ in range(chance.randrange(8)))


def _label(chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.5:
        return chance.choice(LABELS)
    if draw < 0.8:
        return "".join(
            chance.choices(string.ascii_letters + string.digits + "-_", k=chance.randrange(1, 9))
        )
    return "".join(_letter(chance) for _ in range(chance.randrange(1, 4)))


def _segment(chance: random.Random) -> str:
    if chance.random() < 0.7:
        return chance.choice(SEGMENTS)
    return "".join(_character(chance) for _ in range(chance.randrange(6)))


def _letter(chance: random.Random) -> str:
    block = chance.choice(((0xC0, 0x250), (0x370, 0x600), (0x900, 0xE00), (0x1E00, 0x2100), (0x3040, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFF00, 0xFFF0), (0x1D400, 0x1D7FF), (0x2460, 0x2500)))  # fmt: skip
    return chr(chance.randrange(*block))


def _character(chance: random.Random) -> str:
    draw = chance.random()
    if draw < 0.6:
        return chr(chance.randrange(0x21, 0x7F))
    if draw < 0.75:
        return f"%{chance.randrange(256):02X}"
    if draw < 0.9:
        return _letter(chance)
    return chr(chance.randrange(0x110000))


def _insert(chance: random.Random, url: str) -> str:
    at = chance.randrange(len(url) + 1)
    return url[:at] + chance.choice(TOKENS) + url[at:]


def _delete(chance: random.Random, url: str) -> str:
    at = chance.randrange(len(url) + 1)
    return url[:at] + url[at + chance.randrange(1, 4) :]


def _double(chance: random.Random, url: str) -> str:
    at, to = sorted(chance.randrange(len(url) + 1) for _ in range(2))
    return url[:to] + url[at:to] + url[to:]


def _encode(chance: random.Random, url: str) -> str:
    if not url:
        return url
    at = chance.randrange(len(url))
    raw = url[at].encode("utf-8", "surrogatepass")
    form = chance.choice(("%{:02X}", "%{:02x}", "%25{:02X}"))
    return url[:at] + "".join(form.format(byte) for byte in raw) + url[at + 1 :]


def _swap_case(chance: random.Random, url: str) -> str:
    return "".join(c.swapcase() if chance.random() < 0.3 else c for c in url)


def _widen(chance: random.Random, url: str) -> str:
    if not url:
        return url
    at = chance.randrange(len(url))
    return url[:at] + url[at].translate(FULL_WIDTH) + url[at + 1 :]


def _dots(chance: random.Random, url: str) -> str:
    return url.replace(".", chance.choice(DOTS), chance.choice((1, -1)))


def _splice(chance: random.Random, url: str) -> str:
    other = built(chance)
    return url[: chance.randrange(len(url) + 1)] + other[chance.randrange(len(other) + 1) :]


def _nest(chance: random.Random, url: str) -> str:
    return (
        chance.choice(("http://", "https://a.example/", "url:", "jar:", "http:", "view-source:"))
        + url
    )


def _lengthen(chance: random.Random, url: str) -> str:
    at = chance.randrange(len(url) + 1)
    return url[:at] + chance.choice("a.%/0é") * chance.choice((50, 64, 254, 8200)) + url[at:]


def _surround(chance: random.Random, url: str) -> str:
    return chance.choice(CONTROLS) + url if chance.random() < 0.5 else url + chance.choice(CONTROLS)


MUTATIONS: tuple[Callable[[random.Random, str], str], ...] = (
    _insert, _insert, _insert, _delete, _double, _encode, _encode, _swap_case, _widen, _dots,
    _splice, _nest, _lengthen, _surround,
)  # fmt: skip


def _of_the_vectors() -> list[str]:
    found = vector_files.find("fetch.jsonl")
    if found is None:
        return []
    lines = found.read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line)["url"]) for line in lines if line.strip()]
