"""The statements on the table that says where the rows of actor types live."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import sqlalchemy as sa

from theater_sql.backends.base import Backend, Statement
from theater_sql.homes import Home
from theater_sql.tables import Layout


class RouteStatements:
    """ALL reads names, homes and epochs. CLAIM, of a name and a home, writes a missing route."""

    def __init__(self, routes: sa.Table, generic: Layout, backend: Backend) -> None:
        self._routes = routes
        self._types = generic.scope[0]
        self._backend = backend
        self._layout = Layout(routes, (routes.c.name,), ())

    @cached_property
    def all(self) -> Statement:
        table = self._routes
        return self._statement(sa.select(table.c.name, table.c.home, table.c.epoch))

    @cached_property
    def claim(self) -> Statement:
        """The home is the generic table after all, if rows of the type are there already."""
        table = self._routes
        name = sa.bindparam("p0", type_=table.c.name.type)
        home = sa.bindparam("p1", type_=table.c.home.type)
        has_rows = sa.select(sa.literal_column("1")).where(self._types == name).exists()
        generic: sa.ColumnClause[str] = sa.literal_column(f"'{Home.GENERIC.value}'")
        query = sa.select(name, sa.case((has_rows, generic), else_=home), sa.literal_column("1"))
        insert: Any = self._backend.insert(table)
        insert = insert.from_select(["name", "home", "epoch"], query.where(sa.true()))
        insert = insert.on_conflict_do_nothing(index_elements=[table.c.name])
        return self._statement(insert.returning(table.c.name), token=0)

    def _statement(self, query: Any, token: int | None = None) -> Statement:
        sql, parameters = self._backend.compile(query)
        order = [int(name[1:]) for name, _ in parameters]
        writes = token is not None
        return Statement(self._layout, writes, sql, order, None, token, many=not writes)
