"""The hosts of a pool, as a client sees them."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple
from uuid import uuid4

import ray

from theater_sql.adapters.ray.mail import Answer, Letter, Map
from theater_sql.host.failures import logger

PAUSE: Final = 0.2
"""Seconds until a host that did not answer is called again."""
LONGEST_CALL: Final = 15.0
"""Seconds, besides those a host was told to wait, after which it is taken for frozen."""


class NoHostError(Exception):
    """There is no Ray actor of the host's name."""


class HostOfMap(NamedTuple):
    """A host that has an actor by one version of the map; by the next another one may."""

    version: int
    number: int


class Hosts:
    """The hosts of a pool, as far as a client knows them.

    Attributes:
        map: how many there are.
    """

    def __init__(self, pool: str, namespace: str) -> None:
        self.map = Map(0, 0)
        self._trouble = ""
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
            self._note(host.number, error)
            return [("lost", b"")] * len(letters)
        self._trouble = ""
        return answers or [("again", b"")] * len(letters)

    def trouble(self) -> str:
        """Return what was wrong with the last call, for a message; nothing if it was answered."""
        return self._trouble

    def _note(self, number: int, error: Exception) -> None:
        """Keep what is wrong, and log the first of a row of failures."""
        if isinstance(error, NoHostError):
            where = f"the pool {self._pool!r} in the namespace {self._namespace!r}"
            what = f"there is no host {number} of {where}: scale() starts it"
        else:
            what = f"host {number} of the pool {self._pool!r}: {type(error).__name__}"
        if not self._trouble:
            logger.warning("%s; trying again", what)
        self._trouble = f" ({what})"

    def _handle(self, number: int) -> Any:
        if number not in self._handles:
            name = host_name(self._pool, number)
            try:
                self._handles[number] = ray.get_actor(name, self._namespace)
            except ValueError as error:
                raise NoHostError from error
        return self._handles[number]


def host_name(pool: str, number: int) -> str:
    """Return the name of a host's Ray actor."""
    return f"{pool}/{number}"
