"""Names of actor types, and the one text form of actor ids in the generic table."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from theater_sql.contract import ActorId, ActorType, IdPart
from theater_sql.errors import InvalidId, RegistrationError

MAX_BYTES: Final = 512
"""The longest id or type name, in UTF-8 bytes: safe inside a PostgreSQL index entry."""

MAX_PARTS: Final = 16


def type_name(actor_type: ActorType[Any] | type[Any] | str) -> str:
    """Return the stable name of an actor type.

    A class is called ``module.QualName`` unless it has an ``__actor_name__`` of its own.
    """
    kind = type(actor_type)  # isinstance would believe what an object says of its class
    given: Any = actor_type
    if issubclass(kind, ActorType):
        name = None
        with suppress(Exception):  # a subclass may have made a property of it
            name = given.name
        return _checked_name(name)
    if issubclass(kind, str):
        return _checked_name(given)
    if not issubclass(kind, type):
        what = f"an actor type is a class or a name, not a {kind.__name__:.80}"
        raise InvalidId(None, None, what)
    own = given.__dict__.get("__actor_name__")
    return _checked_name(class_path(given) if own is None else own)


def class_path(cls: type[Any]) -> str:
    """Return ``module.QualName``, the same in every process that has the class."""
    return f"{_module_name(cls)}.{cls.__qualname__}"


def _checked_name(given: Any) -> str:
    if not issubclass(type(given), str):
        raise InvalidId(None, None, f"the name of an actor type is a {type(given).__name__:.80}")
    name = str.__str__(given)  # the text itself, whatever a subclass makes of it
    problem = "is empty" if name == "" else _text_problem(name)
    if problem:
        raise InvalidId(None, None, f"the actor type name {name[:40]!r} {problem}")
    return name


def _module_name(cls: type[Any]) -> str:
    """Name the module so that running a file, importing it and spawning a child agree."""
    if cls.__module__ not in ("__main__", "__mp_main__"):
        return cls.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    if file is None or file.startswith("<"):
        raise RegistrationError(
            f"{cls.__qualname__} lives in an interactive session, so its name can't be stable: "
            "pass name= or set __actor_name__"
        )
    return PurePath(file).stem


def check_id(name: str, actor_id: ActorId) -> tuple[IdPart, ...]:
    """Return the parts of an id (one, or those of a tuple), or raise ``InvalidId``."""
    if type(actor_id) is str and _text_problem(actor_id) is None:
        return (actor_id,)  # which most ids are
    parts = actor_id if type(actor_id) is tuple else (actor_id,)
    if not 1 <= len(parts) <= MAX_PARTS:
        reason = f"a tuple is an actor id if it has 1 to {MAX_PARTS} parts; nothing was sent"
        raise InvalidId(name, parts[:1], reason)
    checked = tuple([_checked_part(name, part) for part in parts])
    if sum(map(_size, checked)) > MAX_BYTES:
        first = checked[0][:40] if isinstance(checked[0], (str, bytes)) else checked[0]
        raise InvalidId(name, first, f"an actor id has at most {MAX_BYTES} bytes; nothing was sent")
    return checked


def _checked_part(name: str, part: Any) -> IdPart:
    kind = type(part)
    if kind is str:
        problem = _text_problem(part)
    elif kind is int:
        problem = None if -(2**63) <= part < 2**63 else "does not fit 64 bits"
    elif kind is bytes or kind is UUID:
        problem = None
    elif (plain := plain_uuid(part)) is not None:
        return plain
    else:
        problem = f"is a {kind.__name__}: an id is str, int, UUID, bytes or a tuple of these"
    if problem:
        shown = part[:40] if kind in (str, bytes) else f"<{kind.__name__}>"
        raise InvalidId(name, shown, f"the actor id {problem}; nothing was sent")
    return part  # type: ignore[no-any-return]


def plain_uuid(value: Any) -> UUID | None:
    """Return a UUID, also of a subclass (drivers have some), as one; ``None`` for all else.

    A lane compares and hashes etags and ids, and must not run anybody's code for that.
    """
    if type(value) is UUID:
        return value
    if issubclass(type(value), UUID):
        with suppress(Exception):
            return UUID(int=value.int)
    return None


def _text_problem(text: str) -> str | None:
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            return "holds a lone surrogate"
    if size > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    return "holds a NUL character" if "\0" in text else None


def _size(part: IdPart) -> int:
    if isinstance(part, str):
        return len(part.encode())
    return len(part) if isinstance(part, bytes) else 16


def canonical(parts: tuple[IdPart, ...], is_tuple: bool) -> str:
    """Return the text form of an id in the generic table. Stored data depends on it: frozen.

    ``s:text``, ``i:42``, ``u:<uuid>``, ``b:<hex>``; a tuple is ``t:`` and its parts' forms,
    each ended by a comma, with backslash and comma inside a part escaped by a backslash.
    """
    if not is_tuple:
        return _tagged(parts[0])
    return "t:" + "".join(_escaped(_tagged(part)) + "," for part in parts)


def parse_canonical(text: str) -> ActorId:
    """Return the id whose ``canonical`` form is ``text``."""
    if not text.startswith("t:"):
        return _untagged(text)
    return tuple(_untagged(part) for part in _split(text[2:]))


def _tagged(part: IdPart) -> str:
    if isinstance(part, str):
        return f"s:{part}"
    if isinstance(part, int):
        return f"i:{part}"
    return f"b:{part.hex()}" if isinstance(part, bytes) else f"u:{part}"


def _untagged(text: str) -> IdPart:
    tag, body = text[:2], text[2:]
    if tag == "s:":
        return body
    if tag == "i:":
        return int(body)
    if tag == "u:":
        return UUID(body)
    if tag == "b:":
        return bytes.fromhex(body)
    raise ValueError(f"not an actor id's text form: {text[:40]!r}")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,")


def _split(text: str) -> list[str]:
    parts, part, escape = [], "", False
    for char in text:
        if escape:
            part, escape = part + char, False
        elif char == "\\":
            escape = True
        elif char == ",":
            parts.append(part)
            part = ""
        else:
            part += char
    return parts
