"""What is asked of a Redis at the start: may it forget what it acknowledged, can it be written?"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from pratique.core.obligation import UNIQUE
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.waiver import Waiver

from . import scripts
from .steps import IDENTITY, Ask, Raw, Steps

SETTINGS: Final = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync")
OLDEST: Final = 5
"""Redis 5 replicates what a script did and not the script, which may then read the clock."""
_log: Final = logging.getLogger("pratique")


def check_waiver(waived: Waiver | None) -> None:
    """Refuse a waiver of something else, or one that is over.

    Raises:
        BoundaryError: with the mend.
    """
    if waived is None:
        return
    if waived.obligation is not UNIQUE:
        message = (
            f"stores.redis(waived=…) waives {waived.obligation}: what Redis may forget is UNIQUE."
        )
        raise BoundaryError(message)
    debts = waived.debts(datetime.now(UTC).date())
    if debts:
        raise BoundaryError(*debts)


def require_waiver(waived: Waiver | None) -> None:
    """Refuse what rests on a waiver that is over.

    Raises:
        StoreError: it is.
    """
    if waived is not None and not waived.holds(datetime.now(UTC)):
        raise StoreError(f"what Redis may forget was waived until {waived.until}")


def start(wanted: str, *, declared: Mapping[str, str] | None, waived: Waiver | None) -> Steps[str]:
    """Refuse what evicts, forgets, can't be written or is another store; return which one it is.

    Args:
        wanted: Which store it must be; "" for any, and an empty one is named.
        declared: What the user knows of a server that doesn't tell its settings.
        waived: With it, what may be forgotten is a warning.

    Raises:
        BoundaryError: with the setting that is to be changed.
        StoreError: it doesn't answer.
    """
    check_waiver(waived)
    told = yield Raw(("INFO",))
    if not told:
        raise StoreError("Redis doesn't let this user ask INFO: give it the right (ACL +info)")
    settings: list[dict[str, str]] = [{} for _ in told]
    for name in SETTINGS:
        for known, answer in zip(settings, (yield Raw(("CONFIG GET", name))), strict=False):
            known.update(answer)
    for info, known in zip(told, settings, strict=True):
        _require_usable(info)
        if len(known) == len(SETTINGS):
            _require_same(declared or {}, known)
            _judge(known, waived, info)
        else:
            _judge(_declared(declared or {}, info), waived, info)
    return (yield from _recognise(wanted))


def _require_usable(info: Mapping[str, Any]) -> None:
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST:
        message = f"the server is Redis {version}: stores.redis needs {OLDEST} or later."
        raise BoundaryError(message)
    if info["role"] != "master":
        message = "the server is a replica: it can't be written. Give pratique the primary."
        raise BoundaryError(message)


def _recognise(wanted: str) -> Steps[str]:
    found = bytes((yield Ask(scripts.GET, IDENTITY))[1]).decode()
    if wanted and found != wanted:
        what = f"is {found}" if found else "is empty"
        message = (
            f"the store {what}, and it was {wanted}, or stores.redis(identity=…) says so: what was "
            "handled is forgotten there. Bring its data back, or leave identity out once to begin "
            "anew in a new process."
        )
        raise BoundaryError(message)
    if not found:
        found = bytes((yield Ask(scripts.NAME_IT, IDENTITY, (uuid4().hex,)))[1]).decode()
        _log.info(
            "Redis was empty: the store begins as %s. With stores.redis(identity=%r) an empty or "
            "another one is refused.",
            found,
            found,
        )
    return found


def _judge(settings: Mapping[str, str], waived: Waiver | None, info: Mapping[str, Any]) -> None:
    found = _may_forget(settings)
    if found and waived is None:
        raise BoundaryError(*found)
    for what in found:
        _log.warning("waived: %s", what)
    if settings["appendonly"] == "yes" and settings["appendfsync"] == "everysec":
        _log.warning(
            "appendfsync is everysec: a crash takes back what Redis acknowledged in the last "
            "second, two at worst. With appendfsync always it takes back nothing."
        )
    if int(info.get("connected_slaves", 0)):
        _log.warning(
            "the server has replicas: a failover takes back what it acknowledged and hadn't sent "
            "them yet, and such an event can have its effect twice. WAIT doesn't change that."
        )


def _may_forget(settings: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    policy = settings["maxmemory-policy"]
    if policy != "noeviction" and settings["maxmemory"] != "0":
        found.append(
            f"maxmemory-policy is {policy}: a full server forgets keys, and a forgotten one is "
            "used again. Set it to noeviction: a full server then refuses."
        )
    if settings["appendonly"] != "yes":
        found.append(
            "appendonly is no: a crash takes back every key since the last snapshot, or all of "
            "them. Set appendonly yes and appendfsync always."
        )
    elif settings["appendfsync"] == "no":
        found.append(
            "appendfsync is no: a power cut takes back what the system hadn't written yet, 30 s "
            "and more. Set it to always."
        )
    return found


def _declared(declared: Mapping[str, str], info: Mapping[str, Any]) -> dict[str, str]:
    """Believe what the user says where the server won't, as far as INFO doesn't deny it."""
    missing = [name for name in SETTINGS if name not in declared]
    if missing:
        message = (
            "the server doesn't tell its settings (CONFIG is forbidden). Say what the provider "
            f"promises: stores.redis(url, declared={{{', '.join(f'{n!r}: …' for n in missing)}}})."
        )
        raise BoundaryError(message)
    told = {
        "maxmemory": str(info.get("maxmemory", declared["maxmemory"])),
        "maxmemory-policy": str(info.get("maxmemory_policy", declared["maxmemory-policy"])),
    }
    if "aof_enabled" in info:
        told["appendonly"] = "yes" if int(info["aof_enabled"]) else "no"
    _require_same(declared, told)
    _log.warning("the server doesn't tell its settings: what is declared of them is believed")
    return {name: declared[name] for name in SETTINGS}


def _require_same(declared: Mapping[str, str], told: Mapping[str, str]) -> None:
    wrong = [n for n in declared if n in told and str(declared[n]) != told[n]]
    if wrong:
        message = (
            f"stores.redis(declared=…) says that {wrong[0]} is {declared[wrong[0]]}, and the "
            f"server says {told[wrong[0]]}."
        )
        raise BoundaryError(message)
    unknown = sorted(set(declared) - set(SETTINGS))
    if unknown:
        message = f"stores.redis(declared=…) knows no {unknown[0]}: {', '.join(SETTINGS)}."
        raise BoundaryError(message)
