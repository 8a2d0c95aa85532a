"""The table of modes: every change that was made, by whom and why.

The last one of a scope counts, until its end; from then on the one before it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, insert, or_, select

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


def standing(connection: Connection, now: int) -> tuple[ModeChange, ...]:
    """The changes that may count from this moment on: of each scope the last one without an end, and those after it."""
    same = MODE.alias()
    endless = select(func.max(same.c.id)).where(
        same.c.client == MODE.c.client, same.c.topic == MODE.c.topic, same.c.until.is_(None)
    )
    may_count = and_(
        MODE.c.id >= func.coalesce(endless.scalar_subquery(), 0), or_(MODE.c.until.is_(None), MODE.c.until > now)
    )
    rows = connection.execute(select(*_COLUMNS).where(may_count).order_by(MODE.c.id))
    return tuple(ModeChange(*row) for row in rows)


def add_changes(connection: Connection, changes: Sequence[ModeChange]) -> None:
    """Note *changes*."""
    connection.execute(insert(MODE), [change._asdict() for change in changes])


def counting(changes: Iterable[ModeChange], now: int) -> dict[Scope, ModeChange]:
    """Those of *changes*, oldest first, that count now: of each scope the last one whose end has not come."""
    return {change.scope: change for change in changes if change.until is None or now < change.until}


def chosen(changes: Iterable[ModeChange], now: int) -> dict[Scope, Choice]:
    """What *changes* say at this moment; nothing of a scope that was cleared."""
    found = counting(changes, now)
    return {scope: read_or_silent(change.mode) for scope, change in found.items() if change.mode != CLEARED}
