"""Pusher Channels: HMAC-SHA256 over the content, which carries the time.

X-Pusher-Key only routes. An event has no id, and a channel is occupied more than once: the same
content with another time may be another event, so that the key is the business key's.
"""

from pratique.core.claim import Claim
from pratique.webhook.content import MANY, at, decoded, items, members, milliseconds_at, without
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.signed_time import MILLISECONDS
from pratique.webhook.verify import hmac_of_text


def _envelope(claim: Claim) -> Envelope | None:
    events = items(members(decoded(claim)).get("events"))
    if not events:
        return None
    names = {at(event, "name") for event in events}
    channel = at(events[0], "channel") if len(events) == 1 else ""
    about = channel if is_id(channel) is not None else ""
    return Envelope(type=names.pop() if len(names) == 1 else MANY, object_id=about)


SCHEME = Scheme(
    name="pusher",
    party="pusher",
    documentation="https://pusher.com/docs/channels/server_api/webhooks/",
    binds=("content", "time"),
    read=single("X-Pusher-Signature"),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex"),
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [("X-Pusher-Signature", signature)],
    signed_time=True,
    signed_key=False,
    time=MILLISECONDS,
    repeats=True,
    time_of=milliseconds_at("time_ms"),
    digest_of=without("time_ms"),
)
