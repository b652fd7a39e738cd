"""What stands in the database is data: it names no code, and nothing of it is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.contract.doors import MakeDoor
from theater_sql import ActorRegistry, CorruptState, InvalidState, SQLStorage

TRAP = "import pathlib\npathlib.Path({mark!r}).touch()\nclass Trap: pass\n"
PAYLOADS: list[str] = [
    '{"py/object": "sprung.Trap"}',
    '{"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["touch MARK"]}]}',
    '{"$class": "sprung.Trap", "$import": "sprung"}',
    '{"__class__": "sprung.Trap", "__reduce__": ["os.system", ["touch MARK"]]}',
    '{"$type": "sprung.Trap"}',
    "\"!!python/object/apply:os.system ['touch MARK']\"",
    '"gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAhlY2hvIGhplIWUUpQu"',
]


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is there if anything that is stored was imported or run."""
    mark = tmp_path / "mark"
    (tmp_path / "sprung.py").write_text(TRAP.format(mark=str(mark)), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return mark


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_row_names_is_not_run(
    url: str, make_door: MakeDoor, mark: Path, payload: str
) -> None:
    text = payload.replace("MARK", str(mark))
    with SQLStorage(url, ActorRegistry()) as storage:
        storage.create_all()
        storage.put("sprung.Trap", "a", {})
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        cast = "json" if engine.dialect.name == "postgresql" else "text"
        update = f"UPDATE theater_actor SET state = CAST(:state AS {cast})"
        connection.execute(sa.text(update), {"state": text})
    with make_door(url, ActorRegistry()) as door:
        try:
            found: Any = door.get("sprung.Trap", "a")
            assert isinstance(found.state, (dict, str))
        except CorruptState:
            pass  # its tags mean nothing here
        door.list_ids("sprung.Trap")
        door.put("sprung.Trap", "b", {"a": 1})
    assert not mark.exists()
    assert "sprung" not in sys.modules


def test_what_is_too_large_or_too_deep_is_refused(url: str, make_door: MakeDoor) -> None:
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    with make_door(url, ActorRegistry()) as door:
        for state in (deep, "x" * (16 * 2**20 + 1)):
            with pytest.raises(InvalidState, match="nothing was written"):
                door.put("any", "a", state)
