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
from sqlalchemy.dialects.postgresql import ARRAY, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.types import TypeDecorator, UserDefinedType

BitString: Any = getattr(pg, "BitString", str)
"""What a BIT column gives: text, until SQLAlchemy 2.1."""


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


class Code(TypeDecorator[str]):
    """Leaves everything to a type with a length."""

    impl = sa.String(3)
    cache_ok = True


class Lower(TypeDecorator[str]):
    """Gives back another spelling than it was given."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value if value is None else value.lower()


class Half(TypeDecorator[float]):
    """Stores half of a number."""

    impl = sa.Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Any) -> float | None:
        return None if value is None else value / 2

    def process_result_value(self, value: float | None, dialect: Any) -> float | None:
        return None if value is None else value * 2


class Lexemes(UserDefinedType[str]):
    """A tsvector that SQLAlchemy knows nothing of."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        return "tsvector"


class WrappedMoney(TypeDecorator[str]):
    """Hides a type that is refused."""

    impl = pg.MONEY
    cache_ok = True


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
POSITIVE = pg.DOMAIN("positive", sa.Integer, check="VALUE > 0")
LABEL = pg.DOMAIN("label", sa.String(3))
ID = UUID("12345678-1234-5678-1234-56781234abcd")
FIRST = datetime.fromisoformat("0001-01-01")
LAST = datetime.fromisoformat("9999-12-31T23:59:59.999999")
MILLIS = datetime.fromisoformat("2020-02-03T04:05:06.789")
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
    "single": (sa.REAL(), [0.5, 0.10000000149011612, 3.4028234663852886e38]),
    "single_by_bits": (sa.Float(24), [0.10000000149011612]),
    "float": (sa.Float(), [0.1, 1.7976931348623157e308, 5e-324]),
    "double": (sa.Double(), [0.1, 1.7976931348623157e308, 5e-324]),
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
    "whole_moment": (pg.TIMESTAMP(precision=0), [FIRST]),
    "milli_instant": (pg.TIMESTAMP(timezone=True, precision=3), [MILLIS.replace(tzinfo=UTC)]),
    "whole_time": (pg.TIME(precision=0), [time(1, 2, 3)]),
    "whole_span": (pg.INTERVAL(precision=0), [timedelta(days=-1, seconds=5)]),
    "milli_span": (sa.Interval(second_precision=3), [timedelta(milliseconds=-1)]),
    "blob": (sa.LargeBinary(), [b"", b"\0\xff\\'\"", bytes(range(256))]),
    "uuid": (sa.Uuid(), [ID, UUID(int=0)]),
    "uuid_text": (sa.Uuid(as_uuid=False), [str(ID)]),
    "uuid_as_char": (sa.Uuid(native_uuid=False), [ID, UUID(int=0)]),
    "uuid_text_as_char": (sa.Uuid(as_uuid=False, native_uuid=False), [str(ID)]),
    "mood": (MOOD, list(Mood)),
    "mood_text": (sa.Enum(Mood, native_enum=False), list(Mood)),
    "sizes": (SIZES, ["a b", "it's", "ü,{}"]),
    "document": (pg.JSONB(), [*JSONS, [1e15, 1e-7, 5e-324, 0.0, "1e16", "-0.0"]]),
    "variant_document": (sa.JSON().with_variant(pg.JSONB(), "postgresql"), JSONS),
    "plain_json": (sa.JSON(), [*JSONS, {"b": 1, "a": [1e300, -0.0]}, "nul \0 is fine here"]),
    "reversed_text": (Reversed(), ["abc", "", "ü,{}'"]),
    "cents": (Cents(), [Decimal("1.25"), Decimal(-3)]),
    "point": (Point(), [(1, 2), (-(2**31), 0)]),
    "lower": (Lower(), ["abc"]),
    "lexemes": (Lexemes(), ["'a':1 'b':2A", "'it''s'", ""]),
    "code_of": (Code(), ["abc", "üüü", ""]),
    "half": (Half(), [0.5, 0.1]),
    "pickled": (sa.PickleType(), [{"a": {1, 2}}, (1,), Mood.GOOD]),
    "longer_here": (sa.String(5).with_variant(sa.Text, "postgresql"), ["123456", "\U0001f600" * 9]),
    "shorter_here": (sa.Text().with_variant(sa.String(3), "postgresql"), ["abc"]),
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
    "prices": (ARRAY(sa.Numeric(10, 2)), [[Decimal("1.10"), None, Decimal("-99999999.99")], []]),
    "numerics": (ARRAY(sa.Numeric), [[Decimal("1.10"), Decimal("1e-30")]]),
    "floats": (ARRAY(sa.Double), [[0.1, -0.0, 5e-324], [None], []]),
    "singles": (ARRAY(sa.REAL), [[0.10000000149011612, -0.0, None]]),
    "blobs": (ARRAY(sa.LargeBinary), [[b"'", b'\0\xff\\"', b"", None], [bytes(range(256))]]),
    "fixeds": (ARRAY(sa.CHAR(3)), [["abc", 'a"{']]),
    "positives": (ARRAY(POSITIVE), [[1, 2], [], [None, 3]]),
    "labels": (ARRAY(LABEL), [["abc", "", "'{\\"], [None]]),
    "points": (ARRAY(PointType()), [["(1,2)", None], []]),
    "codes_of": (ARRAY(Code), [["abc", None]]),
    "many_cents": (ARRAY(Cents), [[Decimal("1.25"), None]]),
    "uuids_as_char": (ARRAY(sa.Uuid(native_uuid=False)), [[ID, None]]),
    "document_lists": (ARRAY(pg.JSONB, dimensions=1), [[[1], [], {"a": [2]}, None]]),
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
    "few_bits": (pg.BIT(4, varying=True), [BitString(""), BitString("0101")]),
    "many_bits": (pg.BIT(varying=True), [BitString(""), BitString("01011")]),
    "oid": (pg.OID(), [0, 2**32 - 1]),
    "positive": (POSITIVE, [1, 2**31 - 1]),
    "label": (LABEL, ["abc", "", "'{\\"]),
    "domain_of_blob": (pg.DOMAIN("image", sa.LargeBinary), [b"'", bytes(range(256))]),
    "domain_of_price": (pg.DOMAIN("amount", sa.Numeric(5, 2)), [Decimal("1.50")]),
    "domain_of_instant": (pg.DOMAIN("instant", sa.DateTime(timezone=True)), [*INSTANTS]),
    "domain_of_document": (pg.DOMAIN("document", pg.JSONB), JSONS),
    "domain_of_single": (pg.DOMAIN("single", sa.REAL), [0.10000000149011612]),
    "domain_of_mood": (pg.DOMAIN("mood_domain", MOOD), list(Mood)),
    "domain_of_array": (pg.DOMAIN("trio", ARRAY(sa.Integer)), [[1, 2, 3], []]),
}
COLUMNS = PLAIN | ARRAYS | OF_POSTGRESQL
VALUES = {name: values for name, (_, values) in COLUMNS.items()}

REFUSED_TYPES: dict[str, Any] = {
    "money": pg.MONEY(),
    "search": pg.TSVECTOR(),
    "query": pg.TSQUERY(),
    "json_path": pg.JSONPATH(),
    "hstore": pg.HSTORE(),
    "table_name": pg.REGCLASS(),
    "language": pg.REGCONFIG(),
    "zoned_time": sa.Time(timezone=True),
    "zoned_pg_time": pg.TIME(timezone=True),
    "years": pg.INTERVAL(fields="YEAR"),
    "rounded": sa.Float(asdecimal=True),
    "amounts": ARRAY(pg.MONEY),
    "zoned_times": ARRAY(sa.Time(timezone=True)),
    "wrapped_money": WrappedMoney(),
    "domain_of_money": pg.DOMAIN("cash", pg.MONEY),
}
"""Types whose values do not come back, whatever is done about them."""
