"""Reads and writes what is remembered. Each method may raise `SQLAlchemyError`: it cannot be read, or is not kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, delete, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from cds_service.clinical.guidance_types import MOST_QUIET_DAYS
from cds_service.feedback import comparison_rows
from cds_service.hooks.feedback_body import ACCEPTED, OTHER, CardOutcome, Offers
from cds_service.hooks.memory import Answered, Chart
from cds_service.store.database import Database
from cds_service.store.engines import allow
from cds_service.store.patience import MIGRATION
from cds_service.store.statements import Question, Values, insert_new
from cds_service.store.tables import CALL, CARD, FEEDBACK, QUIET, SECRET

Row = dict[str, Any]
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY = "patient-digest"
DIGITS = 32
REPEATED = ("patient", "topic", "level", "indicator", "follow_up")
READING_SECONDS, AS_LONG_AS_NEEDED = 10, 0
PIECE = 1000
"""Rows that are deleted or exported at a time."""
TIMED = {CALL: CALL.c.at, CARD: CARD.c.at, QUIET: QUIET.c.at, FEEDBACK: FEEDBACK.c.received}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to be written together, of the tables they are named for."""

    calls: list[Values] = field(default_factory=list)
    cards: list[Values] = field(default_factory=list)
    quiet: list[Values] = field(default_factory=list)
    considered: list[Values] = field(default_factory=list)
    course: list[Values] = field(default_factory=list)


_ANSWERS = (
    select(
        FEEDBACK.c.topic,
        FEEDBACK.c.day,
        FEEDBACK.c.outcome,
        FEEDBACK.c.system,
        FEEDBACK.c.code,
        FEEDBACK.c.level,
        FEEDBACK.c.indicator,
        FEEDBACK.c.follow_up,
    )
    .where(FEEDBACK.c.client == bindparam("client"), FEEDBACK.c.patient == bindparam("patient"))
    .where(FEEDBACK.c.day > bindparam("since"))
)
_UNKNOWN = select(FEEDBACK).where(FEEDBACK.c.patient.is_(None))
"""Feedback whose card was not there when it came."""
_UNKNOWN_SINCE = _UNKNOWN.where(FEEDBACK.c.received >= bindparam("since"))
_UNKNOWN_OF = _UNKNOWN.where(FEEDBACK.c.digest.in_(bindparam("digests", expanding=True)))
_CARDS = select(CARD).where(CARD.c.uuid.in_(bindparam("uuids", expanding=True)))
"""Made once: SQLAlchemy takes longer to make a query than to ask it."""
_VALUES = itemgetter(*FEEDBACK.columns.keys())
"""The values of a row of feedback, as they are written."""


class TooLate(SQLAlchemyError):
    """Its sender has been told that it is not kept, or will be told so before it can be kept."""


class FeedbackStore:
    """Calls, cards and feedback in the database."""

    def __init__(
        self,
        database: Database,
        quick: Database,
        looking: Database,
        key: str | None,
        offers: Offers,
    ) -> None:
        """Feedback is written through *database*, what may be lost with the power through *quick*, the same one.

        What a card asks is asked through *looking*. `key` is that of the patients' digests; without one it is made, and
        kept in the database. `offers` are the reasons that cards of each topic offer.
        """
        self._database = database
        self._quick = quick
        self._looking = looking
        self._answers = Question(_ANSWERS, looking.engine.dialect)
        self._fixed_key = self._key = None if key is None else key.encode()
        self._offers = offers
        self._offered = frozenset[tuple[str, str]]().union(*offers.values())

    @property
    def has_key(self) -> bool:
        """Whether the key of the digests is known, so that none has to be looked up."""
        return self._key is not None

    def begin(self) -> None:
        """Make the tables and the key where they are not there, and open what cards ask: not for a call to wait for."""
        with self._database.ready(MIGRATION).connect() as connection:
            found = _key(connection)
        if found is None and self._fixed_key is None:
            made = secrets.token_hex(32) if self._key is None else self._key.decode()
            with self._database.writing() as connection:
                insert_new(connection, SECRET, [(KEY, made)])
                found = _key(connection)
        self._key = self._fixed_key or str(found).encode()
        self._looking.ready(MIGRATION)
        with self._looking.look():
            pass

    def patient(self, chart: Chart) -> str:
        """The digest that stands for the patient of *chart*: another at another server, so that none collide."""
        if self._key is None:
            self.begin()
        key = self._key or b""
        if chart.digest is None or chart.digest[0] != key:  # another file may stand there since
            server = chart.server.rstrip("/")
            text = f"{len(server)}:{server}{chart.patient}".encode(errors="surrogatepass")
            chart.digest = key, hmac.digest(key, text, "sha256").hex()[:DIGITS]
        return chart.digest[1]

    def answers(self, chart: Chart, patient: str) -> list[Answered]:
        """What was done with earlier cards of the *patient* by those who share the client."""
        since = chart.day - timedelta(days=MOST_QUIET_DAYS)
        with self._looking.look() as connection:
            rows = self._answers.ask(connection, client=chart.client, patient=patient, since=since)
        return [
            Answered(topic, day, outcome == ACCEPTED, system, code, level, indicator, follow_up)
            for topic, day, outcome, system, code, level, indicator, follow_up in rows
        ]

    def save(
        self, client: str, service: str, items: Iterable[CardOutcome], day: date, now: int, in_time: Callable[[], bool]
    ) -> list[str]:
        """Keep feedback, all of it or nothing; what is there already stays as it is (row 159).

        Nothing is kept where it is not *in_time* any more. Returns the digests of feedback whose card is not there.
        """
        # In one order, so that two bodies with the same items never wait for one another.
        rows = sorted((_feedback_row(client, service, item, day, now) for item in items), key=itemgetter("digest"))
        with self._database.writing() as connection:
            known = _cards(connection, {row["card"] for row in rows})
            for row in rows:
                row.update(self._of_card(row, known))
            insert_new(connection, FEEDBACK, [_VALUES(row) for row in rows])
            if not in_time():
                raise TooLate("the time of the call is over")
        return [row["digest"] for row in rows if row["patient"] is None]

    def write(self, rows: Rows) -> None:
        """Write *rows*, all of them or none; then feedback that came before its card is to be told of it."""
        with self._quick.writing() as connection:
            insert_new(connection, CALL, rows.calls)
            insert_new(connection, CARD, rows.cards)
            insert_new(connection, QUIET, rows.quiet)
            comparison_rows.write(connection, rows.considered, rows.course)

    def tell_feedback_since(self, shown: int) -> None:
        """Give feedback that came before its card was written what it repeats of it; the first was *shown* then.

        Of a card and its feedback that come at one time, one of the two must see the other.
        """
        self._tell_cards(_UNKNOWN_SINCE, {"since": shown})

    def tell_feedback(self, digests: Collection[str]) -> None:
        """The same for the feedback of *digests*, whose cards were not there when it was kept."""
        self._tell_cards(_UNKNOWN_OF, {"digests": digests})

    def _tell_cards(self, unknown: Select[Any], values: Row) -> None:
        """Give *unknown* feedback, found by *values*, what it repeats of its card, where that is there by now."""
        with self._quick.current() as connection:
            rows = [dict(row) for row in connection.execute(unknown, values).mappings()]
            known = _cards(connection, {row["card"] for row in rows})
        if known:
            with self._quick.writing() as connection:
                for row in rows:
                    of_card = self._of_card(row, known)
                    connection.execute(update(FEEDBACK).where(FEEDBACK.c.digest == row["digest"]).values(of_card))

    def _of_card(self, row: Row, known: Mapping[str, RowMapping]) -> Row:
        """What the feedback *row* repeats of its card, nothing of a card of another client; and its reason.

        A reason is kept as it was sent only where the card offered it, or, of a card that is not known, any does.
        """
        card = known.get(row["card"])
        if card is None or card["client"] != row["client"]:
            return dict.fromkeys(REPEATED) | _reason(row, self._offered)
        follow_up = card["suggestions"].get(row["suggestion"])
        of_card = {name: card[name] for name in ("patient", "topic", "level", "indicator")}
        of_card["follow_up"] = follow_up and date.fromisoformat(follow_up)
        return of_card | _reason(row, self._offers.get(card["topic"], frozenset()))

    def count_before(self, moment: int) -> int:
        """How many rows are older than *moment* (milliseconds since 1970)."""
        with self.connect(AS_LONG_AS_NEEDED) as connection:
            return sum(
                connection.execute(select(func.count()).select_from(table).where(column < moment)).scalar_one()
                for table, column in TIMED.items()
            )

    def purge(self, moment: int) -> Iterator[int]:
        """Delete what is older than *moment*, in pieces, so that nobody waits long; how many rows went each time."""
        for table, column in TIMED.items():
            key = next(iter(table.primary_key))
            while True:
                with self._quick.writing() as connection:
                    old = connection.execute(select(key).where(column < moment).limit(PIECE)).scalars().all()
                    if old:
                        connection.execute(delete(table).where(key.in_(old)))
                if not old:
                    break
                yield len(old)

    def purge_comparison(self, moment: int) -> None:
        """Delete what silent and shown cards are compared by, where it is older than *moment*."""
        comparison_rows.purge(self._quick, moment)

    def feedback(self) -> Iterator[Row]:
        """Every feedback, oldest first, with what is known of its card; without the patient's digest."""
        query = (
            select(
                FEEDBACK.c.received,
                FEEDBACK.c.client,
                FEEDBACK.c.service,
                FEEDBACK.c.card,
                CARD.c.topic,
                CARD.c.rule,
                CARD.c.indicator,
                CARD.c.at.label("shown"),
                FEEDBACK.c.outcome,
                FEEDBACK.c.suggestion,
                FEEDBACK.c.system,
                FEEDBACK.c.code,
                FEEDBACK.c.commented,
                FEEDBACK.c.outcome_at,
            )
            .outerjoin(CARD, and_(CARD.c.uuid == FEEDBACK.c.card, CARD.c.client == FEEDBACK.c.client))
            .order_by(FEEDBACK.c.received, FEEDBACK.c.digest)
            .execution_options(yield_per=PIECE)
        )
        with self.connect(AS_LONG_AS_NEEDED) as connection:
            for row in connection.execute(query).mappings():
                yield dict(row)

    def count_feedback(self) -> int:
        """How many feedback rows there are."""
        with self.connect(AS_LONG_AS_NEEDED) as connection:
            return connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()

    def can_write(self) -> bool:
        """Whether feedback could be written now."""
        return self._database.can_write()

    def try_write(self) -> None:
        """Write, as feedback does, and leave nothing behind."""
        self._database.try_write()

    @contextmanager
    def connect(self, seconds: int = READING_SECONDS) -> Iterator[Connection]:
        """A connection for reading much, each statement of which may take *seconds*."""
        with self._database.current() as connection:
            allow(connection, seconds)
            yield connection

    def close(self) -> None:
        """Let go of the connections."""
        for database in (self._database, self._quick, self._looking):
            database.close()


def _cards(connection: Connection, uuids: Collection[str]) -> dict[str, RowMapping]:
    """The cards with *uuids* that are known."""
    if not uuids:
        return {}
    return {row["uuid"]: row for row in connection.execute(_CARDS, {"uuids": sorted(uuids)}).mappings()}


def _key(connection: Connection) -> str | None:
    return connection.execute(select(SECRET.c.value).where(SECRET.c.name == KEY)).scalar_one_or_none()


def _reason(row: Row, offered: frozenset[tuple[str, str]]) -> Row:
    """Code and system of the reason in *row*, where it is one of those *offered*."""
    if row["code"] is None or (row["system"], row["code"]) in offered:
        return {}
    return {"system": None, "code": OTHER}


def _uuid(text: str) -> str:
    """The uuid of a card or suggestion of ours; anything else is kept as a digest, for it could say anything."""
    if UUID.fullmatch(text):
        return text
    return f"other-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:24]}"


def _feedback_row(client: str, service: str, item: CardOutcome, day: date, now: int) -> Row:
    kept = item._replace(
        card=_uuid(item.card),
        suggestion=None if item.suggestion is None else _uuid(item.suggestion),
    )
    same = [client, service, item.card, item.outcome, item.suggestion or "", item.system or "", item.code or ""]
    digest = hashlib.sha256("\x00".join([*same, item.outcome_at]).encode(errors="surrogatepass")).hexdigest()
    return {
        "digest": digest,
        "received": now,
        "day": day,
        "client": client,
        "service": service,
        **kept._asdict(),
    }
