"""Make git histories, large, odd and the same each time, with ``git fast-import``."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

MAILMAP = b"""\
Ada Lovelace <ada@example.org> <ada@old.example.org>
Ada Lovelace <ada@example.org> Countess <countess@example.org>
Grace Hopper <grace@example.org> <gmh@example.org>
"""
AUTHORS = (
    b"Ada Lovelace <ada@example.org>",
    b"A. Byron <ada@old.example.org>",
    b"Countess <countess@example.org>",
    b"Grace Hopper <grace@example.org>",
    b"gmh <gmh@example.org>",
    b" <nobody@example.org>",
    b"Robert'); DROP TABLE author;-- <bobby@example.org>",
    b'"quoted"\tand tabbed <tab@example.org>',
    "Gödel \N{SNOWMAN} \N{GRINNING FACE} <goedel@example.org>".encode(),
    b"latin \xe9\xff bytes <latin@example.org>",
    b"1\t2\tlike numstat <numstat@example.org>",
    b"commit 0000000000000000000000000000000000000000 <header@example.org>",
    b"Long " + b"name " * 150 + b"<long@example.org>",
    *(b"Author %d <a%d@example.org>" % (number, number) for number in range(27)),
)
ODD_PATHS = (
    b"new\nline.txt",
    b"tab\there.py",
    b'quote"s and \\backslash.md',
    b"bytes-\xff\xfe.c",
    "Ünï/cödé \N{SNOWMAN}.rst".encode(),
    b"commit 1\t2\t3.go",
    b"1\t2\t3",
    b" leading and trailing ",
    b"deep/" * 120 + b"long.py",
    b".hidden",
    b"no_extension",
)
BINARY_PATHS = tuple(b"images/%d.png" % number for number in range(5))
PATHS = (
    *ODD_PATHS,
    *(
        b"src/%s/module_%d.%s" % (folder, number, extension)
        for folder in (b"core", b"web", b"tools")
        for number in range(60)
        for extension in (b"py", b"js")
    ),
)
ZONES = ("+0000", "+0530", "-0800", "+1245", "-0330", "+1400")
WORDS = tuple(b"line %d\n" % number for number in range(40))
START = 1_700_000_000


def git(repository: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git in a repository and return what it printed."""
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


def make_history(repository: Path, commits: int, seed: int = 1) -> Path:
    """Create a bare repository with that many commits, some of them merges."""
    repository.mkdir(parents=True, exist_ok=True)
    git(repository, "init", "--quiet", "--bare", "--initial-branch=main")
    _import(repository, commits, seed, first=True)
    return repository


def extend_history(repository: Path, commits: int, seed: int = 2) -> None:
    """Add that many commits to a repository made by ``make_history``."""
    _import(repository, commits, seed, first=False)


def _import(repository: Path, commits: int, seed: int, *, first: bool) -> None:
    stream = b"".join(_stream(commits, random.Random(seed), first=first))
    git(repository, "fast-import", "--quiet", stdin=stream)
    git(repository, "update-ref", "-d", "refs/heads/work")


def _stream(commits: int, rng: random.Random, *, first: bool) -> Iterator[bytes]:
    """Yield a main line with side branches of up to four commits, each merged again."""
    base = b"" if first else b"from refs/heads/main^0\n"
    tip, made = 0, 0
    while made < commits:
        side = rng.randint(1, 4) if made and rng.random() < 0.1 else 0
        if side and made + side + 2 <= commits:
            fork, branch = tip, tip
            for _ in range(side):
                made += 1
                yield _commit(made, b"from :%d\n" % branch, rng)
                branch = made
            made += 1
            yield _commit(made, b"from :%d\n" % fork, rng)
            made += 1
            yield _commit(made, b"from :%d\nmerge :%d\n" % (made - 1, branch), rng, changes=0)
        else:
            made += 1
            mailmap = first and made == 1
            yield _commit(made, base, rng, mailmap=mailmap)
            base = b""
        tip = made
    yield b"reset refs/heads/main\nfrom :%d\n" % tip


def _commit(
    mark: int,
    parents: bytes,
    rng: random.Random,
    *,
    changes: int | None = None,
    mailmap: bool = False,
) -> bytes:
    if changes is None:
        changes = rng.choice((0, 1, 1, 1, 2, 2, 3, 4))
    # Half of the commits go to the first few names, the rest to all of them.
    author = rng.choice(AUTHORS[:5] if rng.random() < 0.5 else AUTHORS)
    written = START + mark * 7_000 + rng.randint(-200_000, 200_000)
    lines = [
        b"commit refs/heads/work\nmark :%d\n" % mark,
        b"author %s %d %s\n" % (author, written, rng.choice(ZONES).encode()),
        b"committer C <c@example.org> %d +0000\n" % (START + mark * 7_000),
        _data(b"Change %d" % mark),
        parents,
    ]
    if mailmap:
        lines.append(b"M 100644 inline .mailmap\n" + _data(MAILMAP))
    lines.extend(_change(rng) for _ in range(changes))
    return b"".join(lines)


def _change(rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.05:
        content = b"\0" + rng.randbytes(50)
        return b"M 100644 inline %s\n" % rng.choice(BINARY_PATHS) + _data(content)
    path = _quoted(rng.choice(ODD_PATHS if kind < 0.15 else PATHS))
    if kind > 0.97:
        return b"D %s\n" % path
    return b"M 100644 inline %s\n" % path + _data(b"".join(rng.choices(WORDS, k=10)))


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: bytes) -> bytes:
    return b'"%s"' % b"".join(b"\\%03o" % byte for byte in path)
