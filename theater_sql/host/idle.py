"""Which actors are idle, since when, and for how long they may be."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from theater_sql.host.activation import Activation

BATCH: Final = 500
"""How many alarms are looked at before the event loop gets its turn again."""
SLACK: Final = 1000
"""How many useless alarms are kept, besides one per idle actor."""


class IdleActors:
    """The idle activations, the one idle for longest first.

    Actors become busy and idle again far more often than their time runs out, so an alarm is
    not moved with each message: it goes off at the earliest time in question, and is set anew
    if the actor was used meanwhile. One timer of the event loop serves them all.
    """

    def __init__(self, passivate: Callable[[Activation], None]) -> None:
        self._passivate = passivate
        self._order: OrderedDict[Activation, None] = OrderedDict()
        self._alarms: list[tuple[float, int, Activation]] = []
        self._serial = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._order)

    def add(self, activation: Activation, time_to_live: float) -> None:
        """Take in an activation, to be passivated after so many seconds."""
        activation.expires = asyncio.get_running_loop().time() + time_to_live
        self._order[activation] = None
        if activation.expires < activation.alarm:
            self._set_alarm(activation)
            self._set_timer()

    def remove(self, activation: Activation) -> None:
        """Leave out an activation, if it is here: it is busy now."""
        self._order.pop(activation, None)

    def pop_oldest(self) -> Activation:
        """Leave out the activation that is idle for longest, and return it."""
        return self._order.popitem(last=False)[0]

    def close(self) -> None:
        """Forget everything, and leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._order.clear()
        self._alarms.clear()

    def _set_alarm(self, activation: Activation) -> None:
        activation.alarm = activation.expires
        heapq.heappush(self._alarms, (activation.alarm, next(self._serial), activation))
        if len(self._alarms) > 2 * len(self._order) + SLACK:
            self._drop_useless_alarms()

    def _drop_useless_alarms(self) -> None:
        """Keep the memory in proportion when actors are evicted long before their time."""
        useful = []
        for entry in self._alarms:
            when, _, activation = entry
            if activation in self._order and when == activation.alarm:
                useful.append(entry)
            elif when == activation.alarm:
                activation.alarm = math.inf
        heapq.heapify(useful)
        self._alarms = useful

    def _set_timer(self) -> None:
        if not self._alarms:
            return
        when = self._alarms[0][0]
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for _ in range(BATCH):
            if not self._alarms or self._alarms[0][0] > now:
                break
            when, _, activation = heapq.heappop(self._alarms)
            if when == activation.alarm:
                activation.alarm = math.inf
                self._look_at(activation, now)
        self._set_timer()

    def _look_at(self, activation: Activation, now: float) -> None:
        if activation not in self._order:
            return  # busy: it gets a new alarm when it becomes idle
        if activation.expires > now:
            self._set_alarm(activation)
        else:
            del self._order[activation]
            self._passivate(activation)
