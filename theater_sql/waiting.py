"""Where calls wait: a thread that blocks, or a coroutine, drives the steps of one or of many."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from theater_sql.bulk import Rounds
from theater_sql.calls import Steps
from theater_sql.lanes import Lanes, Operation

T = TypeVar("T")


def drive_many(lanes: Lanes, rounds: Rounds[T]) -> T:
    """Run the steps of many calls, blocking for each round's outcomes."""
    try:
        operations = next(rounds)
        while True:
            operations = rounds.send(lanes.run_all(operations))
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        rounds.close()


def drive(lanes: Lanes, steps: Steps[T]) -> T:
    """Run the steps of a call, blocking for each operation's outcome."""
    try:
        operation = next(steps)
        while True:
            operation = steps.send(lanes.run(operation))
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()


async def adrive_many(lanes: Lanes, rounds: Rounds[T]) -> T:
    """Run the steps of many calls, awaiting each round's outcomes."""
    operations: list[Operation] = []
    try:
        operations = next(rounds)
        while True:
            futures = [lanes.enqueue(operation) for operation in operations]
            operations = rounds.send(list(await asyncio.gather(*futures)))
    except asyncio.CancelledError:
        for operation in operations:
            lanes.withdraw(operation)
        raise
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        rounds.close()


async def adrive(lanes: Lanes, steps: Steps[T]) -> T:
    """Run the steps of a call, awaiting each operation's outcome."""
    try:
        operation = next(steps)
        while True:
            operation = steps.send(await lanes.enqueue(operation))
    except asyncio.CancelledError:
        lanes.withdraw(operation)
        raise
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()
