"""Reads TOML files and turns their tables into the data of the logic, or says what is wrong.

Which file, which key, the value there, and what was expected.
"""

from __future__ import annotations

import datetime
import functools
import tomllib
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from msgspec import structs

from cds_service.clinical.datum import Datum
from cds_service.errors import GuidanceError

T = TypeVar("T", bound=Datum)
Files: TypeAlias = "Mapping[str, Mapping[str, object]]"
"""What files hold, by their names."""


def read_toml(path: Path, file: str) -> Mapping[str, object]:
    """What the file at *path* holds, which messages call *file*; its numbers with a point are `Decimal`.

    It is the same object for the same text, and not to be changed.

    Raises:
        GuidanceError: it is not there, or is no TOML.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise GuidanceError(file, "(file)", str(path.parent), "the file to be there") from error
    except tomllib.TOMLDecodeError as error:
        raise GuidanceError(file, "(file)", str(error), "valid TOML") from error
    except UnicodeDecodeError as error:
        raise GuidanceError(file, "(file)", f"byte {error.start} is not UTF-8", "valid TOML") from error


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> Mapping[str, object]:
    """Kept, since each profile in use is made from the same files, and to parse them is the longest part of a start."""
    return tomllib.loads(text, parse_float=Decimal)


def build(cls: type[T], data: object, file: str, key: str) -> T:
    """Build *cls* from the table *data* found at *key* of *file*; an empty key is the whole file.

    Raises:
        GuidanceError: an unknown, missing or wrongly typed entry.
    """
    table = _table(data, file, key, f"a table of {cls.__name__}")
    fields = fields_of(cls)
    for name in table:
        if name not in fields:
            raise GuidanceError(file, under(key, name), table[name], f"one of {', '.join(sorted(fields))}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            values[name] = convert(field.type, table[name], file, under(key, name))
        elif field.required:
            raise GuidanceError(file, under(key, name), None, "an entry: it is missing")
    return cls(**values)


@functools.cache
def fields_of(cls: type[Datum]) -> Mapping[str, structs.FieldInfo]:
    """The entries that a table of *cls* may have."""
    return {field.name: field for field in structs.fields(cls)}


def convert(kind: Any, value: object, file: str, key: str) -> Any:
    """Check *value* against the declared type *kind* and return it in that type."""
    if isinstance(kind, type) and is_table(kind):
        return build(kind, value, file, key)
    origin, arguments = _parts(kind)
    if origin in (types.UnionType, typing.Union):
        inner = [arg for arg in arguments if arg is not type(None)]
        return convert(inner[0], value, file, key)
    if origin is tuple:
        return _items(arguments[0], value, file, key)
    if origin is dict:
        inner_kind = arguments[1]
        table = _table(value, file, key, "a table")
        return {name: convert(inner_kind, item, file, under(key, name)) for name, item in table.items()}
    if origin is typing.Literal:
        if value not in arguments:
            raise GuidanceError(file, key, value, f"one of {', '.join(map(str, arguments))}")
        return value
    return _scalar(kind, value, file, key)


@functools.cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a type is of, and its arguments: a few types are asked thousands of times."""
    return typing.get_origin(kind), typing.get_args(kind)


def is_table(kind: type[Any]) -> bool:
    """Whether values of *kind* are tables in a file."""
    return issubclass(kind, Datum)


def under(key: str, name: str) -> str:
    """The key of *name* in the table at *key*."""
    return f"{key}.{name}" if key else name


def _items(kind: Any, value: object, file: str, key: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise GuidanceError(file, key, value, "a list")
    return tuple(convert(kind, item, file, f"{key}[{place}]") for place, item in enumerate(value))


def _table(value: object, file: str, key: str, expected: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise GuidanceError(file, key, value, expected)
    return value


def _scalar(kind: type, value: object, file: str, key: str) -> object:
    if kind is Decimal and isinstance(value, int | Decimal) and not isinstance(value, bool):
        if not Decimal(value).is_finite():
            raise GuidanceError(file, key, value, "a number that is finite")
        return Decimal(value)
    expected = {Decimal: "a number", int: "a whole number", str: "a text", bool: "true or false"}
    if kind is datetime.date and isinstance(value, datetime.date):
        return value
    if type(value) is kind:
        if kind is str and not str(value).strip():
            raise GuidanceError(file, key, value, "a text that is not empty")
        return value
    raise GuidanceError(file, key, value, expected.get(kind, "a date"))
