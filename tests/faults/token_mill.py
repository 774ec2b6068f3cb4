"""Hostile tokens, by mutation of honest ones before and after they are signed; as many for a seed as are asked for."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.tokens import (
    ALGORITHMS,
    AUDIENCE,
    CLAIMS,
    CURVES,
    ISSUER,
    NOW,
    jwk_of,
    octets,
    pem_of,
    private_key,
    rsa_key,
    sign,
    text,
)

# fmt: off
TIMES: list[Any] = [
    NOW, NOW + 1, NOW - 1, NOW + 300, NOW + 0.5, NOW - 0.5, 1.8000003e9, 0, -1, 2**31, 2**53, 253402300799,
    253402300800, 1e30, 1e308, 10**40, str(NOW + 300), "", None, True, False, [], [NOW + 300], {},
]
TEXTS: list[Any] = [
    "a", "", " ", "\0", "a\0b", "a\nb", "é", "\u202ea", "\u2028", "\x7f", "a b", None, 5, True, ["a"], {}, "a" * 300,
    '"', "\\", ":", "\\u003a", "{}", "𝕏", "svc:gateway",
]
VALUES: dict[str, list[Any]] = {
    "iss": [ISSUER, ISSUER, ISSUER + "/", ISSUER.upper(), "", None, [ISSUER], 5, "idp", ISSUER + ".evil"],
    "aud": [
        AUDIENCE, [AUDIENCE], ["x", AUDIENCE], [AUDIENCE, "x"], [AUDIENCE, AUDIENCE], [], [[AUDIENCE]], [AUDIENCE, 5],
        None, "", "x", AUDIENCE + " ", AUDIENCE.upper(), {AUDIENCE: 1}, True, f"x {AUDIENCE}", "internal",
    ],
    "sub": TEXTS, "jti": TEXTS, "exp": TIMES, "nbf": TIMES, "iat": TIMES,
    "scope": ["a b", "", "a", ["a", "b"], [], [5], None, 5, {}],
    "x": [{"a": {"b": [1, 2, {"c": None}]}}, [[[[1]]]], 1.5, -0.0, 10**18, 10**25, "x" * 500, {"": {"": ":"}}, []],
}
HEADERS: dict[str, list[Any]] = {
    "alg": [*ALGORITHMS, "none", "None", "NONE", "nOnE", "", None, 5, ["RS256"], {}, "rs256", "RS256 ", "HS1", "ES256K"],
    "kid": ["k1", "k1", "k2", "", None, 1, ["k1"], {}, "../../dev/null", "k1\0", "k1' OR 1=1", "é"],
    "typ": [
        "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT", "JWT", "", None, 5, "at+jwt ", "id+jwt",
        "application/application/at+jwt",
    ],
    "cty": ["JWT", "x", 5], "x5t": ["AA", 5], "x": [1, {"a": 1}, None], "iss": [ISSUER],
    "crit": [["b64"], ["exp"], [], None, "b64", ["alg"], ["crit"]], "b64": [True, False, None],
    "jwk": [jwk_of("RS256", rsa_key("other")), {}, None], "jku": ["https://idp.example/jwks", None],
    "x5u": ["https://idp.example/x", None], "x5c": [["AA"], None], "zip": ["DEF", None],
}
RAW = [
    b"", b"null", b"1", b"[]", b'"x"', b"{", b"{}", b"{a:1}", b"\xff", b"\xef\xbb\xbf{}", b"{}{}", b"{} ",
    b'{"a":' * 50 + b"1" + b"}" * 50, b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}",
]
FILLERS = ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "01", "1.", ".5", "+1", "0x1", "1_0", "true", "'x'", "\ud800"]
# fmt: on
STRANGE = "=+/.-_~?!% \n\r\t\0é\ud800%"


@dataclass(frozen=True)
class Made:
    """One token, with the policy's algorithm that it is shown to."""

    token: str
    algorithm: str


def tokens(seed: int) -> Iterator[Made]:
    """Yield tokens without end; the same for the same seed and keys."""
    dice = random.Random(seed)
    while True:
        yield _one(dice)


def _one(dice: random.Random) -> Made:
    algorithm = dice.choice(ALGORITHMS)
    header: dict[str, Any] = {"alg": algorithm, "typ": "at+jwt", "kid": "k1"}
    claims = dict(CLAIMS)
    for _ in range(dice.choice((0, 0, 1, 1, 2))):
        name = dice.choice(list(VALUES))
        claims[name] = dice.choice(VALUES[name])
    if dice.random() < 0.35:
        name = dice.choice(list(HEADERS))
        header[name] = dice.choice(HEADERS[name])
    for part in (claims, header):
        if dice.random() < 0.05:
            del part[dice.choice(list(part))]
    parts = [_written(header, dice), _written(claims, dice)]
    if dice.random() < 0.04:
        parts[dice.randrange(2)] = dice.choice(RAW)
    signed = ".".join(map(text, parts))
    signature = _signature(algorithm, signed.encode(), dice)
    token = f"{signed}.{text(signature)}"
    if dice.random() < 0.2:
        token = dice.choice(CHANGES)(token, dice)
    return Made(token, algorithm if dice.random() < 0.97 else dice.choice(ALGORITHMS))


def _written(members: dict[str, Any], dice: random.Random) -> bytes:
    """Write it as JSON: plainly, with other spaces and escapes, or with what isn't JSON."""
    plain = json.dumps(
        members, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, None, 1))
    )
    if dice.random() < 0.9:
        return plain.encode("utf-8", "surrogatepass")
    name = dice.choice([*members, "x"]) if members else "x"
    value = json.dumps(members.get(name, 1))
    more = dice.choice(
        (
            f'"{name}":{value}',
            f'"\\u{ord(name[0]):04x}{name[1:]}":{value}',
            f'"y":{dice.choice(FILLERS)}',
            f'"y":{{"a":1,"a":{value}}}',
            '"y":[{"":1,"b":":"},{"":2}]',
            '"y":":\\u003a:"',
            '"y":"\\ud800"',
            f'"exp":{dice.choice(FILLERS)}',
            f'"{name.upper()}":{value}',
        )
    )
    at_end = plain.rstrip()[:-1] + "," + more + "}"
    return at_end.encode("utf-8", "surrogatepass")


def _signature(algorithm: str, content: bytes, dice: random.Random) -> bytes:
    """Sign honestly, with another algorithm or key, or not at all."""
    luck = dice.random()
    if luck < 0.9:
        return sign(algorithm, private_key(algorithm), content)
    if luck < 0.93:
        return sign(algorithm, private_key(algorithm, "other"), content)
    if luck < 0.95:
        other = dice.choice(ALGORITHMS)
        return sign(other, private_key(other), content)
    if luck < 0.97 and algorithm[:2] != "HS":
        return sign("HS256", pem_of(private_key(algorithm)), content)
    size = dice.choice((0, 1, 32, 64, 96, 132, 256))
    return dice.choice((bytes(size), b"\xff" * size, dice.randbytes(size)))


def _bit(token: str, dice: random.Random) -> str:
    place = dice.randrange(len(token))
    return token[:place] + chr(ord(token[place]) ^ 1 << dice.randrange(7)) + token[place + 1 :]


def _insert(token: str, dice: random.Random) -> str:
    place = dice.randrange(len(token) + 1)
    return token[:place] + dice.choice(STRANGE) + token[place:]


def _cut(token: str, dice: random.Random) -> str:
    begin, end = sorted(dice.randrange(len(token) + 1) for _ in range(2))
    return token[:begin] + token[end:] if dice.random() < 0.5 else token[begin:end]


def _segments(token: str, dice: random.Random) -> str:
    parts = token.split(".")
    change = dice.randrange(6)
    if change == 0:
        dice.shuffle(parts)
    elif change == 1:
        parts.append(dice.choice(("", "AAAA", parts[0])))
    elif change == 2:
        parts.pop(dice.randrange(len(parts)))
    else:
        place = dice.randrange(len(parts))
        parts[place] = ("", parts[place] + "=", parts[place].replace("-", "+").replace("_", "/"))[
            change - 3
        ]
    return ".".join(parts)


def _last_bits(token: str, dice: random.Random) -> str:
    parts = token.split(".")
    place = dice.randrange(len(parts))
    if parts[place]:
        parts[place] = parts[place][:-1] + chr(ord(parts[place][-1]) + 1)
    return ".".join(parts)


def _twin(token: str, dice: random.Random) -> str:
    """Write the other signature that ECDSA has for the same content, or an RSA one with a zero before it."""
    signed, _, signature = token.rpartition(".")
    try:
        raw = octets(signature)
    except ValueError:
        return token
    for curve in CURVES.values():
        size = (curve.key_size + 7) // 8
        if len(raw) == 2 * size:
            other = (curve.group_order - int.from_bytes(raw[size:], "big")) % curve.group_order
            return f"{signed}.{text(raw[:size] + other.to_bytes(size, 'big'))}"
    return f"{signed}.{text(bytes(1) + raw)}"


CHANGES: tuple[Callable[[str, random.Random], str], ...] = (
    _bit, _bit, _insert, _cut, _segments, _last_bits, _twin,
)  # fmt: skip
