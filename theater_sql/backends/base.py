"""What a database product has to say for itself, and the words it says it in."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.pool import Pool
from sqlalchemy.sql.dml import Insert

from theater_sql.errors import OutcomeUnknown, StorageError, Unavailable
from theater_sql.tables import Layout

T = TypeVar("T")


class Wire(NamedTuple):
    """How one column's values travel.

    A parameter is declared as ``type`` and, where ``cast`` is given, cast to that in SQL.
    ``bind`` makes the driver's value of ours, ``load`` ours of the driver's; ``None`` where
    they are the same. ``select`` is the expression that reads the column. ``single`` marks a
    type that only works in a statement of its own; ``text`` one whose results have to be
    asked for as text. ``check`` raises ``CodecError`` for what this database would not give
    back, where that depends on the database.
    """

    type: sa.types.TypeEngine[Any]
    select: sa.ColumnElement[Any]
    cast: sa.types.TypeEngine[Any] | None = None
    bind: Callable[[Any], Any] | None = None
    load: Callable[[Any], Any] | None = None
    single: bool = False
    text: bool = False
    check: Callable[[Any], Any] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """One kind of operation on one layout, compiled. Operations of one statement make a batch.

    ``single`` takes a row's parameters in the order of ``order``; ``batch`` takes one array
    for each parameter in the order of ``batch_order``, and is ``None`` where rows go one by
    one. Where the database has no arrays, a write's ``batch`` is for many rows what ``single``
    is for one, and tells no more than how many it changed. ``constants`` stand behind the
    parameters: what SQL of the user's brings along. A write gives back the etag of each row it
    changed, which stands at ``token`` among the parameters; a read gives the rows, behind
    their ordinals in a batch. ``many`` marks a read that gives any number of rows for one of
    parameters. One that ``probes`` reads what a write met, and goes where writes go.
    """

    layout: Layout
    writes: bool
    single: str
    order: Sequence[int]
    batch: str | None
    token: int | None
    batch_order: Sequence[int] = ()
    constants: tuple[Any, ...] = ()
    text: bool = False
    many: bool = False
    probes: bool = False
    among_writes: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "among_writes", self.writes or self.probes)


class Part(NamedTuple):
    """One statement and the rows it is to write, sorted by key."""

    statement: Statement
    rows: Sequence[tuple[Any, ...]]


class Atomic:
    """Writes that are committed together or not at all; to a lane, a statement of its own.

    Its answer tells of each row whether it matched. Unless all did, all is rolled back.
    ``reached`` is the part that was under way last: where a fault came up. Behind the last
    part comes the commit.
    """

    __slots__ = ("parts", "reached")
    writes: Final = True
    among_writes: Final = True
    layout: Final = None
    many: Final = False

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.reached = 0

    def run(
        self, execute: Callable[[Statement, Sequence[tuple[Any, ...]]], list[Any]]
    ) -> list[bool]:
        """Execute the parts in order, inside a transaction of the caller's."""
        answers: list[bool] = []
        for position, part in enumerate(self.parts):
            self.reached = position
            for answer in execute(part.statement, part.rows):
                if isinstance(answer, Exception):
                    raise answer
                answers.append(answer)
        self.reached = len(self.parts)
        return answers


AnyStatement: TypeAlias = Statement | Atomic
"""What an operation asks of a session."""


class Phase(enum.Enum):
    """What the lane was doing when the driver raised: it decides more than the error's class."""

    CONNECT = "connect"
    READ = "read"
    WRITE = "write"


class Action(enum.Enum):
    """What to do about a fault."""

    RAISE = "raise"
    """Fail the operations; sending them again would not help. Nothing was written."""
    RETRY = "retry"
    """Nothing was written: again, on the same connection."""
    RECONNECT = "reconnect"
    """Nothing was written: again, on a new connection."""
    ONCE = "once"
    """The same, but no more than once."""
    RESEND = "resend"
    """Whether it was written is unknown: the same statement again, on a new connection."""
    BLOCKED = "blocked"
    """Somebody holds a lock on a row. Nothing was written."""


class Fault(NamedTuple):
    """A driver's error, understood.

    ``of_row`` tells that one row is to blame, so that a batch is worth dividing; ``suspects``
    tells a row that the database may have meant, where it said so. ``cause`` is left out where
    the driver's text may quote values.
    """

    action: Action
    error: type[StorageError]
    reason: str
    cause: BaseException | None = None
    of_row: bool = False
    details: Mapping[str, Any] = {}
    suspects: Callable[[tuple[Any, ...]], bool] | None = None


Answer = Any
"""What a row of a batch came to: for a write whether it matched, for a read the row or
``None`` (all its rows, where it is for many), for both the driver's error where it was this
row's alone."""


class Session(Protocol):
    """One driver connection, made ready for lane work.

    Used by one thread at a time, save ``kill``; by none but its own unless ``any_thread``.
    """

    any_thread: bool

    @property
    def waiting(self) -> bool:
        """Whether it may wait for a turn to write, with nothing sent yet; briefly, if at all."""

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """Execute one batch and return an answer for each row; raise what the driver raises."""

    def set_lock_timeout(self, seconds: float) -> None:
        """Bound how long a statement waits for a row that somebody holds."""

    def query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one query outside the hot path and return its rows."""

    def kill(self) -> None:
        """End the call that is under way, from another thread."""

    def close(self) -> None:
        """Give the connection up, whatever state it is in."""


class Borrowed(Protocol):
    """A connection that is the caller's: nothing of it is changed, and it is never closed."""

    @property
    def is_open(self) -> bool:
        """Whether the caller's transaction is still there, as far as the driver knows."""

    def run(self, statement: AnyStatement, rows: Sequence[tuple[Any, ...]]) -> list[Answer]:
        """See ``Session.run``; the caller's transaction is around it."""


class Backend(Protocol):
    """What differs between database products, for one engine."""

    name: str
    dialect: Dialect
    now: sa.ColumnElement[Any]
    batches: bool
    """Whether a batch is one statement with arrays, rather than a statement for each row."""
    shared_connection: bool
    """Whether there is one connection for everything: a database in memory."""
    drivers: tuple[str, ...]
    """The drivers of connections that can be borrowed, as SQLAlchemy calls them."""
    file: str | None
    """What only one transaction at a time can write to; ``None`` where rows are locked."""

    def connect(self, lock_timeout: float) -> Session:
        """Open a session; raises what the driver raises."""

    def is_own(self, connection: sa.Connection) -> bool:
        """Tell whether a connection is to this database, as far as that can be told."""

    def borrow(self, connection: sa.Connection) -> Borrowed:
        """Return what runs statements on a connection of the caller's, in his transaction.

        Raises what the driver raises.
        """

    def insert(self, table: sa.Table) -> Insert:
        """Return the dialect's own INSERT, which knows ON CONFLICT."""

    def wire(self, column: sa.Column[Any]) -> Wire:
        """Return how a column's values travel."""

    def compile(self, statement: sa.sql.ClauseElement) -> tuple[str, list[tuple[str, Any]]]:
        """Return SQL for the driver's cursor, and its parameters' names in order."""

    def classify(self, error: BaseException, phase: Phase) -> Fault:
        """Return what an error means. Every error means something."""

    def aborts(self, error: BaseException) -> bool:
        """Tell whether an error is the end of the transaction that it came up in."""


def opened(pool: Pool, make: Callable[[Any], T]) -> T:
    """Make a session of a new driver connection that the pool forgets; close it if that fails."""
    fairy = pool.connect()
    connection: Any = fairy.driver_connection
    fairy.detach()
    try:
        return make(connection)
    except BaseException:
        with suppress(Exception):
            connection.close()
        raise


def compile_options(engine: Engine) -> dict[str, Any]:
    """Return what compiling for an engine needs so that its schema_translate_map holds."""
    schemas = engine.get_execution_options().get("schema_translate_map")
    if not schemas:
        return {}
    return {"schema_translate_map": schemas, "render_schema_translate": True}


def unforeseen(error: BaseException, phase: Phase) -> Fault:
    """Return the fault of an error that no driver raises: a defect, here or in a column type."""
    reason = f"an unforeseen {type(error).__name__}"
    return Fault(
        Action.RAISE, OutcomeUnknown if phase is Phase.WRITE else Unavailable, reason, error
    )
