"""What racing writers cost, beside what the kit for storages asks of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.doors import Call, Door
from tests.contract.kinds import KINDS
from theater_sql.backends.postgresql_sessions import PostgreSQLSession
from theater_sql.backends.sqlite_sessions import SQLiteSession


def test_many_overwrites_of_one_actor_send_few_writes_in_vain(
    shared_door: Door, shared_url: str, actor_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who expects what the write before it has replaced is told so without a statement.
    sent: list[int] = []
    session: Any = SQLiteSession if shared_url.startswith("sqlite") else PostgreSQLSession
    run = session.run

    def spy(self: Any, statement: Any, rows: Any) -> Any:
        sent.extend([len(rows)] if statement.writes else [])
        return run(self, statement, rows)

    kind, callers = KINDS["derived"], 32
    shared_door.put(kind.actor_type, actor_id, kind.make(0))
    monkeypatch.setattr(session, "run", spy)
    results = shared_door.together(
        [Call(shared_door, "put", kind.actor_type, actor_id, kind.make(n)) for n in range(callers)]
    )
    assert not [error for error in results if isinstance(error, Exception)]
    assert len(set(results)) == callers
    assert shared_door.get(kind.actor_type, actor_id).version == callers + 1
    assert sum(sent) < callers * callers / 4  # all of them in vain would be half of the square
