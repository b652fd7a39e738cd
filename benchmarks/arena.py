"""Where runs take place: a private PostgreSQL of default durability, and a file of SQLite's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from benchmarks.data import ACTORS, Kind, fill
from tests.postgres import Server, binaries, private
from theater_sql import SQLStorage

SETTINGS = """
# fsync, synchronous_commit and all else that makes a commit durable keep their defaults
shared_buffers = 1GB
max_wal_size = 8GB  # no checkpoint falls into one contender's slice and spares the next
"""
_TICK = os.sysconf("SC_CLK_TCK")


class Arena:
    """Both databases; kinds are filled when a run first needs them."""

    def __init__(self, server: Server, urls: dict[str, sa.URL]) -> None:
        self.server = server
        self.urls = urls
        self.engines = {name: sa.create_engine(url) for name, url in urls.items()}
        self._filled: set[tuple[str, Kind]] = set()
        for url in urls.values():
            with SQLStorage(url, ACTORS) as storage:
                storage.create_all()
        with self.engines["postgresql"].connect() as connection:
            backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        _, self._postmaster, _, _ = _stat(backend)

    def prepare(self, backend: str, operation: str, kinds: list[Kind]) -> None:
        """Fill the tables that a run needs; start afresh where it creates or deletes."""
        for kind in kinds:
            afresh = operation in ("create", "delete")
            if (backend, kind) in self._filled and not afresh:
                continue
            self._filled.add((backend, kind))
            with self.engines[backend].begin() as connection:
                if afresh:
                    connection.execute(sa.delete(kind.table))
                if operation != "create":
                    fill(connection, kind)
            if backend == "postgresql":
                self._vacuum(kind)

    def _vacuum(self, kind: Kind) -> None:
        engine = self.engines["postgresql"].execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"VACUUM (ANALYZE) {kind.table.name}")

    def server_cpu(self) -> float:
        """Return the seconds of CPU time that all processes of the server took."""
        ticks = sum(_stat(self._postmaster)[2:])  # its own, and of those that have ended
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    _, parent, used, _ = _stat(int(process.name))
                except OSError:  # it has ended
                    continue
                ticks += used if parent == self._postmaster else 0
        return ticks / _TICK


def _stat(pid: int) -> tuple[int, int, int, int]:
    """Return a process's number, its parent's, its CPU ticks, and those of its ended children."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = text.rpartition(")")[2].split()
    parent, own, ended = fields[1], fields[11:13], fields[13:15]
    return pid, int(parent), sum(map(int, own)), sum(map(int, ended))


@contextmanager
def arena() -> Iterator[Arena]:
    """Yield both databases, and remove them afterwards."""
    with private(binaries(), SETTINGS) as server, tempfile.TemporaryDirectory() as folder:
        urls = {
            "postgresql": sa.make_url(server.url("postgres")),
            "sqlite": sa.URL.create("sqlite", database=f"{folder}/benchmark.db"),
        }
        found = Arena(server, urls)
        try:
            yield found
        finally:
            for engine in found.engines.values():
                engine.dispose()
