"""Clients that send feedback as real ones do: each body again and again until it is acknowledged."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import datetime
from typing import Any

import requests
from sqlalchemy import select

from cds_service.store.database import Database
from cds_service.store.tables import FEEDBACK
from tests.support.wire import PATIENCE
from tests.web.calls import URL, Json

FEEDBACK_URL = f"{URL}/feedback"
MOST_ITEMS = 20
REPEATED = 0.1
"""The share of bodies that are sent once more although they were acknowledged."""
PAUSE = 0.05
"""Seconds after which a client that was told to come later does."""
REASON = {"system": "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes", "code": "patient-refuses"}


def item(chooser: random.Random) -> Json:
    """Feedback about a card that nobody else speaks of: accepted, dismissed, or dismissed with a reason."""
    about: Json = {"card": str(uuid.UUID(int=chooser.getrandbits(128), version=4)), "outcome": "overridden"}
    kind = chooser.randrange(3)
    if kind == 0:
        accepted = {"id": str(uuid.UUID(int=chooser.getrandbits(128), version=4))}
        about |= {"outcome": "accepted", "acceptedSuggestions": [accepted]}
    elif kind == 1:
        about["overrideReason"] = {"reason": REASON}
    moment = datetime.fromtimestamp(1_780_000_000 + chooser.random() * 1e6).isoformat(timespec="milliseconds")  # noqa: DTZ006 - any moment
    return {**about, "outcomeTimestamp": f"{moment}Z"}


def post_all(base: str, number: int, count: int) -> tuple[list[str], int]:
    """Post *count* items in bodies of several; the cards that were acknowledged, and how many bodies were 503."""
    chooser = random.Random(number)  # noqa: S311 - no secret
    items = [item(chooser) for _ in range(count)]
    refused = 0
    with requests.Session() as session:
        while items:
            size = chooser.randint(1, MOST_ITEMS)
            body, items = items[:size], items[size:]
            for _ in range(2 if chooser.random() < REPEATED else 1):
                refused += _post_until_kept(session, base, body)
    chooser = random.Random(number)  # noqa: S311
    return [item(chooser)["card"] for _ in range(count)], refused


def _post_until_kept(session: requests.Session, base: str, body: list[Json]) -> int:
    """How often it was 503 before it was 200."""
    for times in range(1000):
        answer = session.post(f"{base}{FEEDBACK_URL}", json={"feedback": body}, timeout=PATIENCE)
        if answer.status_code == 200:
            return times
        assert answer.status_code == 503, answer.text
        threading.Event().wait(PAUSE)
    raise AssertionError("the feedback is never taken")


class Steady:
    """A client that posts feedback continuously, and sends what was not acknowledged again."""

    def __init__(self, number: int) -> None:
        self._chooser = random.Random(number)  # noqa: S311 - no secret
        self.acknowledged: list[str] = []
        self.body = self._next()

    def _next(self) -> list[Json]:
        return [item(self._chooser) for _ in range(self._chooser.randint(1, MOST_ITEMS))]

    def post(self, base: str, session: requests.Session | Any = requests) -> bool:
        """Send the body; whether it was acknowledged.

        Raises:
            requests.RequestException: there was no answer.
        """
        answer = session.post(f"{base}{FEEDBACK_URL}", json={"feedback": self.body}, timeout=PATIENCE)
        if answer.status_code == 200:
            self.acknowledged += [one["card"] for one in self.body]
            self.body = self._next()
            return True
        assert answer.status_code == 503, answer.text
        return False

    def post_until_gone(self, base: str) -> None:
        """Post without a pause until the service does not answer."""
        with requests.Session() as session:
            while True:
                try:
                    self.post(base, session)
                except requests.RequestException:
                    return

    def post_until(self, stop: threading.Event, base: str) -> None:
        """Post without a pause until *stop*; a connection that breaks is made anew."""
        while not stop.is_set():
            try:
                with requests.Session() as session:
                    while not stop.is_set():
                        self.post(base, session)
            except requests.ConnectionError:
                continue

    def finish(self, base: str) -> None:
        """Send what was not acknowledged until it is."""
        while not self.post(base):
            threading.Event().wait(PAUSE)


def kept(url: str) -> list[str]:
    """The cards of the feedback in the database, in order, as often as they are there."""
    database = Database(url)
    try:
        with database.ready().connect() as connection:
            return sorted(connection.execute(select(FEEDBACK.c.card)).scalars())
    finally:
        database.close()
