"""Tests for storages, to run against your own with pytest, and what finds faults in them."""

from __future__ import annotations

import pkgutil

import pytest

# A failed assertion shows its values, here as in your own tests.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__))
)

from theater_sql.testing.base import UNTYPED, Capability, Subject  # noqa: E402
from theater_sql.testing.contract import StorageContract  # noqa: E402
from theater_sql.testing.cut_machine import CutMachine  # noqa: E402
from theater_sql.testing.doors import Blocking, Call, Door  # noqa: E402
from theater_sql.testing.history import (  # noqa: E402
    Change,
    History,
    Read,
    Row,
    Told,
    Write,
)
from theater_sql.testing.machine import StorageMachine  # noqa: E402
from theater_sql.testing.provider import ProviderContract  # noqa: E402
from theater_sql.testing.proxy import BREAKS, Cut, FaultProxy, How, When  # noqa: E402

__all__ = [
    "BREAKS",
    "UNTYPED",
    "Blocking",
    "Call",
    "Capability",
    "Change",
    "Cut",
    "CutMachine",
    "Door",
    "FaultProxy",
    "History",
    "How",
    "ProviderContract",
    "Read",
    "Row",
    "StorageContract",
    "StorageMachine",
    "Subject",
    "Told",
    "When",
    "Write",
]
