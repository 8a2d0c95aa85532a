"""Reads and writes what is remembered. Every method may raise `SQLAlchemyError`: the database cannot be reached."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import contextmanager
from datetime import date, timedelta
from importlib import import_module
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, select, update

from cds_service.clinical.guidance_checks import MOST_QUIET_DAYS
from cds_service.hooks.feedback import ACCEPTED
from cds_service.hooks.memory import Answered
from cds_service.store.database import allow
from cds_service.store.tables import CALL, CARD, FEEDBACK, QUIET, SECRET

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, RowMapping, Select, Table

    from cds_service.hooks.feedback import Item
    from cds_service.hooks.memory import Chart
    from cds_service.store.database import Database

Row = dict[str, Any]
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SYSTEM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9:/._#-]+")
CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
NOT_KEPT = "(not kept)"
"""Stands for words of the client that do not look like a code or the address of a code system."""
KEY = "patient-digest"
DIGITS = 32
REPEATED = ("patient", "topic", "level", "indicator", "follow_up")
READING_SECONDS, AS_LONG_AS_NEEDED = 10, 0
PIECE = 1000
"""Rows that are deleted or exported at a time."""
TIMED = {CALL: CALL.c.at, CARD: CARD.c.at, QUIET: QUIET.c.at, FEEDBACK: FEEDBACK.c.received}


class Rows(NamedTuple):
    """Rows to be written together, of the tables they are named for."""

    calls: list[Row]
    cards: list[Row]
    quiet: list[Row]


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
_UNKNOWN = select(FEEDBACK.c.digest, FEEDBACK.c.client, FEEDBACK.c.card, FEEDBACK.c.suggestion).where(
    FEEDBACK.c.patient.is_(None)
)
"""Feedback whose card was not there when it came."""


class FeedbackStore:
    """Calls, cards and feedback in the database."""

    def __init__(self, database: Database, quick: Database, key: str | None) -> None:
        """Feedback is written through *database*; what may be lost with the power through *quick*, the same one.

        `key` is that of the patients' digests; without one it is made, and kept in the database.
        """
        self._database = database
        self._quick = quick
        self._key = None if key is None else key.encode()

    def patient(self, chart: Chart) -> str:
        """The digest that stands for the patient of *chart*: another at another server, so that none collide."""
        server = chart.server.rstrip("/")
        text = f"{len(server)}:{server}{chart.patient}".encode(errors="surrogatepass")
        return hmac.new(self._secret(), text, hashlib.sha256).hexdigest()[:DIGITS]

    def _secret(self) -> bytes:
        if self._key is None:
            with self._database.ready().begin() as connection:
                _insert(connection, SECRET, [{"name": KEY, "value": secrets.token_hex(32)}])
                found = connection.execute(select(SECRET.c.value).where(SECRET.c.name == KEY)).scalar_one()
            self._key = str(found).encode()
        return self._key

    def answers(self, chart: Chart, patient: str) -> list[Answered]:
        """What was done with earlier cards of the *patient* by those who share the client."""
        since = chart.day - timedelta(days=MOST_QUIET_DAYS)
        parameters = {"client": chart.client, "patient": patient, "since": since}
        with self._database.reader().connect() as connection:
            rows = connection.execute(_ANSWERS, parameters).all()
        return [
            Answered(topic, day, outcome == ACCEPTED, system, code, level, indicator, follow_up)
            for topic, day, outcome, system, code, level, indicator, follow_up in rows
        ]

    def save(self, client: str, service: str, items: Iterable[Item], day: date, now: int) -> None:
        """Keep feedback, all of it or nothing; what is there already stays as it is (row 159)."""
        # In one order, so that two bodies with the same items never wait for one another.
        rows = sorted((_feedback_row(client, service, item, day, now) for item in items), key=itemgetter("digest"))
        with self._database.ready().begin() as connection:
            known = _cards(connection, {row["card"] for row in rows})
            for row in rows:
                row.update(_of_card(row, known))
            _insert(connection, FEEDBACK, rows)
        unknown = [row["digest"] for row in rows if row["patient"] is None]
        if unknown:  # A card that was written meanwhile did not find its feedback: one of the two must see the other.
            self._tell_cards(_UNKNOWN.where(FEEDBACK.c.digest.in_(unknown)))

    def write(self, rows: Rows) -> None:
        """Write *rows*, all of them or none; then feedback that came before its card wants `tell_feedback`."""
        with self._quick.ready().begin() as connection:
            _insert(connection, CALL, rows.calls)
            _insert(connection, CARD, rows.cards)
            _insert(connection, QUIET, rows.quiet)

    def tell_feedback(self, cards: Sequence[Row]) -> None:
        """Give feedback that came before *cards* were written what it repeats of them."""
        if cards:
            first = min(row["at"] for row in cards)
            self._tell_cards(_UNKNOWN.where(FEEDBACK.c.received >= first))

    def _tell_cards(self, unknown: Select[Any]) -> None:
        """Give *unknown* feedback what it repeats of its card, where that is there by now."""
        with self._database.reader().connect() as connection:
            rows = [dict(row) for row in connection.execute(unknown).mappings()]
            known = _cards(connection, {row["card"] for row in rows})
        if known:
            with self._database.ready().begin() as connection:
                for row in rows:
                    of_card = _of_card(row, known)
                    connection.execute(update(FEEDBACK).where(FEEDBACK.c.digest == row["digest"]).values(of_card))

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
                with self._database.ready().begin() as connection:
                    old = connection.execute(select(key).where(column < moment).limit(PIECE)).scalars().all()
                    if old:
                        connection.execute(delete(table).where(key.in_(old)))
                if not old:
                    break
                yield len(old)

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

    def ping(self) -> None:
        """Ask the database anything."""
        self._database.ping()

    @contextmanager
    def connect(self, seconds: int = READING_SECONDS) -> Iterator[Connection]:
        """A connection for reading much, each statement of which may take *seconds*."""
        with self._database.ready().connect() as connection:
            allow(connection, seconds)
            yield connection

    def close(self) -> None:
        """Let go of the connections."""
        self._database.close()
        self._quick.close()


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert *rows*; one that is there already stays."""
    if rows:
        dialect = import_module(f"sqlalchemy.dialects.{connection.dialect.name}")  # the other is slow to import
        connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def _cards(connection: Connection, uuids: Collection[str]) -> dict[str, RowMapping]:
    """The cards with *uuids* that are known."""
    query = select(CARD).where(CARD.c.uuid.in_(sorted(uuids)))
    return {row["uuid"]: row for row in connection.execute(query).mappings()} if uuids else {}


def _of_card(row: Row, known: Mapping[str, RowMapping]) -> Row:
    """What the feedback *row* repeats of its card; nothing of a card of another client."""
    card = known.get(row["card"])
    if card is None or card["client"] != row["client"]:
        return dict.fromkeys(REPEATED)
    follow_up = card["suggestions"].get(row["suggestion"])
    of_card = {name: card[name] for name in ("patient", "topic", "level", "indicator")}
    return of_card | {"follow_up": follow_up and date.fromisoformat(follow_up)}


def _uuid(text: str) -> str:
    """The uuid of a card or suggestion of ours; anything else is kept as a digest, for it could say anything."""
    if UUID.fullmatch(text):
        return text
    return f"other-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:24]}"


def _feedback_row(client: str, service: str, item: Item, day: date, now: int) -> Row:
    kept = item._replace(
        card=_uuid(item.card),
        suggestion=None if item.suggestion is None else _uuid(item.suggestion),
        system=None if item.system is None else _word(item.system, SYSTEM),
        code=None if item.code is None else _word(item.code, CODE),
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


def _word(text: str, form: re.Pattern[str]) -> str:
    return text if form.fullmatch(text) else NOT_KEPT
