"""The contract of any provider: Theater's three callbacks, and nothing more."""

from __future__ import annotations

import inspect
from typing import Any, Final
from uuid import UUID

import pytest

from theater_sql import ABSENT, NOT_PRESENT
from theater_sql.testing.base import HOOKS, Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Call, Door

_TEXTS: Final = ["Привет", "日本語", "🎭", "e\u0301", " ", "a'b\"c\\d%s:x,y;--", "x" * 200, "\n"]
_STATES: Final[list[Any]] = [
    None, True, 0, -(2**63), 2**63 - 1, 0.1, 1e308, "", "текст 🎭", [], {}, [[], {}, None],
    {"": {"a": [1, {"b": "c"}]}}, ["x"] * 1000, {str(n): n for n in range(1000)},
]  # fmt: skip
_METHODS: Final = {
    Capability.HANDLES: ("handle",),
    Capability.MANY: ("get_many", "put_many", "delete_many"),
    Capability.LISTS: ("list_ids", "count"),
}


class ProviderContract(ContractBase, is_part=True):
    """What every provider has to do: ``get``, ``put`` where the last write wins, ``delete``."""

    def test_get_of_nothing_is_not_present(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        found = door.get(subject.actor_type, actor_id)
        assert found is NOT_PRESENT
        assert not bool(found)
        assert found.etag is ABSENT

    def test_put_then_get_gives_the_state_back(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        door.put(subject.actor_type, actor_id, subject.make(7))
        assert self.stored(door, subject, actor_id) == 7
        assert type(door.get(subject.actor_type, actor_id).state) is type(subject.make(7))

    def test_the_last_put_wins(self, door: Door, subject: Subject, actor_id: str) -> None:
        for number in (1, 2, 3):
            door.put(subject.actor_type, actor_id, subject.make(number))
        assert self.stored(door, subject, actor_id) == 3

    def test_delete_removes_the_actor(self, door: Door, subject: Subject, actor_id: str) -> None:
        door.put(subject.actor_type, actor_id, subject.make(1))
        door.delete(subject.actor_type, actor_id)
        assert self.stored(door, subject, actor_id) is None

    def test_delete_of_nothing_is_a_success(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        for _ in range(2):
            door.delete(subject.actor_type, actor_id)
        assert self.stored(door, subject, actor_id) is None

    def test_a_deleted_actor_can_be_created_again(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        for number in (1, 2):
            door.put(subject.actor_type, actor_id, subject.make(number))
            assert self.stored(door, subject, actor_id) == number
            door.delete(subject.actor_type, actor_id)
            assert self.stored(door, subject, actor_id) is None

    def test_types_with_one_id_do_not_mix(
        self, door: Door, subject: Subject, others: list[Subject], actor_id: str
    ) -> None:
        door.put(subject.actor_type, actor_id, subject.make(1))
        for number, other in enumerate(others, 2):
            assert self.stored(door, other, actor_id) is None
            door.put(other.actor_type, actor_id, other.make(number))
            assert self.stored(door, subject, actor_id) == 1
            door.delete(other.actor_type, actor_id)
        assert self.stored(door, subject, actor_id) == 1

    @pytest.mark.parametrize("text", _TEXTS)
    def test_text_of_any_script_is_an_id(
        self, door: Door, subject: Subject, actor_id: str, text: str
    ) -> None:
        door.put(subject.actor_type, actor_id + text, subject.make(1))
        assert self.stored(door, subject, actor_id + text) == 1
        assert self.stored(door, subject, actor_id) is None

    def test_ids_that_look_alike_are_different_actors(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        ends = ["a", "A", "a ", " a", "á", "a\u0301", "а", "a\u200b", "a\t"]
        for number, end in enumerate(ends):
            door.put(subject.actor_type, actor_id + end, subject.make(number))
        found = [self.stored(door, subject, actor_id + end) for end in ends]
        assert found == list(range(len(ends)))

    @pytest.mark.parametrize("state", _STATES, ids=lambda state: f"{state!r:.20}")
    def test_plain_states_come_back_exactly(
        self, door: Door, untyped: Subject, actor_id: str, state: Any
    ) -> None:
        door.put(untyped.actor_type, actor_id, state)
        found = door.get(untyped.actor_type, actor_id)
        assert repr(found.state) == repr(state)

    def test_a_large_state_comes_back_exactly(
        self, door: Door, untyped: Subject, actor_id: str
    ) -> None:
        state = {"text": "я" * 500_000, "end": True}
        door.put(untyped.actor_type, actor_id, state)
        assert door.get(untyped.actor_type, actor_id).state == state

    def test_a_state_is_not_shared_with_the_caller(
        self, door: Door, untyped: Subject, actor_id: str
    ) -> None:
        given: dict[str, Any] = {"list": [1]}
        door.put(untyped.actor_type, actor_id, given)
        given["list"].append(2)
        returned = door.get(untyped.actor_type, actor_id).state
        assert returned == {"list": [1]}
        returned["list"].append(3)
        assert door.get(untyped.actor_type, actor_id).state == {"list": [1]}

    def test_many_actors_are_written_and_read_at_once(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(40)]
        for start in (0, 100):
            states = [subject.make(start + n) for n in range(len(ids))]
            calls = [
                Call(door, "put", of, one, state) for one, state in zip(ids, states, strict=True)
            ]
            assert not [error for error in door.together(calls) if isinstance(error, Exception)]
            found = door.together([Call(door, "get", of, one) for one in ids])
            assert [subject.number(one.state) for one in found] == list(range(start, start + 40))

    def test_a_delete_leaves_every_other_actor(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        ids = [actor_id, f"{actor_id}-2", f"{actor_id}%", f"{actor_id}_2"]
        for number, one in enumerate(ids):
            door.put(subject.actor_type, one, subject.make(number))
        for _ in range(2):
            door.delete(subject.actor_type, ids[0])
        assert [self.stored(door, subject, one) for one in ids] == [None, 1, 2, 3]

    def test_of_puts_of_one_actor_at_once_one_is_stored_as_a_whole(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        calls = [Call(door, "put", *of, subject.make(number)) for number in range(6)]
        assert not [error for error in door.together(calls) if isinstance(error, Exception)]
        assert self.stored(door, subject, actor_id) in range(6)
        deletes = door.together([Call(door, "delete", *of) for _ in range(6)])
        assert not [error for error in deletes if isinstance(error, Exception)]
        assert self.stored(door, subject, actor_id) is None

    @needs(Capability.ID_KINDS)
    def test_ids_of_every_kind_are_different_actors(
        self, door: Door, untyped: Subject, actor_id: str
    ) -> None:
        unique = int(actor_id.replace("-", ""), 16)
        number = unique % 2**62
        ids: list[Any] = [
            number, str(number), str(number).encode(), -number, UUID(int=unique),
            str(UUID(int=unique)), UUID(int=unique).bytes, (number,), (str(number),),
            (number, number), (str(number), number), (number, str(number)),
            (f"{number},", "a"), (str(number), ",a"),
        ]  # fmt: skip
        for position, one in enumerate(ids):
            door.put(untyped.actor_type, one, untyped.make(position))
        found = [self.stored(door, untyped, one) for one in ids]
        assert found == list(range(len(ids)))

    @needs(Capability.REOPEN)
    def test_another_storage_of_the_database_sees_what_is_stored_and_what_is_deleted(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, deleted = subject.actor_type, f"{actor_id}-deleted"
        door.put(of, actor_id, subject.make(0))
        for number in (1, 2):
            with Door(self.reopen(door)) as before:
                before.put(of, deleted, subject.make(number))
                before.delete(of, deleted)
                before.put(of, actor_id, subject.make(number))
                before.close()
            with Door(self.reopen(door)) as after:
                assert self.stored(after, subject, actor_id) == number
                assert self.stored(after, subject, deleted) is None
                after.close()
            assert self.stored(door, subject, actor_id) == number

    def test_what_is_not_declared_is_absent(
        self, door: Door, actor_id: str, undeclared: Capability | None
    ) -> None:
        """So that nobody believes a storage tested for what it was not."""
        of, state = self.subjects[0].actor_type, self.subjects[0].make(1)
        for method in _METHODS.get(undeclared, ()):  # type: ignore[arg-type]
            assert not hasattr(door.raw, method), f"{method} is there, but not declared"
        if undeclared is Capability.ETAGS:
            self.check_refused(TypeError, door.put, of, actor_id, state, expect=ABSENT)
        if undeclared is Capability.ID_KINDS:
            self.check_refused(Exception, door.put, of, 5, state)  # whatever it has for this
        if undeclared is Capability.ATOMIC and hasattr(door.raw, "put_many"):
            takes = inspect.signature(door.raw.put_many).parameters
            assert "atomic" not in list(takes), "atomic= is there, but not declared"

    def check_refused(self, error: Any, call: Any, *args: Any, **options: Any) -> None:
        """Check that a storage really lacks what it does not declare."""
        try:
            call(*args, **options)
        except error:
            return
        pytest.fail("it works, but its capability is not declared", pytrace=False)

    @pytest.mark.parametrize("capability", HOOKS, ids=lambda capability: capability.name)
    def test_a_hook_is_declared_and_what_is_declared_has_its_hook(
        self, capability: Capability
    ) -> None:
        hook = HOOKS[capability]
        is_overridden = getattr(type(self), hook) is not getattr(ContractBase, hook)
        if is_overridden and capability not in self.capabilities:
            pytest.fail(f"{hook}() is there, but {capability.name} not declared", pytrace=False)
        if capability in self.capabilities and not is_overridden:
            pytest.fail(f"{capability.name} is declared, but {hook}() is missing", pytrace=False)
