"""What reading a partner's answer costs beside msgspec alone, and beside pydantic.

Run it: `python -m benchmarks.partner`.

The answer is an order with its lines: optional members, a time, a URL, texts with a colon. The
second shape has no optional member. Each at about 2 KiB and 200 KiB.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import BaseModel, Field

from benchmarks.timing import least, row
from pratique.partner.answer import AnswerType

Price = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
Short = Annotated[str, msgspec.Meta(max_length=64)]


class Line(msgspec.Struct):
    sku: Short
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    price: Price
    note: str | None = None


class Order(msgspec.Struct):
    id: Short
    status: Literal["open", "paid", "void"]
    total: Price
    created: datetime
    url: str
    lines: list[Line]
    tags: list[str] = []
    parent: str | None = None


class Factor(msgspec.Struct):
    name: Short
    weight: Annotated[float, msgspec.Meta(ge=0, le=1)]
    kind: Literal["a", "b", "c"]


class Score(msgspec.Struct):
    order: Short
    score: Annotated[int, msgspec.Meta(ge=0, le=100)]
    factors: list[Factor]


class LineModel(BaseModel):
    sku: str = Field(max_length=64)
    quantity: int = Field(ge=1, le=1000)
    price: int = Field(ge=0, le=10_000_000)
    note: str | None = None


class OrderModel(BaseModel):
    id: str = Field(max_length=64)
    status: Literal["open", "paid", "void"]
    total: int = Field(ge=0, le=10_000_000)
    created: datetime
    url: str
    lines: list[LineModel]
    tags: list[str] = []
    parent: str | None = None


class FactorModel(BaseModel):
    name: str = Field(max_length=64)
    weight: float = Field(ge=0, le=1)
    kind: Literal["a", "b", "c"]


class ScoreModel(BaseModel):
    order: str = Field(max_length=64)
    score: int = Field(ge=0, le=100)
    factors: list[FactorModel]


def order(lines: int, **more: object) -> bytes:
    """Write an order of so many lines."""
    return msgspec.json.encode(
        {
            "id": "ord_9f8a7b6c",
            "status": "paid",
            "total": 123_450,
            "created": "2026-01-01T10:00:00Z",
            "url": "https://partner.example/orders/9f8a7b6c",
            "tags": ["gift", "express"],
            "lines": [
                {
                    "sku": f"SKU-{number:06}",
                    "quantity": 1 + number % 7,
                    "price": 1250,
                    "note": "ring twice: the bell is old" if number % 2 else None,
                }
                for number in range(lines)
            ],
            **more,
        }
    )


def score(factors: int) -> bytes:
    """Write a score of so many factors."""
    return msgspec.json.encode(
        {
            "order": "ord_9f8a7b6c",
            "score": 42,
            "factors": [
                {"name": f"factor number {n}", "weight": 0.125 * (n % 8), "kind": "abc"[n % 3]}
                for n in range(factors)
            ],
        }
    )


def measure(name: str, content: bytes, declared: type[Any], model: type[BaseModel]) -> None:
    """Print the rows of one answer."""
    reader, bare = AnswerType(declared), AnswerType(declared)
    bare._is_exact = lambda _, __: True  # noqa: SLF001  what reading costs without the check
    assert reader.read(content)[1] == ()
    typed = msgspec.json.Decoder(declared).decode
    calls = {
        "msgspec": lambda: typed(content),
        "read, unchecked": lambda: bare.read(content),
        "read": lambda: reader.read(content),
        "pydantic": lambda: model.model_validate_json(content),
    }
    cost = least(calls, loops=dict.fromkeys(calls, max(20, 4_000_000 // len(content))))
    size, floor = f"{name}, {len(content) / 1024:.1f} KiB", cost["msgspec"]
    print(f"{size}: " + ", ".join(f"{what} {spent:.1f} µs" for what, spent in cost.items()))
    share = cost["read, unchecked"] / floor
    row(f"{size}: decode + validate, × of msgspec", share, "<= 1.3", ok=share <= 1.3)
    share = cost["read"] / floor
    row(f"{size}: with no member twice and none unknown, ×", share, "<= 3", ok=share <= 3)
    share = cost["read"] / cost["pydantic"]
    row(f"{size}: the same, × of pydantic's validate_json", share, "< 1", ok=share < 1)


def main() -> None:
    """Print the table."""
    measure("optional members", order(22), Order, OrderModel)
    measure("no optional member", score(40), Score, ScoreModel)
    measure("optional members", order(2300), Order, OrderModel)
    measure("no optional member", score(4200), Score, ScoreModel)
    drifted, reader = order(22, discount=3), AnswerType(Order)
    typed = msgspec.json.Decoder(Order).decode
    calls = {"msgspec": lambda: typed(drifted), "read": lambda: reader.read(drifted)}
    cost = least(calls, loops=dict.fromkeys(calls, 2000))
    print(f"with an unknown member (counted one by one): {cost['read'] / cost['msgspec']:.1f} ×")


if __name__ == "__main__":
    main()
