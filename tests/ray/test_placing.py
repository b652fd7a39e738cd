"""Which host has an actor: the same answer in every process and version, for ever."""

from __future__ import annotations

from collections import Counter as Bag
from uuid import UUID

import pytest

from theater_sql import ActorId
from theater_sql.adapters.ray.placing import address_key, host_of

HOSTS = (1, 2, 3, 4, 8, 100)

VECTORS: list[tuple[ActorId, bytes, list[int]]] = [
    ("ann", b"9:shop.Carts:ann", [0, 0, 2, 2, 2, 79]),
    (1, b"9:shop.Carti:1", [0, 0, 0, 0, 0, 58]),
    ("1", b"9:shop.Carts:1", [0, 0, 0, 0, 7, 27]),
    (b"1", b"9:shop.Cartb:31", [0, 1, 1, 3, 7, 91]),
    (UUID(int=1), b"9:shop.Cartu:00000000-0000-0000-0000-000000000001", [0, 1, 1, 1, 1, 72]),
    (("a", 1), b"9:shop.Cartt:s:a,i:1,", [0, 1, 1, 3, 3, 98]),
    ("é,\\", b"9:shop.Carts:\xc3\xa9,\\", [0, 0, 0, 0, 0, 69]),
]


@pytest.mark.parametrize(("actor_id", "key", "numbers"), VECTORS)
def test_vectors(actor_id: ActorId, key: bytes, numbers: list[int]) -> None:
    assert address_key("shop.Cart", actor_id) == key
    assert [host_of(key, hosts) for hosts in HOSTS] == numbers


def test_a_type_and_an_id_do_not_run_into_each_other() -> None:
    assert address_key("a", "s:b") != address_key("as:", "b")


def test_hosts_have_equal_shares_and_one_more_takes_from_all() -> None:
    keys = [address_key("shop.Cart", number) for number in range(10_000)]
    before, after = ([host_of(key, hosts) for key in keys] for hosts in (4, 5))
    assert all(2_300 < share < 2_700 for share in Bag(before).values())
    moved = [old for old, new in zip(before, after, strict=True) if old != new]
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {4}
    assert all(400 < share < 600 for share in Bag(moved).values())
