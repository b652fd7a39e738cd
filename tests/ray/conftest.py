"""A Ray cluster of two nodes on this machine, and a pool of hosts for each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDatabase
from tests.ray.actors import actors
from theater_sql import SQLStorage

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:
    raise pytest.UsageError("these tests need Ray: make test-ray, or pip install ray") from None

from theater_sql.adapters.ray import Pool, stop

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
PLACE = "tests.ray.actors:actors"
ROOT = Path(__file__).parents[2]

_numbers = count(1)

NewPool = Callable[..., Pool]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two nodes; the second may be killed by a test, and is there again for the next."""
    os.environ["PYTHONPATH"] = str(ROOT)  # hosts import the tests' actors
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        cluster.add_node(**NODE)
        ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="session")
def new_pools(cluster: Any, new_pg: NewDatabase) -> Callable[[], AbstractContextManager[NewPool]]:
    """What gives a database, and makes pools on it whose hosts end with the block."""

    @contextmanager
    def block() -> Iterator[NewPool]:
        pools: list[Pool] = []

        def new(**options: Any) -> Pool:
            made = Pool(url, PLACE, name=f"pool {next(_numbers)}", **options)
            pools.append(made)
            return made

        with new_pg() as url:
            with SQLStorage(url, actors) as storage:
                storage.create_all()
            try:
                yield new
            finally:
                for pool in pools:
                    asyncio.run(stop(pool))

    return block


@pytest.fixture
def new_pool(new_pools: Callable[[], AbstractContextManager[NewPool]]) -> Iterator[NewPool]:
    """What makes a pool with a database of its own; its hosts end with the test."""
    with new_pools() as new:
        yield new


@pytest.fixture
def pool(new_pool: NewPool) -> Pool:
    return new_pool()
