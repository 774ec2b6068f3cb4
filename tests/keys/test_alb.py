"""What our own load balancer signs is believed; another one's, and what leads elsewhere, isn't."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique import stores
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.fetch import Fetch, FetchPolicy
from pratique.keys import AlbKeys, aws_alb
from pratique.keys.alb import FIELD, MAX_WANTED
from tests.fetch.world import Seen, World, reply
from tests.keys.issuer import ADDRESS, NOW, Clock, Door

ARN = (
    "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"
)
HOST = "public-keys.auth.elb.eu-central-1.amazonaws.com"
ISSUER, CLIENT = "https://idp.test", "shop-client"
KID, NEXT = "307a30c3-8280-4ff5-a78d-6bc5263ffbe8", "11111111-2222-4333-8444-555555555555"
AT = int(NOW.timestamp())
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in (KID, NEXT)}


def padded(value: bytes) -> str:
    """Return a segment as the load balancer writes it."""
    return base64.urlsafe_b64encode(value).decode()


def bare(value: bytes) -> str:
    """Return a segment as everybody else writes it."""
    return padded(value).rstrip("=")


def token(
    *, write: Any = padded, payload: dict[str, Any] | None = None, key: Any = None, **head: Any
) -> str:
    """Return what the load balancer signs, with something else in it."""
    header: dict[str, Any] = {
        "typ": "JWT",
        "kid": KID,
        "alg": "ES256",
        "iss": ISSUER,
        "client": CLIENT,
    }
    header |= {"signer": ARN, "exp": AT + 120, **head}
    claims = {"sub": "ann", "email": "a@b.test", "exp": AT + 120, "iss": ISSUER, **(payload or {})}
    content = ".".join(write(json.dumps(part).encode()) for part in (header, claims))
    signer: Any = key or KEYS.get(header["kid"], KEYS[KID])
    r, s = decode_dss_signature(signer.sign(content.encode(), ec.ECDSA(SHA256())))
    return f"{content}.{write(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def pem(key: Any) -> bytes:
    """Return a public key as AWS hands it out."""
    made: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return made


class Case:
    """The keys' endpoint, our door behind the load balancer, and a clock."""

    def __init__(self, world: World, **more: Any) -> None:
        world.names[HOST] = [ADDRESS]
        self.server = world.server
        self.server.answer = self.publish
        self.clock = Clock()
        types = {"text/plain", "application/xml"}
        policy = FetchPolicy(hosts={HOST}, content_types=types, deadline=timedelta(seconds=20))
        fetch = Fetch("alb", policy)
        made = aws_alb(ARN, issuer=ISSUER, client=CLIENT, fetch=fetch, **more)
        made.keys = AlbKeys("eu-central-1", fetch=fetch, clock=self.clock)
        self.keys = made.keys
        self.door = Door(made, fetch)

    def publish(self, seen: Seen) -> bytes:
        """Answer as AWS does."""
        name = seen.target.removeprefix("/")
        if name in KEYS:
            return reply(200, pem(KEYS[name]), Content_Type="text/plain")
        return reply(403, b"<Error/>", Content_Type="application/xml")

    def ask(self, text: str, **fields: str) -> Any:
        """Come with the field, or with nothing."""
        mine = {FIELD.replace("-", "_"): text} if text else {}
        return self.door.ask("", **mine, **fields)

    def refusal(self, text: str, **fields: str) -> Refused:
        """Return why it is refused."""
        with pytest.raises(Refused) as refused:
            self.ask(text, **fields)
        return refused.value


@pytest.fixture
def case(world: World) -> Iterator[Case]:
    """Give a case that is started."""
    made = Case(world)
    with made.door.perimeter:
        yield made


def test_what_our_load_balancer_signed_says_who_came(case: Case) -> None:
    """With its padding and without; the key is fetched once, by its name."""
    texts = [token(), token(write=bare), token(payload={"sub": "bob", "x": "1"})]
    assert any("=" in text for text in texts)
    assert [case.ask(text) for text in texts] == ["Ann", "Ann", "Bob"]
    assert [seen.target for seen in case.server.seen] == [f"/{KID}"]


def test_an_assertion_whose_subject_was_taken_back_is_refused(world: World) -> None:
    """CWE-613: our own callable says so, and is handed what was signed; another subject's is admitted."""
    said: list[str] = []

    def is_out(claims: Any) -> bool:
        said.append(claims["email"])
        return bool(claims["sub"] == "ann")

    case = Case(world, revoked=is_out)
    with case.door.perimeter:
        assert case.refusal(token()).code == "revoked"
        assert case.ask(token(payload={"sub": "bob"})) == "Bob"
    assert said == ["a@b.test"] * 2
    assert "not taken back" in case.door.client.identity.proofs()[1].method


def test_a_moment_takes_back_no_assertion_that_is_signed_anew(world: World) -> None:
    """The load balancer writes no iat and signs each request: a kept moment is refused at once, a callable isn't."""
    kept = stores.revocations(stores.memory(), lifetime=timedelta(hours=1))
    with pytest.raises(BoundaryError, match=r"aws_alb\(revoked=\) is a callable"):
        Case(world, revoked=kept)
    assert Case(world, revoked=lambda claims: False)


def test_it_is_the_same_on_the_event_loop(case: Case) -> None:
    """`arefresh` looks for the key as `refresh` does."""
    name = {FIELD.replace("-", "_"): token()}
    assert asyncio.run(case.door.aask("", **name)) == "Ann"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signer": ARN.replace("app/shop/5", "app/evil/6")}, "wrong_signer"),
        ({"signer": ARN.replace("123456789012", "999999999999")}, "wrong_signer"),
        ({"signer": [ARN]}, "wrong_signer"),
        ({"iss": "https://evil.test"}, "wrong_issuer"),
        ({"client": "other"}, "wrong_audience"),
        ({"kid": f"../{KID}"}, "malformed_token"),
        ({"kid": f"{KID}/../x"}, "malformed_token"),
        ({"kid": f"@evil.test/{KID}"}, "malformed_token"),
        ({"kid": f"{KID}\n"}, "malformed_token"),
        ({"kid": KID.upper()}, "malformed_token"),
        ({"kid": ""}, "malformed_token"),
        ({"kid": 7, "key": KEYS[KID]}, "malformed_token"),
        ({"alg": "none"}, "algorithm_not_allowed"),
        ({"alg": "HS256"}, "algorithm_not_allowed"),
        ({"jku": "https://evil.test"}, "forbidden_header"),
        ({"crit": ["exp"]}, "forbidden_header"),
    ],
)
def test_what_the_header_names_otherwise_asks_nobody(
    case: Case, changes: dict[str, Any], code: str
) -> None:
    """It is refused before anything is fetched; the honest twin is admitted."""
    assert case.refusal(token(**changes)).code == code
    assert case.server.seen == []
    assert case.ask(token()) == "Ann"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (token(exp=AT), "expired_token"),
        (token(exp=None), "bad_date"),
        (token(exp="soon"), "bad_date"),
        (token(payload={"exp": AT}), "expired_token"),
        (token(payload={"exp": True}), "bad_date"),
        (token(payload={"iss": "https://evil.test"}), "wrong_issuer"),
        (token(payload={"sub": ""}), "bad_claim"),
        (token(payload={"sub": "ann\x00"}), "bad_claim"),
        (token(payload={"sub": None}), "bad_claim"),
        (token(key=KEYS[NEXT]), "bad_signature"),
        (token(kid="99999999-2222-4333-8444-555555555555"), "unknown_key"),
        ("", "no_token"),
        ("a.b", "malformed_token"),
        (token() + ".e30", "malformed_token"),
    ],
)
def test_what_isn_t_in_force_or_not_signed_is_refused(case: Case, text: str, code: str) -> None:
    """The unsigned fields beside it change nothing; the honest twin is admitted."""
    beside = {"X_Amzn_Oidc_Identity": "ann", "X_Amzn_Oidc_Accesstoken": "x"}
    assert case.refusal(text, **beside).code == code
    assert case.ask(token(), **beside) == "Ann"


def test_padding_is_where_an_encoder_writes_it_or_nowhere(case: Case) -> None:
    """More, less, inside, other alphabets and other bits are refused; a padded bearer token of others still is."""
    texts = (token(payload={"n": "x" * size}) for size in range(9))
    honest = next(text for text in texts if text.count("=") == 4 and text.endswith("=="))
    head, body, signature = honest.split(".")
    for wrong in (
        honest + "=",
        honest[:-1],
        f"{head}.{body}.={signature}",
        f"{head}.{body}.{signature[:8]}=={signature[8:]}",
        f"{head}=.{body}.{signature}",
        f"{head}====.{body}.{signature}",
        f"{head}.{body}.{signature[:-3]}{chr(ord(signature[-3]) + 1)}==",
        f"{head}.{body}.{signature[:-2]} ==",
        f"{head}.{body}.====",
        f"=.{body}.{signature}",
        f"{head}.{body}.{signature[:-4]}é==",
    ):
        assert case.refusal(wrong).code in {"malformed_token", "bad_signature"}, wrong
    # What is signed is the text with its padding: without it, it is another text.
    assert case.refusal(f"{head}.{body.rstrip('=')}.{signature}").code == "bad_signature"
    assert case.ask(honest) == "Ann"


@pytest.mark.parametrize(
    "answer",
    [
        reply(503, b"", Content_Type="text/plain"),
        reply(200, b"", Content_Type="text/plain"),
        reply(200, b"x" * 9000, Content_Type="text/plain"),
        reply(200, pem(ec.generate_private_key(ec.SECP384R1())), Content_Type="text/plain"),
        reply(200, pem(rsa.generate_private_key(65537, 2048)), Content_Type="text/plain"),
        reply(302, b"", Content_Type="text/plain", Location="https://evil.test/key"),
        b"",
    ],
)
def test_where_the_keys_can_t_be_had_nobody_is_believed(case: Case, answer: bytes) -> None:
    """It is a 503 and no verdict; once they can be had, the same token is admitted."""
    case.server.answer = lambda seen: answer
    refused = case.refusal(token())
    assert (refused.code, refused.answer) == ("keys_unavailable", Answer.RETRY)
    case.server.answer = case.publish
    case.clock.now += 60
    assert case.ask(token()) == "Ann"


def test_a_known_key_serves_while_the_endpoint_is_down(case: Case) -> None:
    """A new one is a 503, until it can be fetched; past the hard limit the known one isn't believed."""
    assert case.ask(token()) == "Ann"
    case.server.answer = lambda seen: reply(503, b"", Content_Type="text/plain")
    case.clock.now += 60
    assert case.refusal(token(kid=NEXT)).code == "keys_unavailable"
    assert case.ask(token()) == "Ann"
    case.server.answer = case.publish
    case.clock.now += 60
    assert case.ask(token(kid=NEXT)) == "Ann"
    assert case.ask(token()) == "Ann"
    case.server.answer = lambda seen: reply(503, b"", Content_Type="text/plain")
    case.clock.now += 7 * 3600
    assert case.refusal(token()).code == "keys_unavailable"


def test_invented_names_are_looked_for_seldom(case: Case) -> None:
    """A flood of them costs AWS a few questions, keeps the known key, and the new one comes after it."""
    assert case.ask(token()) == "Ann"
    for number in range(60):
        name = f"{number:08x}-2222-4333-8444-555555555555"
        assert case.refusal(token(kid=name)).code in {"unknown_key", "keys_unavailable"}
    assert len(case.server.seen) < 4 * (MAX_WANTED + 1)
    assert case.ask(token()) == "Ann"
    case.clock.now += 60
    # What strangers left is looked for first; the look after it has room for the honest name.
    assert case.ask(token(kid=NEXT)) == "Ann"


def test_a_preset_owes_the_whole_arn() -> None:
    """A prefix, another service's, a region that leads elsewhere or no issuer would trust a stranger."""
    fetch = Fetch("alb", FetchPolicy(hosts={HOST}, content_types={"text/plain"}))
    for arn in (
        "",
        "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/x/50dc6c495c0c9188",
        ARN.replace("eu-central-1", "evil.test/"),
        ARN.replace("eu-central-1", "eu-central-1.evil"),
        ARN + "\n",
        ARN[:-4],
    ):
        with pytest.raises(BoundaryError):
            aws_alb(arn, issuer=ISSUER, client=CLIENT, fetch=fetch)
    for issuer, client in (("", CLIENT), (ISSUER, "")):
        with pytest.raises(BoundaryError):
            aws_alb(ARN, issuer=issuer, client=client, fetch=fetch)
    aws_alb(ARN, issuer=ISSUER, client=CLIENT, fetch=fetch)
