"""One blocking interface to transactions of every kind: Connection, Session, and asyncio's two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from theater_sql import ActorRegistry, AsyncSQLStorage, SQLStorage


class Block(Protocol):
    """A transaction that is open, the storage inside it, and the storage itself."""

    tx: Any
    storage: Any

    def execute(self, statement: Any) -> Any:
        """Execute a statement of one's own in the transaction; give its rows."""

    def rollback(self) -> None:
        """End the transaction."""

    def leave(self) -> None:
        """Leave the block of ``in_transaction``, and not the transaction."""


class Blocks:
    """Opens transactions of one kind on one database; an exception rolls back."""

    def __init__(self, kind: str, url: str, actors: ActorRegistry, **options: Any) -> None:
        self._make = MAKES[kind]
        self._url, self._actors, self._options = url, actors, options

    @contextmanager
    def open(self, *, before: str | None = None) -> Iterator[Block]:
        """Open a transaction, execute ``before``, enter ``in_transaction``; commit at the end."""
        with self._make(self._url, self._actors, self._options, before) as block:
            yield block


def _engine_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the caller's own engine needs, such as the storage is."""
    arguments = {"prepare_threshold": None} if options.get("pooler") else {}
    return {"poolclass": NullPool, "connect_args": arguments}


class _SyncBlock:
    def __init__(self, storage: SQLStorage, target: Any, block: ExitStack, tx: Any) -> None:
        self.storage, self.tx, self._target = storage, tx, target
        self.leave = block.close

    def execute(self, statement: Any) -> Any:
        result = self._target.execute(statement)
        return result.all() if getattr(result, "returns_rows", True) else None

    def rollback(self) -> None:
        self._target.rollback()


@contextmanager
def _connection(url: str, actors: Any, options: Any, before: str | None) -> Iterator[Block]:
    engine = sa.create_engine(url, **_engine_options(options))
    with SQLStorage(url, actors, **options) as storage, engine.begin() as connection:
        if before:
            connection.execute(sa.text(before))
        with ExitStack() as block:
            tx = block.enter_context(storage.in_transaction(connection))
            yield _SyncBlock(storage, connection, block, tx)


@contextmanager
def _session(url: str, actors: Any, options: Any, before: str | None) -> Iterator[Block]:
    engine = sa.create_engine(url, **_engine_options(options))
    with SQLStorage(url, actors, **options) as storage, Session(engine) as session, session.begin():
        if before:
            session.execute(sa.text(before))
        with ExitStack() as block:
            tx = block.enter_context(storage.in_transaction(session))
            yield _SyncBlock(storage, session, block, tx)


class _Blocking:
    """An object whose coroutines are run to their end."""

    def __init__(self, run: Callable[[Any], Any], target: Any) -> None:
        self._run, self._target = run, target

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        return lambda *args, **options: self._run(method(*args, **options))


class _AsyncBlock:
    def __init__(
        self,
        run: Callable[[Any], Any],
        storage: Any,
        target: Any,
        tx: Any,
        leave: Callable[[], None],
    ) -> None:
        self.storage, self.tx, self.leave = _Blocking(run, storage), _Blocking(run, tx), leave
        self._run, self._target = run, target

    def execute(self, statement: Any) -> Any:
        result = self._run(self._target.execute(statement))
        return result.all() if getattr(result, "returns_rows", True) else None

    def rollback(self) -> None:
        self._run(self._target.rollback())


@contextmanager
def _async(
    open_target: Callable[[Any], Any], url: str, actors: Any, options: Any, before: str | None
) -> Iterator[Block]:
    with asyncio.Runner() as runner:  # all its calls have one context
        run = runner.run
        engine = create_async_engine(
            url.replace("sqlite:", "sqlite+aiosqlite:"), **_engine_options(options)
        )
        storage = AsyncSQLStorage(url, actors, **options)
        target = open_target(engine)
        run(target.__aenter__())
        try:
            if before:
                run(target.execute(sa.text(before)))
            block = AsyncExitStack()
            tx = run(block.enter_async_context(storage.in_transaction(target)))
            yield _AsyncBlock(run, storage, target, tx, lambda: run(block.aclose()))
            run(block.aclose())
            run(target.commit())
        finally:  # what is not committed is rolled back
            run(target.__aexit__(None, None, None))
            run(storage.close())
            run(engine.dispose())


MAKES: dict[str, Callable[..., Any]] = {
    "Connection": _connection,
    "Session": _session,
    "AsyncConnection": partial(_async, lambda engine: engine.connect()),
    "AsyncSession": partial(_async, AsyncSession),
}
