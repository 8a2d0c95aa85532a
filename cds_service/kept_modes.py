"""Where modes are kept, and how a process follows them: it looks into the database in the background, for ever.

A call asks nothing but what was found last. A database that cannot be read leaves that in force for ten minutes, with
an alarm in the log and the numbers; from then on nothing new is shown. Before it was ever read, what the registry and
the settings say counts as known.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from cds_service.background import Background
from cds_service.modes import Choices, Chosen, InForce, Scope
from cds_service.store.database import Database, DatabaseError
from cds_service.store.mode_changes import ModeChange, chosen, counting, standing

LOG = logging.getLogger("cds_service.modes")
POLL = 1.5
"""Seconds between two looks. With those that a look may take (`store.patience`) a change is followed within 5."""
GRACE = 600.0
"""Seconds for which what was known last holds where the database cannot be read."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was found at the last look: changes that count now or may do so later, and what they come to."""

    changes: tuple[ModeChange, ...]
    counting: Mapping[Scope, ModeChange]
    choices: Choices


class Modes:
    """The modes as this process knows them."""

    def __init__(self, configured: tuple[Chosen, ...], *, critical_stays: bool, database: Database | None) -> None:
        """*configured* are the choices of the registry and the settings; without a *database* they are all."""
        self._configured, self._critical_stays, self._database = configured, critical_stays, database
        self._known = self._come_to((), 0)
        self._read = time.monotonic()
        self._asked: dict[str, InForce] = {}
        self._away = self._held = False
        self._end = threading.Event()
        self._following = Background("modes", partial(_follow, weakref.ref(self), self._end))
        self.tell: Callable[[], None] = lambda: None
        """Called whenever something changed: who counts puts it into numbers."""

    def begin(self) -> None:
        """Look for the first time, and go on looking in the background."""
        if self._database is not None:
            self.look()
            self._follow()

    def of(self, client: str) -> InForce:
        """What is in force for *client* now."""
        if self._following.begun and not self._following.runs:
            self._follow()  # this process was forked from the one that looked
        asked = self._asked
        found = asked.get(client)
        if found is None:
            found = asked[client] = self._known.choices.of(client)
        return found.held() if self.is_held else found

    @property
    def is_away(self) -> bool:
        """Whether the last look failed."""
        return self._away

    @property
    def is_held(self) -> bool:
        """Whether it is so long ago that the database was read that nothing new is shown."""
        return self._database is not None and time.monotonic() - self._read > GRACE

    @property
    def known(self) -> Known:
        """What was found last."""
        return self._known

    def told(self) -> str:
        """What is in force, in words."""
        clients = sorted(self._known.choices.clients())
        words = [str(self.of("")), *(f"client {client}: {self.of(client)}" for client in clients)]
        if self._away:
            words.append("nothing new is shown" if self.is_held else "as last known")
            words.append("the modes cannot be read")
        return "; ".join(words)

    def look(self) -> None:
        """Read the database once; where that cannot be done, only the ends of what is known are seen."""
        changes, now = self._known.changes, int(time.time() * 1000)
        try:
            changes = self._standing(now)
        except DatabaseError as error:
            self._missed(error)
        else:
            self._found()
        known = self._come_to(changes, now)
        if known != self._known:
            _log(self._known, known, now)
            self._known, self._asked = known, {}
        self.tell()

    def close(self) -> None:
        """Look no more."""
        self._end.set()
        self._following.join(POLL)
        if self._database is not None:
            self._database.close()

    def _standing(self, now: int) -> tuple[ModeChange, ...]:
        if self._database is None:
            return ()
        with self._database.current() as connection:
            return standing(connection, now)

    def _come_to(self, changes: tuple[ModeChange, ...], now: int) -> Known:
        choices = Choices((chosen(changes, now), *self._configured), self._critical_stays)
        return Known(changes, counting(changes, now), choices)

    def _found(self) -> None:
        self._read = time.monotonic()
        if self._away:
            LOG.info("the modes can be read again")
        self._away = self._held = False

    def _missed(self, error: DatabaseError) -> None:
        if not self._away:
            LOG.error("the modes cannot be read: the last known ones hold for ten minutes (%s)", type(error).__name__)
        self._away = True
        if self.is_held and not self._held:
            self._held = True
            LOG.error("the modes could not be read for ten minutes: nothing new is shown")

    def _follow(self) -> None:
        with suppress(RuntimeError):  # the machine has no thread left: the next call tries again
            if not self._end.is_set():
                self._following.need()


def _follow(followed: weakref.ref[Modes], end: threading.Event) -> None:
    """Look again and again, until the end or until nobody asks any more."""
    while not end.wait(POLL):
        modes = followed()
        if modes is None:
            return
        modes.look()
        del modes


def _log(before: Known, after: Known, moment: int) -> None:
    """A line for each scope whose choice in the database is another now."""
    was, now = before.choices.places[0], after.choices.places[0]
    for scope in sorted({*was, *now}):
        if was.get(scope) != now.get(scope):
            fields = {
                "scope": str(scope),
                "was": str(was.get(scope, "as registry and settings say")),
                "now": str(now.get(scope, "as registry and settings say")),
            }
            LOG.warning("mode", extra={"fields": fields | _why(scope, before, after, moment)})


def _why(scope: Scope, before: Known, after: Known, moment: int) -> dict[str, str]:
    """Who changed a scope and why; or that what counted before counts again, or that the database is another one."""
    change, old = after.counting.get(scope), before.counting.get(scope)
    if change is not None and change not in before.changes:
        return {"by": change.made_by, "why": change.why}
    ended = old is not None and old.until is not None and old.until <= moment
    return {"why": "its end has come" if ended else "the database does not have it any more"}


ALWAYS_ON = Modes((), critical_stays=False, database=None)
"""Every card is shown."""
