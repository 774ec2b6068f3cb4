"""GitLab with a signing token: Standard Webhooks. Its older secret token is another sender.

It says that it signs as the standard does, whose own literals confirm the scheme.
"""

from pratique.webhook.content import envelope_at
from pratique.webhook.scheme import Scheme

from .standard_webhooks import standard

SCHEME: Scheme = standard(
    "gitlab",
    party="gitlab",
    documentation="https://docs.gitlab.com/user/project/integrations/webhooks/",
    # X-Gitlab-Event isn't signed; object_kind is.
    envelope=envelope_at(
        id_field="webhook-id",
        type="object_kind|event_name",
        account="project.id|project_id|group_id",
        about="object_attributes.id",
    ),
)
