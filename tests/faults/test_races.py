"""Processes that write the same actors at the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.conftest import Figure
from tests.faults import workers
from tests.faults.support import ACTORS, BOX, admin, direct, found, scalar
from theater_sql import AsyncSQLStorage, Etag
from theater_sql.host import Theater

COUNTERS, TIMES = 20, 500


def test_sixteen_processes_create_the_same_actors(db: str, figure: Figure) -> None:
    results = workers.run_many(workers.create_all_of, 16, db, 200)
    wins = [n for result in results for n, what in enumerate(result) if what == "won"]
    assert sorted(wins) == list(range(200))
    told = Counter(what for result in results for what in result)
    assert told == {"won": 200, "exists": 15 * 200}
    with direct(db) as storage:
        for n in range(200):
            stored = found(storage, f"{n}")
            assert stored.version == 1
            assert results[stored.state.count][n] == "won"  # the winner's own state is there
    winners = sum(1 for result in results if "won" in result)
    figure(f"{dict(told)}; {winners} of the processes won something")


def check_counters(url: str) -> None:
    """Every counter ends at exactly the number of increments, by get and by plain SQL."""
    with direct(url) as storage:
        stored = [found(storage, f"{n}") for n in range(COUNTERS)]
    assert {one.state.count for one in stored} == {2 * TIMES}
    assert {one.version for one in stored} == {2 * TIMES}
    assert scalar(url, "SELECT sum(count) FROM box") == 2 * TIMES * COUNTERS
    assert scalar(url, f"SELECT count(*) FROM box WHERE count <> {2 * TIMES}") == 0


def test_two_processes_count_by_handles(db: str, figure: Figure) -> None:
    results = workers.run_many(workers.increment, 2, db, COUNTERS, TIMES)
    figure(f"{sum(done for done, _ in results)} increments, {sum(c for _, c in results)} conflicts")
    check_counters(db)


def test_two_hosts_in_two_processes_count(db: str, figure: Figure) -> None:
    results = workers.run_many(workers.ask, 2, db, COUNTERS, TIMES)
    figure(f"{sum(done for done, _ in results)} messages, {sum(c for _, c in results)} asked again")
    check_counters(db)
    assert asyncio.run(read_through_a_host(db)) == {2 * TIMES}


async def read_through_a_host(url: str) -> set[int]:
    async with AsyncSQLStorage(url, ACTORS) as storage, Theater(storage) as theater:
        return {await theater.ask(workers.Counter, f"{n}", "read") for n in range(COUNTERS)}


def test_what_a_killed_process_acknowledged_is_there(db: str, figure: Figure) -> None:
    acked: dict[str, tuple[int, Etag]] = {}
    rounds = 4
    total = 0
    for turn in range(rounds):
        acks, end = workers.CONTEXT.Pipe(duplex=False)
        child = workers.CONTEXT.Process(target=workers.stream, args=(db, end))
        child.start()
        end.close()
        assert acks.poll(workers.PATIENCE)
        acked.clear()
        mark = 200 + 37 * turn
        try:
            while True:
                actor_id, count, etag = acks.recv()
                acked[actor_id] = (count, etag)
                total += 1
                mark -= 1
                if mark == 0:
                    child.kill()
        except (EOFError, OSError):
            pass
        child.join()
        child.close()
        acks.close()
        assert mark <= 0, "it ended by itself"
        with direct(db) as storage:
            for actor_id, (count, etag) in acked.items():
                stored = found(storage, actor_id)
                assert stored.version == stored.state.count
                # The very last one may have been written and not been acknowledged.
                assert stored.version in (count, count + 1)
                assert stored.version > count or stored.etag == etag
            for n in range(20):
                storage.delete(BOX, f"{n}")
    figure(f"{rounds} times kill -9: {total} writes acknowledged, 0 lost")


def test_a_server_that_ends_all_sessions_loses_nothing(pg: str, figure: Figure) -> None:
    """The backends go under a writing process, which neither fails nor writes twice."""
    acks, end = workers.CONTEXT.Pipe(duplex=False)
    child = workers.CONTEXT.Process(target=workers.stream, args=(pg, end))
    child.start()
    end.close()
    count: Counter[str] = Counter()
    ended = 0
    with admin(pg) as boss:
        for n in range(1, 1500):
            actor_id, version, _ = acks.recv()
            count[actor_id] += 1
            assert version == count[actor_id]
            if n % 300 == 0:
                ended += len(
                    boss.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    ).fetchall()
                )
    child.kill()
    child.join()
    child.close()
    acks.close()
    figure(f"{sum(count.values())} writes acknowledged in order, {ended} sessions ended under them")
    with direct(pg) as storage:
        for actor_id, version in count.items():
            assert found(storage, actor_id).version >= version
