"""The state machine with a proxy between a storage and PostgreSQL: any write may be cut."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import rule

from theater_sql.errors import OutcomeUnknown
from theater_sql.testing.machine import ACTORS, EXPECTS, HOSTS, PUTS, StorageMachine
from theater_sql.testing.proxy import BREAKS, Cut, FaultProxy, How, When

_Drawn = tuple[When, How] | None

_CUTS: Final[st.SearchStrategy[_Drawn]] = st.none() | st.tuples(
    st.sampled_from([When.BEFORE, When.AFTER, When.HALF]), st.sampled_from([*BREAKS, How.DELAY])
)


class CutMachine(StorageMachine):
    """A ``StorageMachine`` for storages on PostgreSQL, which reach it through ``proxy``.

    A write that is cut is applied once and acknowledged, or ``OutcomeUnknown`` and applied once
    or never: it is no conflict with itself, and its second sending is no second write.
    """

    proxy: ClassVar[FaultProxy]
    """Open your storages with its ``url``."""
    writing: ClassVar[str] = "^(INSERT|UPDATE|DELETE)"
    """A regular expression for the statements to cut."""

    @rule(host=HOSTS, what=PUTS, drawn=_CUTS)
    def put_while_the_link_fails(
        self, host: int, what: tuple[int, int, str, str], drawn: _Drawn
    ) -> None:
        """Nobody else writes meanwhile, so a look tells what an unknown outcome came to."""
        put = self._put_of(what)
        options = {} if put.etag is None else {"etag": put.etag}
        result = self._cut(drawn, host, "put", *put[:3], expect=put.expect, **options)
        if isinstance(result, OutcomeUnknown):
            found = self.hosts[host].get(*put[:2])
            if not found or self.model.was_there(found.etag):
                return  # it was not applied; that nothing else was is looked at after each step
            result = found.etag
        self.expected.put(put, result)

    @rule(host=HOSTS, number=ACTORS, kind=EXPECTS, drawn=_CUTS)
    def delete_while_the_link_fails(self, host: int, number: int, kind: str, drawn: _Drawn) -> None:
        """Nobody else writes meanwhile, so a look tells what an unknown outcome came to."""
        actor = self._actor(number)
        expect = self._expect(actor, kind)
        result = self._cut(drawn, host, "delete", *actor, expect=expect)
        if drawn and result is None and self.model.etag(actor) is None:
            return  # whoever deleted it, it is gone, which is what a second sending can tell
        if isinstance(result, OutcomeUnknown):
            if self.hosts[host].get(*actor) or self.model.etag(actor) is None:
                return
            result = None
        self.expected.delete(actor, expect, result)

    def _cut(self, drawn: _Drawn, host: int, method: str, *args: Any, **options: Any) -> Any:
        """Make a call, and have the first write that it sends cut."""
        call = getattr(self.hosts[host], method)
        if drawn is None:
            return self._attempt(call, *args, **options)
        cut = self.proxy.arm(Cut(self.writing, *drawn, delay=0.01))
        try:
            return self._attempt(call, *args, **options)
        finally:
            self.proxy.disarm(cut)
