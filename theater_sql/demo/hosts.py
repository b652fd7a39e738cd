"""What runs the demonstration's actors: this process, or a Ray cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from theater_sql import AsyncSQLStorage
from theater_sql.backends import normal_url
from theater_sql.demo import DemoError
from theater_sql.host import AwaitedTheater, Theater

if TYPE_CHECKING:
    from theater_sql.adapters.ray import RayTheater

HOSTS: Final = 2


def theater_on(
    host: str, url: str, storage: AsyncSQLStorage
) -> AbstractAsyncContextManager[AwaitedTheater]:
    """Return a new Theater, whose actors start from what is stored."""
    if host == "ray":
        return _on_ray(url)
    # Another run at the same time may write an actor again and again; it does no harm.
    return Theater(storage, conflict_retries=50)


@asynccontextmanager
async def _on_ray(url: str) -> AsyncIterator[RayTheater]:
    try:
        from theater_sql.adapters.ray import Pool, RayTheater, scale, stop
    except ModuleNotFoundError as error:
        raise DemoError(f"there is no host: {error}") from None
    pool = Pool(_absolute(url), "theater_sql.demo.actors:actors", name="demo")
    import ray

    if not ray.is_initialized():
        try:
            ray.init(logging_level="ERROR", log_to_driver=False)
        except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
            raise DemoError(f"no Ray cluster can be reached: {error}") from None
    try:
        await scale(pool, HOSTS)
        async with RayTheater(pool.name, namespace=pool.namespace) as theater:
            yield theater
    finally:
        await stop(pool)


def _absolute(url: str) -> str:
    """Return a URL that means the same to processes which run elsewhere on this machine."""
    parsed = normal_url(url)
    if parsed.get_backend_name() == "sqlite":
        parsed = parsed.set(database=str(Path(str(parsed.database)).absolute()))
    return parsed.render_as_string(hide_password=False)
