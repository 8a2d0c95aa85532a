"""Statements that are put to the driver as they are: every call has them, and SQLAlchemy takes eight times as long.

SQLAlchemy puts them into the words of the database, once, and says how values are sent and read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Dialect, Select, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

Change = Callable[[Any], Any]
"""How a value is sent or read."""


class Unanswered(SQLAlchemyError):
    """The database did not do what it was asked to, or not in time."""


class Question:
    """A query with named parameters."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        """Put *query* into the words of *dialect*, which takes parameters by name (`store.engines`)."""
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
        sent = {name: send(values[name]) for name, send in self._send.items()}
        try:
            found = _driver(connection).execute(self._words, sent).fetchall()
        except self._failures as error:
            raise Unanswered("the database does not answer") from error
        return [tuple([read(value) for read, value in zip(self._read, row, strict=True)]) for row in found]


class Insertion:
    """New rows of a table; one that is there already stays."""

    def __init__(self, table: Table, dialect: Dialect) -> None:
        """Put it into the words of *dialect*; what the database numbers by itself is not given."""
        names = [column.name for column in table.columns if column is not table.autoincrement_column]
        insert = import_module(f"sqlalchemy.dialects.{dialect.name}").insert  # the other is slow to import
        compiled = insert(table).inline().on_conflict_do_nothing().compile(dialect=dialect, column_keys=names)
        self._words = str(compiled)
        self._changed = {name: send for name, send in _sent(compiled, dialect).items() if send is not _as_it_is}
        self._failures = dialect.loaded_dbapi.Error

    def write(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Write *rows*, within the transaction of *connection*.

        Raises:
            Unanswered: they are not written.
        """
        if not rows:
            return
        changed = self._changed.items()
        sent = [{**row, **{name: send(row[name]) for name, send in changed}} for row in rows] if changed else rows
        try:
            _driver(connection).cursor().executemany(self._words, sent)
        except self._failures as error:
            raise Unanswered("the database does not write") from error


def _sent(compiled: SQLCompiler, dialect: Dialect) -> Mapping[str, Change]:
    return {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect) or _as_it_is
        for name, bind in compiled.binds.items()
    }


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def _as_it_is(value: Any) -> Any:
    return value
