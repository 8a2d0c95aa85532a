"""The service with feedback on a database, as a hospital calls it: charts are opened, cards are answered."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

from sqlalchemy import Table, delete, select
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.feedback.recorder import Recorder
from cds_service.hooks.messages import EXPLAIN
from cds_service.settings import Settings
from cds_service.store.database import Database
from cds_service.store.tables import METADATA, SECRET
from tests.support.fixtures import SERVICE
from tests.support.patients import AS_OF, request

Json = dict[str, Any]

URL = f"/cds-services/{SERVICE}"
FEEDBACK_URL = f"{URL}/feedback"
WHEN = "2026-03-02T08:15:30Z"
PATIENCE = 60.0
"""Seconds to wait for what is written in the background, far more than it takes."""
HL7 = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OWN = "https://vitamin-d-magnesium.example/fhir/CodeSystem/override-reason"
CODES = {
    "treated": (HL7, "action-completed"),
    "declines": (HL7, "patient-refuses"),
    "not-now": (HL7, "action-not-priority"),
    "other-visit": (HL7, "limited-time"),
    "contraindicated": (HL7, "patient-contraindication"),
    "known": (OWN, "result-known"),
}
"""System and code of each reason, as `feedback.toml` has them."""


class Hospital:
    """One process of the service on the database at `url`, on a fixed day."""

    def __init__(self, url: str, as_of: date = AS_OF, **settings: Any) -> None:
        """Settings beside those of the database and the day may be given."""
        self.url = url
        self.databases: list[Database] = []
        with patch("cds_service.app.Database", self._database):
            self.app = create_app(Settings(feedback=True, database_url=url, as_of=as_of, **settings))
        self.client = self.app.test_client()
        self.recorder: Recorder = self.app.extensions["cds_recorder"]

    def post(self, url: str, body: Any, **options: Any) -> TestResponse:
        """Post *body*, as it is or as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(url, data=data, **{"content_type": "application/json", **options})

    def call(self, asked: Json, **options: Any) -> TestResponse:
        """Open a chart; what is to be remembered of it is written when this returns."""
        response = self.post(URL, asked, **options)
        assert self.flush()
        return response

    def open(self, asked: Json, **options: Any) -> list[Json]:
        """The cards of a chart."""
        return cards_of(self.call(asked, **options))

    def tell(self, *items: Json, **options: Any) -> TestResponse:
        """Send feedback."""
        return self.post(FEEDBACK_URL, {"feedback": list(items)}, **options)

    def flush(self) -> bool:
        """Wait for what is written in the background."""
        return self.recorder.flush(PATIENCE)

    def reset(self) -> None:
        """Forget all that was shown and said."""
        assert self.flush()
        with self.recorder.store.connect() as connection:
            for table in METADATA.sorted_tables:
                if table is not SECRET:
                    connection.execute(delete(table))
            connection.commit()

    def close(self) -> None:
        """End the process."""
        self.app.extensions["cds_modes"].close()
        self.recorder.close()
        for database in self.databases:
            database.close()

    def _database(self, url: str, **options: Any) -> Database:
        """A database as the service opens it; the one of the tokens is closed by nobody else."""
        self.databases.append(Database(url, **options))
        return self.databases[-1]


@contextmanager
def hospital(url: str, as_of: date = AS_OF, **settings: Any) -> Iterator[Hospital]:
    """A process of the service until the block ends."""
    found = Hospital(url, as_of, **settings)
    try:
        yield found
    finally:
        found.close()


def cards_of(response: TestResponse) -> list[Json]:
    """The cards of an answer, which must be a success."""
    assert response.status_code == 200, response.get_data(as_text=True)
    found: list[Json] = response.get_json()["cards"]
    return found


def topics(cards: list[Json]) -> list[str]:
    """The topics of cards."""
    return [card["source"]["topic"]["code"] for card in cards]


def card(cards: list[Json], topic: str) -> Json:
    """The one card of *topic*."""
    (found,) = [one for one in cards if one["source"]["topic"]["code"] == topic]
    return found


def chart(server: str | None = None, patient: str = "p1", *, explain: bool = False, **parts: Any) -> Json:
    """A request for the common patient with *parts* replaced, of this patient and FHIR server."""
    asked: Json = json.loads(request(**parts, patient={"id": patient}))
    asked["context"]["patientId"] = patient
    asked["hookInstance"] = str(uuid.uuid4())
    if server is not None:
        asked["fhirServer"] = server
    if explain:
        asked["extension"] = {EXPLAIN: True}
    return asked


def accepted(shown: Json | str, *suggestions: str, when: str = WHEN) -> Json:
    """An acceptance as the public sandbox sends it: of the first suggestion of a card that was shown, or of these."""
    if not isinstance(shown, str) and not suggestions:
        suggestions = (shown["suggestions"][0]["uuid"],)
    return {
        "card": shown if isinstance(shown, str) else shown["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": name} for name in suggestions],
        "outcomeTimestamp": when,
    }


def overridden(shown: Json | str, reason: str | None = None, /, *, when: str = WHEN, **override: Any) -> Json:
    """A dismissal as the public sandbox sends it, with a reason of `CODES`, members of `overrideReason`, or none."""
    told: Json = {
        "card": shown if isinstance(shown, str) else shown["uuid"],
        "outcome": "overridden",
        "outcomeTimestamp": when,
    }
    if reason is not None:
        system, code = CODES[reason]
        override = {"reason": {"code": code, "system": system}, **override}
    return {**told, "overrideReason": override} if override else told


def rows(url: str, table: Table) -> list[Json]:
    """What a table holds."""
    database = Database(url)
    try:
        with database.ready().connect() as connection:
            return [dict(row) for row in connection.execute(select(table)).mappings()]
    finally:
        database.close()


def everything(url: str) -> str:
    """Every value of every table as text."""
    return "\n".join(repr(row) for table in METADATA.sorted_tables for row in rows(url, table))
