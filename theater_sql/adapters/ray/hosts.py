"""The hosts of a pool, as a client sees them."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import ray
from ray.exceptions import RayError, RayTaskError

from theater_sql.adapters.ray.mail import Answer, Letter, Map

PAUSE: Final = 0.2
"""Seconds until a host that did not answer is called again."""


class Hosts:
    """The hosts of a pool, as far as a client knows them."""

    def __init__(self, pool: str, namespace: str) -> None:
        self.map = Map(0, 0)
        self._pool = pool
        self._namespace = namespace
        self._client = uuid4().hex
        self._handles: dict[int, Any] = {}

    async def call(self, number: int, letters: list[Letter], patience: float) -> list[Answer]:
        """Return a host's answers; where there are none all letters have to be sent again."""
        version = self.map.version
        answers = None
        try:
            host = self._handles.get(number)
            if host is None:
                host = ray.get_actor(host_name(self._pool, number), self._namespace)
                self._handles[number] = host
            latest, answers = await host.deliver.remote(version, self._client, letters, patience)
            self.map = max(self.map, latest)
        except RayTaskError:
            pass  # the host could not read its map: its database does not answer
        except (RayError, ValueError):  # it is dead, or there is none of this name
            self._handles.pop(number, None)
        return answers or [("again", b"")] * len(letters)


def host_name(pool: str, number: int) -> str:
    """Return the name of a host's Ray actor."""
    return f"{pool}/{number}"
