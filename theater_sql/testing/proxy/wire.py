"""The frames of PostgreSQL's wire protocol, and the flights that a client makes of them."""

from __future__ import annotations

import struct
from asyncio import StreamReader
from typing import NamedTuple


class Flight(NamedTuple):
    """What a client sends before it waits for an answer."""

    frames: bytes
    sql: str
    """The statement that it is about; "" if it is about none."""
    executes: bool
    """Whether the statement is executed, and not merely prepared."""


async def read_start(stream: StreamReader) -> bytes:
    """Read how a connection begins: the one frame that has no kind."""
    return await _read_body(stream)


async def read_frame(stream: StreamReader) -> tuple[bytes, bytes]:
    """Read one frame; return its kind, and all of it."""
    kind = await stream.readexactly(1)
    return kind, kind + await _read_body(stream)


async def _read_body(stream: StreamReader) -> bytes:
    length = await stream.readexactly(4)
    return length + await stream.readexactly(struct.unpack("!I", length)[0] - 4)


class Flights:
    """A client's flights, one after the other.

    A flight that executes a statement is known by the SQL of the Parse before it, even where
    the statement was prepared long ago.
    """

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream
        self._prepared: dict[bytes, str] = {}

    async def read(self) -> Flight:
        """Read the next one."""
        frames, sql, executes = b"", "", False
        while True:
            kind, frame = await read_frame(self._stream)
            frames += frame
            if kind == b"P":
                name, text = frame[5:].split(b"\0", 2)[:2]
                self._prepared[name] = text.decode()
                sql = _about(sql, self._prepared[name])
            elif kind == b"B":
                sql = _about(sql, self._prepared.get(frame[5:].split(b"\0", 2)[1], ""))
            elif kind == b"E":
                executes = True
            elif kind == b"Q":
                return Flight(frames, frame[5:-1].decode(), True)
            elif kind not in (b"D", b"C"):
                return Flight(frames, sql, executes)


def _about(before: str, sql: str) -> str:
    """Return what a flight is about: where it ends with a commit, what is committed."""
    return before if before and sql == "COMMIT" else sql
