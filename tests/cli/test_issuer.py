"""`pratique issuer` makes, publishes and rolls keys, and calls an unverified token what it is."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from os import mkfifo
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pratique.core.proofs.authentic.jwt import TokenPolicy, verify_token
from pratique.core.refusal import BoundaryError
from pratique.service import Issuer, SigningKey

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NAME = "https://gateway.shop.example"


def issuer(*arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "pratique", "issuer", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=stdin)


def made(path: Path, kid: str = "2026-11", alg: str = "ES256") -> Path:
    """Make a key by the command."""
    done = issuer("new-key", "--kid", kid, "--alg", alg, "--out", path)
    assert done.returncode == 0, done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    return path


def words(done: subprocess.CompletedProcess[str]) -> str:
    """Return what was said on standard error, without the frame that is drawn around it."""
    return " ".join(done.stderr.replace("│", " ").split())


def token(key: SigningKey, subject: str = "customer:1") -> str:
    """Return a token that an issuer with this key mints."""
    minter = Issuer(NAME, trust_domain="shop.example", key=key)
    return minter.mint(subject, scope=["order.read"], caller="spiffe://shop.example/gw", at=AT)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_key_that_was_made_signs_what_its_published_half_verifies(
    tmp_path: Path, alg: str
) -> None:
    """The file is PKCS#8 for its owner alone; the JWK set has nothing private; another key's token is refused."""
    file = made(tmp_path / "key.pem", alg=alg)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_pem_private_key(file.read_bytes(), None) is not None
    published = issuer("jwks", file)
    assert published.returncode == 0
    keys = json.loads(published.stdout)
    assert keys["keys"][0].keys() & {"d", "p", "q", "k"} == set()
    assert (keys["keys"][0]["kid"], keys["keys"][0]["alg"]) == ("2026-11", alg)
    policy = TokenPolicy(
        issuer=NAME,
        audience="shop.example",
        algorithms=(alg,),
        type="txntoken+jwt",
        keys=keys,
    )
    key = SigningKey.read(file)
    assert verify_token(token(key), policy, at=AT).subject == "customer:1"
    other = SigningKey.new("2026-11", algorithm=alg)
    with pytest.raises(Exception, match="didn't make its signature"):
        verify_token(token(other), policy, at=AT)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second one to the same place, or through a link, ends with 2 and leaves the first as it is."""
    file = made(tmp_path / "key.pem")
    before = file.read_bytes()
    link = tmp_path / "link.pem"
    link.symlink_to(tmp_path / "elsewhere.pem")
    for place in (file, link):
        again = issuer("new-key", "--kid", "b", "--out", place)
        assert (again.returncode, "never overwritten" in words(again)) == (2, True)
    assert file.read_bytes() == before
    assert not (tmp_path / "elsewhere.pem").exists()
    assert issuer("new-key", "--kid", "b", "--out", tmp_path / "no" / "key.pem").returncode == 2
    unknown = issuer("new-key", "--kid", "b", "--alg", "HS256", "--out", tmp_path / "c.pem")
    assert (unknown.returncode, "EdDSA or ES256" in words(unknown)) == (2, True)
    nameless = issuer("new-key", "--kid", "a b", "--out", tmp_path / "c.pem")
    assert (nameless.returncode, (tmp_path / "c.pem").exists()) == (2, False)


def test_two_keys_are_published_while_they_roll(tmp_path: Path) -> None:
    """Tokens of both verify; two keys of one kid are refused, and nothing is printed."""
    old, new = made(tmp_path / "a.pem", "a", "EdDSA"), made(tmp_path / "b.pem", "b")
    twin = made(tmp_path / "twin.pem", "a")
    both = issuer("jwks", new, old)
    policy = TokenPolicy(
        issuer=NAME,
        audience="shop.example",
        algorithms=("EdDSA", "ES256"),
        type="txntoken+jwt",
        keys=json.loads(both.stdout),
    )
    for file in (old, new):
        assert verify_token(token(SigningKey.read(file)), policy, at=AT).subject == "customer:1"
    same = issuer("jwks", old, twin)
    assert (same.returncode, same.stdout, "kid a" in words(same)) == (1, "", True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_isn_t_taken(tmp_path: Path, mode: int) -> None:
    """The mend is said; with mode 0600 again it is taken."""
    file = made(tmp_path / "key.pem")
    file.chmod(mode)
    refused = issuer("jwks", file)
    assert (refused.returncode, refused.stdout, "chmod 600" in words(refused)) == (1, "", True)
    file.chmod(0o600)
    assert issuer("jwks", file).returncode == 0


def test_what_isn_t_a_key_of_ours_is_refused_without_showing_it(tmp_path: Path) -> None:
    """RSA, another curve, encrypted, a public key, two keys, none, no kid, two: each is told apart from a good one."""
    good = made(tmp_path / "good.pem").read_text()
    body = good.partition("\n")[2]

    def pem(key: Any, locked: Any = NoEncryption()) -> str:
        text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
        return "kid: k\n" + text.decode()

    curve = ec.generate_private_key(ec.SECP384R1())
    for text, said in (
        (pem(rsa.generate_private_key(65537, 2048)), "neither Ed25519"),
        (pem(curve), "neither Ed25519"),
        (pem(curve, BestAvailableEncryption(b"x")), "encrypted"),
        (good + body, "one PKCS#8 PEM"),
        ("kid: k\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "can't be read"),
        ("", "one PKCS#8 PEM"),
        (body, "first line `kid: NAME`"),
        ("kid: other\n" + good, "twice"),
    ):
        file = tmp_path / "bad.pem"
        file.write_text(text)
        file.chmod(0o600)
        refused = issuer("jwks", file)
        assert (refused.returncode, refused.stdout) == (1, ""), text
        assert said in words(refused)
        assert "Traceback" not in refused.stderr
        assert not any(line in refused.stderr for line in body.splitlines()[1:-1])
    assert issuer("jwks", tmp_path / "absent.pem").returncode == 2
    mkfifo(tmp_path / "pipe", 0o600)
    for place in (tmp_path, tmp_path / "pipe"):  # a folder, as a mounted secret is
        with pytest.raises(BoundaryError, match="is no plain file"):
            SigningKey.read(place)
    assert SigningKey.of_pem(body, name="k").name == "k"
    with pytest.raises(BoundaryError, match="another name"):
        SigningKey.of_pem(good, name="k")


def test_a_token_is_shown_as_what_nobody_has_proven(tmp_path: Path) -> None:
    """From a file and from standard input; its signature, and so the token, isn't shown."""
    key = SigningKey.new("2026-11")
    text = token(key, "customer:1")
    file = tmp_path / "token"
    file.write_text(text + "\n")
    for told in (issuer("show", file), issuer("show", "-", stdin=text)):
        assert told.returncode == 0
        assert told.stdout.startswith("UNVERIFIED")
        assert all(w in told.stdout for w in ('"customer:1"', '"EdDSA"', "2026-11-26T12:01:00"))
        assert not any(part in told.stdout for part in text.split("."))


def test_a_token_among_the_arguments_is_refused_and_not_said_again() -> None:
    """Whoever runs ps has seen it: the message says so and doesn't repeat it."""
    text = token(SigningKey.new("k"))
    refused = issuer("show", text)
    assert refused.returncode == 2
    assert "standard input" in words(refused)
    assert not any(part in refused.stdout + refused.stderr for part in text.split("."))


def test_what_a_hostile_token_says_stays_text() -> None:
    """Controls are escaped, long values cut; what is no token, or says a thing twice, ends with 1."""
    hostile = token(SigningKey.new("k"), "a\x1b[2J\u202e\x7f" + "x" * 900)
    told = issuer("show", "-", stdin=hostile)
    assert told.returncode == 0
    assert told.stdout.replace("\n", "").replace("…", "").isprintable()
    assert told.stdout.replace("…", "").isascii()
    assert "x" * 300 not in told.stdout
    for text in ("", "a.b", "a.b.c", "a.b.c.d.e", "A" * 20_000, "eyJhIjoxLCJhIjoyfQ.e30."):
        refused = issuer("show", "-", stdin=text)
        assert (refused.returncode, "Traceback" in refused.stderr) == (1, False), text
    assert issuer("show", "-", stdin="eyJhIjoxfQ.e30.").returncode == 0


def test_an_issuer_has_one_key() -> None:
    """Neither, or both a key and a seed, is a mistake; each alone signs."""
    key = SigningKey.new("k")
    assert repr(key) == "SigningKey('k', EdDSA)"
    for wrong in (
        {},
        {"key": key, "seed": bytes(range(32))},
        {"key": key, "key_name": "k"},
        {"seed": bytes(range(32))},
    ):
        with pytest.raises(BoundaryError):
            Issuer(NAME, trust_domain="shop.example", **wrong)  # type: ignore[arg-type]
    Issuer(NAME, trust_domain="shop.example", key=key)
    Issuer(NAME, trust_domain="shop.example", seed=bytes(range(32)), key_name="k")
