"""The memory of a server process: written in the background, so that no call waits for it or fails with it.

A card asks what was said of earlier ones, for a tenth of a second at the most. Once that fails nothing is asked until
a thread has found the database back: cards go on being served, none is quiet. What is to be written waits for that
thread, up to a number of notes. Feedback is written by the call that brings it, one after the other
(`store.patience`). The log says once that the database cannot be read or written, and once that it can be again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from queue import Empty, SimpleQueue
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from cds_service import work
from cds_service.background import Background
from cds_service.clinical.guidance_types import Feedback
from cds_service.errors import StoreUnavailable, TooMuchFeedback
from cds_service.feedback import comparison_rows, comparison_sums, sums
from cds_service.feedback.comparison import compare
from cds_service.feedback.store import FeedbackStore, Rows, TooLate
from cds_service.feedback.summary import SummaryPeriod, summarise
from cds_service.hooks.feedback_body import CardOutcome
from cds_service.hooks.memory import NOTHING_WEIGHED, Answered, CallRow, Chart, ShownCard, Told, Weighed
from cds_service.modes import place_of
from cds_service.store.database import again_if_moved
from cds_service.store.patience import WRITE
from cds_service.waiting import Full, Places

LOG = logging.getLogger("cds_service.feedback")
MOST_WAITING = 4_000
"""Notes that wait to be written; beyond them the oldest are lost."""
GATHERING = 0.2
"""Seconds in which notes are gathered for one transaction: a transaction costs more than what is in it."""
ENOUGH = 100
"""Notes after which no more are gathered: they would take memory and save little."""
PIECE = 2 * ENOUGH
"""Notes that are written in one transaction, where more wait all the same."""
PAUSE = 2.0
"""Seconds between two attempts to reach a database that is gone."""
LAST = 1.0
"""Seconds of a call's time that must be left for what is written to be kept: its client has been told nothing yet."""
SWEEP = 3600.0
"""Seconds between two sweeps of what is older than it is kept."""
DAY_MS = 86_400_000


class _Note(NamedTuple):
    """What is to be written of a call, or of a chart that was opened without one."""

    at: int
    chart: Chart | None
    shown: tuple[ShownCard, ...]
    quiet: tuple[str, ...]
    weighed: Weighed = NOTHING_WEIGHED
    row: CallRow | None = None


_Item = _Note | list[str] | threading.Event | None
"""What is put into the queue: a note, digests of feedback whose card was not there, who waits, or just a nudge."""


@dataclass(slots=True)
class _Batch:
    """What is to be written together; who waits until it is."""

    notes: list[_Note] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    waiting: list[threading.Event] = field(default_factory=list)

    def take(self, item: _Item) -> None:
        """Add *item* of the queue."""
        if isinstance(item, _Note):
            self.notes.append(item)
        elif isinstance(item, list):
            self.orphans.extend(item)
        elif item is not None:
            self.waiting.append(item)

    def newest(self) -> _Batch:
        """What is kept of it until the next attempt."""
        return _Batch(self.notes[-MOST_WAITING:], self.orphans[-MOST_WAITING:], self.waiting[-MOST_WAITING:])


class KeptDays(NamedTuple):
    """Days for which calls, cards and feedback are kept; and what silent and shown cards are compared by."""

    calls: int
    comparison: int


class Recorder:
    """Implements `hooks.memory.FeedbackKeeper` on a `FeedbackStore`."""

    keeps = True

    def __init__(self, store: FeedbackStore, kept: KeptDays, places: Places, deadline: float = 10.0) -> None:
        """Feedback waits for its *places*; a call has *deadline* seconds. The thread is started when it is needed."""
        self.store = store
        self._kept = kept
        self._deadline = deadline
        self._places = places
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._left = _Batch()
        self._hurry = threading.Event()
        self._writing = Background("recorder", self._run)
        self._closing = False
        self._readable = False
        self._writable = True
        self._said_unread = False
        self._swept = float("-inf")

    def begin(self) -> None:
        """Make the tables and the key before the first call; where that fails the thread goes on trying."""
        try:
            self.store.begin()
        except SQLAlchemyError as error:
            self._unread(error)
        else:
            self._readable = True

    # What calls ask and tell.

    def answers(self, chart: Chart) -> Iterable[Answered] | None:
        """What was done with earlier cards of *chart*; `None` where that cannot be known at once."""
        if not self._readable:
            return None
        try:
            return self.store.answers(chart, self.store.patient(chart))
        except SQLAlchemyError as error:
            self._unread(error)
            return None

    def called(self, row: CallRow, shown: tuple[ShownCard, ...], quiet: tuple[str, ...], weighed: Weighed) -> None:
        """Remember a call, soon: the cards that were *shown*, the topics that were *quiet*, and what was *weighed*."""
        self._put(_Note(_now(), weighed.chart, shown, quiet, weighed, row))

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Remember the same of a *chart* that was opened without a call that counts."""
        if shown or quiet:
            self._put(_Note(_now(), chart, shown, quiet))

    def place(self, chart: Chart) -> float | None:
        """The place from 0 to 1 of the patient of *chart*; `None` where the key of the digests is not known yet."""
        return place_of(self.store.patient(chart)) if self.store.has_key else None

    @contextmanager
    def turn(self, client: str) -> Iterator[None]:
        """Have a turn to read feedback of *client* and keep it: one of its calls after the other, beside charts.

        Others have its turn to be worked on from here on: it waits for no second one, in which it could be refused once
        it is kept.

        Raises:
            TooMuchFeedback: there is none.
        """
        work.leave()
        try:
            with self._places.place(client, WRITE):
                yield
        except Full as error:
            raise TooMuchFeedback("As much feedback is being kept as is taken on: send it again later") from error

    def save(self, client: str, service: str, items: list[CardOutcome], day: date, began: float) -> None:
        """Keep feedback; on the disk when this returns. The call *began* then, by `time.perf_counter`.

        Raises:
            StoreUnavailable: it is not kept.
        """
        end = began + self._deadline - min(LAST, self._deadline / 4)
        try:
            orphans = self._keep(client, service, items, day, end)
        except SQLAlchemyError as error:
            if not isinstance(error, TooLate):
                self._unwritten(error)
            raise StoreUnavailable("The feedback cannot be kept now: send it again later") from error
        if orphans:
            self._put(orphans)

    def _keep(self, client: str, service: str, items: list[CardOutcome], day: date, end: float) -> list[str]:
        def save() -> list[str]:
            return self.store.save(client, service, items, day, _now(), lambda: time.perf_counter() < end)

        return again_if_moved(save)

    def can_write(self) -> bool:
        """Whether feedback can be kept now; it is tried."""
        return self.store.can_write()

    def told(self, first: date, last: date, client: str | None, offered: Feedback) -> Told:
        """What the owner is told of the days from *first* to *last*.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        try:
            with self.store.connect() as connection:
                period = SummaryPeriod(first, last, client)
                summary, comparison = summarise(connection, period, offered), compare(connection, period)
        except SQLAlchemyError as error:
            raise StoreUnavailable("The database cannot be reached: there is nothing to show") from error
        return Told({**sums.tables(summary), **comparison_sums.tables(comparison)}, summary.everybody)

    # The thread that writes.

    def flush(self, seconds: float = 10) -> bool:
        """Wait until all is written that was noted so far; whether it was."""
        written = threading.Event()
        self._put(written)
        self._hurry.set()
        return written.wait(seconds)

    def close(self) -> None:
        """Write what waits, and stop."""
        self._closing = True
        self._queue.put(None)
        self._hurry.set()
        self._writing.join(PAUSE * 2)
        self.store.close()

    def _put(self, item: _Item) -> None:
        """Put *item* into the queue of the thread; start it if it does not run."""
        waiting = self._queue.qsize()
        if waiting >= MOST_WAITING:
            with suppress(Empty):  # the thread takes it at this moment
                self._queue.get_nowait()
        self._queue.put(item)
        if waiting >= ENOUGH:
            self._hurry.set()
        if not self._writing.runs:
            with suppress(RuntimeError):  # the machine has no thread left: the next note starts it
                self._writing.need()

    def _run(self) -> None:
        while not self._closing or not self._queue.empty() or self._left.notes or self._left.orphans:
            batch = self._gathered()
            self._open()
            if not self._write(batch) and self._closing:
                return
            self._sweep()

    def _gathered(self) -> _Batch:
        """What is left of before, and what comes within a while."""
        batch, self._left = self._left, _Batch()
        with suppress(Empty):
            batch.take(self._queue.get(timeout=PAUSE))
            self._hurry.wait(GATHERING)
            self._hurry.clear()  # before the queue is emptied: who hurries from here on is heard the next time
            for _ in range(self._queue.qsize()):
                batch.take(self._queue.get_nowait())
        return batch

    def _open(self) -> None:
        """Find out whether a database that could not be read is back."""
        if self._readable:
            return
        try:
            self.store.begin()
        except SQLAlchemyError as error:
            self._unread(error)
            return
        self._readable = True
        if self._said_unread:
            self._said_unread = False
            LOG.info("the database can be read again")

    def _write(self, batch: _Batch) -> bool:
        """Write *batch*, or find out whether the database can be written again; whether it can."""
        try:
            while batch.notes:
                self._write_piece(batch)
            if batch.orphans:
                self.store.tell_feedback(batch.orphans)
                batch.orphans = []
            if not self._writable:
                self.store.try_write()
        except SQLAlchemyError as error:
            self._left = batch.newest()
            self._unwritten(error)
            return False
        if not self._writable:
            self._writable = True
            LOG.info("the database can be written again")
        for written in batch.waiting:
            written.set()
        return True

    def _write_piece(self, batch: _Batch) -> None:
        """Write the first notes of *batch*, and take them out."""
        notes = batch.notes[:PIECE]
        self.store.write(self._rows(notes))
        del batch.notes[:PIECE]  # they are written: what fails from here on must not write them again
        shown = [note.at for note in notes if note.shown]
        if shown:
            self.store.tell_feedback_since(min(shown))

    def _unread(self, error: SQLAlchemyError) -> None:
        self._readable = False
        if not self._said_unread:
            self._said_unread = True
            LOG.error("the database cannot be read: cards are served, none is quiet (%s)", type(error).__name__)
            self._put(None)  # the thread looks for it to come back

    def _unwritten(self, error: SQLAlchemyError) -> None:
        if self._writable:
            self._writable = False
            LOG.error("the database cannot be written: feedback is refused (%s)", type(error).__name__)
            self._put(None)

    def _rows(self, notes: list[_Note]) -> Rows:
        rows = Rows()
        for note in notes:
            if note.row is not None:
                rows.calls.append((note.at, *note.row))
            if note.chart is not None:
                rows.quiet.extend([(note.at, note.chart.client, topic) for topic in note.quiet])
                if note.shown or note.weighed.cards or note.weighed.standings:
                    _add_cards(rows, note, note.chart, self.store.patient(note.chart))
        return rows

    def _sweep(self) -> None:
        """Delete what is older than it is kept, now and then."""
        if self._closing or not self._writable or time.monotonic() - self._swept < SWEEP:
            return
        self._swept = time.monotonic()
        try:
            for _ in self.store.purge(_now() - self._kept.calls * DAY_MS):
                pass
            self.store.purge_comparison(_now() - self._kept.comparison * DAY_MS)
        except SQLAlchemyError as error:
            self._unwritten(error)


def _now() -> int:
    return int(time.time() * 1000)


def _add_cards(rows: Rows, note: _Note, chart: Chart, patient: str) -> None:
    """Add to *rows* those of a *note* that are about the *patient*."""
    of_call = (note.at, chart.day, chart.client, patient, chart.service, chart.hook)
    for card in note.shown:
        asked = dict(card.suggestions)
        rows.cards.append((card.uuid, *of_call, card.topic, card.rule, card.indicator, card.level, asked))
    of = (note.at, note.weighed, chart.client, patient)
    rows.considered.extend(comparison_rows.card_rows(*of))
    rows.course.extend(comparison_rows.course_rows(*of))
