"""Arguments that somebody might give by mistake or by malice, and what has to come of each."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from tests.hostile import values as v
from tests.hostile.states import INJECTION, INJECTIONS, Case, kept
from theater_sql import ABSENT, GENERIC, OVERWRITE, ActorType

ID, ETAG, SETTING, REGISTRATION = (
    "InvalidId",
    "InvalidEtag",
    "ConfigurationError",
    "RegistrationError",
)


def refused(error: str, make: Any) -> Case:
    return Case(make, error)


IDS: dict[str, Case] = {
    **{f"injection {n}": kept(partial(str, text)) for n, text in enumerate(INJECTIONS)},
    "injection in a tuple": kept(lambda: (INJECTION, "\\,", ",", "t:s:a,")),
    "empty text": kept(lambda: ""),
    "empty bytes": kept(lambda: b""),
    "512 bytes": kept(lambda: "x" * 512),
    "513 bytes": refused(ID, lambda: "x" * 513),
    "257 characters of two bytes": refused(ID, lambda: "ü" * 257),
    "513 bytes of bytes": refused(ID, lambda: b"x" * 513),
    "100 MB": refused(ID, lambda: "x" * v.LARGE),
    "100 MB of bytes": refused(ID, lambda: bytes(v.LARGE)),
    "NUL": refused(ID, lambda: "a\0"),
    "NUL in a tuple": refused(ID, lambda: ("a", "\0")),
    "NUL in bytes": kept(lambda: b"\0"),
    "lone surrogate": refused(ID, lambda: "\ud800"),
    "lone surrogate in a tuple": refused(ID, lambda: (1, "\udfff")),
    "not normalised": kept(lambda: "e\u0301"),
    "looks like our text form": kept(lambda: "i:42"),
    "control characters": kept(lambda: "\x01\x7f\u2028\r\n"),
    "minus 63 bits": kept(lambda: -(2**63)),
    "63 bits": kept(lambda: 2**63 - 1),
    "64 bits": refused(ID, lambda: 2**63),
    "5,000 digits": refused(ID, v.huge_int),
    "5,000 digits in a tuple": refused(ID, lambda: (1, -v.huge_int())),
    "True": refused(ID, lambda: True),
    "None": refused(ID, lambda: None),
    "float": refused(ID, lambda: 1.0),
    "nan": refused(ID, lambda: math.nan),
    "Decimal": refused(ID, lambda: Decimal(1)),
    "list": refused(ID, lambda: ["a"]),
    "dict": refused(ID, lambda: {"a": 1}),
    "empty tuple": refused(ID, lambda: ()),
    "nested tuple": refused(ID, lambda: ("a", ("b",))),
    "deep tuple": refused(ID, v.deep_tuple),
    "17 parts": refused(ID, lambda: ("a",) * 17),
    "16 parts": kept(lambda: ("a",) * 16),
    "a million parts": refused(ID, lambda: ("a",) * 1_000_000),
    "long parts": refused(ID, lambda: ("a" * 300, "b" * 300)),
    "tuple with None": refused(ID, lambda: ("a", None)),
    "kind of str": refused(ID, lambda: v.Text("a")),
    "kind of str that lies": refused(ID, lambda: v.LyingText("a\0")),
    "kind of str that raises": refused(ID, lambda: v.RaisingText("a")),
    "kind of int": refused(ID, lambda: v.Whole(1)),
    "kind of int that raises": refused(ID, lambda: (v.RaisingWhole(1),)),
    "kind of bytes": refused(ID, lambda: v.Octets(b"a")),
    "kind of tuple": refused(ID, lambda: Path.cwd().stat()),
    "UUID that raises": refused(ID, lambda: v.RaisingIdentity(int=1)),
    "kind of UUID": kept(lambda: v.Identity(int=1)),
    "UUID that lies": kept(lambda: v.LyingIdentity(int=1)),
    "enum member": refused(ID, lambda: v.Colour.RED),
    "text enum member": refused(ID, lambda: v.TextColour.RED),
    "number enum member": refused(ID, lambda: v.Number.ONE),
    "numpy int": refused(ID, lambda: v.int64(1)),
    "numpy array": refused(ID, v.ndarray),
    "bytearray": refused(ID, lambda: bytearray(b"a")),
    "memoryview": refused(ID, lambda: memoryview(b"a")),
    "generator": refused(ID, lambda: (c for c in "a")),
    "object": refused(ID, object),
    "object that raises": refused(ID, v.Raises),
    "object that raises in a tuple": refused(ID, lambda: ("a", v.Raises())),
    "object that says it is text": refused(ID, lambda: v.PretendsToBe(str)),
    "object that says it is a UUID": refused(ID, lambda: v.PretendsToBe(uuid.UUID)),
    "class": refused(ID, lambda: str),
    "ellipsis": refused(ID, lambda: ...),
}
"""Actor ids, of a type that nobody registered."""


class MetaRaises(type):
    def __hash__(cls) -> int:
        raise v.SecretError("secret")

    def __eq__(cls, other: object) -> bool:
        raise v.SecretError("secret")


def class_named(**attributes: Any) -> Any:
    return type("Odd", (), attributes)


def unhashable_class() -> Any:
    return MetaRaises("Unhashable", (), {})


def raising_actor_type() -> Any:
    def name(_: object) -> Any:
        raise v.SecretError("secret")

    kind: Any = type(
        "Raising", (ActorType,), {"name": property(name), "__init__": lambda self: None}
    )
    return kind()


NAMES: dict[str, Case] = {
    **{f"injection {n}": kept(partial(str, text)) for n, text in enumerate(INJECTIONS)},
    "a name of our tables": kept(lambda: "theater_actor"),
    "a name with spaces and dots": kept(lambda: " a..b\n"),
    "512 bytes": kept(lambda: "x" * 512),
    "513 bytes": refused(ID, lambda: "x" * 513),
    "100 MB": refused(ID, lambda: "x" * v.LARGE),
    "empty": refused(ID, lambda: ""),
    "NUL": refused(ID, lambda: "a\0"),
    "lone surrogate": refused(ID, lambda: "\ud800"),
    "None": refused(ID, lambda: None),
    "bool": refused(ID, lambda: True),
    "int": refused(ID, lambda: 5),
    "5,000 digits": refused(ID, v.huge_int),
    "float": refused(ID, lambda: math.nan),
    "bytes": refused(ID, lambda: b"a"),
    "list": refused(ID, lambda: ["a"]),
    "dict": refused(ID, dict),
    "tuple": refused(ID, lambda: ("a",)),
    "object": refused(ID, object),
    "object that raises": refused(ID, v.Raises),
    "object that says it is text": refused(ID, lambda: v.PretendsToBe(str)),
    "object that says it is a class": refused(ID, lambda: v.PretendsToBe(type)),
    "numpy array": refused(ID, v.ndarray),
    "kind of str": kept(lambda: v.Text("a")),
    "kind of str that lies": refused(ID, lambda: v.LyingText("a\0")),
    "kind of str that raises": kept(lambda: v.RaisingText("a")),
    "text enum member": kept(lambda: v.TextColour.RED),
    "enum member": refused(ID, lambda: v.Colour.RED),
    "enum class": kept(lambda: v.Colour),
    "list of a type": refused(ID, lambda: list[int]),
    "ActorType of a number": refused(ID, lambda: ActorType(5)),  # type: ignore[arg-type]
    "ActorType of None": refused(ID, lambda: ActorType(None)),  # type: ignore[arg-type]
    "ActorType of a list": refused(ID, lambda: ActorType([])),  # type: ignore[arg-type]
    "ActorType of NUL": refused(ID, lambda: ActorType("\0")),
    "ActorType of an ActorType": refused(ID, lambda: ActorType(ActorType("a"))),  # type: ignore[arg-type]
    "ActorType that raises": refused(ID, raising_actor_type),
    "class that can't be hashed": refused(ID, unhashable_class),
    "class with a name of bytes": refused(ID, lambda: class_named(__actor_name__=b"a")),
    "class with a name of a number": refused(ID, lambda: class_named(__actor_name__=5)),
    "class with a name of a surrogate": refused(ID, lambda: class_named(__actor_name__="\ud800")),
    "class with a name that raises": refused(ID, lambda: class_named(__actor_name__=v.Raises())),
    "class without a module": kept(lambda: class_named(__module__=None)),
    "class of an odd module": kept(lambda: class_named(__module__=5)),
    "class of a module with NUL": refused(ID, lambda: class_named(__module__="a\0")),
}
"""Actor types."""

ETAGS: dict[str, Case] = {
    "None": refused(ETAG, lambda: None),
    "text": refused(ETAG, lambda: str(uuid.UUID(int=1))),
    "injection": refused(ETAG, lambda: INJECTION),
    "bytes": refused(ETAG, lambda: uuid.UUID(int=1).bytes),
    "int": refused(ETAG, lambda: 1),
    "5,000 digits": refused(ETAG, v.huge_int),
    "bool": refused(ETAG, lambda: True),
    "nan": refused(ETAG, lambda: math.nan),
    "list": refused(ETAG, list),
    "tuple": refused(ETAG, tuple),
    "object that raises": refused(ETAG, v.Raises),
    "object that says it is a UUID": refused(ETAG, lambda: v.PretendsToBe(uuid.UUID)),
    "UUID that raises": refused(ETAG, lambda: v.RaisingIdentity(int=1)),
    "UUID that lies": refused("Conflict", lambda: v.LyingIdentity(int=1)),
    "kind of UUID": refused("Conflict", lambda: v.Identity(int=1)),
    "numpy array": refused(ETAG, v.ndarray),
    "enum member": refused(ETAG, lambda: v.Colour.RED),
    "name of an expectation": refused(ETAG, lambda: "absent"),
    "class": refused(ETAG, lambda: uuid.UUID),
}
"""Values for ``expect=``; ``etag=`` refuses them too, and ABSENT and OVERWRITE besides."""
OWN_ETAGS: dict[str, Case] = {
    **{name: case for name, case in ETAGS.items() if case.outcome == ETAG and name != "None"},
    "UUID that lies": kept(lambda: v.LyingIdentity(int=1)),
    "kind of UUID": kept(lambda: v.Identity(int=1)),
    "ABSENT": refused(ETAG, lambda: ABSENT),
    "OVERWRITE": refused(ETAG, lambda: OVERWRITE),
    "all zeros": kept(lambda: uuid.UUID(int=0)),
    "all ones": kept(lambda: uuid.UUID(int=2**128 - 1)),
}

NUMBERS: dict[str, Any] = {
    "zero": lambda: 0,
    "minus one": lambda: -1,
    "minus zero": lambda: -0.0,
    "nan": lambda: math.nan,
    "infinity": lambda: math.inf,
    "minus infinity": lambda: -math.inf,
    "True": lambda: True,
    "text": lambda: "1",
    "injection": lambda: INJECTION,
    "bytes": lambda: b"1",
    "list": lambda: [1],
    "Decimal": lambda: Decimal(1),
    "kind of int": lambda: v.Whole(1),
    "numpy int": lambda: v.int64(1),
    "5,000 digits": v.huge_int,
    "object that raises": v.Raises,
    "1e300": lambda: 1e300,
}
"""What is no number of anything; a timeout, a limit or an option."""
OPTIONS = ("timeout", "writers", "max_batch_rows", "max_batch_bytes", "max_queue")
OTHER_OPTIONS: dict[str, tuple[dict[str, Any], type[Exception] | str]] = {
    "a float of writers": ({"writers": 1.5}, SETTING),
    "no writers": ({"writers": None}, SETTING),
    "too many writers": ({"writers": 65}, SETTING),
    "a billion writers": ({"writers": 10**9}, SETTING),
    "a timeout of a century": ({"timeout": 3.2e9}, SETTING),
    "no timeout": ({"timeout": None}, SETTING),
    "durability in capitals": ({"durability": "FULL"}, SETTING),
    "durability of None": ({"durability": None}, SETTING),
    "durability that raises": ({"durability": v.Raises()}, SETTING),
    "durability of a list": ({"durability": ["full"]}, SETTING),
    "an option of another name": ({"time_out": 1}, TypeError),
    "an option of no name": ({"": 1}, TypeError),
}

URLS: dict[str, Any] = {
    "None": lambda: None,
    "a number": lambda: 5,
    "bytes": lambda: b"sqlite://",
    "a path": lambda: Path("theater.db"),
    "a list": lambda: ["sqlite://"],
    "empty": lambda: "",
    "a word": lambda: "sqlite",
    "a file": lambda: "theater.db",
    "injection": lambda: INJECTION,
    "another database": lambda: "mysql://host/db",
    "another driver": lambda: "postgresql+asyncpg://host/db",
    "another driver of sqlite": lambda: "sqlite+aiosqlite:///a.db",
    "a port of text": lambda: "postgresql://host:port/db",
    "a port out of range": lambda: "postgresql://host:99999999999/db",
    "an odd address": lambda: "postgresql://[::1/db",
    "a password in the query": lambda: "postgresql://host/db?password=secret",
    "an ssl password in the query": lambda: "postgresql://host/db?sslpassword=secret",
    "an object that raises": v.Raises,
    "an object that says it is text": lambda: v.PretendsToBe(str),
    "an object that says it is an engine": lambda: v.PretendsToBe(sa.Engine),
    "a connection's class": lambda: sa.Connection,
    "an engine of a database in memory for each thread": lambda: sa.create_engine(
        "sqlite:///:memory:", poolclass=sa.pool.SingletonThreadPool
    ),
    "an option of sqlite that is none": lambda: "sqlite:///a.db?timeout=abc",
    "NUL in the name of a file": lambda: "sqlite:///a\0b.db",
    "a surrogate in the name of a file": lambda: "sqlite:///\ud800.db",
}
"""URLs and engines; each is ConfigurationError before anything is opened."""


@dataclass
class Plain:
    number: int = 0


@dataclass
class Takes:
    etag: int = 0


class Base(DeclarativeBase):
    pass


REGISTRATIONS: dict[str, dict[str, Any]] = {
    **{f"table: injection {n}": {"table": text} for n, text in enumerate(INJECTIONS)},
    "table in capitals": {"table": "Orders"},
    "table of digits": {"table": "1"},
    "table with a dot": {"table": "public.orders"},
    "table with a newline": {"table": "orders\n"},
    "table of 49 characters": {"table": "x" * 49},
    "table of other letters": {"table": "örders"},
    "table with NUL": {"table": "a\0"},
    "table with a surrogate": {"table": "\ud800"},
    "table of ours": {"table": "theater_actor"},
    "table of ours, the other": {"table": "theater_actor_type"},
    "table of a number": {"table": 5},
    "table of a list": {"table": ["orders"]},
    "table of bytes": {"table": b"orders"},
    "table that raises": {"table": v.Raises()},
    "table of a kind of str": {"table": v.LyingText("a; DROP")},
    "id_type of float": {"id_type": float},
    "id_type of None in a tuple": {"id_type": (None,)},
    "id_type of nothing": {"id_type": ()},
    "id_type of a value": {"id_type": 5},
    "id_type of bool": {"id_type": bool},
    "id_type of text": {"id_type": "str"},
    "id_type of a list": {"id_type": [str]},
    "id_type that raises": {"id_type": v.Raises()},
    "id_type in the generic table": {"id_type": str, "table": GENERIC},
    "state that is a value": {"state": Plain()},
    "state that is text": {"state": "Plain"},
    "state that is a number": {"state": 5},
    "state that is int": {"state": int},
    "state that is object": {"state": object},
    "state that raises": {"state": v.Raises()},
    "state that is a dict": {"state": dict},
    "state with our column": {"state": Takes},
    "no state": {"state": None},
    "model that is none": {"model": Plain},
    "model that is a value": {"model": 5},
    "model that raises": {"model": v.Raises()},
    "model without a table": {"model": Base},
    "schema_version of zero": {"schema_version": 0},
    "schema_version below zero": {"schema_version": -1},
    "schema_version of bool": {"schema_version": True},
    "schema_version of float": {"schema_version": 1.0},
    "schema_version of text": {"schema_version": "1"},
    "schema_version of 32 bits": {"schema_version": 2**31},
    "schema_version of 5,000 digits": {"schema_version": v.huge_int()},
    "schema_version that raises": {"schema_version": v.Raises()},
    "aliases of one text": {"aliases": "old"},
    "aliases of numbers": {"aliases": (1,)},
    "aliases of None": {"aliases": None},
    "aliases of a number": {"aliases": 5},
    "aliases with NUL": {"aliases": ("\0",)},
    "aliases of its own name": {"aliases": ("Odd",)},
    "aliases twice": {"aliases": ("old", "old")},
    "aliases that raise": {"aliases": v.Raises()},
    "name of a number": {"name": 5},
    "name of NUL": {"name": "\0"},
    "name of 513 bytes": {"name": "x" * 513},
    "name that raises": {"name": v.Raises()},
    "columns of no field": {"columns": {"nothing": "a"}},
    "columns of a number": {"columns": {"number": 5}},
    "columns of None": {"columns": {"number": None}},
    "columns that are a list": {"columns": ["number"]},
    "columns that raise": {"columns": v.Raises()},
    "columns to ours": {"columns": {"number": "etag"}},
    "columns with a parameter": {"columns": {"number": "a %(p0)s"}},
    "columns with NUL": {"columns": {"number": "a\0"}},
    "columns with a surrogate": {"columns": {"number": "\ud800"}},
    "columns of 64 bytes": {"columns": {"number": "x" * 64}},
    "columns to nothing": {"columns": {"number": ""}},
}
"""Options of a registration of ``Plain``, each a RegistrationError (or an InvalidId of a name)."""
