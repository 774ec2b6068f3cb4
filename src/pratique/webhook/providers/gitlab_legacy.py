"""GitLab's older webhooks: the secret token itself rides along, and nothing is signed.

The token says who sends at best. What happened is asked of GitLab: `confirm` is owed. Where GitLab
can sign (its signing token), take that sender in place of this one.
"""

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.content import reading
from pratique.webhook.opened import Envelope, Grade, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.token import token


class _Attributes(msgspec.Struct):
    id: int | str | None = None


class _Project(msgspec.Struct):
    id: int | str | None = None


class _Event(msgspec.Struct):
    object_kind: str = ""
    event_name: str = ""
    object_attributes: _Attributes | None = None
    project: _Project | None = None


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
        return None
    kind = event.object_kind or event.event_name
    about, project = event.object_attributes, event.project
    object_id = about.id if about is not None else None
    project_id = project.id if project is not None else None
    return (
        Envelope(
            type=kind,
            account=fit(str(project_id)) if project_id is not None else "",
            object_id=fit(str(object_id)) if object_id is not None else "",
        )
        if fit(kind)
        else None
    )


SCHEME = Scheme(
    name="gitlab-legacy",
    party="gitlab",
    documentation="https://docs.gitlab.com/user/project/integrations/webhooks/#validate-requests-by-using-a-secret-token",
    binds=(),
    read=single("X-Gitlab-Token"),
    pieces=lambda _time, _id, _claim, _facts: (),
    keying=token,
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [("X-Gitlab-Token", signature)],
    signed_time=False,
    signed_key=False,
    signed_type=False,
    grade=Grade.IDENTIFIED,
)
