"""The table of modes: every change that was made, by whom and why. The last one of a scope counts, until its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from cds_service.modes import Choice, Scope, read_or_silent
from cds_service.store.tables import MODE

CLEARED = ""
"""Written in the place of a mode: from here on the registry and the settings count again."""


class ModeChange(NamedTuple):
    """One change; `at` and `until` in milliseconds since 1970, `mode` as it was written."""

    at: int
    client: str
    topic: str
    mode: str
    made_by: str
    why: str
    until: int | None = None

    @property
    def scope(self) -> Scope:
        """For whom it is."""
        return Scope(self.client, self.topic)

    def told(self) -> dict[str, str]:
        """It for people; times in UTC."""
        return {
            "for": str(self.scope),
            "mode": self.mode or "cleared",
            "since": written(self.at),
            "until": "" if self.until is None else written(self.until),
            "by": self.made_by,
            "why": self.why,
        }


def written(moment: int) -> str:
    """A time in UTC, as people write it."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds")


_COLUMNS = [MODE.c[name] for name in ModeChange._fields]


def last_changes(connection: Connection, most: int) -> list[ModeChange]:
    """The last changes, the newest first, *most* of them."""
    query = select(*_COLUMNS).order_by(MODE.c.id.desc()).limit(most)
    return [ModeChange(*row) for row in connection.execute(query)]


def standing(connection: Connection) -> tuple[ModeChange, ...]:
    """The last change of each scope."""
    last = select(func.max(MODE.c.id)).group_by(MODE.c.client, MODE.c.topic)
    rows = connection.execute(select(*_COLUMNS).where(MODE.c.id.in_(last)).order_by(MODE.c.id))
    return tuple(ModeChange(*row) for row in rows)


def add_changes(connection: Connection, changes: Sequence[ModeChange]) -> None:
    """Note *changes*."""
    connection.execute(insert(MODE), [change._asdict() for change in changes])


def chosen(changes: Iterable[ModeChange], now: int) -> dict[Scope, Choice]:
    """What *changes* say at this moment: none that was cleared, none whose end has come."""
    return {
        change.scope: read_or_silent(change.mode)
        for change in changes
        if change.mode != CLEARED and (change.until is None or now < change.until)
    }
