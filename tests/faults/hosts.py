"""Hosts in processes of their own, and whether what they were told is one history."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.conftest import Figure
from tests.faults.host import Answers
from tests.faults.support import direct, found

ROOT = Path(__file__).parents[2]


class Host:
    """A process of ``tests.faults.host``."""

    def __init__(self, url: str, *options: str, inside: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-m", "tests.faults.host", url, *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def counting(self) -> Iterator[Answers]:
        """Let it count while the block runs; what it was told is complete afterwards."""
        answers = Answers()
        try:
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n"
            yield answers
            text, _ = self._process.communicate(timeout=60)
            assert self._process.returncode == 0
            vars(answers).update(json.loads(text))
        finally:
            self._process.kill()
            self._process.communicate()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class Counts(NamedTuple):
    """What hosts did to the counters, against what is stored.

    Each number of a counter belongs to one message: to a caller who was given it, or to one that
    was sent. ``doubled`` were given to two: one update overwrote the other. ``lost`` were given to
    one, and the counter is not there yet. ``missing`` were sent, not reported, and not counted;
    ``unexplained`` belong to nobody, not even to one who was told that the outcome is unknown.
    ``uncounted`` are writes that the row has seen and the counter has not.
    """

    attempted: int
    acknowledged: int
    sent: int
    lost: int
    doubled: int
    missing: int
    unknown: int
    conflicts: int
    refused: int
    unavailable: int
    unexplained: int
    uncounted: int
    longest_gap: str


def count(url: str, hosts: list[Answers]) -> Counts:
    numbers = Counter((name, number) for host in hosts for name, number, _ in host.done)
    sent = Counter(name for host in hosts for name in host.sent)
    sent -= Counter(name for host in hosts for name in host.failed)
    unknown = Counter(name for host in hosts for name in host.unknown)
    unavailable = sum(host.unavailable for host in hosts)
    told = numbers.total() + sent.total() + unknown.total() + unavailable
    lost = missing = unexplained = uncounted = 0
    with direct(url) as storage:
        for name in {name for name, _ in numbers}:
            acknowledged = {number for one, number in numbers if one == name}
            row = found(storage, name)
            uncounted += row.version - row.state.count
            stored = set(range(1, row.state.count + 1))
            lost += len(acknowledged - stored)
            others = len(stored - acknowledged)
            missing += max(0, sent[name] - others)
            unexplained += max(0, others - sent[name] - unknown[name])
    return Counts(
        attempted=sum(host.asked + len(host.sent) for host in hosts),
        acknowledged=numbers.total(),
        sent=sent.total(),
        lost=lost,
        doubled=numbers.total() - len(numbers),
        missing=missing,
        unknown=unknown.total(),
        # Each refused write is a turn that neither the sender nor the outcome accounts for.
        conflicts=sum(host.turns for host in hosts) - told,
        refused=sum(host.refused for host in hosts),
        unavailable=unavailable,
        unexplained=unexplained,
        uncounted=uncounted,
        longest_gap=f"{max(after - before for before, after in pairwise(times(*hosts))):.1f} s",
    )


def assert_one_history(counts: Counts, figure: Figure) -> None:
    figure(str(counts))
    assert (counts.lost, counts.doubled, counts.missing) == (0, 0, 0)
    assert (counts.unexplained, counts.uncounted) == (0, 0)
    assert counts.conflicts > 0


def assert_all_told(host: Answers) -> None:
    """Every message that was asked has an answer, and no answer is one that nobody expects."""
    assert host.unexpected == []
    silent = host.refused + host.unavailable + len(host.unknown) - host.reported
    assert host.asked == len(host.done) + silent


def times(*hosts: Answers) -> list[float]:
    return sorted(when for host in hosts for _, _, when in host.done)
