"""Ids: their canonical text is stored data, so it is pinned here for ever. Names of types."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theater_sql import ActorType, InvalidId
from theater_sql.identity import MAX_BYTES, canonical, check_id, parse_canonical, type_name

U = UUID("12345678-1234-5678-1234-567812345678")
VECTORS: list[tuple[Any, str]] = [
    ("c-42", "s:c-42"),
    ("", "s:"),
    ("1", "s:1"),
    ("s:1", "s:s:1"),
    ("t:", "s:t:"),
    ("a,b\\c", "s:a,b\\c"),
    ("Привет 🎭", "s:Привет 🎭"),
    ("e\u0301", "s:e\u0301"),
    ("\u00e9", "s:\u00e9"),
    (1, "i:1"),
    (0, "i:0"),
    (-42, "i:-42"),
    (2**63 - 1, "i:9223372036854775807"),
    (-(2**63), "i:-9223372036854775808"),
    (U, "u:12345678-1234-5678-1234-567812345678"),
    (b"", "b:"),
    (b"1", "b:31"),
    (b"\x00\xff", "b:00ff"),
    (("a",), "t:s:a,"),
    (("a", "b"), "t:s:a,s:b,"),
    (("a,b",), "t:s:a\\,b,"),
    (("a", "", 1), "t:s:a,s:,i:1,"),
    (("\\", ","), "t:s:\\\\,s:\\,,"),
    (("a\\", "b"), "t:s:a\\\\,s:b,"),
    ((1, "1", b"1", U), "t:i:1,s:1,b:31,u:12345678-1234-5678-1234-567812345678,"),
]


@pytest.mark.parametrize(("actor_id", "text"), VECTORS, ids=[ascii(text) for _, text in VECTORS])
def test_canonical_form_is_pinned(actor_id: Any, text: str) -> None:
    assert canonical(check_id("A", actor_id), isinstance(actor_id, tuple)) == text
    back = parse_canonical(text)
    assert back == actor_id and type(back) is type(actor_id)


parts = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
    | st.integers(-(2**63), 2**63 - 1)
    | st.uuids()
    | st.binary(max_size=40)
)
ids = parts | st.lists(parts, min_size=1, max_size=3).map(tuple)


@given(ids)
def test_every_id_comes_back_from_its_canonical_form(actor_id: Any) -> None:
    text = canonical(check_id("A", actor_id), isinstance(actor_id, tuple))
    back = parse_canonical(text)
    assert back == actor_id
    assert repr(back) == repr(actor_id)


@given(ids, ids)
def test_two_ids_never_share_a_canonical_form(one: Any, other: Any) -> None:
    forms = [canonical(check_id("A", i), isinstance(i, tuple)) for i in (one, other)]
    assert (forms[0] == forms[1]) is (repr(one) == repr(other))


class Text(str):
    __slots__ = ()


class Number(enum.IntEnum):
    ONE = 1


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("actor_id", "what"),
    [
        (True, "bool"),
        (None, "NoneType"),
        (1.0, "float"),
        (bytearray(b"a"), "bytearray"),
        (Text("a"), "Text"),
        (Number.ONE, "Number"),
        (Point(1, 2), "Point"),
        (["a"], "list"),
        ((), "1 to 16 parts"),
        (("a", ("b",)), "tuple"),
        (("a", True), "bool"),
        ("a\0b", "NUL"),
        ("\udfff", "surrogate"),
        ("x" * (MAX_BYTES + 1), "bytes"),
        ("ü" * (MAX_BYTES // 2 + 1), "bytes"),
        (b"x" * (MAX_BYTES + 1), "bytes"),
        (("x" * 300, "y" * 300), "bytes"),
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        (("",) * 17, "1 to 16 parts"),
    ],
)
def test_invalid_ids(actor_id: Any, what: str) -> None:
    with pytest.raises(InvalidId, match=what) as caught:
        check_id("A", actor_id)
    str(caught.value).encode()  # can be printed
    assert len(str(caught.value)) < 400


def test_longest_ids_are_valid() -> None:
    for longest in (
        "x" * MAX_BYTES,
        "ü" * (MAX_BYTES // 2),
        b"x" * MAX_BYTES,
        ("x" * 256,) * 2,
        ("",) * 16,
    ):
        assert check_id("A", longest)


def test_uuid_of_a_subclass_is_a_uuid() -> None:
    class OtherUUID(UUID):
        pass

    assert type(check_id("A", OtherUUID(int=5))[0]) is UUID


def test_text_that_is_no_canonical_form_is_an_error() -> None:
    for wrong in ("", "x", "x:1", "i:", "i:x", "b:0", "u:1"):
        with pytest.raises(ValueError, match=r"."):
            parse_canonical(wrong)


class Named:
    __actor_name__ = "shop.Named"


class Child(Named):
    pass


class Outer:
    class Inner:
        pass


def test_names_of_types() -> None:
    assert type_name("a.b") == "a.b"
    assert type_name(ActorType("x")) == "x"
    assert type_name(Outer.Inner) == f"{__name__}.Outer.Inner"
    assert type_name(Named) == "shop.Named"
    assert type_name(Child) == f"{__name__}.Child"  # a subclass is another type


@pytest.mark.parametrize("wrong", [None, 5, Outer(), ("a",), b"a"])
def test_what_is_no_type_is_invalid(wrong: Any) -> None:
    with pytest.raises(InvalidId, match="an actor type is a class or a name"):
        type_name(wrong)


SCRIPT = textwrap.dedent(
    """
    import multiprocessing, sys
    from theater_sql.identity import type_name

    class Cart:
        class Line:
            pass

    def show():
        print(type_name(Cart), type_name(Cart.Line), flush=True)

    if __name__ == "__main__":
        show()
        if "spawn" in sys.argv:
            child = multiprocessing.get_context("spawn").Process(target=show)
            child.start()
            child.join()
    """
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    package.mkdir()
    for name in ("__init__.py", "carts.py"):
        (package / name).write_text("" if name == "__init__.py" else SCRIPT, encoding="utf-8")
    (package / "__main__.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "my_script.py").write_text(SCRIPT, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, stdin: str | None = None) -> list[str]:
    """Run Python there and return its lines."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), root])},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return (done.stdout + done.stderr).splitlines()


def test_a_run_and_an_import_of_a_script_agree(project: Path) -> None:
    wanted = ["my_script.Cart my_script.Cart.Line"]
    assert run(project, "my_script.py") == wanted
    assert run(project, "-m", "my_script") == wanted
    assert run(project, "-c", "import my_script; my_script.show()") == wanted


def test_a_run_and_an_import_of_a_module_in_a_package_agree(project: Path) -> None:
    wanted = ["shop.carts.Cart shop.carts.Cart.Line"]
    assert run(project, "-m", "shop.carts") == wanted
    assert run(project, "-c", "import shop.carts; shop.carts.show()") == wanted


def test_a_run_and_an_import_of_a_package_agree(project: Path) -> None:
    ran = run(project, "-m", "shop")
    assert len(ran) == 1
    assert run(project, "-c", "import shop.__main__; shop.__main__.show()") == ran


def test_a_child_process_that_was_spawned_agrees(project: Path) -> None:
    wanted = ["my_script.Cart my_script.Cart.Line"] * 2
    assert run(project, "my_script.py", "spawn") == wanted
    assert run(project, "-m", "my_script", "spawn") == wanted


def test_a_class_without_a_file_needs_a_name(project: Path) -> None:
    for output in (run(project, "-", stdin=SCRIPT), run(project, "-c", SCRIPT)):
        assert "RegistrationError" in output[-1]
        assert "name=" in output[-1]
