"""Statements that are put to the driver as they are: every call has them, and SQLAlchemy takes eight times as long.

SQLAlchemy puts them into the words of the database, once, and says how values are sent and read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Select, Table, bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

Values = tuple[Any, ...]
"""A row to be written: its values in the order of the table's columns, but for one that the database numbers."""
Change = Callable[[Any], Any]
"""How a value is sent or read."""


class Unanswered(SQLAlchemyError):
    """The database did not do what it was asked to, or not in time."""


class Question:
    """A query with named parameters."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        """Put *query* into the words of *dialect*."""
        dialect = _by_place(dialect)
        compiled: Any = query.compile(dialect=dialect)
        self._words = str(compiled)
        self._send = _sent(compiled, dialect)
        self._read: list[Change] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) or _as_it_is
            for column in query.selected_columns
        ]
        self._failures = dialect.loaded_dbapi.Error

    def ask(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """All rows, by a *connection* that keeps no transaction open.

        Raises:
            Unanswered: there was no answer.
        """
        sent = [send(values[name]) for name, send in self._send]
        try:
            found = _driver(connection).execute(self._words, sent).fetchall()
        except self._failures as error:
            raise Unanswered("the database does not answer") from error
        return [tuple([read(value) for read, value in zip(self._read, row, strict=True)]) for row in found]


def insert_new(
    connection: Connection, table: Table, rows: Sequence[Values], only: ColumnElement[bool] | None = None
) -> None:
    """Insert *rows*, within the transaction of *connection*; one that is there already stays.

    With *only* those are inserted for which it holds; its parameters are named as the columns are.

    Raises:
        Unanswered: they are not written.
    """
    if rows:
        _insertion(table, connection.dialect, only).write(connection, rows)


class _Insertion:
    """New rows of a table, in the words of a database."""

    def __init__(self, table: Table, dialect: Dialect, only: ColumnElement[bool] | None) -> None:
        dialect = _by_place(dialect)
        columns = [column for column in table.columns if column is not table.autoincrement_column]
        names = [column.name for column in columns]
        insert = import_module(f"sqlalchemy.dialects.{dialect.name}").insert(table)  # the other is slow to import
        if only is not None:
            values = select(*[bindparam(column.name, type_=column.type) for column in columns])
            insert = insert.from_select(names, values.where(only))
        compiled = insert.inline().on_conflict_do_nothing().compile(dialect=dialect, column_keys=names)
        self._words = str(compiled)
        sent = _sent(compiled, dialect)
        self._values = itemgetter(*[names.index(name) for name, _ in sent])
        self._changed = [(place, send) for place, (_, send) in enumerate(sent) if send is not _as_it_is]
        self._failures = dialect.loaded_dbapi.Error

    def write(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Write *rows*."""
        sent = [list(self._values(row)) for row in rows]
        for place, send in self._changed:
            for values in sent:
                values[place] = send(values[place])
        try:
            _driver(connection).cursor().executemany(self._words, sent)
        except self._failures as error:
            raise Unanswered("the database does not write") from error


_insertion = lru_cache(maxsize=64)(_Insertion)
"""Kept for every table and pool of a process."""


def _by_place(dialect: Dialect) -> Dialect:
    """The same, with parameters by their places: drivers find them faster than by their names."""
    if dialect.positional:
        return dialect
    return type(dialect)(dbapi=dialect.loaded_dbapi, paramstyle="format")  # type: ignore[call-arg]


def _sent(compiled: SQLCompiler, dialect: Dialect) -> list[tuple[str, Change]]:
    """The parameters in their places, and how each is sent."""
    return [
        (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) or _as_it_is)
        for name in compiled.positiontup or ()
    ]


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def _as_it_is(value: Any) -> Any:
    return value
