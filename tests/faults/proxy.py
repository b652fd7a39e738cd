"""A TCP proxy in front of PostgreSQL that fails at a chosen statement of a client.

It reads the frames of the wire protocol and joins a client's frames to flights: what libpq
sends before it waits for an answer. A flight that executes a statement is known by the SQL of
the Parse before it, even where the statement was prepared long ago.
"""

from __future__ import annotations

import enum
import os
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from sqlalchemy import make_url

_PATIENCE = 30.0
"""Seconds after which a test that forgot to release something fails instead of hanging."""


class When(enum.Enum):
    BEFORE = "before the server gets it"
    AFTER = "after the server executed it, before the reply"
    HALF = "in the middle of the reply"
    LATE = "delivered after the client has gone"
    HANG = "executed, and the reply never comes"


class How(enum.Enum):
    RST = "reset"
    FIN = "close"


@dataclass(eq=False)
class Cut:
    """What happens to the next flight whose SQL matches ``sql``; to one flight only.

    ``then`` runs before the client learns of it. A LATE flight waits for ``release``, and sets
    ``landed`` when the server has executed it. ``prepare`` hits the flight that only prepares.
    """

    sql: str
    when: When
    how: How = How.RST
    then: Callable[[], object] | None = None
    prepare: bool = False
    fired: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    landed: threading.Event = field(default_factory=threading.Event)

    def strike(self) -> None:
        if self.then is not None:
            self.then()
        self.fired.set()


class Proxy:
    """Listens on a port of its own; ``url`` is the given URL through it."""

    def __init__(self, url: str) -> None:
        target = make_url(url)
        self.target = (target.host or "127.0.0.1", target.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port: int = self._listener.getsockname()[1]
        plain = target.set(host="127.0.0.1", port=port).update_query_dict(
            {"sslmode": "disable", "gssencmode": "disable"}
        )
        self.url = plain.render_as_string(hide_password=False)
        self.connections = 0
        self._cuts: list[Cut] = []
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._closed = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def arm(self, cut: Cut) -> Cut:
        """Have the next matching flight cut."""
        with self._lock:
            self._cuts.append(cut)
        return cut

    def disarm(self, cut: Cut) -> bool:
        """Take a cut back; tell whether it has happened already."""
        with self._lock:
            if cut in self._cuts:
                self._cuts.remove(cut)
                return False
        return True

    def take(self, sql: str, executes: bool) -> Cut | None:
        """Return the cut that this flight is to suffer, once."""
        with self._lock:
            for cut in self._cuts:
                if cut.prepare != executes and re.search(cut.sql, sql, re.IGNORECASE):
                    self._cuts.remove(cut)
                    return cut
        return None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let nothing through, in either direction, while connections stay open."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def wait_flowing(self) -> None:
        self._flows.wait(_PATIENCE)

    def cut_all(self, how: How = How.RST) -> None:
        """Cut every connection there is."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.cut(how)
        for link in links if self._flows.is_set() else ():
            link.join()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Cut every connection, and every new one at once."""
        self._refuses = True
        self.cut_all()
        try:
            yield
        finally:
            self._refuses = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._closed:
                client.close()
                return
            if self._refuses:
                _hang_up(client, How.RST)
                continue
            self.connections += 1
            link = _Link(self, client)
            with self._lock:
                self._links.append(link)
                link.start()

    def close(self) -> None:
        self._closed = True
        self._flows.set()
        with suppress(OSError):  # wakes accept
            socket.create_connection(self._listener.getsockname(), timeout=1).close()
        self._acceptor.join(_PATIENCE)
        self._listener.close()
        for cut in self._cuts:
            cut.release.set()
        self.cut_all()


class _Link:
    """One client's connection, with a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = socket.create_connection(proxy.target)
        for link in (self._client, self._server):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._cut: Cut | None = None
        self._lock = threading.Lock()
        self._running = 2
        self._up = threading.Thread(target=self._run, args=(self._upwards,), daemon=True)
        self._down = threading.Thread(target=self._run, args=(self._downwards,), daemon=True)

    def start(self) -> None:
        self._up.start()
        self._down.start()

    def join(self) -> None:
        """Wait for the end of a connection that was cut; a LATE one still has something to do."""
        if self._cut is None or self._cut.when is not When.LATE or self._cut.release.is_set():
            self._up.join(_PATIENCE)
            self._down.join(_PATIENCE)

    def cut(self, how: How) -> None:
        _hang_up(self._client, how)
        _hang_up(self._server, How.FIN)

    def _run(self, pump: Callable[[], None]) -> None:
        with suppress(OSError, EOFError, ValueError):  # the other side is gone
            pump()
        if self._cut is None or self._cut.when is not When.LATE:
            self.cut(How.FIN)
        with self._lock:
            self._running -= 1
            if not self._running:
                self._client.close()
                self._server.close()

    def _upwards(self) -> None:
        with self._client.makefile("rb") as stream:
            length = _read(stream, 4)
            start = length + _read(stream, struct.unpack("!I", length)[0] - 4)
            self._proxy.wait_flowing()
            self._server.sendall(start)
            known: dict[bytes, str] = {}
            while True:
                flight, sql, executes = _flight(stream, known)
                self._proxy.wait_flowing()
                cut = self._proxy.take(sql, executes) if sql else None
                if cut is not None and self._suffer(cut, flight):
                    return
                if cut is None:
                    self._server.sendall(flight)

    def _suffer(self, cut: Cut, flight: bytes) -> bool:
        """Do what the cut says to a flight; tell whether this was the connection's end."""
        if cut.when is When.BEFORE:
            cut.strike()
            self.cut(cut.how)
            return True
        self._cut = cut
        if cut.when is When.LATE:
            cut.strike()
            _hang_up(self._client, cut.how)
            cut.release.wait(_PATIENCE)
        self._server.sendall(flight)
        return cut.when is When.LATE

    def _downwards(self) -> None:
        held = b""
        with self._server.makefile("rb") as stream:
            while True:
                kind, frame = _frame(stream)
                self._proxy.wait_flowing()
                cut = self._cut
                if cut is None:
                    self._client.sendall(frame)
                    continue
                held += frame
                if kind == b"Z":
                    self._answered(cut, held)
                    return

    def _answered(self, cut: Cut, reply: bytes) -> None:
        """Do what the cut says when the server has executed the flight."""
        if cut.when is When.LATE:
            cut.landed.set()
            _hang_up(self._server, How.FIN)
            return
        cut.strike()
        if cut.when is When.HALF:
            self._client.sendall(reply[: len(reply) // 2])
        if cut.when is When.HANG:
            self._server.recv(1)  # until somebody gives up
        self.cut(cut.how)


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _frame(stream: IO[bytes]) -> tuple[bytes, bytes]:
    kind = _read(stream, 1)
    length = _read(stream, 4)
    return kind, kind + length + _read(stream, struct.unpack("!I", length)[0] - 4)


def _flight(stream: IO[bytes], known: dict[bytes, str]) -> tuple[bytes, str, bool]:
    """Return the next flight, the SQL it is about, and whether it executes that."""
    frames = b""
    sql, executes = "", False
    while True:
        kind, frame = _frame(stream)
        frames += frame
        if kind == b"P":
            name, text = frame[5:].split(b"\0", 2)[:2]
            known[name] = text.decode()
            sql = _about(sql, known[name])
        elif kind == b"B":
            sql = _about(sql, known.get(frame[5:].split(b"\0", 2)[1], ""))
        elif kind == b"E":
            executes = True
        elif kind == b"Q":
            return frames, frame[5:-1].decode(), True
        elif kind not in (b"D", b"C"):
            return frames, sql, executes


def _about(before: str, sql: str) -> str:
    """Return what a flight is about: where it ends with a commit, what is committed."""
    return before if before and sql == "COMMIT" else sql


def _hang_up(link: socket.socket, how: How) -> None:
    with suppress(OSError):
        if how is How.FIN:
            link.shutdown(socket.SHUT_RDWR)
            return
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.shutdown(socket.SHUT_RD)  # a thread that reads would keep the connection open
        os.close(link.detach())
