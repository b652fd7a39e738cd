"""Errors: every class survives pickle and copy with all it knows, and says it in one form."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from uuid import UUID

import pytest

import theater_sql
from theater_sql import ABSENT, NOT_PRESENT, OVERWRITE, Found, errors

ETAG = UUID(int=7)
CONFLICTS = (errors.Conflict("A", 1, "r", kind="gone", expected=ETAG, actual=None),)
DETAILS: dict[str, dict[str, Any]] = {
    "BatchConflict": {"conflicts": CONFLICTS},
    "Conflict": {"kind": "stale", "expected": ETAG, "actual": None},
    "ConstraintViolation": {"constraint": "c", "columns": ("a", "b")},
    "CorruptState": {"path": "$.a"},
    "InvalidState": {"path": "$.a"},
    "OutcomeUnknown": {"etag": ETAG},
    "StateTooNew": {"stored": 3, "registered": 2},
}


def subclasses(cls: type[Any]) -> list[type[Any]]:
    return [cls, *(deep for sub in cls.__subclasses__() for deep in subclasses(sub))]


STORAGE_ERRORS = [
    cls for cls in subclasses(errors.StorageError) if cls.__module__ == "theater_sql.errors"
]


@pytest.mark.parametrize("cls", STORAGE_ERRORS)
@pytest.mark.parametrize("copied", ["pickle", "copy", "deepcopy"])
def test_storage_error_survives_a_copy_with_all_attributes(cls: Any, copied: str) -> None:
    details = DETAILS.get(cls.__name__, {})
    assert set(cls.__annotations__ if "__annotations__" in cls.__dict__ else {}) == set(details)
    error = cls("Cart", ("c", 42), "it failed", **details)
    if copied == "pickle":
        back = pickle.loads(pickle.dumps(error))
    else:
        back = getattr(copy, copied)(error)
    assert type(back) is cls
    assert repr(vars(back)) == repr(vars(error))
    assert (str(back), repr(back), back.args) == (str(error), repr(error), error.args)
    for name, value in details.items():
        assert repr(getattr(back, name)) == repr(value)


@pytest.mark.parametrize("expected", [ABSENT, OVERWRITE])
def test_expectations_stay_identical_over_pickle(expected: Any) -> None:
    error = errors.Conflict("A", "a", "r", kind="exists", expected=expected, actual=ETAG)
    assert pickle.loads(pickle.dumps(error)).expected is expected


@pytest.mark.parametrize("cls", [errors.RegistrationError, errors.ConfigurationError])
def test_other_errors_survive_pickle(cls: Any) -> None:
    back = pickle.loads(pickle.dumps(cls("no")))
    assert (type(back), str(back)) == (cls, "no")


def test_notes_survive_pickle() -> None:
    error = errors.Unavailable("A", "a", "r")
    error.add_note("while testing")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while testing"]


@pytest.mark.parametrize(
    ("actor_type", "actor_id", "text"),
    [
        ("Cart", "c-42", "Cart['c-42']: it failed"),
        ("Cart", 42, "Cart[42]: it failed"),
        ("Cart", ("a", b"b"), "Cart[('a', b'b')]: it failed"),
        ("Cart", None, "Cart: it failed"),
        (None, None, "it failed"),
    ],
)
def test_message_names_the_actor_first(actor_type: Any, actor_id: Any, text: str) -> None:
    assert str(errors.StorageError(actor_type, actor_id, "it failed")) == text


def test_tree() -> None:
    assert issubclass(errors.RegistrationError, errors.TheaterSQLError)
    assert not issubclass(errors.RegistrationError, errors.StorageError)
    assert issubclass(errors.InvalidEtag, ValueError)
    assert issubclass(errors.ConfigurationError, ValueError)
    assert all(issubclass(cls, errors.TheaterSQLError) for cls in STORAGE_ERRORS)
    assert not any(
        issubclass(one, other) or issubclass(other, one)
        for n, one in enumerate(STORAGE_ERRORS[1:])
        for other in STORAGE_ERRORS[n + 2 :]
        if {one, other} != {errors.Conflict, errors.BatchConflict}
        and {one, other} != {errors.SchemaMismatch, errors.ActorMoved}
    ), "to catch one must not catch another"


def test_every_error_is_a_public_name() -> None:
    names = {cls.__name__ for cls in subclasses(errors.TheaterSQLError)}
    public = {cls for cls in names if hasattr(errors, cls)}
    assert public <= set(theater_sql.__all__)
    assert sorted(theater_sql.__all__) == sorted(set(theater_sql.__all__))
    assert all(hasattr(theater_sql, name) for name in theater_sql.__all__)


def test_not_present_is_one_false_value_for_ever() -> None:
    assert not NOT_PRESENT
    assert NOT_PRESENT.etag is ABSENT
    assert repr(NOT_PRESENT) == "NOT_PRESENT"
    for back in (
        pickle.loads(pickle.dumps(NOT_PRESENT)),
        copy.copy(NOT_PRESENT),
        copy.deepcopy(NOT_PRESENT),
    ):
        assert back is NOT_PRESENT


def test_found_is_true_whatever_the_state() -> None:
    from datetime import UTC, datetime

    found: Found[Any] = Found(None, theater_sql.Etag(ETAG), 1, datetime.now(UTC))
    assert found
    assert pickle.loads(pickle.dumps(found)) == found


def test_conflicts_of_both_databases_are_equal_in_all_they_say() -> None:
    # 2E #14: the text is made in one place, from what was expected and found
    one = errors.Conflict("A", "a", "r", kind="gone", expected=ETAG, actual=None)
    other = errors.Conflict("A", "a", "r", kind="gone", expected=ETAG, actual=None)
    assert vars(one) == vars(other)
