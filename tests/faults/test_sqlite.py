"""What happens to a SQLite file, and what the caller is told."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.conftest import Figure
from tests.faults import workers
from tests.faults.support import (
    ACTORS,
    BOX,
    AsyncDoor,
    Count,
    Door,
    SyncDoor,
    create,
    direct,
    found,
    no_writer,
    opened,
    put,
    swap,
)
from theater_sql import (
    ABSENT,
    NOT_PRESENT,
    Conflict,
    NotPermitted,
    OutcomeUnknown,
    SchemaMismatch,
    SQLStorage,
    StorageCorrupt,
    StorageError,
    Unavailable,
)

pytestmark = pytest.mark.timed


def path_of(url: str) -> Path:
    return Path(str(make_url(url).database))


def test_a_writer_waits_longer_than_the_busy_timeout(
    lite: str, door_type: type[Door], figure: Figure
) -> None:
    with direct(lite) as other, opened(door_type, lite) as door:
        etags = [other.put(BOX, f"{n}", Count()) for n in range(20)]
        with no_writer(lite):
            wait = door.start(*[swap(f"{n}", Count(1), etags[n]) for n in range(20)])
            start = time.monotonic()
            [read] = door.run(lambda s: s.get(BOX, "0"))
            reading = time.monotonic() - start
            time.sleep(1.0)
        answers = wait()
        assert not [a.error for a in answers if a.error]
        assert read.value.version == 1 and reading < 0.9  # reads do not wait for writers
        figure(f"acknowledged {(max(a.seconds for a in answers) - 1) * 1000:.0f} ms after the lock")


def test_a_writer_that_stays_is_unavailable(lite: str, door_type: type[Door]) -> None:
    """The statement never began, so nothing is unknown."""
    with direct(lite) as other, opened(door_type, lite) as door:
        etag = other.put(BOX, "a", Count())
        with no_writer(lite):
            answers = door.run(
                *[
                    lambda s, t=t: s.put(BOX, "a", Count(1), expect=etag, timeout=t)
                    for t in (0.4, 0.5, 0.6, 0.7)
                ],
                lambda s: s.delete(BOX, "a", expect=etag, timeout=0.65),
            )
        assert [type(a.error) for a in answers] == [Unavailable] * 5
        assert max(a.seconds for a in answers) < 1.7
        assert found(other, "a").version == 1
        [after] = door.run(swap("a", Count(2), etag))
        assert after.error is None


def test_two_processes_write_one_file(lite: str, figure: Figure) -> None:
    with opened(AsyncDoor, lite) as door:
        door.run(*[put(f"{n:05}", Count()) for n in range(60)])
    counts = workers.run_many(workers.overwrite, 2, lite, 60, 20, 2.0)
    assert [errors for _, errors, _ in counts] == [[], []]
    figure(f"acknowledged: {[acked for acked, _, _ in counts]}")
    assert min(acked for acked, _, _ in counts) > 100
    with direct(lite) as other:
        versions = [found(other, f"{n:05}").version for n in range(60)]
    assert sum(versions) == sum(acked for acked, _, _ in counts) + 60


def test_a_file_that_may_only_be_read(lite: str, door_type: type[Door]) -> None:
    with direct(lite) as other:
        other.put(BOX, "a", Count(1))
    url = f"sqlite:///file:{path_of(lite)}?mode=ro&uri=true"
    with opened(door_type, url) as door:
        got, written, removed, made = door.run(
            lambda s: s.get(BOX, "a"),
            put("a", Count(2)),
            lambda s: s.delete(BOX, "a"),
            create("b", Count()),
        )
        assert got.error is None and got.value.state == Count(1)
        for answer in (written, removed, made):
            assert isinstance(answer.error, NotPermitted), answer.error
            assert answer.seconds < 2


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"this is no database, whatever it is called" * 100, StorageCorrupt), (b"", SchemaMismatch)],
    ids=["garbage", "empty"],
)
def test_a_file_that_holds_something_else(
    tmp_path: Path, door_type: type[Door], content: bytes, error: type[StorageError]
) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(content)
    with opened(door_type, f"sqlite:///{path}") as door:
        answers = door.run(lambda s: s.get(BOX, "a"), put("a", Count()), create("b", Count()))
        assert {type(a.error) for a in answers} == {error}
    assert not content or path.read_bytes() == content


@pytest.mark.parametrize("missing", ["nothing.db", "nowhere/nothing.db"])
def test_a_file_that_is_not_there(tmp_path: Path, door_type: type[Door], missing: str) -> None:
    path = tmp_path / missing
    with opened(door_type, f"sqlite:///{path}") as door:
        answers = door.run(lambda s: s.get(BOX, "a"), put("a", Count()), create("b", Count()))
        for answer in answers:
            assert isinstance(answer.error, Unavailable)
            assert answer.seconds < 2
        assert not path.exists()  # never made in silence
        path.parent.mkdir(exist_ok=True)
        storage = SQLStorage(f"sqlite:///{path}", ACTORS)
        storage.create_all()
        storage.close()
        [after] = door.run(put("a", Count()))
        assert after.error is None


@pytest.mark.parametrize("is_replaced", [False, True], ids=["deleted", "replaced"])
def test_a_file_that_goes_while_it_is_open(
    lite: str, tmp_path: Path, door_type: type[Door], is_replaced: bool
) -> None:
    """SQLite would go on with it, and acknowledge writes that nobody will ever see."""
    with opened(door_type, lite) as door:
        [first] = door.run(put("a", Count(1)))
        backup = tmp_path / "backup.db"
        with sqlite3.connect(path_of(lite)) as source, sqlite3.connect(backup) as copy:
            source.backup(copy)
        source.close()
        copy.close()
        [second] = door.run(swap("a", Count(2), first.value))
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path_of(lite)}{suffix}").unlink(missing_ok=True)
        if is_replaced:
            backup.rename(path_of(lite))
        time.sleep(0.05)  # what comes at once is unknown: it may be in the file that has gone
        written, read = door.run(
            lambda s: s.put(BOX, "b", Count(), expect=ABSENT), lambda s: s.get(BOX, "a")
        )
        [stale] = door.run(swap("a", Count(3), second.value))
    if is_replaced:
        assert written.error is None
        assert read.value.etag == first.value
        assert isinstance(stale.error, Conflict)
        with direct(lite) as other:
            assert found(other, "b").etag == written.value
    else:
        for answer in (written, read, stale):
            assert isinstance(answer.error, Unavailable), answer
            assert "nothing was written" in str(answer.error)
        assert not path_of(lite).exists()


def test_a_file_that_is_away_for_a_moment(lite: str, door_type: type[Door]) -> None:
    """What was committed meanwhile is there when it is back, so nobody says that it is not."""
    path, away = path_of(lite), path_of(lite).with_name("away.db")
    with opened(door_type, lite) as door:
        [first] = door.run(put("a", Count(1)))
        door.run(lambda s: s.get(BOX, "a"))
        lane = door.storage._core.lanes._writing[0]
        run = lane._session._run  # type: ignore[union-attr]

        def run_while_it_goes(*args: Any) -> Any:
            answers = run(*args)
            path.rename(away)
            return answers

        lane._session._run = run_while_it_goes  # type: ignore[union-attr]
        [written] = door.run(swap("a", Count(2), first.value))
        away.rename(path)
        [read] = door.run(lambda s: s.get(BOX, "a"))
    assert isinstance(written.error, OutcomeUnknown)
    assert read.value.state == Count(2)


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.faults.support import ACTORS, BOX, Count
from theater_sql import SQLStorage, StorageFull, ABSENT

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
acked, refused = {}, 0
with SQLStorage(f"sqlite:///{path}", ACTORS) as storage:
    storage.put(BOX, "first", Count())
    limit = max(path.stat().st_size, Path(f"{path}-wal").stat().st_size) + 200_000
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    for n in range(60):
        try:
            acked[f"{n}"] = storage.put(BOX, f"{n}", Count(n, "x" * 20_000), expect=ABSENT)
        except StorageFull:
            refused += 1
    assert acked and refused, (len(acked), refused)
    for actor_id, etag in acked.items():
        assert storage.get(BOX, actor_id).etag == etag  # reads go on
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    storage.put(BOX, "after", Count())
    assert storage.get(BOX, "after")
    for n in range(60):
        assert bool(storage.get(BOX, f"{n}")) == (f"{n}" in acked)
print(len(acked), refused)
"""


def test_a_disk_that_is_full(lite: str, figure: Figure) -> None:
    """Stood in for by a limit on the size of files."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path_of(lite))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    acked, refused = done.stdout.split()
    figure(f"{acked} acknowledged and there, {refused} refused and not there")


def test_a_page_that_is_damaged(lite: str, door_type: type[Door]) -> None:
    with direct(lite) as other:
        for n in range(200):
            other.put(BOX, f"{n}", Count(n, "x" * 200), expect=ABSENT)
    path = path_of(lite)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name='box'").fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    start = (page[0] - 1) * 4096
    data[start : start + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with opened(door_type, lite) as door:
        answers = door.run(
            lambda s: s.get(BOX, "1"),
            put("2", Count()),
            create("new", Count()),
            lambda s: s.delete(BOX, "3"),
        )
        assert {type(a.error) for a in answers} == {StorageCorrupt}


def test_nothing_is_there_after_an_unavailable_create(lite: str) -> None:
    with direct(lite) as other, opened(SyncDoor, lite) as door:
        with no_writer(lite):
            [answer] = door.run(lambda s: s.put(BOX, "a", Count(), expect=ABSENT, timeout=0.5))
        assert answer.error is not None
        time.sleep(0.5)
        if isinstance(answer.error, Unavailable):
            assert other.get(BOX, "a") is NOT_PRESENT
