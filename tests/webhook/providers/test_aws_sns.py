"""Amazon SNS: whose topic, whose certificate, which hash, and a subscription that we don't follow."""

import json
from base64 import b64encode
from typing import Any

import pytest

from pratique import Claim, Refused
from pratique.core.proofs.authentic.public_key import rsa_key
from pratique.core.refusal import BoundaryError
from pratique.webhook import named_key, providers
from tests.webhook.other_proofs import (
    AT,
    CASES,
    SNS_URL,
    TOPIC,
    Case,
    certificate,
    notification,
    rsa,
)

SNS = CASES["aws-sns"]
OTHERS = "arn:aws:sns:us-east-1:999999999999:theirs"


def code(claim: Claim, **pins: Any) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        SNS.opened(claim, **pins)
    except Refused as refused:
        return refused.code
    return ""


def changed(claim: Claim, **members: Any) -> Claim:
    """Return it with other members; None takes one out."""
    told = {**json.loads(claim.content), **members}
    kept = {name: value for name, value in told.items() if value is not None}
    return Claim(json.dumps(kept).encode(), claim.fields, AT)


def resealed(content: bytes, case: Case = SNS) -> Claim:
    """Sign other content."""
    return case.sealed(content)


class Fetching:
    """A callable that fetches nothing, and notes for what it was called."""

    def __init__(self, answer: object = None) -> None:
        self.asked: list[str] = []
        self._answer = answer

    def __call__(self, url: str) -> Any:
        self.asked.append(url)
        return self._answer


def test_a_stranger_s_topic_is_refused_though_its_signature_is_genuine() -> None:
    """Anybody's AWS account signs with the same key: the list of our own topics tells them apart."""
    fetching = Fetching(certificate(0))
    theirs = resealed(notification(TopicArn=OTHERS))
    assert code(theirs, fetch_certificate=fetching) == "wrong_topic"
    assert fetching.asked == []
    assert code(theirs, topic_arns=[TOPIC, OTHERS]) == ""


@pytest.mark.parametrize("kind", [list, set])
def test_topics_that_are_added_after_the_declaration_let_nobody_in(kind: Any) -> None:
    """A list or set is copied where it is declared: a helper that fills it later widens nothing."""
    theirs, ours = resealed(notification(TopicArn=OTHERS)), SNS.sealed()
    topics = kind([TOPIC])
    fetching = Fetching(certificate(0))
    assert SNS.scheme.open(ours, topic_arns=topics, fetch_certificate=fetching).key
    sender = providers.aws_sns(topic_arns=topics, fetch_certificate=fetching)
    (topics.append if kind is list else topics.add)(OTHERS)
    assert code(theirs, topic_arns=kind([TOPIC]), fetch_certificate=fetching) == "wrong_topic"
    with pytest.raises(Refused) as refused:
        sender.opener("")(theirs)
    assert refused.value.code == "wrong_topic"
    again = providers.aws_sns(topic_arns=topics, fetch_certificate=Fetching(certificate(0)))
    assert set(again.pins["topic_arns"]) == {TOPIC, OTHERS}
    assert code(theirs, topic_arns=topics, fetch_certificate=fetching) == ""


@pytest.mark.parametrize("topics", [[], (), [""], "", TOPIC, ["*"], [TOPIC, None], {}])
def test_a_declaration_without_topics_opens_nothing(topics: Any) -> None:
    """Law 6: empty is not "all". The twin names one."""
    with pytest.raises(BoundaryError):
        providers.aws_sns(topic_arns=topics, fetch_certificate=Fetching())
    with pytest.raises(BoundaryError, match="topic_arns"):
        providers.aws_sns(fetch_certificate=Fetching())
    with pytest.raises(Refused) as refused:
        SNS.scheme.open(SNS.sealed(), fetch_certificate=Fetching(certificate(0)))
    assert refused.value.code == "undeclared"
    assert providers.aws_sns(topic_arns=[TOPIC], fetch_certificate=Fetching()).live()


@pytest.mark.parametrize(
    "url",
    [
        SNS_URL.replace("sns.us-east-1.amazonaws.com", "evil.example"),
        SNS_URL.replace("sns.us-east-1.amazonaws.com", "s3.amazonaws.com"),
        SNS_URL.replace("sns.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com.evil.example"),
        SNS_URL.replace("https://", "https://sns.us-east-1.amazonaws.com:x@"),
        SNS_URL.replace("https:", "http:"),
        SNS_URL.replace("SimpleNotificationService", "cert"),
        SNS_URL + "?x",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        17,
        ["https://sns.us-east-1.amazonaws.com/"],
    ],
)
def test_a_certificate_elsewhere_is_never_fetched(url: Any) -> None:
    """CWE-918: the URL isn't signed, so whoever sends names it."""
    fetching = Fetching(certificate(0))
    told = code(changed(SNS.sealed(), SigningCertURL=url), fetch_certificate=fetching)
    assert told in ("bad_key_address", "malformed_signature")
    assert fetching.asked == []
    assert code(SNS.sealed(), fetch_certificate=fetching) == ""
    assert fetching.asked == [SNS_URL]


def test_certificates_of_other_regions_push_ours_out_for_one_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CWE-400: each is genuine and nobody's signature; one that has held is looked for again."""
    monkeypatch.setattr(named_key, "MOST_KEYS", 2)
    fetching = Fetching(certificate(0))
    assert code(SNS.sealed(), fetch_certificate=fetching) == ""
    told = {
        code(
            changed(
                SNS.sealed(),
                SigningCertURL=SNS_URL.replace("us-east-1", f"us-east-{number}"),
                Message="forged",
            ),
            fetch_certificate=fetching,
        )
        for number in range(2, 20)
    }
    assert told == {"bad_signature", "keys_unavailable"}
    assert code(SNS.sealed(), fetch_certificate=fetching) == ""
    assert fetching.asked.count(SNS_URL) == 2


def _of_version_1() -> Claim:
    members = json.loads(SNS.sealed().content)
    names = ("Message", "MessageId", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{members[name]}\n" for name in names).encode()
    signature = b64encode(rsa_key(SNS.signing(0), digest="sha1").sign(signed)).decode()
    return changed(SNS.sealed(), SignatureVersion="1", Signature=signature)


def test_sha_1_is_refused_unless_it_is_declared() -> None:
    """The delivery says which hash: it must not choose a weaker one."""
    old = _of_version_1()
    assert code(old) == "algorithm_not_allowed"
    assert code(old, signature_versions=("1", "2")) == ""
    assert code(SNS.sealed(), signature_versions=("1", "2")) == ""
    assert code(changed(old, SignatureVersion="2"), signature_versions=("1", "2")) == (
        "bad_signature"
    )
    for versions in ((), ("3",), ("2", "3"), ["1"]):
        with pytest.raises(BoundaryError):
            providers.aws_sns(
                topic_arns=[TOPIC], fetch_certificate=Fetching(), signature_versions=versions
            )


@pytest.mark.parametrize("answer", ["", b"", "junk", b"\xff", 17, "-----BEGIN CERTIFICATE-----\n"])
def test_what_comes_and_is_no_certificate_is_a_refusal(answer: object) -> None:
    """Never a ValueError of a library."""
    assert code(SNS.sealed(), fetch_certificate=Fetching(answer)) == "keys_unavailable"


def test_a_certificate_that_has_ended_is_refused() -> None:
    """As of when the message reached us."""
    ended = Fetching(certificate(0, 2025))
    assert code(SNS.sealed(), fetch_certificate=ended) == "certificate_not_in_force"
    assert code(SNS.sealed(), fetch_certificate=Fetching(certificate(0, 2027))) == ""


def test_a_certificate_can_be_pinned_and_then_nothing_is_fetched() -> None:
    """The topic and the URL are judged all the same."""
    scheme, honest = SNS.scheme, SNS.sealed()
    assert scheme.open(honest, secrets=[certificate(0)], topic_arns=[TOPIC]).key
    for wrong in (
        {"secrets": [certificate(1)], "topic_arns": [TOPIC]},
        {"secrets": [certificate(0)], "topic_arns": [OTHERS]},
    ):
        with pytest.raises(Refused):
            scheme.open(honest, **wrong)
    elsewhere = changed(honest, SigningCertURL="https://evil.example/a.pem")
    with pytest.raises(Refused):
        scheme.open(elsewhere, secrets=[certificate(0)], topic_arns=[TOPIC])


def test_what_is_not_signed_reaches_no_handler() -> None:
    """MessageAttributes and UnsubscribeURL are anybody's."""
    more = changed(
        SNS.sealed(), MessageAttributes={"role": "admin"}, UnsubscribeURL="https://a.example"
    )
    assert code(more) == ""
    assert SNS.scheme.signed_content is not None
    told = json.loads(SNS.scheme.signed_content(more))
    assert sorted(told) == ["Message", "MessageId", "Timestamp", "TopicArn", "Type"]


def test_a_message_has_one_reading() -> None:
    """Members are joined by line breaks: a message that holds some isn't another one's id."""
    text = "a\nMessageId\nanother"
    told = SNS.opened(resealed(notification(Message=text)))
    assert told.envelope is not None
    assert told.envelope.id == "dc1e94d9-56c5-5e96-808d-cc7f68faa162"
    for name, value in (
        ("MessageId", "another\nMessageId"),
        ("Subject", "a\nTimestamp"),
        ("TopicArn", f"{TOPIC}\n"),
    ):
        honest = resealed(notification(Message=text, Subject="paid"))
        assert code(changed(honest, **{name: value})) != ""


def subscription(url: str | None = None) -> Claim:
    """Return the message that asks whether we want to be subscribed."""
    usual = (
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"
        f"&TopicArn={TOPIC}&Token=2336412f37"
    )
    return resealed(
        notification(Type="SubscriptionConfirmation", Token="2336412f37", SubscribeURL=url or usual)
    )


def test_a_subscription_s_url_goes_to_our_user_s_callable_once_it_is_proven() -> None:
    """We fetch nothing. Another host, another topic, another token, a message that isn't signed: no."""
    asked: list[str] = []
    pins = {**SNS.pins(), "confirm_subscription": asked.append}
    answer = SNS.scheme.answer
    assert answer(subscription(), **pins) == b""
    assert [url.startswith("https://sns.us-east-1.amazonaws.com/?Action=") for url in asked] == [
        True
    ]
    base = json.loads(subscription().content)["SubscribeURL"]
    for wrong in (
        subscription(base.replace("sns.us-east-1.amazonaws.com", "evil.example")),
        subscription(base.replace("https:", "http:")),
        subscription(base.replace(TOPIC, OTHERS)),
        subscription(base.replace("2336412f37", "00")),
        subscription(base + "&a=1"),
        changed(subscription(), Token="00"),
        resealed(
            notification(
                Type="SubscriptionConfirmation", Token="1", SubscribeURL=base, TopicArn=OTHERS
            )
        ),
        SNS.sealed(),
    ):
        with pytest.raises(Refused):
            answer(wrong, **pins)
    assert len(asked) == 1
    with pytest.raises(Refused) as refused:
        answer(subscription(), **SNS.pins())
    assert refused.value.code == "undeclared"


def test_a_callable_that_fails_to_subscribe_is_a_refusal_for_now() -> None:
    """SNS asks again."""

    def fails(_url: str) -> None:
        raise OSError

    with pytest.raises(Refused) as refused:
        SNS.scheme.answer(subscription(), **SNS.pins(), confirm_subscription=fails)
    assert refused.value.answer == "retry"
    assert rsa(0).key_size == 2048


@pytest.mark.parametrize(
    "known",
    [[], "", SNS_URL, [""], [None], [f"{SNS_URL}#"], [SNS_URL.replace(".com/", ".com:443/")]],
)
def test_known_keys_are_urls_where_certificates_lie(known: Any) -> None:
    """Each as it is fetched, and a list: a text is none. The twin is."""
    more = {"topic_arns": [TOPIC], "fetch_certificate": Fetching()}
    with pytest.raises(BoundaryError, match="known_keys"):
        providers.aws_sns(known_keys=known, **more)
    assert providers.aws_sns(known_keys=[SNS_URL], **more).live()


@pytest.mark.parametrize("known", [(), (SNS_URL,)])
def test_the_first_delivery_opens_in_a_flood_where_its_certificate_is_declared(
    known: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """CWE-400: nothing has verified since the start; without `known_keys=` it is put off, for now."""
    monkeypatch.setattr(named_key, "REFILL", 1e9)  # the test may be slow
    fetching = Fetching(certificate(0))
    told = {"fetch_certificate": fetching, **({"known_keys": known} if known else {})}
    place = SNS_URL.rpartition("-")[0]
    for number in range(40):
        code(changed(SNS.sealed(), SigningCertURL=f"{place}-{number:032x}.pem"), **told)
    assert len(fetching.asked) == named_key.ALLOWANCE
    assert code(SNS.sealed(), **told) == ("" if known else "keys_unavailable")
