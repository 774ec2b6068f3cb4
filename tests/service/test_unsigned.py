"""Fields that name a user or a right without a signature: in every proxy's spelling, and what only looks like one."""

import pytest

from pratique.core.claim import Fields
from pratique.core.refusal import Refused
from pratique.service.unsigned import refuse_unsigned

NAMED = (
    "X-User X-UserId X-User-Roles X-User-Tenant X-User-Tenant-Id X-User-Is-Admin X-User-Type XUserId "
    "X-Forwarded-Preferred-Username X-Auth-Request-Preferred-Username X-Auth-Request-Groups "
    "X-Credential-Username X-Consumer-Custom-ID X-Authenticated-Scope X-Userinfo "
    "X-MS-CLIENT-PRINCIPAL X-MS-CLIENT-PRINCIPAL-ID X-MS-CLIENT-PRINCIPAL-NAME "
    "X-Goog-Authenticated-User-Email X-Amzn-Oidc-Identity Cf-Access-Authenticated-User-Email "
    "Tailscale-User-Login X-Pomerium-Claim-Email X-authentik-username X-authentik-groups "
    "X-authentik-uid Remote-Name Remote-Groups X-Vouch-User X-Hasura-User-Id X-Hasura-Role "
    "OIDC_CLAIM_sub X-Jwt-Sub X-Token-Subject SM_USER iv-user OAM_REMOTE_USER Eppn "
    "Impersonate-User Impersonate-Group X-Impersonate-User X-On-Behalf-Of X-Act-As Sudo "
    "X-Superuser X-Is-Superuser X-Authorities X-Company-Id X-Workspace-Id X-Session-User-Id "
    "X-Claims X-Auth-Claims X-Jwt-Claims X-Organisation-Id X-Employee-Id X-Privileges MemberOf"
).split()
SPELLED = (
    "X_User_Id x-user-id X-USER-ID X.User.Id X-User.Id X--User--Id X-User_Id x_user-id".split()
)
HARMLESS = (
    "User-Agent X-Original-User-Agent X-Device-User-Agent Sec-Fetch-User X-User-Language "
    "X-User-Timezone X-Goog-User-Project X-Request-Id Accept Authorization Txn-Token Traceparent "
    "X-Forwarded-For X-Forwarded-Host From Subject X-Mail-Subject X-Amz-Expected-Bucket-Owner "
    "OpenAI-Organization X-Deployment-Group X-Experiment-Group X-Account-Region Idempotency-Key "
    "X-Person-Count X-Claims-Version"
).split()


@pytest.mark.parametrize("name", [*NAMED, *SPELLED])
def test_refuses_a_field_that_names_a_user_or_a_right(name: str) -> None:
    """SV-02, SV-20: whichever gateway's name it is, and however it is spelled (CWE-290)."""
    with pytest.raises(Refused) as refused:
        refuse_unsigned(Fields([("Accept", "*/*"), (name, "staff:9")]))
    assert (refused.value.code, refused.value.status) == ("unsigned_identity", 401)


@pytest.mark.parametrize("name", HARMLESS)
def test_admits_a_field_that_says_nothing_of_who_it_is(name: str) -> None:
    """The twins: what browsers, proxies and clients send beside it."""
    refuse_unsigned(Fields([(name, "x")]))
