"""Tests for storages, to run against your own with pytest: the contract, and a state machine."""

from __future__ import annotations

from theater_sql.testing.base import UNTYPED, Capability, Subject
from theater_sql.testing.contract import StorageContract
from theater_sql.testing.doors import Call, Door
from theater_sql.testing.machine import StorageMachine
from theater_sql.testing.provider import ProviderContract

__all__ = [
    "UNTYPED",
    "Call",
    "Capability",
    "Door",
    "ProviderContract",
    "StorageContract",
    "StorageMachine",
    "Subject",
]
