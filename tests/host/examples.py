"""Counter and Order: what Theater's documentation shows its actors with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from theater_sql.host import NO_UPDATE, Actor, NoUpdate, Outcome, Persist, Stop


class Counter(Actor[int]):
    """Counts from 0 until it is done."""

    def process(
        self, state: int | None, name: str, message: Literal["increment", "get", "done"]
    ) -> Outcome[int]:
        count = state or 0
        match message:
            case "increment":
                return Persist(count + 1)
            case "get":
                return NoUpdate(reply=count)
            case "done":
                return Stop.delete()


@dataclass(frozen=True)
class Item:
    name: str
    size: int | None = None


@dataclass(frozen=True)
class OrderState:
    customer: str | None = None
    items: list[Item] = field(default_factory=list)
    status: Literal["open", "ready_to_ship"] = "open"


@dataclass(frozen=True)
class Add:
    item: Item


@dataclass(frozen=True)
class SetName:
    name: str | None


@dataclass(frozen=True)
class CopyNameTo:
    order: int


OrderMessage = Add | SetName | CopyNameTo | Literal["pay", "ship", "get"]


class Order(Actor[OrderState]):
    """Takes items until it is paid, and is gone once it is shipped."""

    async def init(self, number: int, message: OrderMessage) -> Outcome[OrderState]:
        if message == "get":
            return NO_UPDATE  # there is no such order, and to look does not make one
        return await self.process(OrderState(), number, message)

    async def process(
        self, order: OrderState, number: int, message: OrderMessage
    ) -> Outcome[OrderState]:
        match message:
            case Add(item) if order.status == "open":
                return Persist(replace(order, items=[*order.items, item]))
            case SetName(name):
                return Persist(replace(order, customer=name))
            case CopyNameTo(other):
                await self.theater.send(Order, other, SetName(order.customer))
                return NO_UPDATE
            case "pay" if order.status == "open":
                return Persist(replace(order, status="ready_to_ship"))
            case "ship" if order.status == "ready_to_ship":
                return Stop.delete()
            case "get":
                return NoUpdate(reply=(order.items, order.customer))
            case _:
                return NO_UPDATE
