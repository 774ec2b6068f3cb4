"""What we seal the senders' own code accepts, and what it signs we open; and where we are stricter."""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import jwt
import messagebird.request_validator as bird
import pytest
from Adyen.util import generate_notification_sig, is_valid_hmac_notification
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader

from pratique import Claim, Fields, Refused
from pratique.webhook.providers.plaid import SEALED_KID
from tests.webhook.other_proofs import CASES, HEX, TEXT, URL, Case, item, jwk, p256


def now() -> datetime:
    """Return the time in whole seconds: the SDKs look at the clock themselves."""
    return datetime.fromtimestamp(int(time.time()), UTC)


def opens(case: Case, content: bytes, fields: dict[str, str], at: datetime, **pins: Any) -> bool:
    """Say whether our scheme opens it."""
    try:
        case.opened(Claim(content, Fields(fields.items()), at), **pins)
    except Refused:
        return False
    return True


def test_discord_s_documented_check_accepts_our_seal_and_we_accept_its_signature() -> None:
    """Both ways, with PyNaCl as in Discord's documentation; it takes a shifted split, and we don't."""
    case, at = CASES["discord"], now()
    stamp, key = str(int(at.timestamp())), SigningKey(bytes(range(32)))
    ours = dict(case.sealed(at=at).fields)
    check = VerifyKey(bytes.fromhex(case.opening())).verify
    signature = bytes.fromhex(ours["X-Signature-Ed25519"])
    check(f"{stamp}{case.content.decode()}".encode(), signature)
    with pytest.raises(BadSignatureError):
        check(f"{stamp}{case.content.decode()} ".encode(), signature)
    theirs = key.sign(stamp.encode() + case.content).signature.hex()
    fields = {"X-Signature-Ed25519": theirs, "X-Signature-Timestamp": stamp}
    assert opens(case, case.content, fields, at)
    assert not opens(case, case.content + b" ", fields, at)
    moved = {**fields, "X-Signature-Timestamp": stamp[:-1]}
    check(f"{stamp[:-1]}{stamp[-1]}{case.content.decode()}".encode(), bytes.fromhex(theirs))
    assert not opens(case, stamp[-1].encode() + case.content, moved, at)


def test_telnyx_s_formula_by_another_library_agrees_both_ways() -> None:
    """Time, a bar, content; Ed25519 of PyNaCl, which Telnyx's own SDK verifies with."""
    case, at = CASES["telnyx"], now()
    stamp, key = str(int(at.timestamp())), SigningKey(bytes(range(32)))
    signed = f"{stamp}|".encode() + case.content
    ours = dict(case.sealed(at=at).fields)["telnyx-signature-ed25519"]
    VerifyKey(b64decode(case.opening())).verify(signed, b64decode(ours))
    theirs = b64encode(key.sign(signed).signature).decode()
    fields = {"telnyx-signature-ed25519": theirs, "telnyx-timestamp": stamp}
    assert opens(case, case.content, fields, at)
    assert not opens(case, case.content + b" ", fields, at)


def test_sendgrid_s_sdk_accepts_our_seal() -> None:
    """It only verifies; a literal of its own tests is among the vectors. It raises on bad base64."""
    case, at = CASES["sendgrid"], now()
    ours = dict(case.sealed(at=at).fields)
    signature, stamp = ours[EventWebhookHeader.SIGNATURE], ours[EventWebhookHeader.TIMESTAMP]
    check = EventWebhook(case.opening()).verify_signature
    assert check(case.content.decode(), signature, stamp)
    assert not check(case.content.decode() + " ", signature, stamp)
    assert opens(case, case.content, ours, at)
    with pytest.raises(ValueError, match=r"base64|padding|multiple"):
        check(case.content.decode(), "a", stamp)
    assert not opens(case, case.content, ours | {EventWebhookHeader.SIGNATURE: "a"}, at)


def test_messagebird_s_sdk_accepts_our_seal_and_we_accept_its_form() -> None:
    """Both ways; other content and another URL are refused by both."""
    case, at = CASES["messagebird"], now()
    (ours,) = dict(case.sealed(at=at).fields).values()
    check = bird.RequestValidator(TEXT).validate_signature
    assert check(ours, URL, case.content)["jti"] == "msg-1"
    for url, content in ((URL + "?a", case.content), (URL, b"")):
        with pytest.raises(bird.ValidationError):
            check(ours, url, content)
    stamp = int(at.timestamp())
    claims = {
        "iss": "MessageBird",
        "nbf": stamp,
        "exp": stamp + 60,
        "jti": "a",
        "url_hash": hashlib.sha256(URL.encode()).hexdigest(),
        "payload_hash": hashlib.sha256(case.content).hexdigest(),
    }
    theirs = {"MessageBird-Signature-JWT": jwt.encode(claims, TEXT, algorithm="HS384")}
    assert opens(case, case.content, theirs, at)
    assert not opens(case, case.content + b" ", theirs, at)


def test_adyen_s_sdk_accepts_our_seal_and_we_accept_its_signature_over_one_item() -> None:
    """Both ways; a forged second item passes the SDK, which looks at the first alone."""
    case = CASES["adyen"]
    told = json.loads(case.sealed().content)
    assert is_valid_hmac_notification(told, HEX)
    inner = item()["NotificationRequestItem"]
    signature = generate_notification_sig(inner, HEX).decode()
    signed = item(additionalData={"hmacSignature": signature})
    forged = item(
        additionalData={"hmacSignature": signature}, amount={"currency": "EUR", "value": 999999}
    )
    batch = {"live": "false", "notificationItems": [signed, forged]}
    assert is_valid_hmac_notification(batch, HEX)
    assert not opens(case, json.dumps(batch).encode(), {}, now())
    batch["notificationItems"] = [signed, signed]
    assert not opens(case, json.dumps(batch).encode(), {}, now())
    batch["notificationItems"] = [signed]
    assert opens(case, json.dumps(batch).encode(), {}, now())
    told["notificationItems"][0]["NotificationRequestItem"]["success"] = "false"
    assert not is_valid_hmac_notification(told, HEX)
    assert not opens(case, json.dumps(told).encode(), {}, now())


def test_plaid_s_documented_check_accepts_our_seal_and_we_accept_its_token() -> None:
    """Both ways, with PyJWT as in Plaid's documentation: algorithm, key by name, age, hash."""
    case, at = CASES["plaid"], now()
    (ours,) = dict(case.sealed(at=at).fields).values()
    assert jwt.get_unverified_header(ours)["alg"] == "ES256"
    key = jwt.PyJWK(jwk(0)).key
    claims = jwt.decode(ours, key, algorithms=["ES256"])
    assert claims["iat"] > time.time() - 5 * 60
    assert claims["request_body_sha256"] == hashlib.sha256(case.content).hexdigest()
    told = {"iat": int(at.timestamp()), "request_body_sha256": claims["request_body_sha256"]}
    theirs = jwt.encode(told, p256(0), algorithm="ES256", headers={"kid": SEALED_KID})
    assert opens(case, case.content, {"Plaid-Verification": theirs}, at)
    assert not opens(case, case.content + b" ", {"Plaid-Verification": theirs}, at)


def test_mailgun_s_documented_check_accepts_our_seal_and_we_accept_its_form() -> None:
    """Both ways, with the standard library as in Mailgun's documentation."""
    case, at = CASES["mailgun"], now()
    block = json.loads(case.sealed(at=at).content)["signature"]
    digest = hmac.new(
        TEXT.encode(), f"{block['timestamp']}{block['token']}".encode(), hashlib.sha256
    ).hexdigest()
    assert hmac.compare_digest(block["signature"], digest)
    token = "ab" * 25
    signed = hmac.new(TEXT.encode(), f"{block['timestamp']}{token}".encode(), hashlib.sha256)
    told = {**json.loads(case.content)}
    told["signature"] = {**block, "token": token, "signature": signed.hexdigest()}
    assert opens(case, json.dumps(told).encode(), {}, at)
    told["signature"]["token"] = "ba" * 25
    assert not opens(case, json.dumps(told).encode(), {}, at)
