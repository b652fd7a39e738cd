"""The whole contract, for a storage that has etags and all that is built on them."""

from __future__ import annotations

from typing import ClassVar

from theater_sql.testing.base import Capability
from theater_sql.testing.etags import EtagsContract
from theater_sql.testing.handles import HandlesContract
from theater_sql.testing.lists import ListsContract
from theater_sql.testing.many import ManyContract
from theater_sql.testing.provider import ProviderContract
from theater_sql.testing.races import RacesContract
from theater_sql.testing.transactions import TransactionContract
from theater_sql.testing.undecodable import UndecodableContract
from theater_sql.testing.writes import WritesContract


class StorageContract(
    WritesContract,
    EtagsContract,
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
