"""What silent and shown cards are compared by, as rows: one a card, and how the patient's results went on.

Of patients without such a card nothing is kept. A state of an analyte is kept once, with the time it was first seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, exists, select

from cds_service.hooks.holding import analyte_of
from cds_service.hooks.memory import Standing, Weighed
from cds_service.store.database import Database
from cds_service.store.statements import Values, insert_new
from cds_service.store.tables import CONSIDERED, COURSE

UNKNOWN = Standing("", "", "", ordered=False)
CHART_BYTES = 16
PIECE = 1000
"""Rows that are deleted at a time."""
HAS_A_CARD = exists().where(
    *[CONSIDERED.c[name] == bindparam(name, type_=CONSIDERED.c[name].type) for name in ("patient", "client", "analyte")]
)
"""The patient has a card about that analyte."""


def card_rows(at: int, weighed: Weighed, client: str, patient: str) -> list[Values]:
    """A row for each card of one call."""
    stands = {standing.analyte: standing for standing in weighed.standings}
    of_call = (at, secrets.token_hex(CHART_BYTES), client, patient)
    return [(*of_call, *card, *stands.get(analyte_of(card.topic), UNKNOWN)) for card in weighed.cards]


def course_rows(at: int, weighed: Weighed, client: str, patient: str) -> list[Values]:
    """A row for each analyte of one call."""
    return [
        (patient, client, standing.analyte, standing.result_day, standing.band, standing.ordered, at)
        for standing in weighed.standings
    ]


def write(connection: Connection, cards: Sequence[Values], course: Sequence[Values]) -> None:
    """Write the rows of *cards*, and those of the *course* of patients with a card about that analyte."""
    insert_new(connection, CONSIDERED, cards)
    # In the same order in every process: two that wait for each other's rows would wait for ever.
    insert_new(connection, COURSE, sorted(course), HAS_A_CARD)


def purge(database: Database, moment: int) -> None:
    """Delete what is older than *moment* (milliseconds since 1970), in pieces."""
    for table in (CONSIDERED, COURSE):
        key = tuple(table.primary_key)
        gone = PIECE
        while gone == PIECE:
            with database.writing() as connection:
                old = connection.execute(select(*key).where(table.c.at < moment).limit(PIECE)).all()
                for row in old:
                    is_it = [column == value for column, value in zip(key, row, strict=True)]
                    connection.execute(delete(table).where(*is_it))
            gone = len(old)
