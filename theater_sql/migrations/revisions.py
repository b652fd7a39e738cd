"""What autogenerate proposes, completed: renames, defaults of new columns, conversions, schemas."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate import comparators, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext

from theater_sql.migrations.defaults import POSTGRESQL, renamed_from, server_default
from theater_sql.migrations.operations import ACTORS, PromoteActorOp
from theater_sql.migrations.promotion import waiting_types

_LOG: Final = logging.getLogger("alembic.autogenerate.theater_sql")
_COMMAND_ERROR: Final = "from alembic.util import CommandError"


def _quoted(name: str) -> str:
    return str(POSTGRESQL.identifier_preparer.quote(name))


class DecideOp(ops.MigrateOperation):
    """A remark that somebody has to decide what old rows get in new columns of a table."""

    def __init__(self, table: str, schema: str | None, columns: list[str]) -> None:
        self.columns = ", ".join(f"{table}.{column}" for column in columns)
        self.table = ".".join(_quoted(name) for name in (schema, table) if name)

    def to_diff_tuple(self) -> tuple[str, str]:
        """Return what ``alembic check`` shows."""
        return "decide_default", self.columns


@renderers.dispatch_for(DecideOp)
def _render_decide(context: AutogenContext, op: DecideOp) -> list[str]:
    context.imports.add(_COMMAND_ERROR)
    sa_, op_ = context.opts["sqlalchemy_module_prefix"], context.opts["alembic_module_prefix"]
    rows = f"{sa_}text({f'SELECT 1 FROM {op.table} LIMIT 1'!r})"
    return [
        f"# DECIDE what the rows that are there get in {op.columns}: NOT NULL, without a default.",
        "# Give the column a server_default below, or add it with nullable=True, fill it by an",
        "# UPDATE, and alter it to nullable=False. Then delete this check.",
        f"if not {op_}get_context().as_sql and {op_}get_bind().scalar({rows}):",
        f"raise CommandError({f'the revision has to say what old rows get in {op.columns}'!r})",
        "",
    ]


class ConvertOp(ops.AlterColumnOp):
    """A change of a column's type, and how PostgreSQL converts the values."""


@renderers.dispatch_for(ConvertOp)
def _render_convert(context: AutogenContext, op: ConvertOp) -> str:
    assert op.modify_type is not None
    code: str = renderers.dispatch(ops.AlterColumnOp)(context, op)
    using = f"{_quoted(op.column_name)}::{op.modify_type.compile(dialect=POSTGRESQL)}"
    return f"{code.removesuffix(')')},\n{' ' * 11}postgresql_using={using!r})"


def complete(context: MigrationContext, _revision: Any, scripts: list[Any]) -> None:
    """Complete the operations of new revisions in place."""
    for script in scripts:
        for up, down in zip(script.upgrade_ops_list, script.downgrade_ops_list, strict=True):
            _order_promotions(up)
            if up.is_empty():
                continue
            back = [_rename(context, table) for table in _tables(up)]
            up.reverse_into(down)
            renames = [pair for pairs in back for pair in pairs]
            down.ops += [backward for _, backward in reversed(renames)]
            up.ops[:0] = [forward for forward, _ in renames]
            for container in (up, down):
                container.ops[:0] = [d for table in _tables(container) for d in _completed(table)]
            up.ops[:0] = _schemas(context, up)


@comparators.dispatch_for("schema")
def _propose(context: AutogenContext, up: ops.UpgradeOps, _schemas: Any) -> None:
    """Propose to move the rows of types that have come to have a table."""
    actors = context.opts.get(ACTORS)
    if actors is not None and context.connection is not None:
        for binding in waiting_types(context.connection, actors):
            _LOG.info("Detected rows of %r in the generic table", binding.name)
            up.ops.append(PromoteActorOp(binding.name, binding.layout.table))


def _order_promotions(up: ops.OpContainer) -> None:
    """Promote when the tables are there, which may be made again after a move that was stopped."""
    promotions = [op for op in up.ops if isinstance(op, PromoteActorOp)]
    up.ops[:] = [*(op for op in up.ops if op not in promotions), *promotions]
    tables = {op.table.name for op in promotions if op.table is not None}
    for op in up.ops:
        if isinstance(op, ops.CreateTableOp) and op.table_name in tables:
            op.if_not_exists = True
        if isinstance(op, ops.ModifyTableOps) and op.table_name in tables:
            for index in (one for one in op.ops if isinstance(one, ops.CreateIndexOp)):
                index.if_not_exists = True


def _tables(container: ops.OpContainer) -> list[ops.ModifyTableOps]:
    return [op for op in container.ops if isinstance(op, ops.ModifyTableOps)]


def _rename(
    context: MigrationContext, table: ops.ModifyTableOps
) -> list[tuple[ops.ModifyTableOps, ops.ModifyTableOps]]:
    """Take what is a rename by hint out of a table's operations, and return it, there and back.

    What is dropped of the old columns goes before, so that on the way back it comes after.
    """
    dropped = {op.column_name: op for op in table.ops if isinstance(op, ops.DropColumnOp)}
    renames = []
    for op in [op for op in table.ops if isinstance(op, ops.AddColumnOp)]:
        drop = dropped.pop(renamed_from(op.column) or "", None)
        if drop is not None:
            old, new = drop.to_column(), op.column
            renames.append((_renamed(table, old, old, new), _renamed(table, old, new, old)))
            at = table.ops.index(op)
            table.ops[at : at + 1] = _change(context, table, old, new)
            table.ops.remove(drop)
    drops = [op for op in table.ops if isinstance(op, (ops.DropIndexOp, ops.DropConstraintOp))]
    if renames and drops:
        table.ops[:] = [op for op in table.ops if op not in drops]
        first = ops.ModifyTableOps(table.table_name, drops, schema=table.schema)
        renames.insert(0, (first, first.reverse()))
    return renames


def _renamed(
    table: ops.ModifyTableOps, kept: sa.Column[Any], old: sa.Column[Any], new: sa.Column[Any]
) -> ops.ModifyTableOps:
    op = ops.AlterColumnOp(
        table.table_name,
        old.name,
        schema=table.schema,
        existing_type=kept.type,
        existing_nullable=kept.nullable,
        modify_name=new.name,
    )
    return ops.ModifyTableOps(table.table_name, [op], schema=table.schema)


def _change(
    context: MigrationContext,
    table: ops.ModifyTableOps,
    old: sa.Column[Any],
    new: sa.Column[Any],
) -> Iterator[ops.AlterColumnOp]:
    """Yield what else is different in a renamed column."""
    changes: dict[str, Any] = {}
    if context.impl.compare_type(old, new):
        changes["modify_type"] = new.type
    if old.nullable != new.nullable:
        changes["modify_nullable"] = new.nullable
    if changes:
        yield ops.AlterColumnOp(
            table.table_name,
            new.name,
            schema=table.schema,
            existing_type=old.type,
            existing_nullable=old.nullable,
            existing_server_default=old.server_default,
            **changes,
        )


def _completed(table: ops.ModifyTableOps) -> list[DecideOp]:
    """Complete the operations on a table, and return what has to be decided first."""
    added = [op for op in table.ops if isinstance(op, ops.AddColumnOp)]
    undecided = [op.column.name for op in added if _needs_value(op)]
    table.ops[:] = [part for op in table.ops for part in _converted(op)]
    return [DecideOp(table.table_name, table.schema, undecided)] if undecided else []


def _needs_value(op: ops.AddColumnOp) -> bool:
    """Give a new column its default, and tell whether somebody has to decide on one."""
    column = op.column
    if column.server_default or column.computed or column.identity:
        return False
    default = server_default(column)
    if default is not None:
        op.column = column._copy()
        op.column.server_default = default
    return default is None and not column.nullable


def _converted(op: ops.MigrateOperation) -> Iterator[ops.MigrateOperation]:
    """Say how PostgreSQL converts values, and drop a default that the new type could not have."""
    if not isinstance(op, ops.AlterColumnOp) or op.modify_type is None:
        yield op
        return
    existing = op.existing_server_default
    if existing and op.modify_server_default is False:
        yield _altered(op, ops.AlterColumnOp, modify_server_default=None)
        op.existing_server_default = None
    yield _altered(
        op,
        ConvertOp,
        modify_type=op.modify_type,
        modify_nullable=op.modify_nullable,
        modify_server_default=op.modify_server_default,
        modify_comment=op.modify_comment,
    )


def _altered(
    op: ops.AlterColumnOp, kind: type[ops.AlterColumnOp], **changes: Any
) -> ops.AlterColumnOp:
    """Return other changes of the same column."""
    return kind(
        op.table_name,
        op.column_name,
        schema=op.schema,
        existing_type=op.existing_type,
        existing_nullable=op.existing_nullable,
        existing_server_default=op.existing_server_default,
        existing_comment=op.existing_comment,
        **changes,
        **op.kw,
    )


def _schemas(context: MigrationContext, up: ops.OpContainer) -> list[ops.MigrateOperation]:
    """Return what makes the schemas that new tables are in."""
    connection = context.connection
    wanted = {op.schema for op in up.ops if isinstance(op, ops.CreateTableOp) and op.schema}
    if not wanted or connection is None or connection.dialect.name != "postgresql":
        return []
    missing = sorted(wanted - set(sa.inspect(connection).get_schema_names()))
    return [ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {_quoted(name)}") for name in missing]
