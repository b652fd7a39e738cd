"""Delivers what a client hands over: calls the hosts until each message is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from theater_sql import ActorId
from theater_sql.adapters.ray.hosts import PAUSE, HostOfMap, Hosts
from theater_sql.adapters.ray.mail import Outbox, Sent, collected, set_reply, told
from theater_sql.adapters.ray.once import ReplyLost
from theater_sql.adapters.ray.placing import address_key, host_of
from theater_sql.host import AskTimeout, TheaterClosed
from theater_sql.host.mailbox import Envelope
from theater_sql.host.reports import Reports

LINGER: Final = 0.05
"""Seconds after which the next call begins though the one before it is under way."""
PATIENCE: Final = 0.25
"""Seconds that quick messages wait at first for slow ones which were sent with them."""
LONGEST_PATIENCE: Final = 8.0
"""Seconds after which slow ones are asked for again."""


class Delivery:
    """The messages of one client that have no answer yet, and the calls that carry them.

    ``answered`` is called for each that has got its answer, or will get none.
    """

    def __init__(self, hosts: Hosts, reports: Reports, answered: Callable[[], None]) -> None:
        self._hosts = hosts
        self._reports = reports
        self._answered = answered
        self._outboxes: dict[tuple[str, ActorId], Outbox] = {}
        self._ready: dict[HostOfMap, dict[Outbox, None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._settled.set()

    def post(self, name: str, actor_id: ActorId, sent: Sent) -> Outbox:
        """Have a message sent, behind the earlier ones to its actor."""
        outbox = self._outboxes.get((name, actor_id))
        if outbox is None:
            key = address_key(name, actor_id)
            outbox = Outbox(name, actor_id, key, self._hosts.trouble)
            self._outboxes[name, actor_id] = outbox
            self._settled.clear()
        outbox.waiting.append(sent)
        if len(outbox.waiting) == 1 and not outbox.under_way:
            self._route(outbox)
        return outbox

    async def settle(self) -> None:
        """Wait until all that was posted is answered."""
        await self._settled.wait()

    async def end(self) -> None:
        """Wait until nothing is left to be done, when nothing more is posted."""
        await self.settle()
        await asyncio.gather(*self._tasks)

    def _route(self, outbox: Outbox) -> None:
        """Have an actor's letters go out with the next call to its host."""
        version, hosts = self._hosts.map
        host = HostOfMap(version, host_of(outbox.key, max(1, hosts)))
        ready = self._ready.get(host)
        if ready is None:
            ready = self._ready[host] = {}
            self._start(self._call(host, ready))
        ready[outbox] = None

    async def _call(self, host: HostOfMap, ready: dict[Outbox, None]) -> None:
        """Call a host as long as there are letters to it."""
        await asyncio.sleep(0)  # until all that is posted now is there
        while ready:
            call = self._start(self._deliver(host, collected(ready)))
            await asyncio.wait({call}, timeout=LINGER)
        del self._ready[host]

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():  # the event loop ends, and nobody has closed the client
            self._give_up()

    def _give_up(self) -> None:
        """Tell that messages are not sent any more."""
        boxes, self._outboxes = list(self._outboxes.values()), {}
        for box in boxes:
            why = "the event loop ended before it was answered; the message may have been processed"
            for sent in (*box.under_way, *box.waiting):
                self._fail(box, sent, TheaterClosed(f"{box!r}: {why}: close() the client first"))
                self._answered()
        self._settled.set()

    async def _deliver(self, host: HostOfMap, boxes: list[Outbox]) -> None:
        """Send what is under way to some actors of one host, until each has its answers."""
        patience = PATIENCE
        while boxes:
            letters = [letter for box in boxes for letter in box.letters()]
            answers = iter(await self._hosts.call(host, letters, patience))
            slow: list[Outbox] = []
            again: list[Outbox] = []
            for box in boxes:
                kinds = self._take_in(box, answers)
                if "slow" in kinds:
                    slow.append(box)
                elif "again" in kinds:
                    again.append(box)
                else:
                    self._go_on(box)
            if again:
                self._start(self._send_again(again, host.version))
            boxes, patience = slow, min(2 * patience, LONGEST_PATIENCE)

    async def _send_again(self, boxes: list[Outbox], version: int) -> None:
        if version == self._hosts.map.version:  # and not because they are elsewhere
            await asyncio.sleep(PAUSE)
        for box in boxes:
            self._go_on(box)

    def _take_in(self, box: Outbox, answers: Any) -> set[str]:
        """Give an actor's answers to those who asked; keep the letters that have none yet."""
        now = asyncio.get_running_loop().time()
        kinds, left = set(), []
        for sent in box.under_way:
            kind, data = next(answers)
            if kind == "lost":
                sent.is_doubtful, kind = True, "again"
            if kind == "reply":
                if sent.reply is not None and not sent.reply.done():
                    set_reply(sent.reply, data)
            elif kind == "error":
                error = told(box, sent, data)
                if sent.reply is not None or not isinstance(error, ReplyLost):  # else it is well
                    self._fail(box, sent, error)
            elif kind == "again" and now > sent.deadline:
                self._fail(box, sent, AskTimeout(self._late(box)))
            else:
                kinds.add(kind)
                left.append(sent)
                continue
            self._answered()
        box.under_way = left
        return kinds

    def _late(self, box: Outbox) -> str:
        why = self._hosts.trouble()
        return f"{box!r}: no host has answered in time{why}; the message may have been processed"

    def _go_on(self, box: Outbox) -> None:
        """Have the rest of an actor's letters sent, first those that have to be sent again."""
        box.waiting.extendleft(reversed(box.under_way))
        box.under_way = []
        if box.waiting:
            self._route(box)
            return
        del self._outboxes[box.name, box.actor_id]
        if not self._outboxes:
            self._settled.set()

    def _fail(self, box: Outbox, sent: Sent, error: BaseException) -> None:
        self._reports.fail(box, Envelope(sent.message, sent.reply), error)
