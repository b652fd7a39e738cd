"""Which host of a pool has an actor: every client and host has to give the same answer."""

from __future__ import annotations

from hashlib import blake2b

from theater_sql.contract import ActorId
from theater_sql.identity import canonical, check_id


def address_key(name: str, actor_id: ActorId) -> bytes:
    """Return what an actor is placed by; it is the same in every process, and frozen."""
    text = canonical(check_id(name, actor_id), type(actor_id) is tuple)
    return f"{len(name)}:{name}{text}".encode()


def host_of(key: bytes, hosts: int) -> int:
    """Return the number of the host that an actor belongs to, of so many.

    Another host more takes its share from each of the others, and no actor moves between those.
    """
    return max(range(hosts), key=lambda number: _score(key, number))


def _score(key: bytes, number: int) -> bytes:
    return blake2b(b"%d:%b" % (number, key), digest_size=8).digest()
