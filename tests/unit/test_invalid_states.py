"""A state that is not of its type, or would not come back, is refused by every kind of class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NotRequired, TypedDict

import attrs
import msgspec
import pydantic
import pytest

from theater_sql import GENERIC, ActorRegistry, InvalidState, NotPresent, SQLStorage


@dataclass(slots=True)
class Data:
    n: int
    items: list[int]


@attrs.define
class Attrs:
    n: int
    items: list[int]


class Pair(NamedTuple):
    n: int
    items: list[int]


class Struct(msgspec.Struct):
    n: int
    items: list[int]


class Typed(TypedDict):
    n: int
    items: list[int]
    note: NotRequired[str]


class Model(pydantic.BaseModel):
    n: int
    items: list[int]


class OpenModel(pydantic.BaseModel, extra="allow", arbitrary_types_allowed=True):
    n: int
    items: Any = None


class Rounded(pydantic.BaseModel):
    n: int
    items: list[int] = []

    @pydantic.field_validator("n")
    @classmethod
    def tens(cls, n: int) -> int:
        return n // 10 * 10


def half(kind: Any) -> Any:
    """Return an instance whose second attribute was never set."""
    state = object.__new__(kind)
    state.n = 1
    return state


TEXT: Any = "text"
WRONG: list[tuple[Any, Any, str]] = [
    *[(kind, {"n": 1, "items": []}, "$") for kind in (Data, Attrs, Pair, Struct, Model)],
    *[(kind, None, "$") for kind in (Data, Attrs, Pair, Struct, Typed, Model)],
    *[(kind, kind(n=1, items=[TEXT]), "$.items") for kind in (Data, Attrs, Struct)],
    *[(kind, kind(n=TEXT, items=[]), "$.n") for kind in (Data, Attrs, Struct)],
    (Pair, Pair(n=1, items=[TEXT]), "$"),  # JSON has it as a list
    (Data, half(Data), "$"),
    (Attrs, half(Attrs), "$"),
    (Typed, [("n", 1)], "$"),
    (Typed, {"n": 1}, "$"),
    (Typed, {"n": 1, "items": [], "more": 1}, "$"),
    (Typed, {"n": 1, "items": [None]}, "$.items"),
    (Model, Model.model_construct(n=1, items=[TEXT]), "$.items"),
    (Model, Model.model_construct(n=TEXT, items=[]), "$.n"),
    (OpenModel, OpenModel(n=1, items=object()), "$"),
    (OpenModel, OpenModel(n=1, more=object()), "$"),  # type: ignore[call-arg]
    (Rounded, Rounded.model_construct(n=15), "$"),
]
NAMES = [f"{kind.__name__}-{n}" for n, (kind, *_) in enumerate(WRONG)]
ACTORS = ActorRegistry()
for kind in {kind: None for kind, *_ in WRONG}:
    ACTORS.register(f"own.{kind.__name__}", state=kind)
    ACTORS.register(f"generic.{kind.__name__}", state=kind, table=GENERIC)


@pytest.fixture(scope="module")
def storage() -> Iterator[SQLStorage]:
    # One database is enough: a state is refused before anything is sent.
    with SQLStorage("sqlite://", ACTORS) as storage:
        storage.create_all()
        yield storage


@pytest.mark.parametrize("place", ["own", "generic"])
@pytest.mark.parametrize(("kind", "state", "path"), WRONG, ids=NAMES)
def test_what_would_not_come_back_is_invalid_and_not_written(
    storage: SQLStorage, place: str, kind: type[Any], state: Any, path: str
) -> None:
    with pytest.raises(InvalidState) as caught:
        storage.put(f"{place}.{kind.__name__}", "a", state)
    assert caught.value.path.startswith(path)
    assert "nothing was written" in str(caught.value)
    assert "text" not in str(caught.value)
    assert isinstance(storage.get(f"{place}.{kind.__name__}", "a"), NotPresent)
