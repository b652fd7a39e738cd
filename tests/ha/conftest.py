"""One cluster for all tests, and a database in it for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ha.cluster import Cluster
from tests.ha.launch import cluster as launched
from tests.postgres import NoPostgresError


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Three nodes under Patroni. Where they can't be had, every test of them fails."""
    try:
        with launched() as cluster:
            yield cluster
    except NoPostgresError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The URL of a database of the cluster, which leads to its leader."""
    return cluster.new_database()
