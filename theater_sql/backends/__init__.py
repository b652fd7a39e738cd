"""Database products: one module for each, saying only what differs."""

from __future__ import annotations

from math import ceil
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, SingletonThreadPool, StaticPool

from theater_sql.backends.base import Backend
from theater_sql.backends.postgresql import PostgreSQL
from theater_sql.backends.sqlite import SQLite, existing_file_url
from theater_sql.errors import ConfigurationError

_DRIVERS = {"postgresql": "psycopg", "sqlite": "pysqlite"}


def normal_url(url: str | URL) -> URL:
    """Return a URL that names its driver, refusing what theater_sql does not speak."""
    parsed = _parsed(url)
    _check_query(parsed)
    name, _, driver = parsed.drivername.partition("+")
    _check_driver(name, driver or _DRIVERS.get(name, ""))
    return parsed.set(drivername=f"{name}+{_DRIVERS[name]}")


def _parsed(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
        # Raises for a lone surrogate; no file, host or role can have a NUL in its name either.
        texts = (parsed.host, parsed.database, parsed.username, str(parsed.password))
        is_odd = any(b"\0" in (text or "").encode() for text in texts)
        if not is_odd and (parsed.port is None or 0 < parsed.port < 2**16):
            return parsed
    except (ArgumentError, TypeError, ValueError):
        pass
    raise ConfigurationError(
        "not a database URL: write sqlite:///file.db or postgresql+psycopg://host/database"
    )


def _check_query(url: URL) -> None:
    if any("password" in key.lower() for key in url.query):
        raise ConfigurationError(
            "a password in the URL's query part would be shown in logs: "
            "write it as user:password@host, or use PGPASSFILE"
        )


def _check_driver(name: str, driver: str) -> None:
    if _DRIVERS.get(name) != driver:
        raise ConfigurationError(
            f"{name}{driver and '+'}{driver} is not supported: write sqlite:///... or "
            "postgresql+psycopg://..., which serves asyncio callers as well"
        )


def engine_for(
    url: str | URL, *, create: bool = False, timeout: float = 10.0, pooler: bool = False
) -> Engine:
    """Return an engine without a pool; SQLite creates a missing file only if ``create``.

    ``timeout`` bounds a connection attempt where the URL does not: all its hosts together have
    that long. The driver takes whole seconds for each, two at least. Where ``pooler``,
    PostgreSQL's driver prepares no statements.
    """
    parsed = normal_url(url)
    if parsed.get_backend_name() == "sqlite" and not create:
        parsed = existing_file_url(parsed)
    if _is_postgresql(parsed) and "connect_timeout" not in parsed.query:
        seconds = max(2, ceil(timeout / _count_hosts(parsed)))
        parsed = parsed.update_query_dict({"connect_timeout": str(seconds)})
    try:
        if _in_memory(parsed):
            return create_engine(
                parsed,
                hide_parameters=True,
                poolclass=StaticPool,
                connect_args={"check_same_thread": False},
            )
        arguments = {"prepare_threshold": None} if pooler and _is_postgresql(parsed) else {}
        return create_engine(
            parsed, hide_parameters=True, poolclass=NullPool, connect_args=arguments
        )
    except (TypeError, ValueError):
        raise ConfigurationError("an option in the URL's query part can't work") from None
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed: pip install 'theater-sql[postgresql]'"
        ) from error


def _is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def _count_hosts(url: URL) -> int:
    """Return how many hosts are tried, one after the other, until one will do."""
    return ",".join(url.normalized_query.get("host", ())).count(",") + 1


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def backend_for(
    engine: Engine, timeout: float, *, relaxed: bool = False, pooler: bool = False
) -> Backend:
    """Return the backend of an engine; ``timeout`` bounds a statement on the server's side.

    Where ``relaxed``, commits are acknowledged before they are on the disk. Where ``pooler``,
    the server's sessions are shared.
    """
    if not issubclass(type(engine), Engine):
        raise ConfigurationError(
            f"a {type(engine).__name__} can't be used: pass its URL, or a sync engine such as "
            'create_engine("postgresql+psycopg://...")'
        )
    _check_driver(engine.dialect.name, engine.dialect.driver)
    _check_query(engine.url)
    if isinstance(engine.pool, SingletonThreadPool):
        raise ConfigurationError(
            "this engine has a database in memory for each thread: create it with "
            'poolclass=StaticPool and connect_args={"check_same_thread": False}'
        )
    make: Any = PostgreSQL if engine.dialect.name == "postgresql" else SQLite
    backend: Backend = make(engine, timeout, relaxed, pooler)
    return backend


__all__ = ["Backend", "backend_for", "engine_for", "normal_url"]
