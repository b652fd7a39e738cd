"""The storage inside a transaction of the caller's: his commit commits what it wrote."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)
from sqlalchemy.pool import NullPool

from tests.contract.kinds import ACTORS, KINDS, Kind
from tests.contract.transactions import MAKES, Blocks
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    ActorRegistry,
    ActorRow,
    AsyncSQLStorage,
    BatchConflict,
    ConfigurationError,
    Conflict,
    ConstraintViolation,
    CorruptState,
    Etag,
    InvalidState,
    SchemaMismatch,
    SQLStorage,
    StorageClosed,
    TransactionAborted,
    Unavailable,
)


class Base(DeclarativeBase):
    pass


class Invoice(Base):
    __tablename__ = "invoice"
    number: Mapped[int] = mapped_column(primary_key=True)


class BadgeRow(ActorRow, Base):
    __tablename__ = "tx_badge"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)


BADGES = ActorRegistry(Base.metadata)
BADGES.register("Badge", model=BadgeRow)
CART = KINDS["derived"]


class Rollback(Exception):
    """Ends a block on purpose."""


@pytest.fixture
def blocks(shared_url: str, shared_engine: sa.Engine, request: pytest.FixtureRequest) -> Blocks:
    return Blocks(request.param, shared_url, ACTORS, timeout=3.0)


every_kind = pytest.mark.parametrize("blocks", MAKES, indirect=True)


@pytest.fixture
def outside(shared_url: str) -> Any:
    with SQLStorage(shared_url, ACTORS) as storage:
        yield storage


@every_kind
def test_what_is_written_is_seen_inside_and_committed_by_the_caller(
    blocks: Blocks, outside: Any, kind: Kind, actor_id: str
) -> None:
    first = outside.put(kind.actor_type, f"{actor_id}-old", kind.make(1))
    with blocks.open() as block:
        tx = block.tx
        assert tx.get(kind.actor_type, actor_id) is NOT_PRESENT
        etag = tx.put(kind.actor_type, actor_id, kind.make(1), expect=ABSENT)
        etag = tx.put(kind.actor_type, actor_id, kind.make(2), expect=etag)
        etag = tx.put(kind.actor_type, actor_id, kind.make(3))
        found = tx.get(kind.actor_type, actor_id)
        assert (kind.number(found.state), found.version, found.etag) == (3, 3, etag)
        tx.delete(kind.actor_type, f"{actor_id}-old", expect=first)
        assert tx.get(kind.actor_type, f"{actor_id}-old") is NOT_PRESENT
        assert outside.get(kind.actor_type, actor_id) is NOT_PRESENT
        assert outside.get(kind.actor_type, f"{actor_id}-old").etag == first
    found = outside.get(kind.actor_type, actor_id)
    assert (kind.number(found.state), found.etag) == (3, etag)
    assert outside.get(kind.actor_type, f"{actor_id}-old") is NOT_PRESENT


@every_kind
def test_a_rollback_undoes_all_and_voids_the_etags(
    blocks: Blocks, outside: Any, kind: Kind, actor_id: str
) -> None:
    old = outside.put(kind.actor_type, actor_id, kind.make(1))
    with suppress(Rollback), blocks.open() as block:
        etag = block.tx.put(kind.actor_type, actor_id, kind.make(2), expect=old)
        block.tx.put_many([(kind.actor_type, f"{actor_id}-new", kind.make(3))])
        raise Rollback
    found = outside.get(kind.actor_type, actor_id)
    assert (kind.number(found.state), found.etag) == (1, old)
    assert outside.get(kind.actor_type, f"{actor_id}-new") is NOT_PRESENT
    with pytest.raises(Conflict):
        outside.put(kind.actor_type, actor_id, kind.make(4), expect=etag)


@every_kind
def test_the_callers_own_statements_are_in_the_same_transaction(
    blocks: Blocks, outside: Any, shared_engine: sa.Engine, actor_id: str
) -> None:
    Base.metadata.create_all(shared_engine)
    number = int(actor_id.rpartition("-")[2])
    with blocks.open() as block:
        block.execute(sa.insert(Invoice).values(number=number))
        block.tx.put(CART.actor_type, actor_id, CART.make(1))
        table = CART.table
        rows = block.execute(sa.select(table.c.total).where(table.c.actor_id == actor_id))
        assert [tuple(row) for row in rows] == [(1,)]
    with shared_engine.connect() as connection:
        query = sa.select(Invoice.number).where(Invoice.number == number)
        assert connection.execute(query).all() == [(number,)]


@every_kind
def test_a_conflict_leaves_the_transaction_usable(
    blocks: Blocks, outside: Any, kind: Kind, actor_id: str
) -> None:
    etag = outside.put(kind.actor_type, actor_id, kind.make(1))
    with blocks.open() as block:
        tx = block.tx
        for expect, conflict in ((ABSENT, "exists"), (Etag(uuid4()), "stale")):
            with pytest.raises(Conflict) as caught:
                tx.put(kind.actor_type, actor_id, kind.make(2), expect=expect)
            assert (caught.value.kind, caught.value.actual) == (conflict, etag)
        with pytest.raises(Conflict) as caught:
            tx.put(kind.actor_type, f"{actor_id}-gone", kind.make(2), expect=etag)
        assert caught.value.kind == "gone"
        with pytest.raises(Conflict):
            tx.delete(kind.actor_type, actor_id, expect=Etag(uuid4()))
        with pytest.raises(InvalidState):
            tx.put(kind.actor_type, actor_id, object())
        tx.put(kind.actor_type, actor_id, kind.make(3), expect=etag)
    assert kind.number(outside.get(kind.actor_type, actor_id).state) == 3


@pytest.mark.parametrize("which", MAKES)
def test_a_constraint_leaves_the_transaction_usable(url: str, which: str) -> None:
    create(url, BADGES)
    with Blocks(which, url, BADGES).open() as block:
        tx = block.tx
        tx.put("Badge", "a", BadgeRow(number=1))
        with pytest.raises(ConstraintViolation):
            tx.put("Badge", "b", BadgeRow(number=1))
        with pytest.raises(ConstraintViolation) as caught:
            tx.put_many(
                [("Badge", name, BadgeRow(number=n)) for n, name in ((2, "c"), (1, "d"), (3, "e"))]
            )
        assert caught.value.actor_id == "d"
        with pytest.raises(Conflict):  # the key counts before the number
            tx.put("Badge", "a", BadgeRow(number=1), expect=ABSENT)
        tx.put("Badge", "b", BadgeRow(number=2))
    with SQLStorage(url, BADGES) as storage:
        assert storage.list_ids("Badge") == ["a", "b"]


def create(url: str, actors: ActorRegistry) -> None:
    with SQLStorage(url, actors) as storage:
        storage.create_all()


@every_kind
def test_put_many_is_all_or_nothing_and_tells_all_conflicts(
    blocks: Blocks, outside: Any, actor_id: str
) -> None:
    names = [(kind, f"{actor_id}-{n}") for n in (1, 0) for kind in KINDS.values()]
    with blocks.open() as block:
        batch = [(kind.actor_type, name, kind.make(1), ABSENT) for kind, name in names]
        etags = block.tx.put_many(batch)
        swaps = [
            (*put[:2], kind.make(2), etag)
            for put, (kind, _), etag in zip(batch, names, etags, strict=True)
        ]
        wrong = [(*swaps[0][:3], uuid4()), (*swaps[1][:3], ABSENT), *swaps[2:]]
        with pytest.raises(BatchConflict) as caught:
            block.tx.put_many(wrong)
        assert [conflict.kind for conflict in caught.value.conflicts] == ["stale", "exists"]
        found = block.tx.get(*batch[5][:2])
        assert found.version == 1
        block.tx.put_many(swaps)
    for kind, name in names:
        found = outside.get(kind.actor_type, name)
        assert (kind.number(found.state), found.version) == (2, 2)


@every_kind
def test_a_row_that_cant_be_decoded_is_not_overwritten(
    blocks: Blocks, outside: Any, shared_engine: sa.Engine, actor_id: str
) -> None:
    outside.put(CART.actor_type, actor_id, CART.make(1))
    CART.update(shared_engine, actor_id, items={"no": "list"})
    with blocks.open() as block:
        with pytest.raises(CorruptState):
            block.tx.get(CART.actor_type, actor_id)
        with pytest.raises(CorruptState):
            block.tx.put(CART.actor_type, actor_id, CART.make(2))
        with pytest.raises(CorruptState):
            block.tx.put_many([(CART.actor_type, actor_id, CART.make(2))])
        block.tx.put(CART.actor_type, actor_id, CART.make(3), overwrite_corrupt=True)
    assert outside.get(CART.actor_type, actor_id).version == 2


@pytest.mark.parametrize("which", MAKES)
def test_a_missing_table_leaves_the_transaction_usable(url: str, which: str) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    Invoice.metadata.create_all(engine, [Base.metadata.tables["invoice"]])
    with engine.begin() as connection:
        BADGES.generic.table.create(connection)
    with Blocks(which, url, BADGES).open() as block:
        block.execute(sa.insert(Invoice).values(number=7))
        with pytest.raises(SchemaMismatch):
            block.tx.get("Badge", "a")
        with pytest.raises(SchemaMismatch):
            block.tx.put("Badge", "a", BadgeRow(number=1))
        assert len(block.execute(sa.select(Invoice.number))) == 1


@every_kind
def test_after_its_end_it_is_refused(blocks: Blocks, outside: Any, actor_id: str) -> None:
    with blocks.open() as block:
        block.tx.put(CART.actor_type, actor_id, CART.make(1))
        block.rollback()
        calls: list[Callable[[], Any]] = [
            lambda: block.tx.put(CART.actor_type, actor_id, CART.make(1)),
            lambda: block.tx.get(CART.actor_type, actor_id),
            lambda: block.tx.put_many([(CART.actor_type, actor_id, CART.make(1))]),
            lambda: block.tx.lock([(CART.actor_type, actor_id)]),
        ]
        for call in calls:
            with pytest.raises(StorageClosed, match="nothing was sent"):
                call()
    assert outside.get(CART.actor_type, actor_id) is NOT_PRESENT


@every_kind
def test_it_ends_with_its_block_and_with_the_storage(
    blocks: Blocks, outside: Any, actor_id: str
) -> None:
    with blocks.open() as block:
        block.tx.put(CART.actor_type, actor_id, CART.make(1))
        block.leave()
        with pytest.raises(StorageClosed, match="nothing was sent"):
            block.tx.put(CART.actor_type, actor_id, CART.make(2))
    assert version(outside, actor_id) == 1
    with blocks.open() as block:
        block.storage.close()
        with pytest.raises(StorageClosed, match="nothing was sent"):
            block.tx.put(CART.actor_type, actor_id, CART.make(2))
    assert version(outside, actor_id) == 1


def test_a_closed_storage_opens_no_block(sqlite_url: str) -> None:
    create(sqlite_url, ACTORS)
    storage = SQLStorage(sqlite_url, ACTORS)
    storage.close()
    engine = sa.create_engine(sqlite_url, poolclass=NullPool)
    with (
        engine.connect() as connection,
        pytest.raises(StorageClosed),
        storage.in_transaction(connection),
    ):
        pass
    with pytest.raises(StorageClosed):
        storage.create_all()


def test_calls_at_once_of_threads_follow_each_other(url: str, actor_id: str) -> None:
    create(url, ACTORS)
    engine = sa.create_engine(url, poolclass=NullPool, **in_any_thread(url))
    with SQLStorage(url, ACTORS) as storage:
        with engine.begin() as connection, storage.in_transaction(connection) as tx:
            results = in_threads(
                *[
                    partial(tx.put, CART.actor_type, f"{actor_id}-{n}", CART.make(n))
                    for n in range(6)
                ],
                partial(tx.put, CART.actor_type, actor_id, CART.make(1), expect=Etag(uuid4())),
            )
        assert [type(result) for result in results] == [UUID] * 6 + [Conflict]
        assert storage.count(CART.actor_type) == 6


def in_any_thread(url: str) -> dict[str, Any]:
    is_sqlite = url.startswith("sqlite")
    return {"connect_args": {"check_same_thread": False}} if is_sqlite else {}


def test_calls_at_once_of_tasks_follow_each_other(url: str, actor_id: str) -> None:
    create(url, ACTORS)

    async def run() -> list[Any]:
        engine = create_async_engine(
            url.replace("sqlite:", "sqlite+aiosqlite:"), poolclass=NullPool
        )
        async with (
            AsyncSQLStorage(url, ACTORS) as storage,
            engine.begin() as connection,
            storage.in_transaction(connection) as tx,
        ):
            put = partial(tx.put, CART.actor_type)
            puts = [put(f"{actor_id}-{n}", CART.make(n)) for n in range(6)]
            wrong = put(actor_id, CART.make(1), expect=Etag(uuid4()))
            return await asyncio.gather(*puts, wrong, return_exceptions=True)

    results = asyncio.run(run())
    assert [type(result) for result in results] == [UUID] * 6 + [Conflict]
    with SQLStorage(url, ACTORS) as storage:
        assert storage.count(CART.actor_type) == 6


def test_a_connection_to_another_file_is_refused(sqlite_url: str, tmp_path: Any) -> None:
    create(sqlite_url, ACTORS)
    create(f"sqlite:///{tmp_path / 'other.db'}", ACTORS)
    others = [f"sqlite:///{tmp_path / 'other.db'}", "sqlite://"]
    with SQLStorage(sqlite_url, ACTORS) as storage:
        for url in others:
            engine = sa.create_engine(url, poolclass=NullPool)
            with (
                engine.connect() as connection,
                pytest.raises(ConfigurationError, match="another file"),
                storage.in_transaction(connection),
            ):
                pass


def test_a_session_without_an_engine_is_refused(sqlite_url: str) -> None:
    with (
        SQLStorage(sqlite_url, ACTORS) as storage,
        Session() as session,
        pytest.raises(ConfigurationError, match="engine"),
        storage.in_transaction(session),
    ):
        pass


def test_a_scoped_session_is_a_session(
    shared_url: str, shared_engine: sa.Engine, outside: Any, actor_id: str
) -> None:
    session = scoped_session(sessionmaker(shared_engine))
    with outside.in_transaction(session) as tx:
        tx.put(CART.actor_type, actor_id, CART.make(1))
    session.commit()
    session.remove()
    assert outside.get(CART.actor_type, actor_id).version == 1


def test_what_is_no_transaction_of_this_database_is_refused(sqlite_url: str, pg_url: str) -> None:
    lite, pg = sa.create_engine(sqlite_url), sa.create_engine(pg_url)
    with (
        SQLStorage(pg_url, ACTORS) as storage,
        lite.connect() as connection,
        Session(lite) as session,
    ):
        for wrong in (connection, session, lite, pg, None, "text"):
            with pytest.raises(ConfigurationError), storage.in_transaction(wrong):  # type: ignore[arg-type]
                pass
        autocommit = pg.execution_options(isolation_level="AUTOCOMMIT")
        with (
            autocommit.connect() as one,
            pytest.raises(ConfigurationError, match="autocommit"),
            storage.in_transaction(one),
        ):
            pass
    pg.dispose()
    lite.dispose()


def version(storage: SQLStorage, actor_id: str) -> int:
    found = storage.get(CART.actor_type, actor_id)
    return found.version if found else 0


# --- locks ----------------------------------------------------------------------------------


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at once; give each one's result or exception."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(n: int, call: Callable[[], Any]) -> None:
        barrier.wait(10)
        try:
            results[n] = call()
        except Exception as error:
            results[n] = error  # type: ignore[call-overload]

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def read_and_increment(
    url: str, ids: list[str], rounds: int, *, put_many: bool
) -> Callable[[], None]:
    """Return what increments all these actors in transactions of its own."""

    def run() -> None:
        engine = sa.create_engine(url, poolclass=NullPool)
        with SQLStorage(url, ACTORS) as storage:
            for _ in range(rounds):
                with engine.begin() as connection, storage.in_transaction(connection) as tx:
                    tx.lock([(CART.actor_type, one) for one in ids])
                    found = [tx.get(CART.actor_type, one) for one in ids]
                    puts = [
                        (CART.actor_type, one, CART.make(CART.number(was.state) + 1), was.etag)
                        for one, was in zip(ids, found, strict=True)
                        if was
                    ]
                    if put_many:
                        tx.put_many(puts)
                    else:
                        for actor_type, one, state, etag in puts:
                            tx.put(actor_type, one, state, expect=etag)

    return run


def test_locks_in_any_order_lose_no_update_and_do_not_deadlock(url: str, actor_id: str) -> None:
    create(url, ACTORS)
    ids = [f"{actor_id}-{n}" for n in range(8)]
    with SQLStorage(url, ACTORS) as storage:
        storage.put_many([(CART.actor_type, one, CART.make(0)) for one in ids]).raise_errors()
        blocks = [
            read_and_increment(url, ids[n:] + ids[:n], 15, put_many=n % 2 == 0) for n in range(4)
        ]
        assert in_threads(*blocks) == [None] * 4
        found = storage.get_many([(CART.actor_type, one) for one in ids]).raise_errors()
        assert [one and CART.number(one.state) for one in found] == [60] * 8


def test_a_deadlock_of_the_callers_own_aborts_one(pg_url: str, actor_id: str) -> None:
    create(pg_url, ACTORS)
    engine = sa.create_engine(pg_url, poolclass=NullPool)
    halfway = threading.Barrier(2)

    def block(first: str, second: str) -> Callable[[], None]:
        def run() -> None:
            with (
                SQLStorage(pg_url, ACTORS) as storage,
                engine.begin() as connection,
                storage.in_transaction(connection) as tx,
            ):
                connection.exec_driver_sql("SET deadlock_timeout = '50ms'")
                tx.put(CART.actor_type, first, CART.make(2))
                halfway.wait(10)
                tx.put(CART.actor_type, second, CART.make(2))

        return run

    with SQLStorage(pg_url, ACTORS) as storage:
        for one in ("a", "b"):
            storage.put(CART.actor_type, one, CART.make(1))
        results = in_threads(block("a", "b"), block("b", "a"))
        [aborted] = [error for error in results if error is not None]
        assert isinstance(aborted, TransactionAborted)
        assert "run its block again" in str(aborted)
        assert {version(storage, one) for one in ("a", "b")} == {2}


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_lost_race_of_snapshots_aborts(pg_url: str, level: Any) -> None:
    create(pg_url, ACTORS)
    engine = sa.create_engine(pg_url, poolclass=NullPool, isolation_level=level)
    with SQLStorage(pg_url, ACTORS) as storage:
        storage.put(CART.actor_type, "a", CART.make(1))
        with engine.connect() as connection, storage.in_transaction(connection) as tx:
            found = tx.get(CART.actor_type, "a")
            storage.put(CART.actor_type, "a", CART.make(2))
            storage.put(CART.actor_type, "b", CART.make(2))
            with pytest.raises(TransactionAborted):
                tx.put(CART.actor_type, "a", CART.make(3), expect=found.etag)
            with pytest.raises(TransactionAborted):
                tx.put(CART.actor_type, "b", CART.make(3), expect=ABSENT)
        assert version(storage, "a") == 2


def test_a_connection_that_breaks_aborts(pg_url: str) -> None:
    create(pg_url, ACTORS)
    engine = sa.create_engine(pg_url, poolclass=NullPool)
    with SQLStorage(pg_url, ACTORS) as storage:
        with engine.connect() as connection, storage.in_transaction(connection) as tx:
            tx.put(CART.actor_type, "a", CART.make(1))
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with engine.connect() as other:
                other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
            with pytest.raises(TransactionAborted):
                tx.put(CART.actor_type, "a", CART.make(2))
        assert storage.get(CART.actor_type, "a") is NOT_PRESENT


def test_a_transaction_that_failed_before_aborts(pg_url: str) -> None:
    create(pg_url, ACTORS)
    engine = sa.create_engine(pg_url, poolclass=NullPool)
    with (
        SQLStorage(pg_url, ACTORS) as storage,
        engine.connect() as connection,
        storage.in_transaction(connection) as tx,
    ):
        with pytest.raises(sa.exc.ProgrammingError):
            connection.exec_driver_sql("SELECT nonsense")
        with pytest.raises(TransactionAborted):
            tx.get(CART.actor_type, "a")


# --- SQLite has one writer at a time --------------------------------------------------------


@pytest.mark.parametrize("which", MAKES)
def test_the_storage_would_wait_for_itself_so_it_refuses_at_once(
    sqlite_url: str, which: str
) -> None:
    create(sqlite_url, ACTORS)
    one = CART.make(1)
    with SQLStorage(sqlite_url, ACTORS) as outside:
        outside.put(CART.actor_type, "old", one)
        with Blocks(which, sqlite_url, ACTORS, timeout=60.0).open() as block:
            storage = block.storage
            writes: list[Callable[[], Any]] = [
                lambda: storage.put(CART.actor_type, "a", one),
                lambda: storage.put(CART.actor_type, "a", one, expect=ABSENT),
                lambda: storage.delete(CART.actor_type, "old"),
                lambda: storage.put_many([(CART.actor_type, "a", one)]).raise_errors(),
                lambda: storage.put_many([(CART.actor_type, "a", one)], atomic=True),
                lambda: storage.delete_many([(CART.actor_type, "old")]).raise_errors(),
            ]
            for write in writes:
                with pytest.raises(Unavailable, match=r"nothing was written: write through"):
                    write()
            assert storage.get(CART.actor_type, "old").version == 1  # a read waits for nobody
            block.tx.put(CART.actor_type, "a", one)
        outside.put(CART.actor_type, "b", one)
        assert outside.list_ids(CART.actor_type) == ["a", "b", "old"]


def test_the_turn_lasts_until_the_callers_commit(sqlite_url: str) -> None:
    create(sqlite_url, ACTORS)
    engine = sa.create_engine(sqlite_url, poolclass=NullPool)
    with SQLStorage(sqlite_url, ACTORS, timeout=5.0) as storage, engine.connect() as connection:
        with storage.in_transaction(connection) as tx:
            tx.put(CART.actor_type, "a", CART.make(1))
        with pytest.raises(Unavailable, match="write through"):
            storage.put(CART.actor_type, "b", CART.make(1))
        assert in_threads(lambda: storage.get(CART.actor_type, "a")) == [NOT_PRESENT]
        connection.commit()
        storage.put(CART.actor_type, "b", CART.make(1))
        assert storage.count(CART.actor_type) == 2


def test_another_file_is_not_concerned(sqlite_url: str, tmp_path: Any) -> None:
    create(sqlite_url, ACTORS)
    other_url = f"sqlite:///{tmp_path / 'other.db'}"
    create(other_url, ACTORS)
    engine = sa.create_engine(sqlite_url, poolclass=NullPool)
    with (
        SQLStorage(sqlite_url, ACTORS) as storage,
        SQLStorage(other_url, ACTORS) as other,
        engine.begin() as connection,
        storage.in_transaction(connection) as tx,
    ):
        tx.put(CART.actor_type, "a", CART.make(1))
        other.put(CART.actor_type, "a", CART.make(1))


def test_to_enter_after_a_read_of_an_old_snapshot_is_refused(sqlite_url: str) -> None:
    create(sqlite_url, ACTORS)
    engine = sa.create_engine(sqlite_url, poolclass=NullPool)
    # The recipe for real transactions: the driver begins none, SQLAlchemy does.
    sa.event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with SQLStorage(sqlite_url, ACTORS, timeout=1.0) as storage, engine.connect() as connection:
        storage.put(CART.actor_type, "b", CART.make(1))
        connection.execute(sa.select(CART.table)).all()
        storage.put(CART.actor_type, "a", CART.make(1))
        with (
            pytest.raises(Unavailable, match="before its first read"),
            storage.in_transaction(connection),
        ):
            pass
        connection.rollback()
        with storage.in_transaction(connection) as tx:
            tx.get(CART.actor_type, "a")
            [error] = in_threads(lambda: storage.put(CART.actor_type, "b", CART.make(2)))
            assert isinstance(error, Unavailable)
            tx.put(CART.actor_type, "a", CART.make(2))
        connection.commit()
        assert version(storage, "a") == 2


def test_to_enter_while_another_writes_is_unavailable(sqlite_url: str) -> None:
    create(sqlite_url, ACTORS)
    engine = sa.create_engine(sqlite_url, poolclass=NullPool, connect_args={"timeout": 0.1})
    with SQLStorage(sqlite_url, ACTORS) as storage, engine.connect() as writer:
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        with (
            engine.connect() as connection,
            pytest.raises(Unavailable),
            storage.in_transaction(connection),
        ):
            pass
        writer.rollback()
        with engine.begin() as connection, storage.in_transaction(connection) as tx:
            tx.put(CART.actor_type, "a", CART.make(1))
