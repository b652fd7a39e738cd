"""Every call ends at its deadline, whatever the server does, and the storage goes on after it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.conftest import Figure
from tests.faults.support import (
    ACTORS,
    BOX,
    OTHER,
    Answer,
    Call,
    Count,
    Door,
    SyncDoor,
    bounded,
    direct,
    eventually,
    found,
    in_flight,
    opened,
    transaction,
)
from theater_sql import ABSENT, Etag, OutcomeUnknown, SQLStorage, Unavailable
from theater_sql.testing import Cut, FaultProxy, How, When

pytestmark = pytest.mark.timed

SLACK = 1.0


def check(answer: Answer, timeout: float, *errors: type[Exception]) -> None:
    assert isinstance(answer.error, errors), answer
    assert answer.seconds <= timeout + SLACK, answer


def warm(door: Door) -> None:
    """Open all lanes, with everything prepared."""
    [answer] = door.run(lambda s: s.put(BOX, "warm", Count()))
    assert answer.error is None
    eventually(lambda: in_flight(door) == 0)


def test_a_frozen_server(proxy: FaultProxy, pg: str, door_type: type[Door], figure: Figure) -> None:
    with direct(pg) as other, opened(door_type, proxy.url, timeout=1.0) as door:
        etag = other.put(BOX, "a", Count())
        warm(door)
        with proxy.frozen():
            wait = door.start(lambda s: s.put(BOX, "a", Count(1), expect=etag))
            eventually(lambda: in_flight(door) > 0)
            answers = door.run(
                lambda s: s.put(BOX, "b", Count(), expect=ABSENT, timeout=0.5),
                lambda s: s.put(BOX, "c", Count(), timeout=0.7),
                lambda s: s.delete(BOX, "a", timeout=0.4),
                lambda s: s.get(BOX, "a", timeout=0.3),
                lambda s: s.get(BOX, "b"),
            )
            [sent] = wait()
        check(sent, 1.0, OutcomeUnknown)
        for answer, timeout in zip(answers, (0.5, 0.7, 0.4, 0.3, 1.0), strict=True):
            check(answer, timeout, Unavailable)
        late = max(a.seconds - t for a, t in zip(answers, (0.5, 0.7, 0.4, 0.3, 1.0), strict=True))
        figure(f"the latest call ended {late * 1000:.0f} ms after its deadline")
        put, got = door.run(
            lambda s: s.put(BOX, "b", Count(2), timeout=5),
            lambda s: s.get(BOX, "a", timeout=5),
        )
        assert put.error is None
        assert found(other, "b").version == 1  # what was called Unavailable was never written
        assert got.value.version in (1, 2)


def test_a_short_deadline_in_a_batch_of_long_ones(
    proxy: FaultProxy, pg: str, door_type: type[Door]
) -> None:
    with direct(pg) as other, opened(door_type, proxy.url, timeout=3.0) as door:
        warm(door)
        with proxy.frozen():
            wait_first = door.start(lambda s: s.put(BOX, "first", Count(), expect=ABSENT))
            eventually(lambda: in_flight(door) > 0)
            calls: list[Call] = [
                lambda s, n=n: s.put(BOX, str(n), Count(), expect=ABSENT)  # type: ignore[misc]
                for n in range(5)
            ]
            wait = door.start(
                lambda s: s.put(BOX, "short", Count(), expect=ABSENT, timeout=0.5), *calls
            )
            time.sleep(1.0)
        short, *long = wait()
        check(short, 0.5, Unavailable)
        assert not [a.error for a in [*wait_first(), *long] if a.error]
        assert not other.get(BOX, "short")


def test_what_is_put_back_still_has_a_deadline(proxy: FaultProxy, pg: str) -> None:
    """A short deadline passes in the queue while a longer one is in flight, then the link goes."""
    with direct(pg) as other, opened(SyncDoor, proxy.url, timeout=2.0) as door:
        etag = other.put(BOX, "a", Count())
        warm(door)
        with proxy.frozen():
            wait_long = door.start(lambda s: s.put(BOX, "a", Count(1), expect=etag))
            eventually(lambda: in_flight(door) > 0)
            wait_short = door.start(lambda s: s.put(BOX, "b", Count(), expect=ABSENT, timeout=0.2))
            check(wait_short()[0], 0.2, Unavailable)
            time.sleep(0.2)
            with proxy.refusing():
                answers: list[Answer] = []
                ended = bounded(lambda: answers.extend(wait_long()), 5)
        if not ended:  # let it end, so that the test does
            door.run(lambda s: s.put(BOX, "c", Count(), timeout=1))
        assert ended, "a call went on after its deadline"
        check(answers[0], 2.0, OutcomeUnknown)


def test_a_server_that_is_frozen_from_the_first_connection_on(proxy: FaultProxy, pg: str) -> None:
    with ExitStack() as stack:
        door = stack.enter_context(opened(SyncDoor, proxy.url, timeout=0.5))
        with proxy.frozen():
            put, got = door.run(lambda s: s.put(BOX, "a", Count()), lambda s: s.get(BOX, "a"))
            check(put, 0.5, Unavailable)
            check(got, 0.5, Unavailable)
        [again] = door.run(lambda s: s.put(BOX, "a", Count(), timeout=5))
        assert again.error is None


def test_close_ends_although_the_server_is_frozen(proxy: FaultProxy) -> None:
    """A lane that connects is not waited for beyond its own limit."""
    storage = SQLStorage(proxy.url, ACTORS, timeout=0.5)
    with proxy.frozen():
        with pytest.raises(Unavailable):
            storage.put(BOX, "a", Count())
        closes = bounded(storage.close, 8)
    storage.close()
    assert closes, "close() waits for ever for a connection to a frozen server"


def test_a_server_that_freezes_while_a_lane_gets_ready(proxy: FaultProxy, pg: str) -> None:
    """The connection is open, its settings are on the way: it must not block its lane for ever."""
    with opened(SyncDoor, proxy.url, timeout=1.0) as door:
        warm(door)
        cut = proxy.arm(Cut("set_config", When.AFTER, How.HANG))
        proxy.cut_all()
        door.run(lambda s: s.get(BOX, "warm"))
        assert cut.fired.wait(5)
        answers = door.run(lambda s: s.get(BOX, "warm", timeout=8))
        if answers[0].error:
            proxy.cut_all()
        assert answers[0].error is None


def test_an_unreachable_server(door_type: type[Door]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: refused
        url = f"postgresql+psycopg://nobody@127.0.0.1:{unused.getsockname()[1]}/none"
        door = door_type(url, timeout=0.5)
        put, got, removed = door.run(
            lambda s: s.put(BOX, "a", Count(), expect=ABSENT),
            lambda s: s.get(BOX, "a", timeout=0.2),
            lambda s: s.delete(OTHER, "a"),
        )
        check(put, 0.5, Unavailable)
        check(got, 0.2, Unavailable)
        check(removed, 0.5, Unavailable)
        assert bounded(door.close, 5), "close() waits for ever for an unreachable server"


def test_calls_that_timed_out_are_forgotten() -> None:
    """Else a storage whose server is away for an hour keeps every state it was ever given."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://nobody@127.0.0.1:{unused.getsockname()[1]}/none"
        door = SyncDoor(url, timeout=0.3)
        door.run(lambda s: s.put(BOX, "a", Count(), expect=ABSENT))
        time.sleep(0.2)
        queue = door.storage._core.lanes._writes
        kept = sum(len(group) for groups in queue._groups.values() for group in groups.values())
        bounded(door.close, 5)
        assert kept == 0


@pytest.mark.parametrize("lost", ["cut", "refused"])
def test_a_server_that_comes_back(
    proxy: FaultProxy, pg: str, door_type: type[Door], lost: str
) -> None:
    """A call that is under way meanwhile succeeds by itself."""
    with direct(pg) as other, opened(door_type, proxy.url) as door:
        etag: Etag = other.put(BOX, "a", Count())
        warm(door)
        if lost == "cut":
            proxy.cut_all()
        else:
            gate = threading.Event()
            refusing = threading.Thread(target=refuse_until, args=(proxy, gate))
            refusing.start()
            threading.Timer(0.7, gate.set).start()
        put, got = door.run(
            lambda s: s.put(BOX, "a", Count(1), expect=etag), lambda s: s.get(BOX, "a")
        )
        if lost == "refused":
            refusing.join()
        assert put.error is None and got.error is None
        assert found(other, "a").version == 2


def refuse_until(proxy: FaultProxy, gate: threading.Event) -> None:
    with proxy.refusing():
        gate.wait(10)


def test_a_link_that_hangs_while_an_operation_waits_for_a_lock(proxy: FaultProxy, pg: str) -> None:
    """Whatever a lane asks the server for, an operation that it holds keeps its deadline."""
    with direct(pg) as other, opened(SyncDoor, proxy.url, timeout=2.0) as door:
        other.put(BOX, "a", Count())
        warm(door)
        with transaction(pg) as holder:
            holder.execute("SELECT 1 FROM box WHERE actor_id = 'a' FOR UPDATE")
            cut = proxy.arm(Cut("set_config.'lock_timeout'", When.AFTER, How.HANG))
            wait = door.start(lambda s: s.put(BOX, "a", Count(1)))
            assert cut.fired.wait(5)
            answers: list[Answer] = []
            ended = bounded(lambda: answers.extend(wait()), 6)
            holder.execute("ROLLBACK")
        if not ended:
            proxy.cut_all()
        assert ended, "a call went on after its deadline"
        check(answers[0], 2.0, Unavailable, OutcomeUnknown)
