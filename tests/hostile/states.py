"""States that somebody might put by mistake or by malice, and what has to come of each."""

from __future__ import annotations

import math
import uuid
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

from tests.hostile import values as v

KEPT = "kept"
INVALID = "InvalidState"

INJECTION = "'); DROP TABLE theater_actor; --"
INJECTIONS = (
    INJECTION,
    '"; DROP TABLE theater_actor; --',
    "%s %(p0)s %b :p0 ? $1 ?1 {}",
    "\\'; SELECT pg_sleep(9); --",
)


class Case(NamedTuple):
    """One value, made anew for each use, and what has to come of it."""

    make: Callable[[], Any]
    outcome: str


def kept(make: Callable[[], Any]) -> Case:
    return Case(make, KEPT)


def invalid(make: Callable[[], Any]) -> Case:
    return Case(make, INVALID)


UNTYPED: dict[str, Case] = {
    # text
    "sql injection": kept(lambda: {"a": [*INJECTIONS], INJECTION: 1}),
    "sql injection alone": kept(lambda: INJECTION),
    "percent signs": kept(lambda: "%s %% %b %(a)s"),
    "nul": kept(lambda: "a\0b"),
    "nul in a key": kept(lambda: {"a\0b": 1}),
    "lone surrogate": invalid(lambda: "a\ud800"),
    "lone surrogate in a key": invalid(lambda: {"a\udfff": 1}),
    "lone surrogate deep inside": invalid(lambda: [{"a": ("\ud800",)}]),
    "surrogate pair as two": invalid(lambda: "\ud83d\ude00"),
    "text that is JSON": kept(lambda: ['{"a": 1}', "null", '"', "\\", "\\u0000", "[", "NaN"]),
    "text of JSON's own": kept(lambda: "\u2028\u2029\x7f\x01\x1f</script>\b\f\n\r\t"),
    "text that looks like a number": kept(lambda: ["1", "1e5", "-0", "0x10", "1_000", "٣"]),
    "a number as text alone": kept(lambda: "1e2"),
    "minus zero as text alone": kept(lambda: "-0.0"),
    "empty": kept(lambda: ""),
    "byte order mark": kept(lambda: "\ufefftext"),
    "text beyond the BMP": kept(lambda: "\U0001f600\U0010ffff"),
    "right to left": kept(lambda: "\u202eabc"),
    "keys that differ by normalisation": kept(
        lambda: {"\u00e9": 1, "e\u0301": 2, "\u212b": 3, "\u00c5": 4}
    ),
    "values that differ by normalisation": kept(lambda: ["é", "e\u0301", "ﬁ", "fi"]),
    "keys that differ by case": kept(lambda: {"a": 1, "A": 2, "ß": 3, "SS": 4}),
    "the empty key": kept(lambda: {"": 1, " ": 2}),
    "keys in an odd order": kept(lambda: {"b": 1, "a": 2, "10": 3, "9": 4}),
    "100 MB of text": invalid(lambda: "x" * v.LARGE),
    "100 MB of text in a list": invalid(lambda: [["x" * v.LARGE]]),
    "100 MB of text that is no ASCII": invalid(lambda: "ü" * (v.LARGE // 2)),
    "100 MB in a key": invalid(lambda: {"x" * v.LARGE: 1}),
    "100 MB of bytes": invalid(lambda: bytes(v.LARGE)),
    "10,000 keys": kept(lambda: {f"key {n}": n for n in range(10_000)}),
    "100,000 items": kept(lambda: list(range(100_000))),
    # keys that look like our tags
    "a tag": kept(lambda: {"$tuple": [1, 2]}),
    "a tag of a bad value": kept(lambda: {"$uuid": "no"}),
    "an escaped tag": kept(lambda: {"$$x": 1}),
    "a tag escaped thrice": kept(lambda: {"$$$$tuple": {"$$set": {"$bytes": "!"}}}),
    "a dollar": kept(lambda: [{"$": 1}, {"$$": 2}, {"$a": 1, "b": 2}]),
    "a tag with our own inside": kept(lambda: {"$tuple": (1, {"$set": {3}})}),
    "a key of a tag in a tag": kept(lambda: {"$decimal": Decimal("1.50")}),
    # numbers
    "nan": invalid(lambda: math.nan),
    "infinity": invalid(lambda: math.inf),
    "nan deep inside": invalid(lambda: {"a": [({"b": -math.inf},)]}),
    "nan in a set": invalid(lambda: {math.nan}),
    "nan as a key": invalid(lambda: {math.nan: 1}),
    "minus zero": kept(lambda: [-0.0, 0.0]),
    "minus zero alone": kept(lambda: -0.0),
    "extreme floats": kept(lambda: [5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e16, 1e22]),
    "a float alone": kept(lambda: 1e300),
    "a float that is whole": kept(lambda: [1.0, 1, True]),
    "63 bits": kept(lambda: [2**63 - 1, -(2**63)]),
    "64 bits": kept(lambda: 2**64 - 1),
    "65 bits": kept(lambda: [2**64, -(2**63) - 1]),
    "1,000 digits": kept(lambda: v.huge_int(1000)),
    "5,000 digits": invalid(lambda: v.huge_int()),
    "5,000 digits as a key": invalid(lambda: {v.huge_int(): 1}),
    "5,000 digits below zero": invalid(lambda: [-v.huge_int()]),
    "bool as a key": invalid(lambda: {True: 1}),
    "None as a key": invalid(lambda: {None: 1}),
    "int as a key": invalid(lambda: {1: 1, "1": 2}),
    "float as a key": invalid(lambda: {0.5: 1}),
    "tuple as a key": invalid(lambda: {("a",): 1}),
    "complex": invalid(lambda: 1 + 2j),
    "fraction": invalid(lambda: Fraction(1, 3)),
    # decimals
    "decimal sNaN": invalid(lambda: Decimal("sNaN")),
    "decimal NaN with digits": invalid(lambda: Decimal("-NaN123")),
    "decimal infinity": invalid(lambda: {"a": Decimal("-Infinity")}),
    "decimal minus zero": kept(lambda: Decimal("-0")),
    "decimal zeros": kept(lambda: [Decimal("0E+3"), Decimal("-0.000"), Decimal("1.500")]),
    "decimal of a huge exponent": kept(lambda: Decimal("1E+999999")),
    "decimal of the greatest exponent": kept(lambda: Decimal("1E-999999999999999999")),
    "decimal of 100 digits": kept(lambda: Decimal("0." + "123456789" * 11 + "7")),
    "decimal of 5,000 digits": kept(lambda: Decimal("9" * 5000)),
    # times
    "naive datetime": invalid(lambda: datetime(2020, 1, 1)),  # noqa: DTZ001
    "year 1 east of UTC": invalid(lambda: v.at(1, 1, 1, tz=v.zone(hours=1))),
    "year 9999 west of UTC": invalid(lambda: v.at(9999, 12, 31, 23, v.zone(hours=-1))),
    "the first and last instant": kept(
        lambda: [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    ),
    "an offset of seconds": kept(lambda: v.at(2020, 1, 1, tz=v.zone(seconds=3601))),
    "an offset of microseconds": kept(lambda: v.at(2020, 1, 1, tz=v.zone(microseconds=1))),
    "a zone that raises": invalid(lambda: v.at(2020, 1, 1, tz=v.RaisingZone())),
    "a zone of nothing": invalid(lambda: v.at(2020, 1, 1, tz=v.ZoneOfNothing())),
    "a zone of text": invalid(lambda: v.at(2020, 1, 1, tz=v.ZoneOfText())),
    "time with a zone": invalid(lambda: time(1, 2, tzinfo=UTC)),
    "time with a fold": invalid(lambda: time(1, 2, fold=1)),
    "extreme times": kept(lambda: [time.min, time.max, date.min, date.max]),
    "extreme spans": kept(lambda: [timedelta.max, timedelta.min, timedelta(microseconds=-1)]),
    "a datetime where a date is a datetime": kept(lambda: [date(2020, 1, 1), v.at(2020, 1, 1)]),
    # containers
    "10,000 lists": invalid(v.deep_list),
    "10,000 dicts": invalid(v.deep_dict),
    "10,000 tuples": invalid(v.deep_tuple),
    "10,000 of both": invalid(v.deep_mix),
    "100 lists": kept(lambda: v.deep_list(100)),
    "102 lists": invalid(lambda: v.deep_list(102)),
    "a circle": invalid(v.circle),
    "a circle of dicts": invalid(v.circle_of_dicts),
    "sets of tuples": kept(lambda: {frozenset({(1, ("a",))}), (2,)}),
    "a set of 1 and True": kept(lambda: {1, 2.5, "1"}),
    "empty containers": kept(lambda: [[], {}, (), set(), frozenset(), b""]),
    "None": kept(lambda: None),
    "bool": kept(lambda: [True, False]),
    "bytes": kept(lambda: [b"\0\xff", bytes(range(256))]),
    "uuid": kept(lambda: [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
    # other types
    "bytearray": invalid(lambda: bytearray(b"a")),
    "memoryview": invalid(lambda: {"a": memoryview(b"a")}),
    "a generator": invalid(lambda: (n for n in range(3))),
    "a generator inside": invalid(lambda: [iter([1])]),
    "a range": invalid(lambda: range(3)),
    "a mapping proxy": invalid(lambda: MappingProxyType({"a": 1})),
    "an ordered dict": invalid(lambda: OrderedDict(a=1)),
    "a default dict": invalid(lambda: defaultdict(list, a=[1])),
    "a counter": invalid(lambda: Counter("aab")),
    "a path": invalid(lambda: PurePosixPath("/tmp")),
    "a namespace": invalid(lambda: SimpleNamespace(a=1)),
    "a class": invalid(lambda: dict),
    "a function": invalid(lambda: len),
    "an exception": invalid(lambda: ValueError("secret")),
    "an ellipsis": invalid(lambda: ...),
    "not implemented": invalid(lambda: [NotImplemented]),
    "an object": invalid(lambda: {"a": [object()]}),
    "an object that raises": invalid(v.Raises),
    "an object that raises inside": invalid(lambda: {"a": (v.Raises(),)}),
    "an object that says it is a dict": invalid(lambda: v.PretendsToBe(dict)),
    "an object that says it is text": invalid(lambda: [v.PretendsToBe(str)]),
    "a kind of str": invalid(lambda: v.Text("a")),
    "a kind of str as a key": invalid(lambda: {v.Text("a"): 1}),
    "a kind of str that lies": invalid(lambda: v.LyingText("a\0\ud800")),
    "a kind of str that raises": invalid(lambda: [v.RaisingText("a")]),
    "a kind of int": invalid(lambda: v.Whole(1)),
    "a kind of float": invalid(lambda: v.Real(1.5)),
    "a kind of list": invalid(lambda: v.Items([1])),
    "a kind of dict": invalid(lambda: v.Pairs(a=1)),
    "a kind of dict that raises": invalid(lambda: v.RaisingPairs(a=1)),
    "a kind of bytes": invalid(lambda: v.Octets(b"a")),
    "a kind of UUID": invalid(lambda: v.Identity(int=1)),
    "a kind of Decimal": invalid(lambda: v.Amount("1")),
    "a kind of datetime": invalid(lambda: v.Instant(2020, 1, 1, tzinfo=UTC)),
    "an enum member": invalid(lambda: v.Colour.RED),
    "a text enum member": invalid(lambda: v.TextColour.RED),
    "a number enum member": invalid(lambda: {"a": v.Number.ONE}),
    "a numpy int": invalid(lambda: v.int64(1)),
    "a numpy float": invalid(lambda: v.float64(1.5)),
    "a numpy array": invalid(lambda: {"a": v.ndarray()}),
}
"""States of a type that nobody registered."""

FIELDS: dict[str, tuple[str, Case]] = {
    "text of 100 MB": ("text", invalid(lambda: "x" * v.LARGE)),
    "text with injection": ("text", kept(lambda: INJECTION)),
    "text with NUL": ("text", invalid(lambda: "a\0")),
    "text with a surrogate": ("text", invalid(lambda: "\ud800")),
    "text that is a kind of str": ("text", invalid(lambda: v.Text("a"))),
    "text that lies": ("text", invalid(lambda: v.LyingText("a\0"))),
    "text that raises": ("text", invalid(lambda: v.RaisingText("a"))),
    "text that is bytes": ("text", invalid(lambda: b"a")),
    "text that is a number": ("text", invalid(lambda: 1)),
    "text that is an enum": ("text", invalid(lambda: v.TextColour.RED)),
    "text that is an object": ("text", invalid(v.Raises)),
    "whole of 64 bits": ("whole", invalid(lambda: 2**63)),
    "whole below 64 bits": ("whole", invalid(lambda: -(2**63) - 1)),
    "whole of 5,000 digits": ("whole", invalid(v.huge_int)),
    "whole at its bounds": ("whole", kept(lambda: -(2**63))),
    "whole that is bool": ("whole", invalid(lambda: True)),
    "whole that is float": ("whole", invalid(lambda: 1.0)),
    "whole that is text": ("whole", invalid(lambda: "1")),
    "whole that is an enum": ("whole", invalid(lambda: v.Number.ONE)),
    "whole that is a kind of int": ("whole", invalid(lambda: v.Whole(1))),
    "whole that raises": ("whole", invalid(lambda: v.RaisingWhole(1))),
    "whole of numpy": ("whole", invalid(lambda: v.int64(1))),
    "whole that says it is int": ("whole", invalid(lambda: v.PretendsToBe(int))),
    "real nan": ("real", invalid(lambda: math.nan)),
    "real infinity": ("real", invalid(lambda: -math.inf)),
    "real minus zero": ("real", invalid(lambda: -0.0)),
    "real extremes": ("real", kept(lambda: 5e-324)),
    "real that is whole": ("real", kept(lambda: 1e22)),
    "real that is text": ("real", invalid(lambda: "1.5")),
    "real that is Decimal": ("real", invalid(lambda: Decimal("1.5"))),
    "real that is bool": ("real", invalid(lambda: True)),
    "real that is 5,000 digits": ("real", invalid(v.huge_int)),
    "real of numpy": ("real", invalid(lambda: v.float64(1.5))),
    "flag that is 1": ("flag", invalid(lambda: 1)),
    "flag that is text": ("flag", invalid(lambda: "true")),
    "octets that are bytearray": ("octets", invalid(lambda: bytearray(b"a"))),
    "octets that are memoryview": ("octets", invalid(lambda: memoryview(b"a"))),
    "octets that are text": ("octets", invalid(lambda: "a")),
    "octets of all kinds": ("octets", kept(lambda: bytes(range(256)))),
    "octets of 100 MB": ("octets", invalid(lambda: bytes(v.LARGE))),
    "amount sNaN": ("amount", invalid(lambda: Decimal("sNaN"))),
    "amount NaN": ("amount", invalid(lambda: Decimal("NaN"))),
    "amount infinity": ("amount", invalid(lambda: Decimal("Infinity"))),
    "amount minus zero": ("amount", invalid(lambda: Decimal("-0"))),
    "amount with zeros": ("amount", kept(lambda: Decimal("1.500"))),
    "amount of a positive exponent": ("amount", kept(lambda: Decimal("1E+3"))),
    "amount of a huge exponent": ("amount", invalid(lambda: Decimal("1E+999999"))),
    "amount of 40 digits": ("amount", kept(lambda: Decimal("1." + "123456789" * 4))),
    "amount of 5,000 digits": ("amount", invalid(lambda: Decimal("9" * 5000))),
    "amount that is float": ("amount", invalid(lambda: 1.5)),
    "amount that is int": ("amount", invalid(lambda: 1)),
    "amount that is a kind of Decimal": ("amount", invalid(lambda: v.Amount("1"))),
    "instant without a zone": ("instant", invalid(lambda: datetime(2020, 1, 1))),  # noqa: DTZ001
    "instant before year 1": ("instant", invalid(lambda: v.at(1, 1, 1, tz=v.zone(hours=1)))),
    "instant after 9999": ("instant", invalid(lambda: v.at(9999, 12, 31, 23, v.zone(hours=-1)))),
    "instant at the start": ("instant", kept(lambda: v.at(1, 1, 1))),
    "instant with a fold": ("instant", kept(lambda: v.at(2020, 1, 1).replace(fold=1))),
    "instant of odd offset": ("instant", kept(lambda: v.at(2020, 1, 1, tz=v.zone(seconds=1)))),
    "instant in a zone that raises": (
        "instant",
        invalid(lambda: v.at(9, 1, 1, tz=v.RaisingZone())),
    ),
    "instant in a zone of text": ("instant", invalid(lambda: v.at(9, 1, 1, tz=v.ZoneOfText()))),
    "instant in no zone": ("instant", invalid(lambda: v.at(9, 1, 1, tz=v.ZoneOfNothing()))),
    "instant that is a date": ("instant", invalid(lambda: date(2020, 1, 1))),
    "instant that is text": ("instant", invalid(lambda: "2020-01-01T00:00:00Z")),
    "instant of a kind": ("instant", invalid(lambda: v.Instant(2020, 1, 1, tzinfo=UTC))),
    "day that is a datetime": ("day", invalid(lambda: v.at(2020, 1, 1))),
    "day at the end": ("day", kept(lambda: date.max)),
    "clock with a zone": ("clock", invalid(lambda: time(1, tzinfo=UTC))),
    "clock with a fold": ("clock", invalid(lambda: time(1, fold=1))),
    "clock at the end": ("clock", kept(lambda: time.max)),
    "span of all time": ("span", invalid(lambda: timedelta.max)),
    "span below zero": ("span", kept(lambda: timedelta(days=-1, microseconds=1))),
    "span that is a number": ("span", invalid(lambda: 5)),
    "identity that is text": ("identity", invalid(lambda: str(uuid.UUID(int=1)))),
    "identity of a kind": ("identity", invalid(lambda: v.Identity(int=1))),
    "identity that raises": ("identity", invalid(lambda: v.RaisingIdentity(int=1))),
    "colour that is text": ("colour", invalid(lambda: "red")),
    "colour of another enum": ("colour", invalid(lambda: v.TextColour.RED)),
    "texts that are a tuple": ("texts", invalid(lambda: ("a",))),
    "texts that are a generator": ("texts", invalid(lambda: (c for c in "ab"))),
    "texts with a number": ("texts", invalid(lambda: ["a", 1])),
    "texts with None": ("texts", invalid(lambda: ["a", None])),
    "texts with a surrogate": ("texts", invalid(lambda: ["\ud800"])),
    "texts of a kind of list": ("texts", invalid(lambda: v.Items(["a"]))),
    "texts in a circle": ("texts", invalid(v.circle)),
    "reals with nan": ("reals", invalid(lambda: {"a": math.nan})),
    "reals with minus zero": ("reals", kept(lambda: {"a": -0.0})),
    "reals with a surrogate as a key": ("reals", invalid(lambda: {"\ud800": 1.5})),
    "reals with a number as a key": ("reals", invalid(lambda: {1: 1.5})),
    "loose nan": ("loose", invalid(lambda: [math.nan])),
    "loose tuple": ("loose", invalid(lambda: (1, 2))),
    "loose bytes": ("loose", invalid(lambda: b"a")),
    "loose tag": ("loose", kept(lambda: {"$tuple": [1]})),
    "loose keys of numbers": ("loose", invalid(lambda: {1: 1})),
    "loose 10,000 lists": ("loose", invalid(v.deep_list)),
    "loose 10,000 dicts": ("loose", invalid(v.deep_dict)),
    "loose circle": ("loose", invalid(v.circle_of_dicts)),
    "loose 65 bits": ("loose", kept(lambda: [2**64])),
    "loose object": ("loose", invalid(v.Raises)),
    "loose kind of dict": ("loose", invalid(lambda: v.Pairs(a=1))),
    "loose 10,000 keys": ("loose", kept(lambda: {f"{n}": n for n in range(10_000)})),
    "loose text of numbers": ("loose", kept(lambda: ["1e5", "-0", "NaN"])),
    "loose number alone": ("loose", kept(lambda: 1e300)),
    "loose minus zero": ("loose", kept(lambda: [-0.0])),
    "loose text with a surrogate": ("loose", invalid(lambda: {"a": "\ud800"})),
    "loose datetime": ("loose", invalid(lambda: [v.at(2020, 1, 1)])),
    "loose UUID": ("loose", invalid(lambda: uuid.UUID(int=1))),
    "loose Decimal": ("loose", invalid(lambda: Decimal("1.5"))),
    "loose set": ("loose", invalid(lambda: {1, 2})),
}
"""One field of a typed state, and a value for it; the outcome holds in every way of storing it,
unless EXCEPTIONS says otherwise.
"""

_JSON_KEEPS = (
    "text with NUL",
    "whole of 64 bits",
    "whole below 64 bits",
    "real minus zero",
    "amount minus zero",
    "amount of a huge exponent",
    "amount of 5,000 digits",
    "instant before year 1",
    "instant after 9999",
    "span of all time",
)
EXCEPTIONS: dict[tuple[str, str], str] = {
    **{("document", name): KEPT for name in _JSON_KEEPS},
    **{("pydantic document", name): KEPT for name in _JSON_KEEPS},
    ("document", "instant of odd offset"): INVALID,
    ("pydantic document", "instant of odd offset"): INVALID,
    ("pydantic document", "octets of all kinds"): INVALID,  # its JSON takes UTF-8 only
}
"""Way of storing and name of a case: JSON has room for more than a column has, and for less."""
