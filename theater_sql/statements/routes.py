"""The statements on the table that says where the rows of actor types live."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sqlalchemy as sa

from theater_sql.backends.base import Backend, Statement
from theater_sql.homes import Home
from theater_sql.tables import Layout


class RouteStatements:
    """ALL reads names, homes and epochs.

    A claim, of a name, a home and the type's other names, writes a missing route.
    """

    def __init__(self, routes: sa.Table, generic: Layout, backend: Backend) -> None:
        self._routes = routes
        self._types = generic.scope[0]
        self._backend = backend
        self._layout = Layout(routes, (routes.c.name,), ())
        self._claims: dict[int, Statement] = {}

    @cached_property
    def all(self) -> Statement:
        table = self._routes
        sql, order = self._compiled(sa.select(table.c.name, table.c.home, table.c.epoch))
        return Statement(self._layout, False, sql, order, None, token=None, many=True)

    def claim(self, others: int) -> Statement:
        """Return the claim of a type with so many other names.

        The home is the generic table after all, if rows of any of its names are there already.
        """
        if others not in self._claims:
            self._claims[others] = self._claim(others)
        return self._claims[others]

    def _claim(self, others: int) -> Statement:
        table = self._routes
        name, home, *former = [
            sa.bindparam(f"p{i}", type_=table.c.name.type) for i in range(2 + others)
        ]
        is_named = self._types.in_([name, *former])
        has_rows = sa.select(sa.literal_column("1")).where(is_named).exists()
        generic: sa.ColumnClause[str] = sa.literal_column(f"'{Home.GENERIC.value}'")
        query = sa.select(name, sa.case((has_rows, generic), else_=home), sa.literal_column("1"))
        insert: Any = self._backend.insert(table)
        insert = insert.from_select(["name", "home", "epoch"], query.where(sa.true()))
        insert = insert.on_conflict_do_nothing(index_elements=[table.c.name])
        single, order = self._compiled(insert.returning(table.c.name))
        if self._backend.batches:
            return Statement(self._layout, True, single, order, None, token=0)
        batch, batch_order = self._compiled(insert)
        return Statement(self._layout, True, single, order, batch, 0, batch_order)

    def _compiled(self, query: Any) -> tuple[str, list[int]]:
        sql, parameters = self._backend.compile(query)
        return sql, [int(name[1:]) for name, _ in parameters]
