"""``theater-sql demo``: run the main job, and say in one line why it can't be done."""

from __future__ import annotations

import asyncio

from theater_sql.cli.failures import told
from theater_sql.demo.run import run


def demo(path: str, url: str, host: str) -> int:
    """Run the demonstration and return the exit code."""

    def work() -> int:
        asyncio.run(run(path, url, host))
        return 0

    return told("demo", url, work)
