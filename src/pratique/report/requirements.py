"""The ids of requirements to which the ten questions lead, and the guide's five scenarios."""

import tomllib
from functools import cache
from importlib.resources import files

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """One of the ten questions, with what others call it.

    Attributes:
        obligations: Whose proofs answer it; empty where a declaration's facts do.
        asvs: "V2.1.1 L1": id and level, OWASP ASVS 5.0.0.
        api: OWASP API Security Top 10 2023.
        cwe: Numbers.
    """

    number: int
    obligations: tuple[str, ...]
    asvs: tuple[str, ...]
    api: tuple[str, ...]
    cwe: tuple[int, ...]


class Scenario(msgspec.Struct, frozen=True):
    """One of the scenarios of the guide, with the kind of boundary that it is about."""

    title: str
    mistake: str
    kind: str


class Requirements(msgspec.Struct, frozen=True):
    """The whole of `requirements.toml`."""

    question: tuple[Asked, ...]
    scenario: tuple[Scenario, ...]
    sections: dict[str, tuple[int, ...]]

    def every_id(self) -> tuple[str, ...]:
        """Return every id of ASVS 5.0.0, in its order."""
        return tuple(
            f"{chapter}.{section}.{number}"
            for chapter, sections in self.sections.items()
            for section, size in enumerate(sections, 1)
            for number in range(1, size + 1)
        )

    def unseen(self) -> tuple[str, ...]:
        """Return the ids of ASVS 5.0.0 to which no question leads."""
        mapped = {each.partition(" ")[0] for asked in self.question for each in asked.asvs}
        return tuple(each for each in self.every_id() if each not in mapped)


@cache
def requirements() -> Requirements:
    """Return what `requirements.toml` beside this file says."""
    text = files("pratique.report").joinpath("requirements.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Requirements)
