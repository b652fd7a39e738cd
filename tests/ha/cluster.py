"""Three PostgreSQL under Patroni: who leads, and how to make it another one."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from tests.postgres import free_port

PATIENCE = 90.0
"""Seconds that a cluster has to become what is waited for."""


@dataclass
class Node:
    """A PostgreSQL and the Patroni that minds it."""

    name: str
    home: Path
    port: int = field(default_factory=free_port)
    rest: int = field(default_factory=free_port)
    patroni: int = 0

    @property
    def data(self) -> Path:
        return self.home / "data"

    def postgres(self) -> list[int]:
        """Return the postmaster and its children, as process ids."""
        text = (self.data / "postmaster.pid").read_text(encoding="ascii")
        return _with_children(int(text.split()[0]))

    def kill_postgres(self) -> None:
        """End the server as a crash would: nothing is flushed, nobody is told."""
        _signal(self.postgres(), signal.SIGKILL)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the clock for every process of this node, until the block ends."""
        stopped: list[int] = []
        try:
            while new := set(self._all()) - set(stopped):  # one may be born while we stop others
                _signal(new, signal.SIGSTOP)
                stopped += new
            yield
        finally:
            _signal(stopped, signal.SIGCONT)

    def _all(self) -> list[int]:
        return [*_with_children(self.patroni), *self.postgres()]

    def ask(self, path: str, body: dict[str, Any] | None = None, *, timeout: float = 2) -> Any:
        """Call Patroni's REST interface; raises ``OSError`` where nobody answers."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.rest}/{path}"
        with urllib.request.urlopen(url, data, timeout) as answer:
            text = answer.read().decode()
        return text if body is not None else json.loads(text)


class Cluster:
    """Nodes of which one is the leader, another its synchronous standby."""

    def __init__(self, nodes: list[Node], passwords: dict[str, str]) -> None:
        self._nodes = nodes
        self._passwords = passwords
        self._databases = 0

    def new_database(self) -> str:
        """Return the URL of a new database, which leads to whoever is the leader."""
        leader = self.healthy()
        self._databases += 1
        name = f"app{self._databases}"
        with psycopg.connect(
            host="127.0.0.1",
            port=leader.port,
            user="postgres",
            password=self._passwords["postgres"],
            dbname="postgres",
            autocommit=True,
        ) as connection:
            if self._databases == 1:
                connection.execute(f"CREATE ROLE app LOGIN PASSWORD '{self._passwords['app']}'")
            connection.execute(f"CREATE DATABASE {name} OWNER app")
        return self._url(name)

    def _url(self, database: str) -> str:
        url = URL.create(
            "postgresql+psycopg",
            "app",
            self._passwords["app"],
            database=database,
            query={
                "host": [f"127.0.0.1:{node.port}" for node in self._nodes],
                "target_session_attrs": "read-write",
                "connect_timeout": "2",
            },
        )
        return url.render_as_string(hide_password=False)

    def healthy(self) -> Node:
        """Wait until all nodes follow one leader, one of them synchronously; return the leader."""

        def look() -> Node | None:
            members = self._members()
            ready = sorted(f"{member['role']} {member['state']}" for member in members)
            wanted = ["leader running", "replica streaming", "sync_standby streaming"]
            return self._leader_of(members) if ready == wanted else None

        return self._wait(look, "three nodes that follow one leader")

    def leader_after(self, old: Node) -> Node:
        """Wait until another node than ``old`` leads, and return it."""

        def look() -> Node | None:
            leader = self._leader_of(self._members(but=old))
            return leader if leader is not old else None

        return self._wait(look, f"another leader than {old.name}")

    def switch_over(self, leader: Node) -> None:
        """Ask Patroni to let another node lead."""
        leader.ask("switchover", {"leader": leader.name}, timeout=PATIENCE)

    def _members(self, but: Node | None = None) -> list[dict[str, Any]]:
        """Return what the first node that answers knows of the cluster."""
        for node in self._nodes:
            if node is not but:
                with suppress(OSError):
                    members: list[dict[str, Any]] = node.ask("cluster")["members"]
                    return members
        return []

    def _leader_of(self, members: list[dict[str, Any]]) -> Node | None:
        names = [m["name"] for m in members if (m["role"], m["state"]) == ("leader", "running")]
        return next((node for node in self._nodes if names == [node.name]), None)

    def _wait(self, look: Callable[[], Node | None], what: str) -> Node:
        end = time.monotonic() + PATIENCE
        while (found := look()) is None:
            if time.monotonic() > end:
                logs = [(node.home / "log").read_text()[-2000:] for node in self._nodes]
                raise AssertionError(f"not seen in {PATIENCE:.0f} s: {what}\n" + "\n".join(logs))
            time.sleep(0.1)
        return found


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _with_children(pid: int) -> list[int]:
    """Return a process and all that descend from it, itself first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in parentheses, may hold anything.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found
