"""Histories that several tests read and none changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.demo.synthetic import make_history


@pytest.fixture(scope="session")
def large_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_history(tmp_path_factory.mktemp("git") / "large", commits=5_000)
