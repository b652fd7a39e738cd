"""A state machine for Hypothesis: it looks for an order of calls in which a storage goes wrong.

Two hosts, each with a storage on the same database, write the same few actors in any order,
with etags that are right, stale, another actor's or nobody's, and are started anew in between.
After each step both have to see what the model says is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from theater_sql.contract import ABSENT, OVERWRITE, Delete, Etag, Expect, Put
from theater_sql.errors import BatchConflict, InvalidEtag, InvalidId, StorageError
from theater_sql.testing.doors import Door
from theater_sql.testing.model import Actor, Expected, Model

HOSTS: Final = st.integers(0, 1)
_NUMBERS: Final = st.integers(0, 3)
ACTORS: Final = st.integers(0, 100)
EXPECTS: Final = st.sampled_from(
    ["overwrite", "absent", "current", "former", "first", "foreign", "unknown"]
)
"""What a write expects: see ``StorageMachine._expect``."""
_TOKENS: Final = st.sampled_from(["none", "none", "new", "current", "former", "foreign"])
"""The etag that a put brings along: mostly none."""
PUTS: Final = st.tuples(ACTORS, _NUMBERS, EXPECTS, _TOKENS)


def _needs(method: str) -> Callable[[Any], Any]:
    return precondition(lambda machine: hasattr(machine.hosts[0].raw, method))


class StorageMachine(RuleBasedStateMachine):
    """Holds a storage to the contract, in orders of calls that Hypothesis thinks of.

    Subclass it with an ``open_storage`` of your own, and let pytest run its ``TestCase``::

        class MyMachine(StorageMachine):
            def open_storage(self):
                return SQLStorage(URL, ACTORS)

        TestMyStorage = MyMachine.TestCase

    The storage may be one for threads or one for coroutines; the tables have to be there. What
    it does not have (handles, ``put_many``, ``list_ids``) is left out. Its ``put`` and
    ``delete`` have to take ``expect=``, ``put`` also ``etag=``. Nobody else may write to the
    actor types in ``actor_types`` meanwhile.
    """

    actor_types: ClassVar[Mapping[Any, Callable[[int], Any]]] = {
        "machine.Left": lambda number: {"number": number, "pair": (number, "text")},
        "machine.Right": lambda number: [number],
    }
    """The actor types to use, each with a function that makes a state of a small number."""

    def open_storage(self) -> Any:
        """Return a new storage, or an awaitable of one; always on the same database."""
        raise NotImplementedError

    def same_state(self, stored: Any, wanted: Any) -> bool:
        """Tell whether a state came back as it was put."""
        return type(stored) is type(wanted) and bool(stored == wanted)

    def __init__(self) -> None:
        super().__init__()
        self._prefix = uuid4().hex
        self._steps = 0
        self.model = Model()
        self.expected = Expected(self.model, self.same_state)
        self.hosts = [self._opened() for _ in range(2)]
        self._actors: list[Actor] = [
            (actor_type, f"{self._prefix}-{name}")
            for name in ("a", "b")
            for actor_type in self.actor_types
        ]
        self._handles: dict[tuple[int, Actor], Any] = {}
        self._remembered: dict[tuple[int, Actor], Any] = {}
        self._others = {of: self._count(of) for of in self.actor_types}

    def teardown(self) -> None:
        """Remove what is left of this run's actors, and close the storages."""
        for actor in self.model.rows:
            with suppress(StorageError):
                self.hosts[0].delete(*actor)
        for host in self.hosts:
            self._close(host)

    # --- calls --------------------------------------------------------------------------------

    def _opened(self) -> Door:
        return Door(self.open_storage())

    def _close(self, host: Door) -> None:
        host.close()
        host.stop()

    def _attempt(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return what a call returns or, of the errors of a storage, what it raises."""
        try:
            return call(*args, **options)
        except StorageError as error:
            return error

    def _count(self, actor_type: Any) -> int:
        return int(self.hosts[0].count(actor_type)) if hasattr(self.hosts[0].raw, "count") else 0

    # --- arguments ----------------------------------------------------------------------------

    def _actor(self, number: int) -> Actor:
        return self._actors[number % len(self._actors)]

    def _expect(self, actor: Actor, kind: str) -> Etag | Expect:
        """Return what to expect; a fresh etag where there is none of the kind that is wanted."""
        if kind in ("overwrite", "absent"):
            return OVERWRITE if kind == "overwrite" else ABSENT
        former = self.model.etags.get(actor, [])
        if kind == "foreign":
            former = [e for of, etags in self.model.etags.items() if of != actor for e in etags]
        elif kind == "current":
            former = [etag for etag in [self.model.etag(actor)] if etag]
        elif kind == "former":
            former = former[:-1]
        elif kind == "first":
            former = former[:1]
        return Etag(uuid4()) if kind == "unknown" or not former else former[-1]

    def _put_of(self, put: tuple[int, int, str, str]) -> Put:
        number, state, expect_kind, token = put
        actor = self._actor(number)
        expect = self._expect(actor, expect_kind)
        etag = None if token == "none" else self._expect(actor, token)
        if isinstance(etag, Expect) or etag == expect:
            etag = Etag(uuid4())
        return Put(*actor, self.actor_types[actor[0]](state), expect, etag)

    # --- what hosts do ------------------------------------------------------------------------

    @rule(host=HOSTS, what=PUTS)
    def put(self, host: int, what: tuple[int, int, str, str]) -> None:
        put = self._put_of(what)
        options = {} if put.etag is None else {"etag": put.etag}
        self.expected.put(
            put, self._attempt(self.hosts[host].put, *put[:3], expect=put.expect, **options)
        )

    @rule(host=HOSTS, number=ACTORS, state=_NUMBERS)
    def put_with_the_etag_that_it_expects(self, host: int, number: int, state: int) -> None:
        actor = self._actor(number)
        etag = self._expect(actor, "current")
        wanted = self.actor_types[actor[0]](state)
        result = self._attempt(self.hosts[host].put, *actor, wanted, expect=etag, etag=etag)
        assert isinstance(result, InvalidEtag), f"{actor}: {result!r}, not InvalidEtag"

    @rule(host=HOSTS, number=ACTORS, kind=EXPECTS)
    def delete(self, host: int, number: int, kind: str) -> None:
        actor = self._actor(number)
        expect = self._expect(actor, kind)
        result = self._attempt(self.hosts[host].delete, *actor, expect=expect)
        self.expected.delete(actor, expect, result)

    @rule(host=HOSTS)
    def restart(self, host: int) -> None:
        self._close(self.hosts[host])
        self.hosts[host] = self._opened()
        for key in [key for key in self._handles if key[0] == host]:
            del self._handles[key], self._remembered[key]

    @_needs("handle")
    @rule(
        host=HOSTS,
        number=ACTORS,
        state=_NUMBERS,
        method=st.sampled_from(["get", "put", "put", "delete"]),
    )
    def use_a_handle(self, host: int, number: int, state: int, method: str) -> None:
        """Use the host's handle of an actor, whatever was written since its last use."""
        actor = self._actor(number)
        key = (host, actor)
        if key not in self._handles:
            self._handles[key] = self.hosts[host].handle(*actor)
            self._remembered[key] = None
        handle, remembered = self._handles[key], self._remembered[key]
        args = [self.actor_types[actor[0]](state)] if method == "put" else []
        result = self._attempt(getattr(handle, method), *args)
        if method == "get":
            self.expected.found(actor, result)
        elif isinstance(remembered, StorageError):
            assert isinstance(result, StorageError), f"{actor}: a failed handle went on"
            return
        elif method == "put":
            expect = remembered or self.model.etag(actor) or ABSENT
            self.expected.put(Put(*actor, args[0], expect), result)
        else:
            self.expected.delete(actor, remembered or OVERWRITE, result)
        is_error = isinstance(result, StorageError)
        self._remembered[key] = result if is_error else self.model.etag(actor) or ABSENT

    # --- many at once -------------------------------------------------------------------------

    @_needs("put_many")
    @rule(host=HOSTS, what=st.lists(PUTS, max_size=6))
    def put_many(self, host: int, what: Sequence[tuple[int, int, str, str]]) -> None:
        puts = [self._put_of(put) for put in what]
        results = self.hosts[host].put_many(puts)
        assert len(results) == len(puts)
        for put, result in zip(puts, results, strict=True):
            self.expected.put(put, result)

    @_needs("put_many")
    @rule(host=HOSTS, what=st.lists(PUTS, min_size=1, max_size=6))
    def put_all_or_none(self, host: int, what: Sequence[tuple[int, int, str, str]]) -> None:
        puts = [self._put_of(put) for put in what]
        results = self._attempt(self.hosts[host].put_many, puts, atomic=True)
        if len({put[:2] for put in puts}) < len(puts):
            assert isinstance(results, InvalidId), f"an actor twice: {results!r}"
            return
        pairs = [(put, self.model.conflict(put[:2], put.expect, put.etag)) for put in puts]
        refused = [(put, kind) for put, kind in pairs if kind is not None]
        if refused:
            assert isinstance(results, BatchConflict), f"{results!r}, not BatchConflict"
            told = [conflict.actor_id for conflict in results.conflicts]
            assert told == [put.actor_id for put, _ in refused], (
                "conflicts are not all, or not in order"
            )
            for (put, kind), error in zip(refused, results.conflicts, strict=True):
                self.expected.conflict(put[:2], put.expect, kind, error)
            return
        assert not isinstance(results, StorageError), f"put_many raised {results!r}"
        for put, result in zip(puts, results, strict=True):
            self.expected.put(put, result)

    @_needs("delete_many")
    @rule(host=HOSTS, what=st.lists(st.tuples(ACTORS, EXPECTS), max_size=6))
    def delete_many(self, host: int, what: Sequence[tuple[int, str]]) -> None:
        actors = [(self._actor(number), kind) for number, kind in what]
        deletes = [Delete(*actor, self._expect(actor, kind)) for actor, kind in actors]
        results = self.hosts[host].delete_many(deletes)
        for delete, result in zip(deletes, results, strict=True):
            self.expected.delete(delete[:2], delete.expect, result)

    @_needs("get_many")
    @rule(host=HOSTS, numbers=st.lists(ACTORS, max_size=8))
    def get_many(self, host: int, numbers: Sequence[int]) -> None:
        actors = [self._actor(number) for number in numbers]
        for actor, found in zip(actors, self.hosts[host].get_many(actors), strict=True):
            self.expected.found(actor, found)

    @_needs("list_ids")
    @rule(host=HOSTS, limit=st.integers(1, 3))
    def list_ids(self, host: int, limit: int) -> None:
        """Read the ids of each type page by page, from where this run's ids begin."""
        for of in self.actor_types:
            ids: list[Any] = []
            page = self.hosts[host].list_ids(of, after=self._prefix, limit=limit)
            while page and str(page[-1]).startswith(self._prefix):
                assert len(page) <= limit
                ids += page
                page = self.hosts[host].list_ids(of, after=page[-1], limit=limit)
            ids += [one for one in page if str(one).startswith(self._prefix)]
            assert ids == self.model.ids(of), f"{of}: list_ids gives {len(ids)} ids or an odd order"

    # --- after each step ----------------------------------------------------------------------

    @invariant()
    def stored_is_as_it_should_be(self) -> None:
        """Look by each host in turn: one may have a memory of its own."""
        self._steps += 1
        host = self._steps % 2
        for actor in self._actors:
            self.expected.found(actor, self._attempt(self.hosts[host].get, *actor))
        for of in self.actor_types if hasattr(self.hosts[host].raw, "count") else ():
            number = self._count(of) - self._others[of]
            assert number == len(self.model.ids(of)), f"{of}: count is off"
