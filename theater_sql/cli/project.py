"""The project in the current directory: what its pyproject.toml says of actors and Alembic."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

from alembic.config import Config

from theater_sql.errors import ConfigurationError, RegistrationError
from theater_sql.registry import ActorRegistry

PYPROJECT: Final = Path("pyproject.toml")
SECTION: Final = "theater-sql"
_INIT: Final = "theater-sql init module:attribute"
_PLACE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def config(url: str) -> Config:
    """Return Alembic's configuration, which hands the URL over to ``env.py``.

    The registry is imported here first, where what is wrong with it can be said in a sentence.
    """
    tools()
    ini = "alembic.ini" if Path("alembic.ini").exists() else None
    made = Config(ini, toml_file=str(PYPROJECT))
    made.attributes["url"] = url
    sys.path[:0] = made.get_prepend_sys_paths_list() or ["."]
    actors()
    return made


def actors() -> ActorRegistry:
    """Return the registry that pyproject.toml names."""
    place = tools().get(SECTION, {}).get("actors")
    if type(place) is not str:
        raise ConfigurationError(
            f'{PYPROJECT} has no [tool.{SECTION}] with actors = "module:attribute": run {_INIT}'
        )
    return registry(place)


def tools() -> dict[str, Any]:
    """Return the tables of ``[tool]``."""
    if not PYPROJECT.exists():
        raise ConfigurationError(f"there is no {PYPROJECT} in this directory: run {_INIT}")
    found = parsed(PYPROJECT.read_text(encoding="utf-8")).get("tool", {})
    return found if isinstance(found, dict) else {}


def parsed(text: str) -> dict[str, Any]:
    """Return what the text of a pyproject.toml says."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{PYPROJECT} can't be read: {error}") from None


def registry(place: str) -> ActorRegistry:
    """Return the registry at ``module:attribute``."""
    if not _PLACE.fullmatch(place):
        raise ConfigurationError(f"{place!r} is no place of a registry: write module:attribute")
    module, _, attribute = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except RegistrationError:
        raise
    except Exception as error:  # a module of the user's may raise anything
        what = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"{place}: {module} can't be imported ({what})") from error
    if found is None:
        raise ConfigurationError(f"{place}: {module} has no {attribute}")
    if not isinstance(found, ActorRegistry):
        raise ConfigurationError(f"{place} is a {type(found).__name__}, not an ActorRegistry")
    return found
