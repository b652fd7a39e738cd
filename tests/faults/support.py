"""What the fault tests share: actors to store, and both doors to the same calls."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa
from sqlalchemy import BigInteger, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import (
    ABSENT,
    ActorRegistry,
    ActorRow,
    ActorType,
    AsyncSQLStorage,
    Found,
    SQLStorage,
    StorageError,
)


@dataclass
class Count:
    count: int = 0
    note: str = ""


class Base(DeclarativeBase):
    pass


class BadgeRow(ActorRow, Base):
    __tablename__ = "badge"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)


@dataclass
class Badge:
    number: int


ACTORS = ActorRegistry(metadata=Base.metadata)
BOX: ActorType[Count] = ACTORS.register("Box", state=Count, table="box")
OTHER: ActorType[Count] = ACTORS.register("Other", state=Count, table="other")
BADGE: ActorType[Badge] = ACTORS.register("Badge", model=BadgeRow, state=Badge)

Call = Callable[[Any], Any]
"""Something to do with a storage or handle; what it returns is awaited where it has to be."""


class Answer(NamedTuple):
    """What a call gave: a value or an error, and how long it took."""

    value: Any
    error: StorageError | None
    seconds: float


class SyncDoor:
    """Each call in a thread of its own."""

    name = "sync"

    def __init__(self, url: str, **options: Any) -> None:
        self.storage = SQLStorage(url, ACTORS, **options)

    def start(self, *calls: Call) -> Callable[[], list[Answer]]:
        """Start the calls; what is returned waits for their answers."""
        pool = ThreadPoolExecutor(len(calls))
        futures = [pool.submit(self._answer, call) for call in calls]

        def wait() -> list[Answer]:
            with pool:
                return [future.result() for future in futures]

        return wait

    def _answer(self, call: Call) -> Answer:
        start = time.monotonic()
        try:
            return Answer(call(self.storage), None, time.monotonic() - start)
        except StorageError as error:
            return Answer(None, error, time.monotonic() - start)

    def run(self, *calls: Call) -> list[Answer]:
        return self.start(*calls)()

    def close(self) -> None:
        self.storage.close()


class AsyncDoor:
    """All calls as tasks of one event loop, which has a thread of its own."""

    name = "async"

    def __init__(self, url: str, **options: Any) -> None:
        self.storage = AsyncSQLStorage(url, ACTORS, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, *calls: Call) -> Callable[[], list[Answer]]:
        """Start the calls; what is returned waits for their answers."""
        return asyncio.run_coroutine_threadsafe(self._gather(calls), self._loop).result

    async def _gather(self, calls: Sequence[Call]) -> list[Answer]:
        return list(await asyncio.gather(*[self._answer(call) for call in calls]))

    async def _answer(self, call: Call) -> Answer:
        start = time.monotonic()
        try:
            return Answer(await call(self.storage), None, time.monotonic() - start)
        except StorageError as error:
            return Answer(None, error, time.monotonic() - start)

    def run(self, *calls: Call) -> list[Answer]:
        return self.start(*calls)()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        await self.storage.close()
        await self._loop.shutdown_default_executor()


Door = SyncDoor | AsyncDoor


@contextmanager
def opened(kind: type[Door], url: str, **options: Any) -> Iterator[Door]:
    """A door that is closed afterwards."""
    door = kind(url, **options)
    try:
        yield door
    finally:
        door.close()


@contextmanager
def direct(url: str) -> Iterator[SQLStorage]:
    """A storage of somebody else, straight to the database."""
    with SQLStorage(url, ACTORS) as storage:
        yield storage


def create_tables(url: str) -> None:
    storage = SQLStorage(url, ACTORS)
    storage.create_all()
    storage.close()


def put(actor_id: str, state: Count) -> Call:
    """Overwrite."""
    return lambda storage: storage.put(BOX, actor_id, state)


def swap(actor_id: str, state: Count, etag: Any) -> Call:
    """Compare and swap."""
    return lambda storage: storage.put(BOX, actor_id, state, expect=etag)


def create(actor_id: str, state: Count) -> Call:
    """Create, or fail."""
    return lambda storage: storage.put(BOX, actor_id, state, expect=ABSENT)


def found(storage: SQLStorage, actor_id: str, actor: ActorType[Any] = BOX) -> Found[Any]:
    """Return what is stored, which has to be there."""
    stored = storage.get(actor, actor_id)
    assert isinstance(stored, Found), f"{actor_id} is not there"
    return stored


def admin(url: str) -> psycopg.Connection[Any]:
    """Connect to PostgreSQL with the bare driver, in autocommit."""
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn, autocommit=True)


@contextmanager
def transaction(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold a transaction open on PostgreSQL, rolled back at the end unless it was ended."""
    connection = admin(url)
    try:
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so; fail if it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def scalar(url: str, sql: str) -> Any:
    """Ask one question in plain SQL."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return connection.execute(sa.text(sql)).scalar_one()


def waiting(url: str) -> int:
    """Count the sessions in a database of PostgreSQL that wait for a lock."""
    count: int = scalar(
        url,
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()",
    )
    return count


def bounded(action: Callable[[], object], seconds: float) -> bool:
    """Run an action in a thread; tell whether it ended in time."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


@contextmanager
def no_writer(url: str) -> Iterator[None]:
    """Keep everybody else from writing to a SQLite file."""
    connection = sqlite3.connect(str(make_url(url).database), isolation_level=None, timeout=5)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def in_flight(door: Door) -> int:
    """Count the writes that a lane has taken."""
    return sum(len(lane._in_flight) for lane in door.storage._core.lanes._writing)


def queued(door: Door, *, patient: bool = False) -> int:
    """Count the writes that wait for a lane."""
    groups = door.storage._core.lanes._writes._groups[patient]
    return sum(len(group) for group in list(groups.values()))
