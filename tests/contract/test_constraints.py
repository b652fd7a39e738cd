"""The user's own constraints: told apart from conflicts, and harmless to the neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

from tests.contract.doors import Call, Door, MakeDoor
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    ActorRegistry,
    ActorRow,
    ConstraintViolation,
    NotPermitted,
)


class Base(DeclarativeBase):
    pass


class TeamRow(ActorRow, Base):
    __tablename__ = "team"
    actor_id: Mapped[str] = mapped_column(primary_key=True)


class UserRow(ActorRow, Base):
    __tablename__ = "user_account"
    __table_args__ = (
        sa.UniqueConstraint("email", name="user_email_unique"),
        sa.CheckConstraint("age >= 0", name="user_age_positive"),
        sa.Index("user_nick_once", "nick", unique=True),
    )
    actor_id: Mapped[str] = mapped_column(primary_key=True)
    nick: Mapped[str | None]
    email: Mapped[str | None]
    age: Mapped[int] = mapped_column(default=0)
    team: Mapped[str | None] = mapped_column(
        sa.ForeignKey("team.actor_id", name="user_team_exists")
    )
    squad: Mapped[str | None] = mapped_column(
        sa.ForeignKey(
            "team.actor_id", name="user_squad_exists", deferrable=True, initially="DEFERRED"
        )
    )


ACTORS = ActorRegistry(Base.metadata)
ACTORS.register("Team", model=TeamRow)
ACTORS.register("User", model=UserRow)

VIOLATIONS: dict[str, tuple[Callable[[], UserRow], str, str | None]] = {
    "unique": (lambda: UserRow(email="taken"), "user_email_unique", "email"),
    "unique index": (lambda: UserRow(nick="taken"), "user_nick_once", "nick"),
    "check": (lambda: UserRow(age=-1), "user_age_positive", None),
    "foreign key": (lambda: UserRow(team="none"), "user_team_exists", "team"),
    "deferred foreign key": (lambda: UserRow(squad="none"), "user_squad_exists", "squad"),
}


@pytest.fixture
def door(make_door: MakeDoor, url: str) -> Iterator[Door]:
    with make_door(url, ACTORS) as door:
        door.create_all()
        door.put("Team", "red", TeamRow())
        door.put("User", "first", UserRow(email="taken", nick="taken"))
        yield door


@pytest.mark.parametrize("which", VIOLATIONS)
def test_violation_is_not_a_conflict_and_the_storage_stays_usable(
    door: Door, url: str, which: str
) -> None:
    # 2E #16
    make, constraint, column = VIOLATIONS[which]
    etag = door.put("User", "second", UserRow(email="mine"), expect=ABSENT)
    for actor_id, expect in (("third", ABSENT), ("second", etag)):
        with pytest.raises(ConstraintViolation) as caught:
            door.put("User", actor_id, make(), expect=expect)
        assert "nothing was written" in str(caught.value)
        assert "taken" not in str(caught.value) and caught.value.__cause__ is None
        if url.startswith("postgresql"):
            assert caught.value.constraint == constraint
        if column and (url.startswith("postgresql") or "foreign" not in which):
            assert (caught.value.constraint, caught.value.columns) == (constraint, (column,))
    assert door.get("User", "third") is NOT_PRESENT
    assert (door.get("User", "second").etag, door.get("User", "second").version) == (etag, 1)
    door.put("User", "third", UserRow(email="other", team="red", squad="red"))


@pytest.mark.parametrize("which", VIOLATIONS)
def test_neighbours_in_the_batch_are_written(door: Door, which: str) -> None:
    make, _, _ = VIOLATIONS[which]
    bad = {3, 17}
    calls = [
        Call(
            door, "put", "User", f"u{n}", make() if n in bad else UserRow(email=f"e{n}"),
            expect=ABSENT,
        )
        for n in range(24)
    ]  # fmt: skip
    results = door.together(calls)
    failed = {n for n, result in enumerate(results) if isinstance(result, BaseException)}
    assert failed == bad
    assert all(isinstance(results[n], ConstraintViolation) for n in bad)
    assert all(bool(door.get("User", f"u{n}")) is (n not in bad) for n in range(24))


def test_two_rows_of_one_batch_that_exclude_each_other(door: Door) -> None:
    calls = [
        Call(door, "put", "User", f"u{n}", UserRow(email="same"), expect=ABSENT) for n in range(8)
    ]
    results = door.together(calls)
    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == 7
    assert all(isinstance(error, ConstraintViolation) for error in refused)


def test_delete_of_what_is_referred_to_is_refused(door: Door) -> None:
    door.put("User", "second", UserRow(team="red"))
    with pytest.raises(ConstraintViolation):
        door.delete("Team", "red")
    assert door.get("Team", "red")


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER no_bad BEFORE INSERT ON user_account WHEN NEW.email = 'bad' "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION no_bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.email = 'bad' THEN RAISE EXCEPTION 'not this one: %%', NEW.email; END IF; "
        "RETURN NEW; END $$",
        "CREATE TRIGGER no_bad BEFORE INSERT ON user_account "
        "FOR EACH ROW EXECUTE FUNCTION no_bad()",
    ],
}


def run(url: str, statements: list[str]) -> None:
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_a_trigger_that_refuses_one_row_is_told_alike_and_spares_the_neighbours(
    door: Door, url: str
) -> None:
    run(url, TRIGGERS[url.split(":")[0].split("+")[0]])
    calls = [
        Call(
            door, "put", "User", f"u{n}", UserRow(email="bad" if n == 5 else f"e{n}"),
            expect=ABSENT,
        )
        for n in range(16)
    ]  # fmt: skip
    results = door.together(calls)
    failed = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [5], results
    assert isinstance(results[5], ConstraintViolation)
    assert "bad" not in str(results[5])


def test_a_trigger_that_skips_the_row_is_an_error_and_no_loop(
    make_door: MakeDoor, url: str
) -> None:
    skip = {
        "sqlite": [
            "CREATE TRIGGER skip_it BEFORE UPDATE ON team BEGIN SELECT RAISE(IGNORE); END",
        ],
        "postgresql": [
            "CREATE FUNCTION skip_it() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RETURN NULL; END $$",
            "CREATE TRIGGER skip_it BEFORE UPDATE ON team FOR EACH ROW EXECUTE FUNCTION skip_it()",
        ],
    }
    with make_door(url, ACTORS, timeout=5.0) as door:
        door.create_all()
        etag = door.put("Team", "red", TeamRow())
        run(url, skip[url.split(":")[0].split("+")[0]])
        for options in ({"expect": etag}, {}):
            with pytest.raises(NotPermitted, match="nothing was written"):
                door.put("Team", "red", TeamRow(), **options)
        assert door.get("Team", "red").etag == etag
