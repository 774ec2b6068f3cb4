"""Each sender's own pitfalls, as facts/providers has them: the attack, and beside it what is admitted."""

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import new as hashed
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest

from pratique import Claim, Fields, Perimeter, Refused, stores
from pratique.core.claim import Via
from pratique.core.proofs.authentic.hmac import HmacKey
from pratique.webhook import Webhook, providers
from pratique.webhook.opened import Opened
from tests.webhook.samples import AT, SAMPLES, SECRET, URL, Sample


def code_of(case: str | Sample, claim: Claim, **more: Any) -> str:
    """Return the code of the refusal, "" where it opens."""
    sample = SAMPLES[case] if isinstance(case, str) else case
    refusal = sample.refused(claim, **more)
    return "" if refusal is None else refusal.code


def with_fields(
    claim: Claim, *, content: bytes | None = None, via: Via | None = None, **fields: str | None
) -> Claim:
    """Return the claim with fields replaced, added, or (None) taken away; "_" stands for "-"."""
    told = {name.replace("_", "-").lower(): value for name, value in fields.items()}
    kept = [line for line in claim.fields if line[0].lower() not in told]
    kept += [(name, value) for name, value in told.items() if value is not None]
    raw = claim.content if content is None else content
    return Claim(raw, Fields(kept), claim.received_at, via or claim.via)


def opened(case: str, claim: Claim) -> Opened:
    """Open it by its sample."""
    return SAMPLES[case].open(claim)


# Svix, OpenAI, GitLab


def test_svix_takes_one_family_of_fields_and_never_a_mix() -> None:
    """Two ids and two times, of which two programs choose two."""
    honest = SAMPLES["svix"].sealed()
    standard = Claim(
        honest.content,
        Fields([(name.replace("svix", "webhook"), value) for name, value in honest.fields]),
        AT,
    )
    assert code_of("svix", honest) == code_of("svix", standard) == ""
    assert opened("svix", honest).key == opened("svix", standard).key
    mixed = with_fields(honest, webhook_id="msg_2")
    assert code_of("svix", mixed) == "malformed_signature"


def test_openai_s_entries_may_lack_their_version() -> None:
    """As its own library has it; another version is skipped."""
    honest = SAMPLES["openai"].sealed()
    signature = honest.fields.one("webhook-signature") or ""
    bare = with_fields(honest, webhook_signature=signature.removeprefix("v1,"))
    later = with_fields(honest, webhook_signature=f"v2,AAAA {signature}")
    other = with_fields(honest, webhook_signature=signature.replace("v1,", "v2,"))
    assert code_of("openai", bare) == code_of("openai", later) == ""
    assert code_of("openai", other) == "malformed_signature"


@pytest.mark.parametrize("case", ["svix", "openai", "gitlab", "standard-webhooks"])
def test_an_id_with_a_dot_would_move_the_border(case: str) -> None:
    """`id.time.content`: the id "msg_1.1764" and what follows is another reading of one text."""
    sample = SAMPLES[case]
    made = sample.scheme.sealed(sample.content(AT), secret=SECRET, at=AT, key="msg.1")
    assert code_of(case, made) == "malformed_signature"


def test_gitlab_s_token_of_before_opens_nothing() -> None:
    """X-Gitlab-Token binds nothing, and is another sender."""
    honest = SAMPLES["gitlab"].sealed()
    bare = Claim(honest.content, Fields([("X-Gitlab-Token", SECRET)]), AT)
    assert code_of("gitlab", bare) == "missing_signature"
    assert code_of("gitlab", honest) == ""


# Code hosts


def test_bitbucket_s_published_example_opens_and_its_sha1_does_not() -> None:
    """The literal of Atlassian's documentation; other senders have SHA-1 in the same field."""
    secret, content = "It's a Secret to Everybody", b"Hello World!"
    right = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    old = "sha1=" + HmacKey(secret.encode(), "sha1").digest(content).hex()
    scheme = providers.get("bitbucket")
    assert scheme.open(Claim(content, Fields([("X-Hub-Signature", right)]), AT), secrets=[secret])
    for wrong in (old, right.removeprefix("sha256="), right.replace("sha256", "sha1")):
        with pytest.raises(Refused):
            scheme.open(Claim(content, Fields([("X-Hub-Signature", wrong)]), AT), secrets=[secret])


def test_meta_s_escapes_are_signed_as_they_came() -> None:
    """Decoded and encoded again, it is another content."""
    sample = SAMPLES["meta"]
    honest = sample.sealed(b'{"object": "page", "text": "\\u00e9"}')
    assert code_of("meta", honest) == ""
    assert (
        code_of(
            "meta", with_fields(honest, content=honest.content.replace(b"\\u00e9", "é".encode()))
        )
        == "bad_signature"
    )


# Shops and payments


@pytest.mark.parametrize("case", ["shopify", "square"])
def test_an_empty_content_is_refused_though_it_is_signed(case: str) -> None:
    """Their own libraries refuse it too."""
    assert code_of(case, SAMPLES[case].sealed(b"")) == "malformed_signature"
    assert code_of(case, SAMPLES[case].sealed(b"{}")) == ""


def test_shopify_s_shop_and_topic_are_no_account_and_no_key() -> None:
    """One secret for all shops: what one was sent verifies as another's, so nothing unsigned is believed."""
    honest = SAMPLES["shopify"].sealed()
    other = with_fields(
        honest,
        X_Shopify_Shop_Domain="victim.example",
        X_Shopify_Topic="app/uninstalled",
        X_Shopify_Webhook_Id="new",
    )
    assert opened("shopify", other).key == opened("shopify", honest).key
    assert opened("shopify", other).account == ""


@pytest.mark.parametrize("case", ["square", "twilio", "hubspot", "contentful"])
def test_our_url_is_the_declaration_s_whatever_a_proxy_says(case: str) -> None:
    """Signed for another URL, it is refused; no Host and no X-Forwarded-* makes it ours."""
    sample = SAMPLES[case]
    elsewhere = replace(sample, url="https://evil.example/hooks/a").sealed()
    moved = with_fields(
        elsewhere,
        host="evil.example",
        x_forwarded_host="evil.example",
        x_forwarded_proto="https",
        x_original_url="/hooks/a",
    )
    assert code_of(case, elsewhere) == code_of(case, moved) == "bad_signature"
    believed = with_fields(sample.sealed(), host="evil.example", x_forwarded_host="evil.example")
    assert code_of(case, believed) == ""


def test_square_s_border_between_url_and_content_is_not_moved() -> None:
    """The MAC holds for any split of the joined text: the URL isn't the sender's to say."""
    sample = SAMPLES["square"]
    honest = sample.sealed()
    shorter = with_fields(honest, content=honest.content[5:])
    assert code_of("square", shorter) == "bad_signature"
    longer = with_fields(honest, content=(URL[-3:]).encode() + honest.content)
    assert code_of("square", longer) == "bad_signature"


def test_paddle_signs_with_both_keys_while_one_is_rolled_within_five_seconds() -> None:
    """Two h1; its libraries' bound, and no setting that switches it off."""
    sample = SAMPLES["paddle"]
    fields = sample.scheme.seal(sample.content(AT), secret=[SECRET, SECRET + "2"], at=AT)
    for secret in (SECRET, SECRET + "2"):
        assert code_of("paddle", Claim(sample.content(AT), fields, AT), secrets=[secret]) == ""
    late = Claim(sample.content(AT), fields, AT + timedelta(seconds=6))
    assert code_of("paddle", late) == "stale"


def test_a_batch_is_one_event_whose_key_follows_from_all_of_its_ids() -> None:
    """GoCardless, LINE, HubSpot: another event, another order, one fewer are other deliveries."""

    def item(n: int) -> dict[str, Any]:
        return {"id": f"EV{n}", "resource_type": "payments", "action": "paid"}

    def key(*numbers: int) -> bytes:
        content = json.dumps({"events": [item(n) for n in numbers], "meta": {}}).encode()
        return opened("gocardless", SAMPLES["gocardless"].sealed(content)).key

    assert len({key(1, 2), key(2, 1), key(1), key(2), key(1, 2, 3)}) == 5
    assert key(1, 2) == key(1, 2)


def test_a_batch_for_two_tenants_is_no_event() -> None:
    """One delivery is one account's."""

    def sealed(*portals: int) -> Claim:
        each = [
            {"eventId": n, "subscriptionType": "a.b", "objectId": 1, "portalId": p}
            for n, p in enumerate(portals)
        ]
        return SAMPLES["hubspot"].sealed(json.dumps(each).encode())

    assert opened("hubspot", sealed(5, 6)).envelope is None
    assert opened("hubspot", sealed(5, 5)).account == "5"


def test_paystack_is_sha512_alone() -> None:
    """A MAC by SHA-256 with the same key proves nothing."""
    honest = SAMPLES["paystack"].sealed()
    weaker = HmacKey(SECRET.encode(), "sha256").digest(honest.content).hex()
    assert code_of("paystack", with_fields(honest, X_Paystack_Signature=weaker)) == "bad_signature"
    assert code_of("paystack", honest) == ""


def test_line_s_redelivery_is_the_same_event() -> None:
    """deliveryContext.isRedelivery differs, and so do the bytes."""

    def key(again: object) -> bytes:
        event = {
            "webhookEventId": "01H",
            "type": "message",
            "deliveryContext": {"isRedelivery": again},
        }
        return opened("line", SAMPLES["line"].sealed(json.dumps({"events": [event]}).encode())).key

    assert key(again=True) == key(again=False)


# LINE


def test_line_asks_by_a_delivery_without_events_and_is_answered_where_it_signs() -> None:
    """Its console says that the endpoint fails where that isn't 2xx. Nothing else of it is read."""
    perimeter = Perimeter(store=stores.memory(), clock=lambda: AT)
    hook = perimeter.declare(Webhook("line", providers.get("line")(secrets=SECRET)))
    hook.on(
        "message",
        confirm=lambda event: event.id,
        once=lambda name: name,
        link=lambda name: name,
        allow=lambda _name, _row: True,
    )(lambda _admitted: None)
    codes: list[str] = []
    with perimeter:
        for events in ([], [{"type": "message"}], None):
            content = json.dumps({"destination": "U1", "events": events}).encode()
            for key in (SECRET, SECRET[::-1]):
                claim = providers.get("line").sealed(content, secret=key, at=AT)
                with pytest.raises(Refused) as refused:
                    perimeter.admit(hook, claim)
                codes.append(refused.value.code)
    assert codes == ["ignored", "bad_signature"] + ["bad_envelope", "bad_signature"] * 2


# Twilio

JSON = b'{"sid": "SM1", "status": "delivered"}'


def twilio(
    content: bytes, query: str, *, url: str = "https://shop.example/sms", signed: str = ""
) -> Claim:
    """Return a delivery signed for our URL with a query, and sent with it."""
    made = providers.get("twilio").sealed(
        content, secret=SECRET, at=AT, url=signed or f"{url}?{query}"
    )
    return Claim(content, made.fields, AT, Via(target=f"/sms?{query}"))


def opens_at(url: str, claim: Claim) -> bool:
    """Say whether it opens where that URL is declared."""
    try:
        providers.get("twilio").open(claim, secrets=[SECRET], url=url)
    except Refused:
        return False
    return True


def test_twilio_s_json_is_bound_by_its_digest_in_the_query_alone() -> None:
    """Without bodySHA256 nothing binds it; with another one it isn't this content."""
    query = f"bodySHA256={sha256(JSON).hexdigest()}"
    right = twilio(JSON, query)
    assert opens_at("https://shop.example/sms", right)
    assert not opens_at("https://shop.example/sms", with_fields(right, content=JSON + b" "))
    url_alone = HmacKey(SECRET.encode(), "sha1").digest(b"https://shop.example/sms")
    bare = Claim(JSON, Fields([("X-Twilio-Signature", b64encode(url_alone).decode())]), AT)
    assert not opens_at("https://shop.example/sms", bare)
    assert not opens_at("https://shop.example/sms", with_fields(bare, content=b""))
    twice = Claim(JSON, right.fields, AT, Via(target=f"/sms?{query}&{query}"))
    assert not opens_at("https://shop.example/sms", twice)


def test_twilio_s_query_joins_the_declared_url_behind_what_is_declared() -> None:
    """Scheme, host and path are ours; a query that is declared stands at its start."""
    query = f"one=1&bodySHA256={sha256(JSON).hexdigest()}"
    claim = twilio(JSON, query)
    assert opens_at("https://shop.example/sms", claim)
    assert opens_at("https://shop.example/sms?one=1", claim)
    assert not opens_at("https://shop.example/sms?one=2", claim)
    assert not opens_at("https://shop.example/other", claim)
    assert not opens_at("http://shop.example/sms", claim)


@pytest.mark.parametrize("signed", ["https://shop.example/sms", "https://shop.example:443/sms"])
def test_twilio_signs_our_url_with_its_port_or_without(signed: str) -> None:
    """Both are the declaration's; another port isn't."""
    form = b"MessageSid=SM1&MessageStatus=sent"
    claim = providers.get("twilio").sealed(form, secret=SECRET, at=AT, url=signed)
    assert opens_at("https://shop.example/sms", claim)
    assert opens_at("https://shop.example:443/sms", claim)
    assert (
        not opens_at("https://shop.example:8443/sms", claim) or signed == "https://shop.example/sms"
    )


def test_twilio_s_other_splits_of_one_signed_text_are_the_same_event() -> None:
    """Names and values have no sign between: what is split anew has the same key, and its id is owed."""
    sample = SAMPLES["twilio"]
    honest = sample.sealed(b"MessageSid=SM1&MessageStatus=delivered")
    no_state = sample.open(with_fields(honest, content=b"MessageSid=SM1&MessageStatusd=elivered"))
    no_id = sample.open(with_fields(honest, content=b"MessageSidS=M1&MessageStatus=delivered"))
    assert no_state.key == no_id.key == sample.open(honest).key
    assert no_id.envelope is None
    assert no_state.envelope is not None
    assert no_state.envelope.type == ""  # no handler is declared for it, so that no key is used up
    turned = with_fields(honest, content=b"MessageStatus=delivered&MessageSid=SM1")
    assert sample.open(turned).key == sample.open(honest).key


def test_what_is_moved_from_twilio_s_form_to_its_query_is_the_same_event() -> None:
    """Nothing stands between URL and form either: a replay with another query has the same key."""
    url, form = "https://shop.example/sms", b"AccountSid=AC1&MessageSid=SM1&MessageStatus=sent"
    honest = twilio(form, "order=1")
    moved = Claim(form[15:], honest.fields, AT, Via(target="/sms?order=1AccountSidAC1"))
    other = twilio(form, "order=2")
    keys = [
        providers.get("twilio").open(claim, secrets=[SECRET], url=url).key
        for claim in (honest, moved, other)
    ]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_a_digest_that_somebody_wrote_into_twilio_s_form_binds_no_content() -> None:
    """A form that is moved into the query whole brings a bodySHA256 of its text: not at the end."""
    url = "https://shop.example/sms"
    written = f"x&bodySHA256={sha256(JSON).hexdigest()}&y"
    form = urlencode({"Body": written, "MessageSid": "SM1", "To": "+1"}).encode()
    honest = twilio(form, "order=1")
    assert opens_at(url, honest)
    query = f"order=1Body{written}MessageSidSM1To+1"
    assert not opens_at(url, Claim(JSON, honest.fields, AT, Via(target=f"/sms?{query}")))
    assert opens_at(url, twilio(JSON, f"order=1&bodySHA256={sha256(JSON).hexdigest()}"))


@pytest.mark.parametrize(
    "content", [b"", b"&", b"a", b"=1", b"a=%ff", b"{}=1", "é=1".encode(), b"a b=1", b"1a=1"]
)
def test_twilio_s_form_is_one_or_it_is_refused(content: bytes) -> None:
    """Nothing that two programs read apart."""
    claim = with_fields(SAMPLES["twilio"].sealed(), content=content)
    assert code_of("twilio", claim) == "malformed_signature"


# HubSpot


def test_hubspot_s_hashes_of_before_are_never_read() -> None:
    """Versions 1 and 2: a hash with the secret before the text, and no time."""
    honest = SAMPLES["hubspot"].sealed()
    v1 = sha256(SECRET.encode() + honest.content).hexdigest()
    v2 = sha256(f"{SECRET}POST{URL}".encode() + honest.content).hexdigest()
    for version, told in (("v1", v1), ("v2", v2)):
        old = Fields([("X-HubSpot-Signature", told), ("X-HubSpot-Signature-Version", version)])
        assert code_of("hubspot", Claim(honest.content, old, AT)) == "missing_signature"


def test_hubspot_binds_the_method() -> None:
    """What was signed for a POST isn't a PUT."""
    honest = SAMPLES["hubspot"].sealed()
    assert code_of("hubspot", with_fields(honest, via=Via(method="PUT"))) == "bad_signature"
    assert code_of("hubspot", with_fields(honest, via=Via(method="POST"))) == ""


def test_hubspot_s_border_between_content_and_time_is_not_moved() -> None:
    """content‖time: a time is 13 digits, so that a content that ends in digits keeps them."""
    sample = SAMPLES["hubspot"]
    honest = sample.sealed(b"17")
    time = honest.fields.one("X-HubSpot-Request-Timestamp") or ""
    for content, told in ((b"1", "7" + time), (b"17" + time[:1].encode(), time[1:])):
        moved = with_fields(honest, content=content, X_HubSpot_Request_Timestamp=told)
        assert code_of("hubspot", moved) == "malformed_signature"
    assert code_of("hubspot", honest) == ""


def test_hubspot_undoes_escapes_in_the_url() -> None:
    """As its documentation says, and as some of its libraries don't."""
    scheme = providers.get("hubspot")
    content = SAMPLES["hubspot"].content(AT)
    for signed in ("https://shop.example/h?a=b:c", "https://shop.example/h?a=b%3Ac"):
        made = scheme.sealed(content, secret=SECRET, at=AT, url=signed)
        assert scheme.open(made, secrets=[SECRET], url="https://shop.example/h?a=b%3Ac")


# Times in fields


def moved(case: str, time: str, signature: str = "") -> Iterable[Claim]:
    """Yield the delivery with the border between time and content moved by some characters."""
    honest = SAMPLES[case].sealed()
    told = honest.fields.one(time) or ""
    for n in (1, 2, 5):
        yield with_fields(honest, content=told[-n:].encode() + honest.content, **{time: told[:-n]})
        yield with_fields(
            honest, content=honest.content[n:], **{time: told + honest.content[:n].decode()}
        )


@pytest.mark.parametrize(
    ("case", "time"),
    [
        ("zendesk", "X-Zendesk-Webhook-Signature-Timestamp"),
        ("twitch", "Twitch-Eventsub-Message-Timestamp"),
    ],
)
def test_a_border_without_a_sign_is_held_by_the_form_of_the_time(case: str, time: str) -> None:
    """time‖content: RFC 3339 with its zone can't be longer or shorter."""
    for claim in moved(case, time):
        assert code_of(case, claim) == "malformed_signature"
    assert code_of(case, SAMPLES[case].sealed()) == ""


def test_twitch_s_border_between_id_and_time_is_not_moved() -> None:
    """id‖time: a year has four digits."""
    sample = SAMPLES["twitch"]
    honest = sample.scheme.sealed(sample.content(AT), secret=SECRET, at=AT, key="msg1")
    time = honest.fields.one("Twitch-Eventsub-Message-Timestamp") or ""
    for event_id, told in (("msg", f"1{time}"), ("msg12", time[1:])):
        claim = with_fields(
            honest, Twitch_Eventsub_Message_Id=event_id, Twitch_Eventsub_Message_Timestamp=told
        )
        assert code_of("twitch", claim) == "malformed_signature"
    assert code_of("twitch", honest) == ""


def test_twitch_names_no_algorithm_and_no_kind_of_message_by_a_field() -> None:
    """The label is ours; the field Message-Type isn't signed, the content is."""
    honest = SAMPLES["twitch"].sealed()
    signature = honest.fields.one("Twitch-Eventsub-Message-Signature") or ""
    other = with_fields(
        honest, Twitch_Eventsub_Message_Signature=signature.replace("sha256", "sha1")
    )
    assert code_of("twitch", other) == "bad_signature"
    named = with_fields(honest, Twitch_Eventsub_Message_Type="revocation")
    envelope = opened("twitch", named).envelope
    assert envelope is not None
    assert envelope.type == "stream.online"
    ended = SAMPLES["twitch"].sealed(
        b'{"subscription": {"type": "stream.online", "status": "user_removed"}}'
    )
    envelope = opened("twitch", ended).envelope
    assert envelope is not None
    assert envelope.type == "revocation"


@pytest.mark.parametrize("case", ["workos", "sanity", "hubspot", "contentful"])
def test_milliseconds_are_no_seconds(case: str) -> None:
    """A time of ten digits would be the year 1970, and is no time of this sender's."""
    sample = SAMPLES[case]
    honest = sample.sealed()
    told = sample.scheme.time.write(AT)
    lines = [(name, value.replace(told, told[:10])) for name, value in honest.fields]
    claim = Claim(honest.content, Fields(lines), AT, honest.via)
    assert code_of(case, claim) == "malformed_signature"


def test_sanity_s_signature_has_one_spelling() -> None:
    """base64url without padding."""
    sample = SAMPLES["sanity"]
    at = next(
        when
        for n in range(60)
        if "_"
        in (
            sample.sealed(at=(when := AT + timedelta(seconds=n))).fields.one(
                "sanity-webhook-signature"
            )
            or ""
        )
    )
    honest = sample.sealed(at=at)
    told = honest.fields.one("sanity-webhook-signature") or ""
    assert code_of("sanity", honest) == ""
    for other in (told.replace("_", "/"), told + "="):
        assert (
            code_of("sanity", with_fields(honest, sanity_webhook_signature=other))
            == "bad_signature"
        )


# Times in the content


@pytest.mark.parametrize(("case", "name"), [("linear", "webhookTimestamp"), ("pusher", "time_ms")])
@pytest.mark.parametrize("time", [None, "1764000000000", True, 1.5, -1, 10**15, [1], {}])
def test_a_time_in_the_content_is_whole_milliseconds_or_it_is_refused(
    case: str, name: str, time: object
) -> None:
    """It is signed, and it is no time: fresh isn't proven by what can't be read."""
    content = {} if time is None else {name: time}
    assert code_of(case, SAMPLES[case].sealed(json.dumps(content).encode())) == "no_signed_time"
    assert code_of(case, SAMPLES[case].sealed()) == ""


@pytest.mark.parametrize(
    ("case", "field"), [("linear", "Linear-Timestamp"), ("pusher", "X-Pusher-Time")]
)
def test_a_time_in_an_unsigned_field_makes_nothing_fresh(case: str, field: str) -> None:
    """The header's copy can be refreshed by anybody."""
    later = AT + timedelta(days=1)
    old = SAMPLES[case].sealed()
    told = with_fields(old, **{field: str(int(later.timestamp() * 1000))})
    assert code_of(case, Claim(told.content, told.fields, later)) == "stale"


def test_the_same_content_with_another_time_and_order_is_the_same_event() -> None:
    """The digest is of the decoded content without the time."""

    def key(raw: str) -> bytes:
        return opened("linear", SAMPLES["linear"].sealed(raw.encode())).key

    time = int(AT.timestamp() * 1000)
    one = key(f'{{"type": "Issue", "data": {{"id": "1"}}, "webhookTimestamp": {time}}}')
    two = key(f'{{"webhookTimestamp": {time + 5000}, "data": {{"id":"1"}},"type":"Issue"}}')
    other = key(f'{{"type": "Issue", "data": {{"id": "2"}}, "webhookTimestamp": {time}}}')
    assert one == two != other


# Box, Contentful, DocuSign


def test_box_signs_a_character_and_its_escape_as_one_and_so_they_are_one_event() -> None:
    """Escaped before the MAC: a stranger may write the character for its escape, and gets no second event."""
    sample = SAMPLES["box"]
    honest = sample.sealed(b'{"trigger": "FILE.UPLOADED", "name": "\\u00e9\\ud83d\\ude00"}')
    other = with_fields(honest, content='{"trigger": "FILE.UPLOADED", "name": "é😀"}'.encode())
    assert other.content != honest.content
    assert sample.open(other).key == sample.open(honest).key


def test_box_s_content_beyond_ascii_is_escaped_up_to_a_size() -> None:
    """CWE-400: a MiB of it took a second before its signature was looked at."""
    told = json.dumps({"id": "b1", "trigger": "T", "name": "é😀" * 9999}, ensure_ascii=False)
    assert code_of("box", SAMPLES["box"].sealed(told.encode())) == ""
    large = SAMPLES["box"].sealed(told.encode("ascii", "backslashreplace"))
    assert code_of("box", with_fields(large, content=told.encode() * 5)) == "malformed_signature"


def test_box_s_version_and_algorithm_are_ours() -> None:
    """Unsigned fields that would choose how it is verified."""
    honest = SAMPLES["box"].sealed()
    for wrong in (
        {"box_signature_version": "2"},
        {"box_signature_algorithm": "HmacSHA1"},
        {"box_signature_version": None},
    ):
        assert code_of("box", with_fields(honest, **wrong)) == "malformed_signature"


def test_box_opens_by_either_of_its_keys() -> None:
    """Primary and secondary: one can be changed while the other holds."""
    honest = SAMPLES["box"].sealed()
    signature = honest.fields.one("box-signature-primary")
    moved_over = with_fields(
        honest, box_signature_primary="AAAA", box_signature_secondary=signature
    )
    alone = with_fields(honest, box_signature_primary=None, box_signature_secondary=signature)
    assert code_of("box", moved_over) == code_of("box", alone) == ""
    assert code_of("box", with_fields(honest, box_signature_primary=None)) == "missing_signature"


def test_contentful_s_list_always_names_time_and_itself() -> None:
    """The sender says which fields are signed: without our minimum, nothing is."""
    honest = SAMPLES["contentful"].sealed()
    listed = "x-contentful-signed-headers"
    for wrong in (
        listed,
        "x-contentful-timestamp",
        f"{listed},x-contentful-timestamp,{listed}",
        "x" * 2000,
    ):
        claim = with_fields(honest, **{listed: wrong})
        assert code_of("contentful", claim) == "malformed_signature"
    assert code_of("contentful", honest) == ""
    assert code_of("contentful", with_fields(honest, via=Via(method="PUT"))) == "bad_signature"


def test_docusign_opens_by_any_of_a_hundred_fields() -> None:
    """One for each live key; the hundred-and-first is never read."""
    honest = SAMPLES["docusign"].sealed()
    signature = honest.fields.one("X-DocuSign-Signature-1") or ""
    many = [(f"X-DocuSign-Signature-{n}", "AAAA") for n in range(1, 100)]
    last = Claim(honest.content, Fields([*many, ("X-DocuSign-Signature-100", signature)]), AT)
    over = Claim(honest.content, Fields([*many, ("X-DocuSign-Signature-101", signature)]), AT)
    assert code_of("docusign", last) == ""
    assert code_of("docusign", over) == "bad_signature"


# Braintree


def braintree(payload: str, *, signed: str | None = None, key: str = "our_public_key") -> Claim:
    """Return the form that comes, its signature over a text."""
    mac = HmacKey(hashed("sha1", SECRET.encode(), usedforsecurity=False).digest(), "sha1").digest(
        (payload if signed is None else signed).encode()
    )
    form = urlencode({"bt_signature": f"{key}|{mac.hex()}", "bt_payload": payload})
    return Claim(form.encode(), Fields(), AT)


def test_braintree_s_payload_opens_with_a_line_end_or_without() -> None:
    """Both are what its gateway signs; a payload of another's isn't."""
    payload = b64encode(SAMPLES["braintree"].content(AT)).decode()
    assert code_of("braintree", braintree(payload)) == ""
    assert code_of("braintree", braintree(payload, signed=payload + "\n")) == ""
    assert code_of("braintree", braintree(payload, signed=payload + "\n\n")) == "bad_signature"
    assert code_of("braintree", braintree(payload, key="another_key")) == "malformed_signature"


def test_what_stands_beside_braintree_s_two_fields_reaches_no_handler() -> None:
    """Nothing signs it: whoever has seen one delivery can add to it."""
    honest = SAMPLES["braintree"].sealed()
    signed_content = SAMPLES["braintree"].scheme.signed_content
    assert signed_content is not None
    added = with_fields(honest, content=honest.content + b"&amount=1")
    assert code_of("braintree", added) == ""
    assert signed_content(added) == signed_content(honest) == honest.content


@pytest.mark.parametrize("change", [b"", b"<timestamp>2026</timestamp>"])
def test_braintree_s_time_is_there_once(change: bytes) -> None:
    """None, two, or one in another form: refused as no signed time."""
    honest = SAMPLES["braintree"].content(AT)
    time = honest[honest.index(b"<timestamp") : honest.index(b"<kind")]
    for content in (honest.replace(time, change), honest.replace(time, time + time)):
        claim = braintree(b64encode(content).decode())
        assert code_of("braintree", claim) == "no_signed_time"


@pytest.mark.parametrize(
    "when", ["2026-13-26T17:37:56Z", "2026-02-30T17:37:56Z", "2026-11-26T17:37:60Z"]
)
def test_a_moment_that_there_isn_t_is_no_time_in_braintree_s_content(when: str) -> None:
    """A thirteenth month, the 30th of February, a leap second; the second after it is one."""
    honest = SAMPLES["braintree"].content(AT)
    time = honest[honest.index(b"<timestamp") : honest.index(b"<kind")]

    def at(moment: str) -> str:
        told = b'<timestamp type="datetime">' + moment.encode() + b"</timestamp>"
        return code_of("braintree", braintree(b64encode(honest.replace(time, told)).decode()))

    assert at(when) == "no_signed_time"
    assert at(AT.strftime("%Y-%m-%dT%H:%M:%SZ")) == ""


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ("box", "box_delivery_timestamp"),
        ("twitch", "twitch_eventsub_message_timestamp"),
        ("zendesk", "x_zendesk_webhook_signature_timestamp"),
    ],
)
def test_a_moment_that_there_isn_t_is_no_time_in_a_field(case: str, field: str) -> None:
    """It is told before anything is verified: no sender signs one."""
    honest = SAMPLES[case].sealed()
    assert (
        code_of(case, with_fields(honest, **{field: "2026-02-30T17:37:56Z"}))
        == "malformed_signature"
    )
    assert code_of(case, with_fields(honest, **{field: "2026-02-28T17:37:56Z"})) == "bad_signature"
    assert code_of(case, honest) == ""


def test_braintree_s_handshake_signs_nothing_that_opens() -> None:
    """What bt_challenge signs is no payload with a time."""
    token = "20f9f8ed05f77439fe955c977e4c8a53"
    assert code_of("braintree", braintree(token)) == "no_signed_time"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"bt_payload=AAAA",
        b"bt_signature=a&bt_signature=b&bt_payload=A",
        b"\xff",
        b"bt_signature=our_public_key|x&bt_payload=%F0",
    ],
)
def test_braintree_s_form_is_one_or_it_is_refused(content: bytes) -> None:
    """Nothing that two programs read apart."""
    assert code_of("braintree", Claim(content, Fields(), AT)) == "malformed_signature"


def test_a_time_of_nine_digits_of_a_second_is_read() -> None:
    """Twitch writes nanoseconds."""
    form = providers.get("twitch").time
    assert form.matches("2023-07-19T14:56:51.634234626Z")
    assert form.read("2023-07-19T14:56:51.634234626Z") == pytest.approx(
        datetime(2023, 7, 19, 14, 56, 51, 634234, tzinfo=UTC).timestamp()
    )
    for wrong in (
        "2023-07-19T14:56:51",
        "2023-7-19T14:56:51Z",
        "2023-07-19 14:56:51Z",
        "12023-07-19T14:56:51Z",
    ):
        assert not form.matches(wrong)
