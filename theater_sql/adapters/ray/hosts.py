"""The hosts of a pool, as a client sees them."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple
from uuid import uuid4

import ray

from theater_sql.adapters.ray.mail import Answer, Letter, Map

PAUSE: Final = 0.2
"""Seconds until a host that did not answer is called again."""
LONGEST_CALL: Final = 15.0
"""Seconds, besides those a host was told to wait, after which it is taken for frozen."""


class HostOfMap(NamedTuple):
    """A host that has an actor by one version of the map; by the next another one may."""

    version: int
    number: int


class Hosts:
    """The hosts of a pool, as far as a client knows them.

    Attributes:
        map: how many there are.
        trouble: what was wrong with the last call that failed, for a message.
    """

    def __init__(self, pool: str, namespace: str) -> None:
        self.map = Map(0, 0)
        self.trouble = ""
        self._pool = pool
        self._namespace = namespace
        self._client = uuid4().hex
        self._handles: dict[int, Any] = {}

    async def call(self, host: HostOfMap, letters: list[Letter], patience: float) -> list[Answer]:
        """Return a host's answers; where there are none all letters have to be sent again."""
        try:
            deliver = self._handle(host.number).deliver.remote
            async with asyncio.timeout(patience + LONGEST_CALL):
                latest, answers = await deliver(host.version, self._client, letters, patience)
            self.map = max(self.map, latest)
        except Exception as error:  # it is dead or frozen, or can't reach its database
            self._handles.pop(host.number, None)
            self.trouble = f" ({type(error).__name__})"
            return [("lost", b"")] * len(letters)
        return answers or [("again", b"")] * len(letters)

    def _handle(self, number: int) -> Any:
        if number not in self._handles:
            name = host_name(self._pool, number)
            self._handles[number] = ray.get_actor(name, self._namespace)
        return self._handles[number]


def host_name(pool: str, number: int) -> str:
    """Return the name of a host's Ray actor."""
    return f"{pool}/{number}"
