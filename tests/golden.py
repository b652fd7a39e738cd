"""Golden SQL: every compiled statement of four kinds of binding, for each backend.

``python -m tests.golden --write`` rewrites ``tests/sql``, ``--check`` compares with it.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from theater_sql import ActorRegistry, ActorRow
from theater_sql.backends import Backend, backend_for, engine_for
from theater_sql.bindings import Binding
from theater_sql.statements import Kind, Statements

FOLDER = Path(__file__).parent / "sql"


class Base(DeclarativeBase):
    pass


@dataclass
class CartState:
    customer: str | None = None
    items: list[str] = field(default_factory=list)
    total: Decimal = Decimal(0)
    opened: datetime | None = None


@dataclass
class SeatState:
    taken: bool


@dataclass
class CounterState:
    count: int


class CounterRow(ActorRow, Base):
    __tablename__ = "counter"
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(sa.BigInteger)
    source: Mapped[str] = mapped_column(default=lambda: "unknown")
    touched: Mapped[datetime] = mapped_column(server_default=sa.func.now(), onupdate=sa.func.now())


def bindings() -> dict[str, Binding]:
    """Return a binding of each kind: derived, composite id, the user's model, generic."""
    actors = ActorRegistry(Base.metadata)
    return {
        "derived": actors.match(actors.register("Cart", state=CartState)),
        "composite": actors.match(
            actors.register("Seat", state=SeatState, id_type=(UUID, int, bytes))
        ),
        "model": actors.match(actors.register("Counter", model=CounterRow, state=CounterState)),
        "generic": actors.match("anything"),
    }


def text_of(binding: Binding, backend: Backend) -> str:
    """Return all statements of a binding, each under its kind and form."""
    statements = Statements(binding.layout, backend)
    parts = []
    for kind in Kind:
        statement = statements[kind]
        parts.append(f"-- {kind.value}, one row\n{statement.single.strip()};\n")
        if statement.batch is not None:
            parts.append(f"-- {kind.value}, a batch\n{statement.batch.strip()};\n")
    return "\n".join(line.rstrip() for line in "\n".join(parts).splitlines()) + "\n"


def golden() -> dict[Path, str]:
    """Return what each file has to hold."""
    known = bindings()
    backends = [backend_for(engine_for(url), 10) for url in ("postgresql://", "sqlite://")]
    return {
        FOLDER / f"{backend.name}_{name}.sql": text_of(binding, backend)
        for backend in backends
        for name, binding in known.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    wanted, different = golden(), 0
    if parser.parse_args().write:
        FOLDER.mkdir(exist_ok=True)
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    for path, text in wanted.items():
        actual = path.read_text() if path.exists() else ""
        different += actual != text
        lines = difflib.unified_diff(
            actual.splitlines(), text.splitlines(), path.name, "compiled now", lineterm=""
        )
        print(*lines, sep="\n", end="")
    print(f"golden SQL: {len(wanted)} files, {different} differ" + (": make sql" * bool(different)))
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
