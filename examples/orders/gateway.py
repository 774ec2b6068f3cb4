"""The gateway's half, to try the service with: certificates, a minter, a token for a user.

python -m examples.orders.gateway new FOLDER
python -m examples.orders.gateway token FOLDER staff:1
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes

from pratique.demo.certificates import Authority
from pratique.service import Issuer

from .app import DOMAIN, GATEWAY, MINTER


def minter(seed: bytes) -> Issuer:
    """Return who signs for the users that the gateway has proven."""
    return Issuer(MINTER, trust_domain=DOMAIN, seed=seed, key_name="2026-11")


def token(seed: bytes, user: str, *, caller: str = GATEWAY) -> str:
    """Return a token for one call, which is good for a minute.

    Args:
        seed: Of the minter.
        user: Whom the gateway has proven.
        caller: Who will call with it.
    """
    now = datetime.now(UTC)
    return minter(seed).mint(user, scope=["orders.list"], caller=caller, at=now)


def new(folder: Path) -> bytes:
    """Write certificates of a day and the minter's public keys; return the minter's seed."""
    folder.mkdir(exist_ok=True)
    authority = Authority(folder)
    for name in ("gateway", "orders"):
        authority.issue(f"{name}.pem", ["localhost"], workload=f"spiffe://{DOMAIN}/{name}")
    seed = token_bytes(32)
    (folder / "jwks.json").write_text(json.dumps(minter(seed).jwks()))
    return seed


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "new":
        made = new(where)
        (where / "seed").touch(mode=0o600)
        (where / "seed").write_bytes(made)
    else:
        print(token((where / "seed").read_bytes(), sys.argv[3]))
