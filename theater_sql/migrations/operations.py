"""``op.promote_actor``, ``op.demote_actor`` and ``op.rename_actor_type`` for revisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final, TypeVar

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from theater_sql import homes
from theater_sql.bindings import Binding
from theater_sql.migrations.moves import Stay
from theater_sql.migrations.offline import Offline, Script
from theater_sql.migrations.promotion import Promotion
from theater_sql.migrations.renaming import Renaming
from theater_sql.migrations.stages import own_connection
from theater_sql.registry import ActorRegistry

T = TypeVar("T")
ACTORS: Final = "theater_sql_actors"
"""The option of Alembic's context that holds the registry."""


class _ActorOp(MigrateOperation):
    """An operation on the rows of one actor type."""

    called: ClassVar[str]
    back: ClassVar[type[_ActorOp]]

    def __init__(self, name: str, table: sa.Table | None = None) -> None:
        self.name = name
        self.table = table

    def reverse(self) -> MigrateOperation:
        return self.back(self.name)

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what ``alembic check`` shows."""
        return self.called, self.name


@Operations.register_operation("promote_actor", "promote")
class PromoteActorOp(_ActorOp):
    """Give an actor type its own table, with its rows, while its actors are live."""

    called = "promote_actor"

    @classmethod
    def promote(cls, operations: Operations, name: str) -> None:
        """Move the rows of an actor type from the generic table to its own.

        The table is there already, and so is code that registers the type. What is committed
        before stays so: a promote that is stopped is gone on with by the next upgrade.
        """
        operations.invoke(cls(name))


@Operations.register_operation("demote_actor", "demote")
class DemoteActorOp(_ActorOp):
    """Move the rows of an actor type back to the generic table."""

    called = "demote_actor"

    @classmethod
    def demote(cls, operations: Operations, name: str) -> None:
        """Move the rows of an actor type back to the generic table, before its own is dropped."""
        operations.invoke(cls(name))


PromoteActorOp.back, DemoteActorOp.back = DemoteActorOp, PromoteActorOp


@Operations.register_operation("rename_actor_type", "rename")
class RenameActorTypeOp(MigrateOperation):
    """Give an actor type another name, while its actors are live."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    @classmethod
    def rename(cls, operations: Operations, old: str, new: str) -> None:
        """Give the rows of an actor type in the generic table another name.

        Code that is live by then has the old name as an alias of the new one.
        """
        operations.invoke(cls(old, new))

    def reverse(self) -> MigrateOperation:
        return RenameActorTypeOp(self.new, self.old)


@Operations.implementation_for(RenameActorTypeOp)
def _rename(operations: Operations, operation: RenameActorTypeOp) -> None:
    old, new = operation.old, operation.new

    def rename(connection: Connection, actors: ActorRegistry) -> None:
        left = Renaming(connection, actors, old, new).rename()
        if left:
            raise CommandError(
                f"{old}: {left} rows stay, since {new} has actors of the same ids: delete one of "
                "each pair, then run this again"
            )

    actors = _registry(operations, "rename_actor_type")
    _act(operations, actors, rename, lambda offline: offline.rename(old, new))


@Operations.implementation_for(PromoteActorOp)
def _promote(operations: Operations, operation: PromoteActorOp) -> None:
    _carry_out(operations, operation, Promotion.promote, Offline.promote)


@Operations.implementation_for(DemoteActorOp)
def _demote(operations: Operations, operation: DemoteActorOp) -> None:
    stay = _carry_out(operations, operation, Promotion.demote, Offline.demote)
    if stay:
        raise CommandError(
            f"{operation.name}: {len(stay)} rows can't go to the generic table, the first is "
            f"{stay[0].actor_id!r}: {stay[0].reason}; they stay where they are: mend them, then "
            "run this again"
        )


@renderers.dispatch_for(PromoteActorOp)
@renderers.dispatch_for(DemoteActorOp)
def _render(context: AutogenContext, operation: _ActorOp) -> str:
    return f"{context.opts['alembic_module_prefix']}{operation.called}({operation.name!r})"


def _carry_out(
    operations: Operations,
    operation: _ActorOp,
    move: Callable[[Promotion], list[Stay]],
    script: Callable[[Offline, Binding], Script],
) -> list[Stay]:
    actors = _registry(operations, operation.called)
    binding = _binding(actors, operation.name)

    def carry_out(connection: Connection, actors: ActorRegistry) -> list[Stay]:
        return move(Promotion(connection, actors, binding))

    stay = _act(operations, actors, carry_out, lambda offline: script(offline, binding))
    return [] if stay is None else stay


def _registry(operations: Operations, called: str) -> ActorRegistry:
    actors: ActorRegistry | None = operations.get_context().opts.get(ACTORS)
    if actors is None:
        raise CommandError(
            f"{called} needs the registry: let env.py call run(actors), or configure(actors=...)"
        )
    return actors


def _act(
    operations: Operations,
    actors: ActorRegistry,
    act: Callable[[Connection, ActorRegistry], T],
    script: Callable[[Offline], Script],
) -> T | None:
    """Act on a connection: the upgrade's, or where moves wait for others, one beside it."""
    context = operations.get_context()
    connection = context.connection
    if context.as_sql or connection is None:
        _write_script(operations, script(Offline(actors, context.dialect)))
        return None
    if connection.dialect.name == "sqlite":
        return act(connection, actors)
    if connection.in_transaction() and context._transaction is None:
        raise CommandError(
            "an actor type moves in transactions of its own: run the upgrade outside of yours"
        )
    with context.autocommit_block():
        engine = connection.engine.execution_options(
            schema_translate_map=connection.get_execution_options().get("schema_translate_map")
        )
        with own_connection(engine, connection) as own:
            return act(own, actors)


def _write_script(operations: Operations, script: Script) -> None:
    if operations.get_context().dialect.name == "sqlite":
        script = iter([sa.text("-- on SQLite actors move in an upgrade with a connection only")])
    for statement in script:
        if statement is not None:
            operations.execute(statement)
            continue
        with operations.get_context().autocommit_block():
            operations.execute(sa.text(f"SELECT pg_sleep({homes.LIFETIME * 1.1:.2f})"))


def _binding(actors: ActorRegistry, name: str) -> Binding:
    binding = actors.match(name)
    if binding.in_generic is None:
        raise CommandError(f"{name}: the registry gives this type no table of its own")
    return binding
