"""One client's connection through a proxy."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress

from theater_sql.testing.proxy.cuts import Cut, How, When
from theater_sql.testing.proxy.wire import Flight, Flights, read_frame, read_start

Stream = tuple[StreamReader, StreamWriter]

_GONE = (OSError, EOFError)
"""What reading and writing raise when a side is no longer there."""
_LINGER = 1.0
"""Seconds that a side has for taking what was still sent to it."""


class Link:
    """Carries what a client and its server say, until either ends it or a cut does.

    ``flows`` is cleared while nothing may pass; ``take`` gives the cut that a flight is to
    suffer, once.
    """

    def __init__(
        self, client: Stream, flows: asyncio.Event, take: Callable[[Flight], Cut | None]
    ) -> None:
        self._client, self._to_client = client
        self._flows = flows
        self._take = take
        self._how = How.CLOSE
        self._reply: asyncio.Future[bytes] | None = None
        """The reply that is held back, once the server has given all of it."""

    async def run(self, target: tuple[str, int]) -> None:
        """Carry, to the end; cancel it to cut the connection."""
        ends = [self._to_client]
        try:
            self._server, self._to_server = await asyncio.open_connection(*target)
            ends.append(self._to_server)
            await self._carry()
        except asyncio.CancelledError:
            pass  # how else is a connection cut
        except _GONE:
            await self._flows.wait()
        finally:
            for end in ends:
                hang_up(end, self._how if end is self._to_client else How.CLOSE)
            for end in ends:
                await _gone(end)

    def cut(self, how: How) -> None:
        """End the client's connection; the rest is for who cancels ``run``."""
        self._how = how
        hang_up(self._to_client, how)

    async def _carry(self) -> None:
        pumps = [asyncio.create_task(self._upwards()), asyncio.create_task(self._downwards())]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        for pump in done:
            pump.result()

    async def _send(self, end: StreamWriter, data: bytes) -> None:
        await self._flows.wait()
        end.write(data)
        await end.drain()

    async def _upwards(self) -> None:
        """Carry the client's flights, up to one whose cut ends the connection."""
        await self._send(self._to_server, await read_start(self._client))
        flights = Flights(self._client)
        going_on = True
        while going_on:
            flight = await flights.read()
            await self._flows.wait()
            cut = self._take(flight)
            if cut is None:
                await self._send(self._to_server, flight.frames)
            elif cut.when is When.LATE:
                going_on = await self._deliver_late(cut, flight)
            else:
                going_on = await self._suffer(cut, flight)

    async def _downwards(self) -> None:
        held = b""
        while True:
            kind, frame = await read_frame(self._server)
            if self._reply is None:
                await self._send(self._to_client, frame)
                continue
            held += frame
            if kind == b"Z":
                self._reply.set_result(held)
                self._reply, held = None, b""

    async def _executed(self, flight: Flight) -> bytes:
        """Let the server have a flight; return the reply, of which the client gets nothing yet."""
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._reply = reply
        await self._send(self._to_server, flight.frames)
        return await reply

    async def _deliver_late(self, cut: Cut, flight: Flight) -> bool:
        await _strike(cut)
        self._notice(cut.how)
        while not cut.release.is_set():  # any thread may set it, so no loop can be told
            await asyncio.sleep(0.002)
        await self._executed(flight)
        cut.landed.set()
        return False

    async def _suffer(self, cut: Cut, flight: Flight) -> bool:
        """Do what the cut says; tell whether the connection goes on."""
        reply = b"" if cut.when is When.BEFORE else await self._executed(flight)
        await _strike(cut)
        told = len(reply) // 2 if cut.when is When.HALF else 0
        if told:
            await self._send(self._to_client, reply[:told])
        if cut.how is How.DELAY:
            await asyncio.sleep(cut.delay)
            rest = (self._to_client, reply[told:]) if reply else (self._to_server, flight.frames)
            await self._send(*rest)
            return True
        self._notice(cut.how)
        if cut.how in (How.HANG, How.HALF_CLOSE):
            await self._client.read(-1)  # until it gives up
        return False

    def _notice(self, how: How) -> None:
        """Have the client see how its connection ends."""
        self._how = how
        if how in (How.RESET, How.CLOSE):
            hang_up(self._to_client, how)
        elif how is How.HALF_CLOSE:
            self._to_client.write_eof()


async def _strike(cut: Cut) -> None:
    if cut.then is not None:
        await asyncio.to_thread(cut.then)
    cut.fired.set()


def hang_up(end: StreamWriter, how: How) -> None:
    """End a connection in both directions: by a reset, or else a close."""
    with suppress(OSError):  # it has ended already
        if how is How.RESET:
            linger = struct.pack("ii", 1, 0)
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            end.transport.abort()
    end.close()


async def _gone(end: StreamWriter) -> None:
    """Wait until a connection has ended."""
    with suppress(OSError, TimeoutError):
        await asyncio.wait_for(end.wait_closed(), _LINGER)
    end.transport.abort()
