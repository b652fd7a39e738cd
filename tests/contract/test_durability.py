"""What ``durability=`` asks of a database."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import make_url

from tests.contract.doors import MakeDoor
from theater_sql import ActorRegistry, ConfigurationError

SHOW = {
    "postgresql": "SELECT current_setting('synchronous_commit')",
    "sqlite": "PRAGMA synchronous",
}


def setting(make_door: MakeDoor, url: str, **options: Any) -> Any:
    """Return what a lane's connection has."""
    with make_door(url, ActorRegistry(), **options) as door:
        door.create_all()
        door.put("anything", "a", 1)
        session = door.raw._core.backend.connect(0.1)
        try:
            return session.query(SHOW[make_url(url).get_backend_name()], [])[0][0]
        finally:
            session.close()


def test_the_default_is_full(make_door: MakeDoor, url: str) -> None:
    assert setting(make_door, url) in ("on", 2)
    assert setting(make_door, url, durability="full") in ("on", 2)


def test_relaxed_does_not_wait_for_the_disk(make_door: MakeDoor, url: str) -> None:
    assert setting(make_door, url, durability="relaxed") in ("off", 1)


@pytest.mark.parametrize(("server", "full"), [("off", "on"), ("remote_write", "remote_write")])
def test_full_is_what_the_server_has_unless_that_is_nothing(
    make_door: MakeDoor, pg_url: str, server: str, full: str
) -> None:
    options = {"options": f"-c synchronous_commit={server}"}
    url = make_url(pg_url).update_query_dict(options).render_as_string(hide_password=False)
    assert setting(make_door, url) == full
    assert setting(make_door, url, durability="relaxed") == "off"


@pytest.mark.parametrize("durability", ["none", None, True])
def test_another_word_is_refused(make_door: MakeDoor, url: str, durability: Any) -> None:
    with pytest.raises(ConfigurationError, match="durability"):
        make_door(url, ActorRegistry(), durability=durability)
