"""What the contract's tests share: subjects, capabilities, and the hooks that you override."""

from __future__ import annotations

import enum
import inspect
import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final, NamedTuple, TypeVar
from uuid import uuid4

import pytest

from theater_sql import NOT_PRESENT, Found
from theater_sql.testing.doors import Door

F = TypeVar("F", bound=Callable[..., Any])
_RUN: Final = uuid4().hex[:8]
_numbers = itertools.count(1)


class Capability(enum.Enum):
    """What a storage may have beyond ``get``, ``put`` and ``delete``."""

    ID_KINDS = "ids of every kind, not only str"
    ETAGS = "expect= for put and delete, etag= for put"
    HANDLES = "handle()"
    MANY = "get_many(), put_many(), delete_many()"
    ATOMIC = "put_many(atomic=True)"
    LISTS = "list_ids(), count()"
    REOPEN = "the hook reopen()"
    UNDECODABLE = "the hook make_undecodable()"
    TOO_NEW = "the hook make_too_new()"
    TRANSACTION = "the hook transaction()"


HOOKS: Final = {
    Capability.REOPEN: "reopen",
    Capability.UNDECODABLE: "make_undecodable",
    Capability.TOO_NEW: "make_too_new",
    Capability.TRANSACTION: "transaction",
}


class Subject(NamedTuple):
    """An actor type to test with: how a state is made of a number, and the number read back.

    Its ids may be any text. ``untyped`` tells that any JSON value is a state of it, and that
    its ids may be of any kind.
    """

    actor_type: Any
    make: Callable[[int], Any]
    number: Callable[[Any], int]
    untyped: bool = False

    def __str__(self) -> str:
        return str(getattr(self.actor_type, "name", self.actor_type))


UNTYPED: Final = Subject(
    "testing.Untyped",
    lambda number: {"number": number, "pair": [number, "text"]},
    lambda state: int(state["number"]),
    untyped=True,
)
"""A type that nobody registered, whose states are plain JSON."""
OTHER: Final = UNTYPED._replace(actor_type="testing.Other")


def needs(*capabilities: Capability) -> Callable[[F], F]:
    """Leave a test out where these are not declared."""

    def mark(test: F) -> F:
        test.needs = capabilities  # type: ignore[attr-defined]
        return test

    return mark


def _arguments(test: Any) -> Iterable[str]:
    return inspect.signature(test).parameters if test else ()


def _definition(cls: type, name: str) -> Any:
    """Return a test as it was written, not as a class before this one left it out."""
    return next((vars(of)[name] for of in cls.__mro__ if vars(of).get(name)), None)


class ContractBase:
    """Subclass a contract, give it a fixture ``storage``, and override what you have.

    The fixture returns a storage with its tables there: the storage itself, an awaitable of
    one, or a ``Door`` on it. It may be shared by all tests: each has an actor id of its own.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    """What the storage has. What is declared is tested; what is not must really be absent."""
    subjects: ClassVar[tuple[Subject, ...]] = (UNTYPED,)
    """The actor types to test with."""

    def reopen(self, door: Door) -> Any:
        """Return another storage on the same database, as after a restart."""
        raise NotImplementedError

    def make_undecodable(self, door: Door, subject: Subject, actor_id: str) -> None:
        """Damage the actor's row so that its state can't be decoded any more."""
        raise NotImplementedError

    def make_too_new(self, door: Door, subject: Subject, actor_id: str) -> None:
        """Give the actor's row a schema version above the registered one."""
        raise NotImplementedError

    def transaction(self, door: Door) -> AbstractContextManager[Any]:
        """Return a block that yields ``in_transaction``'s object, its calls blocking.

        Leaving it commits, and an exception rolls back.
        """
        raise NotImplementedError

    def __init_subclass__(cls, *, is_part: bool = False) -> None:
        """Leave out what the class does not declare, unless it is a part of a contract."""
        super().__init_subclass__()
        if is_part:
            return
        cls.capabilities = frozenset(cls.capabilities)
        if not all(isinstance(subject, Subject) for subject in cls.subjects):
            raise TypeError(f"{cls.__name__}: subjects are made by Subject(...)")
        tests = [_definition(cls, name) for name in dir(cls) if name.startswith("test_")]
        tested = {need for test in tests for need in getattr(test, "needs", ())}
        for capability in cls.capabilities - tested:
            raise TypeError(f"{cls.__name__}: {capability.name} is tested by StorageContract only")
        is_untyped = any(subject.untyped for subject in cls.subjects)
        if Capability.ID_KINDS in cls.capabilities and not is_untyped:
            raise TypeError(f"{cls.__name__}: ID_KINDS is tested with a subject that is untyped")
        missing = set() if is_untyped else {"untyped"}
        if len(cls.subjects) == 1 and not is_untyped:
            missing.add("others")
        for name in (name for name in dir(cls) if name.startswith("test_")):
            test = _definition(cls, name)
            has_all = cls.capabilities.issuperset(getattr(test, "needs", ()))
            wanted = test if has_all and missing.isdisjoint(_arguments(test)) else None
            if name not in vars(cls) and getattr(cls, name) is not wanted:
                setattr(cls, name, wanted)  # pytest passes by what can't be called

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes a ``subject`` for every one; ``untyped``, for those."""
        if "subject" in metafunc.fixturenames:
            metafunc.parametrize("subject", self.subjects, ids=str)
        if "untyped" in metafunc.fixturenames:
            untyped = [subject for subject in self.subjects if subject.untyped]
            metafunc.parametrize("untyped", untyped, ids=str)
        if "undeclared" in metafunc.fixturenames:
            absent = [c for c in Capability if c not in self.capabilities]
            metafunc.parametrize("undeclared", [None, *absent], ids=lambda c: c and c.name)

    @pytest.fixture
    def door(self, storage: Any) -> Door:
        """The storage, its calls blocking."""
        return storage if isinstance(storage, Door) else Door(storage)

    @pytest.fixture
    def others(self, subject: Subject) -> list[Subject]:
        """Every other actor type: there is at least one."""
        strangers = (UNTYPED, OTHER) if any(one.untyped for one in self.subjects) else ()
        return [one for one in dict.fromkeys((*self.subjects, *strangers)) if one != subject]

    @pytest.fixture
    def actor_id(self) -> str:
        """An id that no other test has, in this run or another."""
        return f"{_RUN}-{next(_numbers):06}"

    def stored(self, door: Door, subject: Subject, actor_id: Any) -> int | None:
        """Return the number in the stored state; ``None`` if nothing is there."""
        found = door.get(subject.actor_type, actor_id)
        assert bool(found) is (found is not NOT_PRESENT)
        assert found is NOT_PRESENT or isinstance(found, Found), "get gives Found or NOT_PRESENT"
        return subject.number(found.state) if found else None
