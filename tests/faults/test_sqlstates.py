"""Every SQLSTATE that a server can give has one name, and is tried again where that can help."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.conftest import Figure
from tests.faults.support import ACTORS, BOX, Count, admin, found
from theater_sql import (
    ABSENT,
    ConstraintViolation,
    InvalidState,
    NotPermitted,
    OutcomeUnknown,
    SchemaMismatch,
    SQLStorage,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
)
from theater_sql.backends import sqlite_faults
from theater_sql.backends.base import Action, Phase
from theater_sql.backends.postgresql_faults import classify

AGAIN = {
    # Whether it was applied is not known: the same write goes out again.
    OutcomeUnknown: "08000 08001 08003 08004 08006 08007 08P01 40003 57P01 57P02",
    # Nothing was written, and the next try may be luckier.
    Unavailable: "25006 25P03 25P04 26000 40000 40001 40002 40P01 42P05 53300 55P03 57014 57P03 "
    "57P04 57P05 72000",
}
FINAL = {
    ConstraintViolation: "09000 23000 23001 23502 23503 23505 23514 23P01 27000 38000 39000 44000 "
    "P0001 P0002 P0003 P0004",
    InvalidState: "22000 22001 22003 22007 22008 22012 22021 22023 22P02 22P05 54000 54001 54011 "
    "42601",
    NotPermitted: "28000 28P01 42501",
    SchemaMismatch: "0A000 21000 3F000 42000 42703 42804 42883 42P01 42P02 42P10 42P18",
    StorageCorrupt: "58000 58030 58P01 58P02 F0000 F0001 XX001 XX002",
    StorageFull: "53000 53100 53200 53400",
    Unavailable: "0B000 25000 25001 25P01 25P02 2D000 34000 3B000 3D000 55000 55006 57000 HV000 "
    "XX000",
}
CASES = [
    (state, error, again)
    for table, again in ((AGAIN, True), (FINAL, False))
    for error, states in table.items()
    for state in states.split()
]
INJECT = """
CREATE SEQUENCE IF NOT EXISTS raised;
CREATE OR REPLACE FUNCTION inject() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('raised') <= TG_ARGV[1]::bigint THEN
        RAISE EXCEPTION 'injected' USING ERRCODE = TG_ARGV[0];
    END IF;
    RETURN NEW;
END $$;
"""


@pytest.fixture
def server(pg: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the server that makes writes of boxes fail."""
    with admin(pg) as connection:
        connection.execute(INJECT)
        yield connection
        connection.execute("DROP TRIGGER IF EXISTS inject ON box")


def inject(server: psycopg.Connection[Any], state: str, times: int) -> None:
    server.execute("ALTER SEQUENCE raised RESTART")
    server.execute(
        "CREATE OR REPLACE TRIGGER inject BEFORE UPDATE ON box FOR EACH ROW "
        f"EXECUTE FUNCTION inject('{state}', {times})"
    )


def test_each_has_the_name_that_it_should_have(
    pg: str, server: psycopg.Connection[Any], figure: Figure
) -> None:
    seen: Counter[str] = Counter()
    with SQLStorage(pg, ACTORS) as storage:
        for state, error, again in CASES:
            inject(server, state, 10**9)
            etag = storage.put(BOX, state, Count(), expect=ABSENT)
            with pytest.raises(StorageError, match=rf"^Box\['{state}'\]: ") as caught:
                storage.put(BOX, state, Count(1), expect=etag, timeout=0.7)
            # The deadline may pass in the middle of a try.
            is_cut_off = again and "not answered in time" in caught.value.reason
            assert type(caught.value) is error or is_cut_off, state
            assert "injected" not in str(caught.value), state
            [attempts] = server.execute("SELECT last_value FROM raised").fetchone() or [0]
            assert (attempts > 1) is again, (state, attempts)
            assert found(storage, state).etag == etag, state
            seen[error.__name__] += 1
    figure(f"{len(CASES)} SQLSTATEs: {dict(seen)}")


def test_one_that_passes_is_not_noticed(pg: str, server: psycopg.Connection[Any]) -> None:
    with SQLStorage(pg, ACTORS) as storage:
        etag = storage.put(BOX, "a", Count())
        for n, (state, _, again) in enumerate(CASES):
            inject(server, state, 1)
            try:
                etag = storage.put(BOX, "a", Count(n), expect=etag)
            except StorageError:
                assert not again, state
                etag = storage.put(BOX, "a", Count(n), expect=etag)
            assert found(storage, "a").state == Count(n), state


def every_error() -> list[type[psycopg.Error]]:
    return [
        cls
        for cls in vars(psycopg.errors).values()
        if isinstance(cls, type) and issubclass(cls, psycopg.Error)
    ]


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_no_error_of_the_driver_is_unforeseen(phase: Phase) -> None:
    """Those without a SQLSTATE, and those that no statement of ours can provoke, as well."""
    classes = every_error()
    assert len(classes) > 250
    for cls in classes:
        fault = classify(cls("of the driver"), phase)
        assert issubclass(fault.error, StorageError)
        assert "unforeseen" not in fault.reason or cls.sqlstate is None, cls
        if phase is Phase.WRITE and fault.error is OutcomeUnknown:
            assert fault.action is Action.RESEND or cls.sqlstate is None, cls


OF_SQLITE = {
    Unavailable: "BUSY BUSY_SNAPSHOT BUSY_RECOVERY LOCKED LOCKED_SHAREDCACHE INTERRUPT SCHEMA "
    "CANTOPEN CANTOPEN_ISDIR READONLY_DBMOVED",
    OutcomeUnknown: "IOERR_FSYNC IOERR_COMMIT_ATOMIC",
    StorageFull: "FULL IOERR_WRITE NOMEM IOERR_NOMEM",
    StorageCorrupt: "CORRUPT CORRUPT_INDEX NOTADB IOERR IOERR_READ IOERR_SHORT_READ",
    NotPermitted: "READONLY READONLY_DIRECTORY PERM AUTH",
    SchemaMismatch: "ERROR",
}


def test_every_code_of_sqlite_has_a_name() -> None:
    for error, codes in OF_SQLITE.items():
        for code in codes.split():
            raised = sqlite3.OperationalError("of the driver")
            raised.sqlite_errorname = f"SQLITE_{code}"
            assert sqlite_faults.classify(raised, Phase.WRITE).error is error, code
    known = [name for name in vars(sqlite3) if name.startswith(("SQLITE_IOERR", "SQLITE_CANT"))]
    assert len(known) > 25
    for name in known:
        raised = sqlite3.OperationalError("of the driver")
        raised.sqlite_errorname = name
        assert "unforeseen" not in sqlite_faults.classify(raised, Phase.WRITE).reason
