"""GitLab's token: it says who sends at best."""

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook import providers
from pratique.webhook.opened import Grade
from tests.webhook.other_proofs import AT, CASES, PLAIN

GITLAB = CASES["gitlab-legacy"]


@pytest.mark.parametrize("token", [PLAIN[:-1], f"{PLAIN} ", PLAIN.lower(), "é", "\ud800", ""])
def test_another_token_is_refused(token: str) -> None:
    """Compared whole, in constant time, whatever its characters."""
    try:
        fields = Fields([("X-Gitlab-Token", token)])
    except Refused:
        return
    with pytest.raises(Refused):
        GITLAB.opened(Claim(GITLAB.content, fields, AT))
    assert GITLAB.opened(GITLAB.sealed()).grade is Grade.IDENTIFIED


def test_it_binds_nothing_and_says_so() -> None:
    """Any content opens: so the grade is below what a boundary takes for authentic."""
    scheme = providers.gitlab_legacy
    assert (scheme.binds, scheme.proves, scheme.has_key) == ((), False, False)
    other = Claim(b'{"object_kind": "release"}', GITLAB.sealed().fields, AT)
    assert GITLAB.opened(other).grade is Grade.IDENTIFIED
