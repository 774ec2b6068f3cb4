"""What a fetch boundary says of itself: the checklist's questions about going out have answers."""

from pratique.core.checklist import Status, ten_questions
from pratique.fetch import PUBLIC, Fetch, FetchPolicy

OUTBOUND, FORWARDED = 7, 8


def test_answers_whether_a_claim_leads_outside() -> None:
    """Questions 7 and 8 are what this boundary is about, so neither is "not declared here"."""
    for hosts, words in ((PUBLIC, "open internet"), ({"a.example"}, "the hosts that it names")):
        answered = {
            one.number: one for one in ten_questions(Fetch("previews", FetchPolicy(hosts=hosts)))
        }
        assert answered[OUTBOUND].status is Status.DECLARED
        assert words in answered[OUTBOUND].text
        assert answered[FORWARDED].status is Status.DECLARED
        assert answered[FORWARDED].text == "no header of ours is made from a claim"
