"""The contract of writers that meet: one wins, the others are told so, and nothing is lost."""

from __future__ import annotations

from typing import Any

from theater_sql import ABSENT, NOT_PRESENT, Conflict, Etag
from theater_sql.testing.base import Capability, ContractBase, Subject, needs
from theater_sql.testing.doors import Call, Door

_ETAGS = needs(Capability.ETAGS)
_WRITERS = 6


def errors_of(results: list[Any]) -> list[Exception]:
    """Return what was raised."""
    return [result for result in results if isinstance(result, Exception)]


def kinds_of(results: list[Any]) -> list[str | None]:
    """Return the kind of each conflict, ``None`` for each success; anything else is a failure."""
    assert all(isinstance(error, Conflict) for error in errors_of(results)), results
    return [getattr(result, "kind", None) for result in results]


class RacesContract(ContractBase, is_part=True):
    """Writes at once."""

    @_ETAGS
    def test_of_racing_creators_one_wins_and_the_others_are_told(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = subject.actor_type
        for turn in range(20):
            name = f"{actor_id}-{turn}"
            writes = [(of, name, subject.make(n)) for n in range(_WRITERS)]
            self.check_one_winner(door, subject, writes, expect=ABSENT, kind="exists")

    @_ETAGS
    def test_of_racing_swaps_one_wins_and_the_others_are_told(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        etag = door.put(subject.actor_type, actor_id, subject.make(99))
        for _ in range(10):
            writes = [(subject.actor_type, actor_id, subject.make(n)) for n in range(_WRITERS)]
            etag = self.check_one_winner(door, subject, writes, expect=etag, kind="stale")

    def check_one_winner(
        self, door: Door, subject: Subject, writes: list[Any], *, expect: Any, kind: str
    ) -> Etag:
        """Write all at once; return the only etag, after a look at what is stored."""
        results = door.together([Call(door, "put", *write, expect=expect) for write in writes])
        won = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
        assert len(won) == 1, results
        assert set(kinds_of(results)) == {None, kind}
        told = [(error.expected, error.actual) for error in results if isinstance(error, Conflict)]
        assert set(told) == {(expect, results[won[0]])}
        found = door.get(*writes[0][:2])
        assert (subject.number(found.state), found.etag) == (won[0], results[won[0]])
        return Etag(found.etag)

    @_ETAGS
    def test_of_racing_deletes_one_wins_and_the_others_are_told(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        for _ in range(10):
            etag = door.put(*of, subject.make(1))
            results = door.together(
                [Call(door, "delete", *of, expect=etag) for _ in range(_WRITERS)]
            )
            assert sorted(map(str, kinds_of(results))) == ["None"] + ["gone"] * (_WRITERS - 1)
            assert door.get(*of) is NOT_PRESENT

    @_ETAGS
    def test_of_a_put_and_a_delete_with_one_etag_one_wins(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        for _ in range(10):
            etag = door.put(*of, subject.make(1))
            put = Call(door, "put", *of, subject.make(2), expect=etag)
            kinds = kinds_of(door.together([put, Call(door, "delete", *of, expect=etag)]))
            assert kinds in ([None, "stale"], ["gone", None])
            assert self.stored(door, subject, actor_id) == (2 if kinds[0] is None else None)

    @_ETAGS
    def test_racing_overwrites_all_succeed_and_each_counts(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        puts = [Call(door, "put", *of, subject.make(n)) for n in range(8)]
        etags = door.together(puts)
        assert not errors_of(etags)
        found = door.get(*of)
        assert found.version == len(set(etags)) == 8
        assert etags.index(found.etag) == subject.number(found.state)

    @_ETAGS
    def test_racing_overwrites_and_deletes_never_conflict(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        calls = [Call(door, "put", *of, subject.make(n)) for n in range(4)]
        calls += [Call(door, "delete", *of) for _ in range(4)]
        results = door.together(calls)
        assert not errors_of(results)
        found = door.get(*of)
        assert found is NOT_PRESENT or results[subject.number(found.state)] == found.etag

    @_ETAGS
    def test_a_read_among_writes_gives_one_of_them_whole(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of = (subject.actor_type, actor_id)
        first = door.put(*of, subject.make(0))
        puts = [Call(door, "put", *of, subject.make(n)) for n in range(1, 9)]
        results = door.together([call for put in puts for call in (put, Call(door, "get", *of))])
        assert not errors_of(results)
        etags = [first, *results[::2]]
        for found in results[1::2]:
            assert etags.index(found.etag) == subject.number(found.state)

    @_ETAGS
    def test_a_hundred_actors_move_on_in_parallel_rounds(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(100)]
        expects: list[Any] = [ABSENT] * len(ids)
        for version in range(1, 6):
            expects = door.together(
                [
                    Call(door, "put", of, one, subject.make(version), expect=expect)
                    for one, expect in zip(ids, expects, strict=True)
                ]
            )
            found = door.together([Call(door, "get", of, one) for one in ids])
            assert [one.etag for one in found] == expects
            assert {(one.version, subject.number(one.state)) for one in found} == {
                (version, version)
            }

    @_ETAGS
    def test_of_many_writes_at_once_only_the_stale_one_fails(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(32)]
        expects: list[Any] = [
            door.put(of, one, subject.make(0)) if n % 4 else ABSENT for n, one in enumerate(ids)
        ]
        newer = door.put(of, ids[1], subject.make(9))
        results = door.together(
            [
                Call(door, "put", of, one, subject.make(1), expect=expect)
                for one, expect in zip(ids, expects, strict=True)
            ]
        )
        assert kinds_of(results) == [None, "stale"] + [None] * 30
        assert results[1].actual == newer
        found = [self.stored(door, subject, one) for one in ids]
        assert found == [1, 9] + [1] * 30

    @_ETAGS
    def test_no_increment_is_lost(self, door: Door, subject: Subject, actor_id: str) -> None:
        of = (subject.actor_type, actor_id)
        door.put(*of, subject.make(0))
        acknowledged = 0
        for _ in range(10):
            found = door.get(*of)
            state = subject.make(subject.number(found.state) + 1)
            calls = [Call(door, "put", *of, state, expect=found.etag) for _ in range(4)]
            results = door.together(calls)
            acknowledged += len(results) - len(errors_of(results))
        assert self.stored(door, subject, actor_id) == acknowledged == 10

    @needs(Capability.ETAGS, Capability.REOPEN)
    def test_creators_in_two_storages_agree_on_one_winner(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        of, ids = subject.actor_type, [f"{actor_id}-{n}" for n in range(20)]
        with Door(self.reopen(door)) as second:
            calls = [
                Call(by, "put", of, one, subject.make(number), expect=ABSENT)
                for one in ids
                for number, by in ((1, door), (2, second))
            ]
            results = door.together(calls)
            second.close()
        for one, pair in zip(ids, zip(results[::2], results[1::2], strict=True), strict=True):
            assert sorted(map(str, kinds_of(list(pair)))) == ["None", "exists"]
            found = door.get(of, one)
            assert (pair[subject.number(found.state) - 1], found.version) == (found.etag, 1)

    @needs(Capability.ETAGS, Capability.REOPEN)
    def test_overwrites_and_deletes_in_two_storages_never_conflict(
        self, door: Door, subject: Subject, actor_id: str
    ) -> None:
        overwritten, deleted = f"{actor_id}-overwritten", f"{actor_id}-deleted"
        with Door(self.reopen(door)) as second:
            calls: list[Call] = []
            for n in range(4):
                for by in (door, second):
                    state = subject.make(len(calls))
                    calls += [Call(by, "put", subject.actor_type, overwritten, state)]
                    calls += [Call(by, "put", subject.actor_type, deleted, state)]
                calls += [Call(second if n % 2 else door, "delete", subject.actor_type, deleted)]
            results = door.together(calls)
            second.close()
        assert not errors_of(results)
        found = door.get(subject.actor_type, overwritten)
        assert found.version == 8
        position = results.index(found.etag)
        assert calls[position].args[1] == overwritten
        assert subject.number(calls[position].args[2]) == subject.number(found.state)
