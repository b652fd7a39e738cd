"""Every kind of state x every type of field x both homes x both databases: kept, or refused.

What is refused is refused at registration, by the field's name, on both databases alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.hostile.values import exactly
from tests.matrix.fields import FIELDS
from tests.matrix.kinds import KINDS
from theater_sql import GENERIC, ActorRegistry, InvalidState, RegistrationError, SQLStorage


class Cell(NamedTuple):
    """One kind, field and home, registered or refused."""

    kind: str
    field: str
    home: str
    cls: Any = None
    refused: str | None = None

    @property
    def actor_type(self) -> str:
        return f"{self.kind}/{self.field}/{self.home}"


def registered() -> tuple[ActorRegistry, list[Cell]]:
    """Register all that can be, in tables of their own and in the generic one."""
    actors, cells = ActorRegistry(), []
    for number, kind in enumerate(KINDS):
        for position, (field, (type_, _)) in enumerate(FIELDS.items()):
            for home in ("own table", "generic"):
                cell = Cell(kind, field, home)
                name = f"m{number}_{position}"
                try:
                    cls = KINDS[kind].make(f"S{name}", type_)
                    table: Any = name if home == "own table" else GENERIC
                    actors.register(cell.actor_type, state=cls, table=table)
                    cells.append(cell._replace(cls=cls))
                except RegistrationError as error:
                    cells.append(cell._replace(refused=str(error)))
    return actors, cells


ACTORS, CELLS = registered()
NEVER = {
    "complex": "a complex can't be stored as JSON",
    "unknown class": "a Strange can't be stored as JSON",
    "range": "a range can't be stored as JSON",
    "union of str and bytes": "Type unions may not contain more than one str-like type",
}
"""Fields that JSON has no word for; a pydantic model may have one of its own for them."""
AT_PUT = {
    ("own table", "union of tagged"),
    ("own table", "list of bytes"),
    ("generic", "union of tagged"),
    ("generic", "list of bytes"),
    ("generic", "bytes"),
}
"""What pydantic itself may find no JSON for: another library's classes, bytes that are no UTF-8."""
NO_COLUMNS = "an array_like Struct has no columns: use table=GENERIC"
EITHER = "NotRequired and Optional can't be told apart in a column"


def reason(cell: Cell) -> str | None:
    """Return why a cell has to be refused, if it has to."""
    if cell.field in NEVER and "pydantic" not in cell.kind:
        return NEVER[cell.field]
    if cell.home == "generic":
        return None
    if cell.kind == "array Struct":
        return NO_COLUMNS
    may_be_none = cell.field == "Any" or cell.field.startswith("Optional")
    return EITHER if may_be_none and "not total" in cell.kind else None


def test_what_is_refused_is_refused_by_the_name_of_its_field() -> None:
    for cell in CELLS:
        wanted = reason(cell)
        if wanted is None:
            assert cell.refused is None, cell
            continue
        assert cell.refused is not None, cell
        of = cell.actor_type if wanted is NO_COLUMNS else f"{cell.actor_type}.value"
        assert cell.refused.startswith(f"{of}: "), cell.refused
        assert wanted in cell.refused
    assert len(CELLS) == len(KINDS) * len(FIELDS) * 2


def test_what_a_pydantic_model_has_no_json_for_is_refused_when_it_is_put(sqlite_url: str) -> None:
    cells = [c for c in CELLS if c.kind == "pydantic" and (c.home, c.field) in AT_PUT]
    with SQLStorage(sqlite_url, ACTORS) as storage:
        for cell in cells:
            value = FIELDS[cell.field][1][-1]
            with pytest.raises(InvalidState):
                storage.put(cell.actor_type, "a", cell.cls(value=value))


@pytest.mark.parametrize("home", ["own table", "generic"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_value_comes_back_exactly(url: str, kind: str, home: str) -> None:
    cells = [c for c in CELLS if (c.kind, c.home) == (kind, home) and not c.refused]
    wrap, unwrap = KINDS[kind].wrap, KINDS[kind].unwrap
    given = {
        (cell.actor_type, f"v{n}"): (cell, value)
        for cell in cells
        for n, value in enumerate(FIELDS[cell.field][1])
        if not ("pydantic" in kind and (home, cell.field) in AT_PUT)
    }
    with SQLStorage(url, ACTORS, timeout=60.0) as storage:
        tables = {ACTORS.table(cell.actor_type) for cell in cells}
        create(url, tables)
        states = {actor: wrap(cell.cls, value) for actor, (cell, value) in given.items()}
        results = storage.put_many([(*actor, state) for actor, state in states.items()])
        wrong = [str(error) for error in results.errors]
        for actor, found in zip(given, storage.get_many(list(given)), strict=True):
            _, value = given[actor]
            if not found or isinstance(found, Exception):
                wrong.append(f"{actor}: {found!r:.100}")
            elif type(found.state) is not type(states[actor]):
                wrong.append(f"{actor}: a {type(found.state).__name__}")
            elif not exactly(unwrap(found.state), value):
                wrong.append(f"{actor}: {unwrap(found.state)!r:.60} for {value!r:.60}")
    assert wrong == []


def create(url: str, tables: set[sa.Table]) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    ACTORS.metadata.create_all(engine, list({*tables, ACTORS.routes, ACTORS.generic.table}))
