"""Inserts rows where they are not there yet."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert *rows*; one that is there already stays."""
    if rows:
        dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # the other is slow to import
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)
