"""Connections to migrate and compare with, whose failures are our own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from theater_sql.backends import backend_for
from theater_sql.backends.base import Action, Phase
from theater_sql.backends.sqlite import missing_file
from theater_sql.errors import (
    NotPermitted,
    StorageCorrupt,
    StorageFull,
    Unavailable,
)

_CLEAR: Final = (NotPermitted, StorageCorrupt, StorageFull)


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Yield a connection; where the database can't be reached, raise ``Unavailable``."""
    missing = missing_file(engine.url) if engine.dialect.name == "sqlite" else None
    if missing:
        raise Unavailable(None, None, f"there is no file {missing}: run the migrations")
    with translated(engine, Phase.CONNECT):
        connection = engine.connect()
    with connection, translated(engine):
        yield connection


@contextmanager
def translated(engine: Engine, phase: Phase = Phase.READ) -> Iterator[None]:
    """Raise our own errors for the faults of server, link and file.

    What a statement of a revision did wrong, the driver's error says best.
    """
    try:
        yield
    except DBAPIError as error:
        if error.orig is None:
            raise
        fault = backend_for(engine, 10.0).classify(error.orig, phase)
        is_clear = phase is Phase.CONNECT or fault.error in _CLEAR
        if fault.action is Action.RAISE and not is_clear:
            raise
        kind = Unavailable if fault.action is Action.RESEND else fault.error
        raise kind(None, None, fault.reason) from fault.cause
