"""A message counts once, and who sent it is told the truth, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from ray import cloudpickle

from tests.host.memory import Failures
from tests.ray.actors import Counter, Echo, Forgetful, Odd, Relay, Waiter
from tests.ray.local import Deliver, HostDied, Local, run
from theater_sql import NOT_PRESENT, OutcomeUnknown, Put, Unavailable
from theater_sql.adapters.ray import RayTheater, ReplyLost, hosts
from theater_sql.adapters.ray.mail import Letter, Map, pickled
from theater_sql.host import AskTimeout, Overloaded, Theater, TheaterClosed
from theater_sql.identity import type_name


def test_a_theater_that_travels_is_another_client(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        data = cloudpickle.dumps(local.client(ask_timeout=5.0))
        for count in (1, 2):  # as in tasks of Ray, whose function refers to one theater
            async with local.connect(cloudpickle.loads(data)) as copy:
                assert await copy.ask(Counter, "a", 1) == count

    run(sqlite_url, test)


def test_who_forgets_to_close_is_told_what_was_not_sent() -> None:
    failures = Failures()

    def nobody(number: int) -> Any:
        raise hosts.NoHostError

    async def forget() -> None:
        theater = RayTheater("none", on_error=failures)
        known: Any = theater._hosts
        known._handle = nobody
        for number in range(20):
            await theater.send(Counter, number % 3, number)
        await asyncio.sleep(0.1)

    asyncio.run(forget())
    assert failures.errors == [TheaterClosed] * 20


def test_a_commit_in_doubt_is_looked_up(url: str) -> None:
    async def test(local: Local) -> None:
        lose_acknowledgement(local)
        async with local.client() as client:
            assert await client.ask(Counter, "a", 1) == 1
            assert await client.ask(Counter, "a", 2) == 2

    run(url, test)


def test_a_commit_in_doubt_is_told_when_it_can_not_be_looked_up(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        lose_acknowledgement(local, then_unavailable=True)
        async with local.client() as client:
            with pytest.raises(OutcomeUnknown):  # and not that nothing was written
                await client.ask(Counter, "a", 1)
            assert await client.ask(Counter, "a", 2) == 2

    run(sqlite_url, test)


def lose_acknowledgement(local: Local, *, then_unavailable: bool = False) -> None:
    """Have the next commit applied, but not known to be; and the next look fail."""
    storage: Any = local.host._storage.storage
    put_many, get = storage.put_many, storage.get

    async def unknown(puts: list[Put], **options: Any) -> None:
        storage.put_many = put_many
        await put_many(puts, **options)
        if then_unavailable:
            storage.get = unavailable
        raise OutcomeUnknown("Counter", "a", "the connection broke", etag=None)

    async def unavailable(*actor: Any) -> None:
        storage.get = get
        raise Unavailable("Counter", "a", "nothing was written")

    storage.put_many = unknown


def test_a_host_that_died_and_a_database_that_is_away_leave_it_open(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        async def die(deliver: Deliver, arguments: tuple[Any, ...]) -> Any:
            latest, answers = await deliver(*arguments)
            if answers is None:
                return latest, None
            local.meddle = None
            host: Any = local.start()
            await host.resume()
            host._storage.storage.get_many = unavailable
            raise HostDied

        async def unavailable(actors: Any) -> None:
            del local.host._storage.storage.get_many
            raise Unavailable("Counter", "a", "nothing was written")

        local.meddle = die
        async with local.client() as client:
            with pytest.raises(OutcomeUnknown, match="may have processed the message before"):
                await client.ask(Counter, "a", 1)
            assert await client.ask(Counter, "a", 2) == 2

    run(sqlite_url, test)


def test_a_delete_that_another_host_finishes_is_no_conflict(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        storage: Any = local.host._storage.storage
        delete, get_many = storage.delete, storage.get_many

        async def away(*actor: Any, **options: Any) -> None:
            storage.delete, storage.get_many = delete, get_many_then_finish
            raise Unavailable("Forgetful", "a", "nothing was written")

        async def get_many_then_finish(actors: Any) -> Any:
            storage.get_many = get_many
            found = await get_many(actors)
            await delete(Forgetful, "a")
            return found

        async with local.client() as client:
            await client.ask(Forgetful, "a", "remember")
            storage.delete = away
            with pytest.raises(OutcomeUnknown, match="its delete was begun"):
                await client.ask(Forgetful, "a", "forget")
            assert await client.ask(Forgetful, "a", "remember") == "new"

    run(sqlite_url, test)


def test_a_delete_that_was_begun_is_finished_before_the_next_message(url: str) -> None:
    async def test(local: Local) -> None:
        storage: Any = local.host._storage.storage
        delete = storage.delete

        async def away(*actor: Any, **options: Any) -> None:
            storage.delete = delete
            raise Unavailable("Forgetful", "a", "nothing was written")

        async with local.client() as client:
            await client.ask(Forgetful, "a", "remember")
            storage.delete = away
            with pytest.raises(OutcomeUnknown, match="its delete was begun"):
                await client.ask(Forgetful, "a", "forget")
            local.start()
            assert await client.ask(Forgetful, "a", "remember") == "new"

    run(url, test)


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


REPLIES = {
    "deep": nested(97),
    "long": "x" * 2**20,
    "int": 2**53,
    "large int": 2**70,
    "huge int": 10**5000,
    "NUL": "\0",
    "surrogate": "\ud800",
}


@pytest.mark.parametrize("kind", REPLIES)
def test_any_reply_leaves_the_next_message_room(sqlite_url: str, kind: str) -> None:
    async def test(local: Local) -> None:
        for _ in range(20):
            async with local.client() as client:
                assert await client.ask(Echo, "a", REPLIES[kind]) == REPLIES[kind]
        assert local.stored(Echo, "a") == 20

    run(sqlite_url, test)


def test_an_answer_does_not_wait_for_slower_ones(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        async with local.client() as client:
            slow = asyncio.create_task(client.ask(Waiter, "slow", 8.0))
            assert await client.ask(Waiter, "quick", 2.0, timeout=3) == 1
            assert not slow.done()

    run(sqlite_url, test)


def test_a_host_that_never_answers_is_called_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "LONGEST_CALL", 0.5)
    failures = Failures()

    async def test(local: Local) -> None:
        frozen = asyncio.Event()

        async def freeze(deliver: Deliver, arguments: tuple[Any, ...]) -> Any:
            await frozen.wait()
            return await deliver(*arguments)

        async with local.client() as client:
            await client.ask(Counter, "a", 1)
            local.meddle = freeze
            with pytest.raises(AskTimeout):
                await client.ask(Counter, "a", 2, timeout=0.2)
            local.meddle = None
            assert await client.ask(Counter, "a", 3) == 3
            frozen.set()  # now it gets the second message once more
            assert await client.ask(Counter, "a", 4) == 4

        async with local.client(resend_for=1, on_error=failures) as client:
            local.meddle = freeze
            frozen.clear()
            await client.send(Counter, "a", 5)  # and the client can be closed

    run(sqlite_url, test)
    assert failures.errors == [AskTimeout]


def test_senders_wait_for_room_no_longer_than_they_say(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        async with local.client(max_waiting=1) as client:
            await client.send(Waiter, "a", 1.5)
            for hand_over in (client.send, client.ask):
                start = time.monotonic()
                with pytest.raises(Overloaded):
                    await hand_over(Counter, "b", 1, timeout=0.2)
                assert time.monotonic() - start < 1
            with pytest.raises(AskTimeout):  # it waits for room for most of its time
                await client.ask(Waiter, "b", 1, timeout=2)

    run(sqlite_url, test)


@pytest.mark.parametrize("name", ["send", "ask"])
def test_the_signatures_are_those_of_one_process(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (RayTheater, Theater))
    assert ours == theirs


def test_a_theater_is_refused_on_another_event_loop(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        await local.connect(theater).ask(Counter, "a", 1)

    theater = RayTheater("local")
    run(sqlite_url, test)
    with pytest.raises(RuntimeError, match="belongs to one event loop"):
        asyncio.run(theater.ask(Counter, "a", 2))


def test_a_reply_that_can_not_be_sent_is_no_failure_of_its_message(sqlite_url: str) -> None:
    failures = Failures()

    async def test(local: Local) -> None:
        async with local.client(on_error=failures) as client:
            with pytest.raises(ReplyLost, match="processed once, and its reply, a lock, can't be"):
                await client.ask(Echo, "a", threading.Lock)
            await client.send(Echo, "a", threading.Lock)  # which wants none
        assert local.stored(Echo, "a") == 2

    run(sqlite_url, test)
    assert failures.errors == []


def test_who_only_sends_does_not_miss_a_reply(sqlite_url: str) -> None:
    failures = Failures()

    async def test(local: Local) -> None:
        async def die(deliver: Deliver, arguments: tuple[Any, ...]) -> Any:
            latest, answers = await deliver(*arguments)
            if answers is None:
                return latest, None
            local.meddle = None
            local.start()
            raise HostDied

        local.meddle = die
        async with local.client(on_error=failures) as client:
            await client.send(Odd, "a", None)
        assert local.stored(Odd, "a") == 1

    run(sqlite_url, test)
    assert failures.errors == []


def test_letters_that_come_late_count_once_however_often(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        place, message = "tests.ray.actors:Counter", cloudpickle.dumps(1)
        for number, since in ((6, 6), (7, 7), (8, 6), (6, 6), (8, 6)):
            letter = Letter(number, since, place, "a", message)
            await local.host.deliver(1, "c", [letter], 5.0)
        assert local.stored(Counter, "a").count == 3

    run(sqlite_url, test)


def test_a_letter_does_not_end_a_pause(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        letter = Letter(1, 1, "tests.ray.actors:Counter", "a", cloudpickle.dumps(1))
        host = local.host
        calls: list[Awaitable[Any]] = [
            host.deliver(1, "c", [letter], 5.0),
            host.pause(),
            host.deliver(1, "c", [letter], 5.0),
        ]
        _, _, (_, answers) = await asyncio.gather(*calls)
        assert answers is None
        assert await host.deliver(1, "c", [letter], 5.0) == (Map(1, 1), None)
        assert await host.resume() == Map(1, 1)
        _, answers = await host.deliver(1, "c", [letter], 5.0)
        assert answers is not None

    run(sqlite_url, test)


def test_time_to_live_is_not_asked_without_a_state(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(local: Local) -> None:
        message = cloudpickle.dumps("forget")
        letter = Letter(1, 1, "tests.ray.actors:Forgetful", "a", message)
        async with local.client() as client:
            await client.ask(Forgetful, "a", "remember")
        await local.host.deliver(1, "c", [letter], 5.0)
        host = local.start()
        assert await host.deliver(1, "c", [letter], 5.0)

    run(sqlite_url, test)
    assert not caplog.records


def test_many_clients_of_one_actor_do_not_make_it_forget_what_it_processed(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)

    async def test(local: Local) -> None:
        nonlocal now

        async def deliver(client: str, number: int) -> Any:
            message = cloudpickle.dumps(number)
            letter = Letter(number, number, "tests.ray.actors:Counter", "a", message)
            _, answers = await local.host.deliver(1, client, [letter], 5.0)
            [(kind, data)] = answers or []
            return kind, cloudpickle.loads(data)

        for number in range(200):
            assert await deliver(f"c{number}", 1) == ("reply", number + 1)
        local.start()
        assert await deliver("c199", 1) == ("reply", 200)
        kind, error = await deliver("c0", 1)
        assert (kind, type(error)) == ("error", ReplyLost)
        assert await deliver("c0", 2) == ("reply", 201)
        now += 600
        await deliver("c0", 3)
        replies = local.stored(f"{type_name(Counter)}+operations", "a")
        assert len(replies["ring"]) == 64

    run(sqlite_url, test)


def test_an_actor_that_exits_does_not_end_its_host(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        async with local.client() as client:
            with pytest.raises(RuntimeError, match="an actor raised a SystemExit"):
                await client.ask(Echo, "a", sys.exit)
            assert await client.ask(Echo, "a", 1) == 1

    run(sqlite_url, test)


def test_a_host_that_was_to_end_and_stays_still_sends(sqlite_url: str) -> None:
    async def test(local: Local) -> None:
        async with local.client() as client:
            for name in "ab":  # between the two, whoever resizes the pool dies
                await client.ask(Relay, name, 2)
                await local.host.leave()
                assert local.stored(Waiter, name) == 2
                await local.host.resume()

    run(sqlite_url, test)


def test_who_writes_an_actor_while_it_is_deleted_is_noticed(url: str) -> None:
    async def test(local: Local) -> None:
        storage: Any = local.host._storage.storage
        delete = storage.delete

        async def beaten(*actor: Any, **options: Any) -> None:
            storage.delete = delete
            await storage.put(Forgetful, "a", "written")
            await delete(*actor, **options)

        async with local.client() as client:
            await client.ask(Forgetful, "a", "remember")
            storage.delete = beaten
            assert await client.ask(Forgetful, "a", "forget") == "forgotten"
            assert local.stored(Forgetful, "a") is NOT_PRESENT

    run(url, test)


def test_a_slow_letter_that_was_stopped_goes_before_those_behind_it(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theater_sql.adapters.ray.host.DRAIN", 0.2)

    async def test(local: Local) -> None:
        message = cloudpickle.dumps(1.0)
        letters = [Letter(n, 1, "tests.ray.actors:Waiter", "a", message) for n in (1, 2)]
        _, answers = await local.host.deliver(1, "c", letters[:1], 0.1)
        assert answers == [("slow", b"")]
        await local.host.pause()  # and its client does not hear of it
        await local.host.resume()
        _, answers = await local.host.deliver(1, "c", letters, 5.0)
        assert answers == [("reply", pickled(1)), ("slow", b"")]

    run(sqlite_url, test)
