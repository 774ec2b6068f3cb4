"""URLs of keys that a delivery names: judged before anything is asked."""

import pytest

from pratique import Refused
from pratique.webhook.key_address import KeyAddress
from tests.webhook.other_proofs import SNS_URL

SNS = KeyAddress(
    host=r"sns\.[a-z0-9-]{3,32}\.amazonaws\.com(?:\.cn)?",
    path=r"/SimpleNotificationService-[0-9a-f]{8,64}\.pem",
)


@pytest.mark.parametrize(
    "url",
    [
        SNS_URL.replace("https", "http"),
        SNS_URL.replace("https", "HTTPS"),
        SNS_URL.replace("amazonaws.com", "amazonaws.com:8443"),
        SNS_URL.replace("amazonaws.com", "amazonaws.com:0443"),
        SNS_URL.replace("https://", "https://a@"),
        SNS_URL.replace("https://", "https://sns.us-east-1.amazonaws.com@evil.example/"),
        SNS_URL.replace("amazonaws.com", "amazonaws.com.evil.example"),
        SNS_URL.replace("sns.us-east-1", "s3"),
        SNS_URL.replace("sns.us-east-1", "s3.us-east-1"),
        SNS_URL.replace("sns.us-east-1", "a.sns.us-east-1"),
        SNS_URL.replace("sns.us-east-1", "sns.evil.example.us-east-1"),
        SNS_URL.replace("sns.us-east-1", "snsXus-east-1"),
        SNS_URL.replace("amazonaws.com", "amazonaws.com."),
        SNS_URL.replace("amazonaws.com", "AMAZONAWS.com"),
        SNS_URL.replace("amazonaws", "amaz\u043enaws"),
        SNS_URL.replace(".pem", ".pem?a=1"),
        SNS_URL.replace(".pem", ".pem#a"),
        SNS_URL.replace(".pem", ".pem\n"),
        SNS_URL.replace(".pem", "%2epem"),
        SNS_URL.replace("/Simple", "/../Simple"),
        SNS_URL.replace("/Simple", "//Simple"),
        SNS_URL.replace("/Simple", "\\Simple"),
        " " + SNS_URL,
        SNS_URL.replace("0123456789abcdef0123456789abcdef", "a" * 500),
        "",
    ],
)
def test_a_url_that_is_not_where_the_sender_s_keys_lie_is_refused(url: str) -> None:
    """CWE-918: nothing is fetched. The twins: the URL itself, with its port spelt out, in China."""
    with pytest.raises(Refused) as refused:
        SNS.judged(url)
    assert refused.value.code == "bad_key_address"
    assert SNS.judged(SNS_URL) == SNS.judged(SNS_URL.replace(".com", ".com:443")) == SNS_URL
    assert SNS.judged(SNS_URL.replace(".com", ".com.cn"))
