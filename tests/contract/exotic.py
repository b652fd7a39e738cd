"""Columns of every type that PostgreSQL and SQLAlchemy offer, and awkward values for them."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import ARRAY, BitString, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.types import TypeDecorator, UserDefinedType


class Mood(enum.Enum):
    GOOD = "good mood"
    BAD = "it's bad"


class Reversed(TypeDecorator[str]):
    """Stores text backwards."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return value if value is None else value[::-1]


class Cents(TypeDecorator[Decimal]):
    """Stores an amount as a whole number."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 100


class PointType(UserDefinedType[Any]):
    """A composite type of the user's."""

    cache_ok = True
    DDL = "CREATE TYPE point_type AS (x integer, y integer)"

    def get_col_spec(self, **options: Any) -> str:
        return "point_type"


class Point(TypeDecorator[tuple[int, int]]):
    """A pair as a composite value."""

    impl = PointType
    cache_ok = True

    def process_bind_param(self, value: tuple[int, int] | None, dialect: Any) -> str | None:
        return None if value is None else f"({value[0]},{value[1]})"

    def process_result_value(self, value: Any, dialect: Any) -> tuple[int, int] | None:
        if isinstance(value, str):
            value = value.strip("()").split(",")
        return None if value is None else (int(value[0]), int(value[1]))


MOOD = sa.Enum(Mood, name="mood")
SIZES = sa.Enum("a b", "it's", "ü,{}", name="sizes")
ID = UUID("12345678-1234-5678-1234-567812345678")
FIRST = datetime.fromisoformat("0001-01-01")
LAST = datetime.fromisoformat("9999-12-31T23:59:59.999999")
EARLY = datetime.fromisoformat("1969-12-31T23:59:59.000001")
TEXTS = ["", "a,b", '"', "{}", "\\", "NULL", "null", " x ", "ü\U0001f600", "it's", "a\nb\tc"]
TEXTS += ["%s %(x)s %%", "$1", ":x", "(1,2)", "[1,2)"]
SPANS = [timedelta(0), timedelta(days=-1, microseconds=1), timedelta(days=400, microseconds=-1)]
JSONS: list[Any] = [{"a": [1, None, "ü\n\"'\\"], "b": {"c": 1.5}}, [], "text", 0, False, {"": {}}]
JSONS += [[[[]]], 12345678901234567890, "null", {"a": None}]

Column = tuple[Any, list[Any]]
"""A column type and values for it."""

PLAIN: dict[str, Column] = {
    "small": (sa.SmallInteger(), [-(2**15), 2**15 - 1, 0]),
    "integer": (sa.Integer(), [-(2**31), 2**31 - 1, 0]),
    "big": (sa.BigInteger(), [-(2**63), 2**63 - 1, 0]),
    "price": (sa.Numeric(10, 2), [Decimal(n) for n in ("99999999.99", "-0.01", "1.50", "7")]),
    "numeric": (sa.Numeric(), [Decimal(n) for n in ("1.10", "1E+3", "1e-30", "9" * 60 + ".9")]),
    "numeric_as_float": (sa.Numeric(10, 2, asdecimal=False), [1.5, -0.25, 0.0]),
    # Not yet what single precision can't write in few digits: read as text, it is altered.
    "single": (sa.REAL(), [0.5, -1.0]),
    "float": (sa.Float(), [0.1, -0.0, 1.7976931348623157e308, 5e-324]),
    "double": (sa.Double(), [0.1, -0.0, 1.7976931348623157e308, 5e-324]),
    "double_precision": (pg.DOUBLE_PRECISION(), [0.1]),
    "boolean": (sa.Boolean(), [True, False]),
    "short": (sa.String(3), ["abc", "üüü", "", "'\"\\"]),
    "string": (sa.String(), TEXTS),
    "unicode": (sa.Unicode(3), ["üüü"]),
    "text": (sa.Text(), [*TEXTS, "x" * 10_000]),
    "fixed": (sa.CHAR(3), ["abc", "a'b", "ü{,"]),
    "date": (sa.Date(), [date.min, date.max, date(2000, 2, 29)]),
    "time": (sa.Time(), [time(0), time(23, 59, 59, 999999)]),
    "moment": (sa.DateTime(), [FIRST, LAST, EARLY]),
    "instant": (sa.DateTime(timezone=True), [d.replace(tzinfo=UTC) for d in (EARLY, LAST)]),
    "span": (sa.Interval(), [*SPANS, timedelta(days=100_000)]),
    "pg_span": (pg.INTERVAL(), SPANS),
    "blob": (sa.LargeBinary(), [b"", b"\0\xff\\'\"", bytes(range(256))]),
    "uuid": (sa.Uuid(), [ID, UUID(int=0)]),
    "uuid_text": (sa.Uuid(as_uuid=False), [str(ID)]),
    "mood": (MOOD, list(Mood)),
    "mood_text": (sa.Enum(Mood, native_enum=False), list(Mood)),
    "sizes": (SIZES, ["a b", "it's", "ü,{}"]),
    "document": (pg.JSONB(), JSONS),
    "plain_json": (sa.JSON(), [*JSONS, {"b": 1, "a": [1e300, -0.0]}, "nul \0 is fine here"]),
    "reversed_text": (Reversed(), ["abc", "", "ü,{}'"]),
    "cents": (Cents(), [Decimal("1.25"), Decimal(-3)]),
    "point": (Point(), [(1, 2), (-(2**31), 0)]),
}
ARRAYS: dict[str, Column] = {
    "numbers": (sa.ARRAY(sa.Integer), [[], [1, -2, 2**31 - 1], [None, 1]]),
    "bigs": (ARRAY(sa.BigInteger), [[-(2**63), 2**63 - 1], [1, 2**40], [None]]),
    "truths": (ARRAY(sa.Boolean), [[True, False, None]]),
    "words": (ARRAY(sa.Text), [[], TEXTS, [None], [""]]),
    "codes": (ARRAY(sa.String(3)), [["abc", "", None]]),
    "uuids": (ARRAY(sa.Uuid), [[], [ID, None]]),
    "uuid_texts": (ARRAY(sa.Uuid(as_uuid=False)), [[str(ID), None]]),
    "instants": (ARRAY(sa.DateTime(timezone=True)), [[], [EARLY.replace(tzinfo=UTC), None]]),
    "moments": (ARRAY(sa.DateTime()), [[EARLY, LAST]]),
    "dates": (ARRAY(sa.Date), [[date.min, date.max]]),
    "times": (ARRAY(sa.Time), [[time(0), time(23, 59, 59, 999999)]]),
    "spans": (ARRAY(sa.Interval), [SPANS]),
    "tags": (ARRAY(MOOD), [[Mood.GOOD, Mood.BAD], [], [None]]),
    "size_list": (ARRAY(SIZES), [["a b", "it's", "ü,{}"]]),
    "documents": (ARRAY(pg.JSONB), [[], [{"a": [1, '"\\']}, [], "x", 1]]),
    "addresses": (ARRAY(pg.INET), [[ip_address("10.0.0.1"), None]]),
    "ranges": (ARRAY(pg.INT4RANGE), [[Range(1, 5), Range(empty=True)]]),
    "bit_list": (ARRAY(pg.BIT(4)), [[BitString("0101")]]),
    "grid": (ARRAY(sa.Integer, dimensions=2), [[[1, 2], [3, 4]], [[None]]]),
    "word_grid": (ARRAY(sa.Text, dimensions=2), [[['"', "{}"], ["\\", ""]]]),
    "cube": (ARRAY(sa.Integer, dimensions=3), [[[[1], [2]], [[3], [4]]]]),
    "pair": (ARRAY(sa.Integer, as_tuple=True), [(1, 2), ()]),
}
YEARS = (date(2020, 1, 1), date(2021, 1, 1))
MOMENTS = (EARLY, LAST)
INSTANTS = (MOMENTS[0].replace(tzinfo=UTC), MOMENTS[1].replace(tzinfo=UTC))
AMOUNTS = (Decimal("1.1"), Decimal("2.20"))
OF_POSTGRESQL: dict[str, Column] = {
    "int4range": (
        pg.INT4RANGE(),
        [Range(1, 5), Range(None, 5), Range(1, None), Range(None, None), Range(empty=True)],
    ),
    "int8range": (pg.INT8RANGE(), [Range(-(2**62), 2**62)]),
    "numrange": (pg.NUMRANGE(), [Range(*AMOUNTS), Range(*AMOUNTS, bounds="(]")]),
    "daterange": (pg.DATERANGE(), [Range(*YEARS), Range(None, YEARS[0])]),
    "tsrange": (pg.TSRANGE(), [Range(*MOMENTS), Range(*MOMENTS, bounds="[]")]),
    "tstzrange": (pg.TSTZRANGE(), [Range(*INSTANTS), Range(INSTANTS[0], None)]),
    "int4multirange": (pg.INT4MULTIRANGE(), [MultiRange([Range(1, 5), Range(7, 9)])]),
    "int8multirange": (pg.INT8MULTIRANGE(), [MultiRange([Range(1, 2**62)]), MultiRange([])]),
    "nummultirange": (pg.NUMMULTIRANGE(), [MultiRange([Range(*AMOUNTS)])]),
    "datemultirange": (pg.DATEMULTIRANGE(), [MultiRange([Range(*YEARS)])]),
    "tsmultirange": (pg.TSMULTIRANGE(), [MultiRange([Range(*MOMENTS)])]),
    "tstzmultirange": (pg.TSTZMULTIRANGE(), [MultiRange([Range(*INSTANTS)])]),
    "address": (
        pg.INET(),
        [ip_address(a) for a in ("10.0.0.1", "::1")] + [ip_interface("1.2.3.4/8")],
    ),
    "network": (pg.CIDR(), [ip_network("10.0.0.0/8"), ip_network("::/0")]),
    "mac": (pg.MACADDR(), ["08:00:2b:01:02:03"]),
    "mac8": (pg.MACADDR8(), ["08:00:2b:01:02:03:04:05"]),
    "bits": (pg.BIT(4), [BitString("0101"), BitString("0000")]),
    "many_bits": (pg.BIT(varying=True), [BitString(""), BitString("01011")]),
    "money": (pg.MONEY(), ["$1,000.10", "-$0.01"]),
    "oid": (pg.OID(), [0, 2**32 - 1]),
    "search": (pg.TSVECTOR(), ["'a':1 'b':2A", "'it''s'", ""]),
    "query": (pg.TSQUERY(), ["'a' & 'b'"]),
    "json_path": (pg.JSONPATH(), ['$."a"']),
    "positive": (pg.DOMAIN("positive", sa.Integer, check="VALUE > 0"), [1, 2**31 - 1]),
    "label": (pg.DOMAIN("label", sa.String(3)), ["abc", "", "'{\\"]),
    "domain_of_array": (pg.DOMAIN("trio", ARRAY(sa.Integer)), [[1, 2, 3], []]),
}
# Left out, since values are altered, lost or refused without a named error:
# - TIMESTAMP, TIME and INTERVAL with a precision or fields round and cut;
# - BIT(n) and BIT VARYING(n) pad and cut a value of another length;
# - DOMAIN over a type with a length, scale or zone cuts, rounds and assumes UTC;
# - arrays of NUMERIC, REAL and DOUBLE fail with a TypeError;
# - arrays of BYTEA, and a DOMAIN over it, double each quote;
# - arrays of a DOMAIN and of CITEXT come back as single characters;
# - TSTZRANGE takes naive bounds for UTC, and TSRANGE drops a zone;
# - JSONB turns 1e16 and above into whole numbers, and -0.0 into 0.0;
# - nested empty lists come back as one; a tuple in a column of lists comes back as a list;
# - TIME WITH TIME ZONE and a non-native Enum take values that can't be read again;
# - MONEY rounds to cents, OID takes -1 for 4294967295;
# - a TSVECTOR that is no tsvector fails its whole batch;
# - Uuid(native_uuid=False) refuses every value.
COLUMNS = PLAIN | ARRAYS | OF_POSTGRESQL
VALUES = {name: values for name, (_, values) in COLUMNS.items()}
