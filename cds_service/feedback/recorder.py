"""The memory of a server process: written in the background, so that no call waits for it or fails with it.

While the database cannot be reached, nothing is asked of it: cards go on being served, none is quiet, and what is to be
written waits, up to a number of rows. The log says once that it is gone and once that it is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from cds_service.errors import StoreUnavailable
from cds_service.feedback.store import Rows

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from cds_service.feedback.store import FeedbackStore
    from cds_service.hooks.feedback import Item
    from cds_service.hooks.memory import Answered, Chart, ShownCard

LOG = logging.getLogger("cds_service.feedback")
MOST_WAITING = 10_000
"""Notes that wait to be written; beyond them the oldest are lost."""
GATHERING = 0.2
"""Seconds in which notes are gathered for one transaction: a transaction costs more than what is in it."""
PAUSE = 2.0
"""Seconds between two attempts to reach a database that is gone."""
SWEEP = 3600.0
"""Seconds between two sweeps of what is older than it is kept."""
DAY_MS = 86_400_000


class _Note:
    """Something to be written: a call, or the cards of one."""

    __slots__ = ("at", "call", "chart", "quiet", "shown")

    def __init__(self, at: int) -> None:
        self.at = at
        self.call: dict[str, Any] | None = None
        self.chart: Chart | None = None
        self.shown: tuple[ShownCard, ...] = ()
        self.quiet: tuple[str, ...] = ()


class Recorder:
    """Implements `hooks.memory.Memory` on a `FeedbackStore`, and takes calls and feedback."""

    def __init__(self, store: FeedbackStore, retention_days: int) -> None:
        """The thread is started when there is something to write."""
        self.store = store
        self._retention = retention_days
        self._waiting: deque[_Note] = deque(maxlen=MOST_WAITING)
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._counting = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._reachable = True
        self._swept = float("-inf")

    # What calls ask and tell.

    def answers(self, chart: Chart) -> Iterable[Answered]:
        """What was done with earlier cards of *chart*; nothing while the database cannot be reached."""
        if not self._reachable:
            return ()
        try:
            return self.store.answers(chart, self.store.patient(chart))
        except SQLAlchemyError as error:
            self._lost(error)
            return ()

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Remember the cards that were *shown*, and the topics that were *quiet*, soon."""
        if shown or quiet:
            note = _Note(_now())
            note.chart, note.shown, note.quiet = chart, shown, quiet
            self._add(note)

    def called(self, row: dict[str, Any]) -> None:
        """Remember a call, soon."""
        note = _Note(_now())
        note.call = row
        self._add(note)

    def save(self, client: str, service: str, items: list[Item], day: date) -> None:
        """Keep feedback; on the disk when this returns.

        Raises:
            StoreUnavailable: it is not kept.
        """
        now = _now()
        try:
            try:
                self.store.save(client, service, items, day, now)
            except SQLAlchemyError:
                self.store.save(client, service, items, day, now)  # a connection may have grown old
        except SQLAlchemyError as error:
            self._lost(error)
            message = "The feedback cannot be kept now: send it again later"
            raise StoreUnavailable(message) from error

    # The thread that writes.

    def flush(self, seconds: float = 10) -> bool:
        """Wait until all is written that was noted so far; whether it was."""
        self._hurry.set()
        return self._idle.wait(seconds)

    def close(self) -> None:
        """Write what waits, and stop."""
        self._closing = True
        self._hurry.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(PAUSE * 2)
        self.store.close()

    def _add(self, note: _Note) -> None:
        with self._counting:
            self._idle.clear()
            self._waiting.append(note)
        self._wake.set()
        self._start()

    def _start(self) -> None:
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while not (self._closing and not self._waiting):
            self._wake.wait(PAUSE)
            self._wake.clear()
            self._hurry.wait(GATHERING)
            self._hurry.clear()
            if not self._write() and self._closing:
                return
            self._sweep()

    def _write(self) -> bool:
        """Write what waits, or find out whether the database is back; whether it could be reached."""
        notes = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            if notes:
                rows = self._rows(notes)
                self.store.write(rows)
                notes = []  # they are written: what fails from here on must not write them again
                self.store.tell_feedback(rows.cards)
            elif not self._reachable:
                self.store.ping()
        except SQLAlchemyError as error:
            room = MOST_WAITING - len(self._waiting)
            self._waiting.extendleft(reversed(notes[max(0, len(notes) - room) :]))
            self._lost(error)
            self._wake.clear()
            return False
        if not self._reachable:
            self._reachable = True
            LOG.info("the database is back")
        with self._counting:
            if not self._waiting:
                self._idle.set()
        return True

    def _lost(self, error: SQLAlchemyError) -> None:
        if self._reachable:
            self._reachable = False
            LOG.error(
                "the database cannot be reached: cards are served, none is quiet, feedback is refused (%s)",
                type(error).__name__,
            )
        self._start()  # it looks for the database to come back

    def _rows(self, notes: list[_Note]) -> Rows:
        rows = Rows([], [], [])
        for note in notes:
            if note.call is not None:
                rows.calls.append({"at": note.at, **note.call})
            if note.chart is not None:
                self._add_cards(rows, note, note.chart)
        return rows

    def _add_cards(self, rows: Rows, note: _Note, chart: Chart) -> None:
        patient = self.store.patient(chart)
        about = {"at": note.at, "day": chart.day, "client": chart.client, "patient": patient}
        about |= {"service": chart.service, "hook": chart.hook}
        for card in note.shown:
            own = {name: getattr(card, name) for name in ("uuid", "topic", "rule", "indicator", "level")}
            own["suggestions"] = {uuid: None if day is None else str(day) for uuid, day in card.suggestions}
            rows.cards.append(about | own)
        rows.quiet.extend({"at": note.at, "client": chart.client, "topic": topic} for topic in note.quiet)

    def _sweep(self) -> None:
        """Delete what is older than it is kept, now and then."""
        if self._closing or not self._reachable or time.monotonic() - self._swept < SWEEP:
            return
        self._swept = time.monotonic()
        try:
            for _ in self.store.purge(_now() - self._retention * DAY_MS):
                pass
        except SQLAlchemyError as error:
            self._lost(error)


def _now() -> int:
    return int(time.time() * 1000)
