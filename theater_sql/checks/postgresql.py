"""Checks of PostgreSQL's own types, and the types whose values it does not give back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from itertools import pairwise
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange

from theater_sql.checks.plain import Check, decimal, exact, integer, moment, wrong_type
from theater_sql.codec import CodecError
from theater_sql.errors import RegistrationError

_BITS: Final[type] = getattr(pg, "BitString", str)  # which SQLAlchemy has from 2.1 on


def _refused(reason: str) -> Callable[[Any], Check]:
    def make(type_: Any) -> Check:
        raise RegistrationError(f"{type_.__visit_name__} {reason}")

    return make


def _inet(value: Any) -> Any:
    if isinstance(value, (IPv4Interface, IPv6Interface)):
        if value.network.prefixlen == value.max_prefixlen:
            raise CodecError("$", "an interface of one address comes back as that address")
    elif type(value) not in (IPv4Address, IPv6Address):
        raise wrong_type(IPv4Address, value)
    if getattr(value, "scope_id", None) is not None:
        raise CodecError("$", "an address with a scope")
    return value


def _cidr(value: Any) -> Any:
    if type(value) not in (IPv4Network, IPv6Network):
        raise wrong_type(IPv4Network, value)
    return value


def _mac(groups: int) -> Check:
    check_type, spelling = exact(str), re.compile(f"[0-9a-f]{{2}}(:[0-9a-f]{{2}}){{{groups - 1}}}")

    def check(value: Any) -> Any:
        if not spelling.fullmatch(check_type(value)):
            raise CodecError("$", f"not {groups} groups like 0a:1b, in lower case")
        return value

    return check


def _bits(type_: Any) -> Check:
    check_type, length, varying = exact(_BITS), type_.length, type_.varying

    def check(value: Any) -> Any:
        if check_type(value).strip("01"):
            raise CodecError("$", "not a string of 0 and 1")
        if length is not None and (len(value) > length if varying else len(value) != length):
            raise CodecError("$", f"not {length} bits")
        return value

    return check


def _oid(value: Any) -> Any:
    if integer(64)(value) not in range(2**32):
        raise CodecError("$", "not from 0 to 2**32 - 1")
    return value


def _range(check_bound: Check, discrete: bool) -> Check:
    check_type = exact(Range)

    def check(value: Any) -> Any:
        lower, upper, bounds = check_type(value).lower, value.upper, value.bounds
        given = [bound for bound in (lower, upper) if bound is not None]
        for bound in given:
            check_bound(bound)
        if value.empty:
            if given:
                raise CodecError("$", "an empty range with bounds")
        elif bounds not in ("[)", "(]", "[]", "()"):
            raise CodecError("$", "not the bounds of a range")
        elif discrete and given and not _is_half_open(value):
            raise CodecError("$", "bounds that come back as others: write it with [)")
        elif len(given) == 2 and not (lower < upper or (lower == upper and bounds == "[]")):
            raise CodecError("$", "a range of nothing: give Range(empty=True)")
        return value

    return check


def _is_half_open(value: Any) -> bool:
    """Tell how PostgreSQL writes a range of whole numbers or days."""
    starts = value.lower is None or value.bounds[0] == "["
    return starts and (value.upper is None or value.bounds[1] == ")")


def _ranges(check_range: Check) -> Check:
    check_type = exact(MultiRange)

    def check(value: Any) -> Any:
        for part in check_type(value):
            if check_range(part).empty:
                raise CodecError("$", "an empty range inside a multirange")
        for part, following in pairwise(value):
            if not _stands_before(part, following):
                raise CodecError("$", "ranges that overlap, touch or are not in order")
        return value

    return check


def _stands_before(one: Any, other: Any) -> bool:
    end, start = one.upper, other.lower
    if end is None or start is None:
        return False
    return bool(end < start or (end == start and one.bounds[1] + other.bounds[0] == ")("))


_BOUNDS: Final = (
    (pg.INT4RANGE, pg.INT4MULTIRANGE, integer(32), True),
    (pg.INT8RANGE, pg.INT8MULTIRANGE, integer(64), True),
    (pg.NUMRANGE, pg.NUMMULTIRANGE, decimal(sa.Numeric()), False),
    (pg.DATERANGE, pg.DATEMULTIRANGE, exact(date), True),
    (pg.TSRANGE, pg.TSMULTIRANGE, moment(sa.DateTime()), False),
    (pg.TSTZRANGE, pg.TSTZMULTIRANGE, moment(sa.DateTime(timezone=True)), False),
)


def _fixed(check: Check) -> Callable[[Any], Check]:
    return lambda type_: check


_RESPELLED: Final = "comes back in another spelling: use Text, and compute this from it"
CHECKS: Final[tuple[tuple[Any, Callable[[Any], Check]], ...]] = (
    *((one, _fixed(_range(bound, discrete))) for one, _, bound, discrete in _BOUNDS),
    *((many, _fixed(_ranges(_range(bound, whole)))) for _, many, bound, whole in _BOUNDS),
    (pg.INET, _fixed(_inet)),
    (pg.CIDR, _fixed(_cidr)),
    (pg.MACADDR, _fixed(_mac(6))),
    (pg.MACADDR8, _fixed(_mac(8))),
    (pg.BIT, _bits),
    (pg.OID, _fixed(_oid)),
    ((pg.TSVECTOR, pg.TSQUERY, pg.JSONPATH), _refused(_RESPELLED)),
    ((pg.REGCLASS, pg.REGCONFIG), _refused("names depend on the search path: use Text")),
    (pg.MONEY, _refused("depends on the server's lc_monetary: use Numeric")),
    (pg.HSTORE, _refused("does not come back in every flush: use JSONB")),
)
"""What makes the check of each type."""
