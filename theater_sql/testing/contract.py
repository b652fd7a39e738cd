"""The whole contract, for a storage that has etags and all that is built on them."""

from __future__ import annotations

from typing import ClassVar

from theater_sql.testing.base import Capability
from theater_sql.testing.many import ListsContract, ManyContract
from theater_sql.testing.provider import ProviderContract
from theater_sql.testing.stored import HandlesContract, TransactionContract, UndecodableContract
from theater_sql.testing.writes import RacesContract, WritesContract


class StorageContract(
    WritesContract,
    RacesContract,
    HandlesContract,
    ManyContract,
    ListsContract,
    UndecodableContract,
    TransactionContract,
    ProviderContract,
    is_part=True,
):
    """What a storage like ``SQLStorage`` has to do. Add the capabilities of the hooks you have."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.ID_KINDS,
            Capability.ETAGS,
            Capability.HANDLES,
            Capability.MANY,
            Capability.ATOMIC,
            Capability.LISTS,
        }
    )
