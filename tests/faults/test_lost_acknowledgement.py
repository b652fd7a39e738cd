"""A reply that never arrives: applied exactly once and acknowledged, or ``OutcomeUnknown``."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import Figure
from tests.faults.proxy import Cut, How, Proxy, When
from tests.faults.support import (
    BOX,
    Answer,
    Call,
    Count,
    Door,
    direct,
    eventually,
    found,
    opened,
    swap,
    transaction,
    waiting,
)
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    Conflict,
    Etag,
    Found,
    OutcomeUnknown,
    SQLStorage,
)

ROWS = 6
CUTS = [*itertools.product((When.BEFORE, When.AFTER, When.HALF), How)]


@dataclass(frozen=True)
class Scenario:
    """A write under test: how often the row is written before it, and the write itself."""

    name: str
    sql: str
    before: int
    call: Callable[[str, Etag | None], Call]

    @property
    def removes(self) -> bool:
        return self.sql == "DELETE"


SCENARIOS = [
    Scenario("swap", "UPDATE", 2, lambda i, e: lambda s: s.put(BOX, i, Count(7), expect=e)),
    Scenario("create", "INSERT", 0, lambda i, e: lambda s: s.put(BOX, i, Count(7), expect=ABSENT)),
    Scenario("delete", "DELETE", 2, lambda i, e: lambda s: s.delete(BOX, i, expect=e)),
    Scenario("overwrite", "UPDATE", 2, lambda i, e: lambda s: s.put(BOX, i, Count(7))),
    Scenario("overwrite nothing", "INSERT", 0, lambda i, e: lambda s: s.put(BOX, i, Count(7))),
    Scenario("delete any", "DELETE", 2, lambda i, e: lambda s: s.delete(BOX, i)),
    Scenario("handle put", "UPDATE", 2, lambda i, e: lambda s: s.handle(BOX, i).put(Count(7))),
    Scenario("handle create", "INSERT", 0, lambda i, e: lambda s: s.handle(BOX, i).put(Count(7))),
    Scenario("handle delete", "DELETE", 2, lambda i, e: lambda s: s.handle(BOX, i).delete()),
]


def prepare(other: SQLStorage, scenario: Scenario, ids: list[str]) -> dict[str, Etag | None]:
    """Write each row as often as the scenario wants; return the etags."""
    etags: dict[str, Etag | None] = dict.fromkeys(ids)
    for actor_id in ids:
        for n in range(scenario.before):
            etags[actor_id] = other.put(BOX, actor_id, Count(n))
    return etags


def verdict(other: SQLStorage, scenario: Scenario, actor_id: str, answer: Answer) -> str:
    """Compare what the caller was told with what is stored; nobody else wrote."""
    stored = other.get(BOX, actor_id)
    version = stored.version if isinstance(stored, Found) else 0
    done = 0 if scenario.removes else scenario.before + 1
    if isinstance(answer.error, OutcomeUnknown):
        return "unknown" if version in (done, scenario.before) else "WRONG: applied twice"
    if answer.error is not None:
        return f"WRONG: {type(answer.error).__name__} about one's own write"
    if version != done:
        return f"WRONG: acknowledged, version {version}"
    if isinstance(stored, Found) and (stored.etag != answer.value or stored.state != Count(7)):
        return "WRONG: another write is there"
    return "once"


@pytest.mark.parametrize("prepare_only", [True, False], ids=["prepare", "execute"])
def test_each_flight_of_a_single_write(
    proxy: Proxy, pg: str, door_type: type[Door], prepare_only: bool, figure: Figure
) -> None:
    seen: Counter[str] = Counter()
    wrong = []
    cuts = CUTS[::2] if prepare_only else CUTS
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        for scenario, (when, how) in itertools.product(SCENARIOS, cuts):
            actor_id = f"{scenario.name} {when.name} {how.name}"
            etag = prepare(other, scenario, [actor_id])[actor_id]
            if prepare_only:
                proxy.cut_all()  # a new connection prepares anew
            cut = proxy.arm(Cut(f"^{scenario.sql}", when, how, prepare=prepare_only))
            [answer] = door.run(scenario.call(actor_id, etag))
            assert cut.fired.is_set()
            told = verdict(other, scenario, actor_id, answer)
            seen[told] += 1
            wrong += [(actor_id, told, answer.error)] if told.startswith("WRONG") else []
    figure(
        f"{door_type.name}, cuts of {'preparing' if prepare_only else 'executing'}: {dict(seen)}"
    )
    assert not wrong
    assert seen["once"] == len(SCENARIOS) * len(cuts)  # nobody else wrote: nothing is unknown


def test_each_flight_of_a_batch(
    proxy: Proxy, pg: str, door_type: type[Door], figure: Figure
) -> None:
    wrong = []
    seen: Counter[str] = Counter()
    hits = 0
    cuts = CUTS[:2] + CUTS[2::2]  # the reset, and once the close
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        door.run(lambda s: s.put(BOX, "warm", Count()))
        for scenario, (when, how) in itertools.product(SCENARIOS, cuts):
            ids = [f"{scenario.name} {when.name} {how.name} {n}" for n in range(ROWS)]
            etags = prepare(other, scenario, ids)
            cut = proxy.arm(Cut(f"(?s)^{scenario.sql}.*unnest", when, how))
            with proxy.frozen():  # what follows the one that is frozen in flight is one batch
                wait = door.start(*[scenario.call(i, etags[i]) for i in ids])
                time.sleep(0.05)
            answers = wait()
            hits += proxy.disarm(cut)
            for actor_id, answer in zip(ids, answers, strict=True):
                told = verdict(other, scenario, actor_id, answer)
                seen[told] += 1
                wrong += [(actor_id, told, answer.error)] if told.startswith("WRONG") else []
    figure(f"{door_type.name}, {hits} cuts of batches of up to {ROWS}: {dict(seen)}")
    assert not wrong
    assert seen["once"] == ROWS * len(cuts) * len(SCENARIOS)
    assert hits > len(cuts) * len(SCENARIOS) / 2  # a batch forms by itself, so it may fail to


def put_other(other: SQLStorage, actor_id: str) -> None:
    other.put(BOX, actor_id, Count(99))


def renew(other: SQLStorage, actor_id: str) -> None:
    other.delete(BOX, actor_id)
    other.put(BOX, actor_id, Count(99), expect=ABSENT)


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER], ids=lambda when: when.name)
def test_another_writer_in_between_is_never_overwritten(
    proxy: Proxy, pg: str, door_type: type[Door], when: When
) -> None:
    """One stored etag can't tell "beaten" from "applied, then overwritten"."""
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        for scenario in SCENARIOS:
            actor_id = scenario.name
            etag = prepare(other, scenario, [actor_id])[actor_id]
            meddle = renew if scenario.removes and when is When.AFTER else put_other
            cut = Cut(f"^{scenario.sql}", when, then=functools.partial(meddle, other, actor_id))
            proxy.arm(cut)
            [answer] = door.run(scenario.call(actor_id, etag))
            assert cut.fired.is_set()
            assert isinstance(answer.error, OutcomeUnknown), (scenario.name, answer)
            assert found(other, actor_id).state == Count(99), scenario.name


def test_another_writer_that_removes_what_was_applied(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        etag = other.put(BOX, "a", Count(1))
        cut = Cut("^UPDATE", When.AFTER, then=lambda: other.delete(BOX, "a"))
        proxy.arm(cut)
        [answer] = door.run(lambda s: s.put(BOX, "a", Count(2), expect=etag))
        assert isinstance(answer.error, OutcomeUnknown)
        assert other.get(BOX, "a") is NOT_PRESENT
        # A delete that somebody else did as well is still a delete that was wanted.
        etag = other.put(BOX, "b", Count(1))
        proxy.arm(Cut("^DELETE", When.BEFORE, then=lambda: other.delete(BOX, "b")))
        [answer] = door.run(lambda s: s.delete(BOX, "b", expect=etag))
        assert answer.error is None


def test_a_connection_that_broke_earlier_leaves_conflicts_what_they_are(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        old = other.put(BOX, "a", Count(1))
        new = other.put(BOX, "a", Count(2))
        proxy.arm(Cut("^INSERT", When.AFTER))
        [made] = door.run(lambda s: s.put(BOX, "b", Count(), expect=ABSENT))
        answers = door.run(
            lambda s: s.put(BOX, "a", Count(3), expect=old),
            lambda s: s.put(BOX, "b", Count(3), expect=ABSENT),
            lambda s: s.delete(BOX, "a", expect=old),
        )
        kinds = [a.error.kind if isinstance(a.error, Conflict) else a for a in answers]
        assert made.error is None
        assert kinds == ["stale", "exists", "stale"]
        assert found(other, "a").etag == new


def test_a_late_message_does_not_undo_a_later_write(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        for scenario in SCENARIOS:
            actor_id = scenario.name
            etag = prepare(other, scenario, [actor_id])[actor_id]
            cut = proxy.arm(Cut(f"^{scenario.sql}", When.LATE))
            [answer] = door.run(scenario.call(actor_id, etag))
            assert answer.error is None, actor_id
            assert cut.fired.is_set() and not cut.landed.is_set()
            later = other.put(BOX, actor_id, Count(99))
            version = found(other, actor_id).version
            cut.release.set()
            assert cut.landed.wait(10)
            stored = found(other, actor_id)
            assert (stored.etag, stored.version, stored.state) == (later, version, Count(99))


def swaps(etags: dict[str, Etag], state: Count) -> list[Call]:
    return [swap(actor_id, state, etag) for actor_id, etag in etags.items()]


def test_a_late_batch_a_second_later(proxy: Proxy, pg: str, door_type: type[Door]) -> None:
    """It comes in the middle of other writes; each of those is still applied exactly once."""
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        etags = {str(n): other.put(BOX, str(n), Count()) for n in range(ROWS)}
        cut = proxy.arm(Cut("(?s)^UPDATE.*unnest", When.LATE))
        release = threading.Timer(1.0, cut.release.set)
        rounds = 0
        while not cut.landed.is_set() or rounds < 10:
            answers = door.run(*swaps(etags, Count(rounds)))
            assert not [answer.error for answer in answers if answer.error]
            etags = {i: answer.value for i, answer in zip(etags, answers, strict=True)}
            rounds += 1
            if cut.fired.is_set() and not release.ident:
                release.start()
        release.join()
        answers = door.run(*swaps(etags, Count(-1)))
        assert not [answer.error for answer in answers if answer.error]
        assert {found(other, i).version for i in etags} == {rounds + 2}


def test_the_first_sending_still_waits_for_a_lock(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    """Both sendings are in the server at once, and one of them is applied."""
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        etag = other.put(BOX, "a", Count(1))
        door.run(lambda s: s.put(BOX, "warm", Count()))
        with transaction(pg) as holder:
            holder.execute("SELECT 1 FROM box WHERE actor_id = 'a' FOR UPDATE")
            wait = door.start(lambda s: s.put(BOX, "a", Count(2), expect=etag))
            eventually(lambda: waiting(pg) > 0)
            proxy.cut_all()
            time.sleep(0.3)
            holder.execute("COMMIT")
            [answer] = wait()
        assert answer.error is None
        stored = found(other, "a")
        assert (stored.version, stored.etag) == (2, answer.value)


def test_an_etag_of_the_callers_own_makes_its_retry_harmless(
    proxy: Proxy, pg: str, door_type: type[Door]
) -> None:
    mine = Etag(uuid4())
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        before = other.put(BOX, "a", Count(1))
        proxy.arm(Cut("^UPDATE", When.HANG))

        def write(storage: Any) -> Any:
            return storage.put(BOX, "a", Count(2), expect=before, etag=mine, timeout=0.5)

        [answer] = door.run(write)
        assert isinstance(answer.error, OutcomeUnknown) and answer.error.etag == mine
        [again] = door.run(write)
        assert again.error is None and again.value == mine
        assert found(other, "a").version == 2
