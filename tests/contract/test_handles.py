"""A handle whose call was cancelled."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from tests.contract.kinds import ACTORS, KINDS
from theater_sql import AsyncSQLStorage, StorageError


def test_a_cancelled_call_makes_it_unusable_until_get(
    shared_url: str, shared_engine: sa.Engine, actor_id: str
) -> None:
    kind = KINDS["derived"]

    async def main() -> None:
        async with AsyncSQLStorage(shared_url, ACTORS) as storage:
            handle = storage.handle(kind.actor_type, actor_id)
            await handle.put(kind.make(1))
            task = asyncio.create_task(handle.put(kind.make(2)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(StorageError, match=r"get\(\) first"):
                await handle.put(kind.make(3))
            found = await handle.get()
            assert found
            await handle.put(kind.make(4))

    asyncio.run(main())
