"""What the public sandbox sends when a card is accepted, dismissed, or dismissed with a reason; to a real process."""

from __future__ import annotations

import threading
import time
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from cds_service.clinical import guidance
from cds_service.store.database import Database
from cds_service.store.tables import CARD, FEEDBACK
from tests.support.serving import Served, serving
from tests.support.tokens import joined, private_key, written
from tests.support.wire import PATIENCE
from tests.web.calls import DISCOVERY, LOCAL, TODAY, URL, Json, golden

pytestmark = pytest.mark.served

VITAMIN_D, MAGNESIUM = "vitamin-d-deficiency", "magnesium-low"
"""The topics of the golden request."""
RULES = tomllib.loads((Path(guidance.__file__).parent / "guidance" / "feedback.toml").read_text(encoding="utf-8"))
POLLS = 600
"""How often the database is looked at, a twentieth of a second apart."""


class Sandbox:
    """The sandbox in a browser at `LOCAL`: a preflight before every call, a new token for each address."""

    def __init__(self, base: str, database: str, server: str) -> None:
        self._base, self.database, self.server = base, database, server

    def _headers(self, url: str) -> dict[str, str]:
        key = {"kid": "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f", "alg": "ES384", "typ": "JWT"}
        head = written({**key, "jku": "https://sandbox.cds-hooks.org/.well-known/jwks.json"})
        now = int(time.time())
        about = {"iss": "https://sandbox.cds-hooks.org", "aud": url, "exp": now + 300, "iat": now}
        token = joined(head, written({**about, "jti": str(uuid.uuid4())}), private_key("sandbox", "ES384"), "ES384")
        return {"Origin": LOCAL, "Accept": "application/json", "Authorization": f"Bearer {token}"}

    def _preflight(self, url: str, method: str, wanted: str) -> None:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": wanted}
        answer = requests.options(url, headers={"Origin": LOCAL, **asked}, timeout=PATIENCE)
        allowed = {name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert answer.ok
        assert answer.headers["Access-Control-Allow-Origin"] == LOCAL
        assert method in answer.headers["Access-Control-Allow-Methods"]
        assert set(wanted.split(",")) <= allowed

    def _readable(self, answer: requests.Response) -> Any:
        assert answer.status_code == 200, answer.text
        assert answer.headers["Access-Control-Allow-Origin"] == LOCAL
        return answer.json()

    def _post(self, url: str, body: Json) -> Any:
        self._preflight(url, "POST", "authorization,content-type")
        return self._readable(requests.post(url, json=body, headers=self._headers(url), timeout=PATIENCE))

    def discover(self) -> list[Json]:
        """Ask which services there are."""
        url = f"{self._base}{DISCOVERY}"
        self._preflight(url, "GET", "authorization")
        found: list[Json] = self._readable(requests.get(url, headers=self._headers(url), timeout=PATIENCE))["services"]
        return found

    def open(self) -> dict[str, Json]:
        """Open the golden patient's chart; the cards by topic, once the service remembers them."""
        chosen = golden()
        body = {
            "hookInstance": str(uuid.uuid4()),
            "hook": "patient-view",
            "fhirServer": self.server,
            "context": {"patientId": chosen["context"]["patientId"], "userId": "Practitioner/COREPRACTITIONER1"},
            "prefetch": chosen["prefetch"],
        }
        cards = self._post(f"{self._base}{URL}", body)["cards"]
        self._wait(cards)
        return {card["source"]["topic"]["code"]: card for card in cards}

    def _wait(self, cards: list[Json]) -> None:
        wanted = {card["uuid"] for card in cards}
        for _ in range(POLLS):
            with looking(self.database) as connection:
                if wanted <= set(connection.execute(select(CARD.c.uuid)).scalars()):
                    return
            threading.Event().wait(0.05)
        raise AssertionError("the cards are not remembered")

    def _tell(self, item: Json) -> None:
        assert self._post(f"{self._base}{URL}/feedback", {"feedback": [item]}) == {}

    def accept(self, card: Json, place: int = 0, moment: str | None = None) -> None:
        """Click on a suggestion."""
        accepted = [{"id": card["suggestions"][place]["uuid"]}]
        item = {"card": card["uuid"], "outcome": "accepted", "acceptedSuggestions": accepted}
        self._tell({**item, "outcomeTimestamp": moment or now()})

    def dismiss(self, card: Json, reason: str | None = None) -> None:
        """Click on Dismiss, or choose one of the card's reasons by its name in the guidance."""
        item: Json = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": now()}
        if reason is not None:
            rule = RULES["reason"][reason]
            (chosen,) = [one for one in card["overrideReasons"] if one["code"] == rule["code"]]
            item["overrideReason"] = {"reason": {"code": chosen["code"], "system": chosen["system"]}}
        self._tell(item)


def now() -> str:
    """The moment as JavaScript writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def looking(url: str) -> Iterator[Any]:
    """A connection for looking at the database."""
    database = Database(url)
    try:
        with database.ready().connect() as connection:
            yield connection
    finally:
        database.close()


def stored(url: str, card: Json) -> list[tuple[Any, ...]]:
    """What is kept of a card: outcome, suggestion, code of the reason."""
    query = select(FEEDBACK.c.outcome, FEEDBACK.c.suggestion, FEEDBACK.c.code).where(FEEDBACK.c.card == card["uuid"])
    with looking(url) as connection:
        return [tuple(row) for row in connection.execute(query.order_by(FEEDBACK.c.outcome_at))]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database, empty at first."""
    return f"sqlite:///{tmp_path_factory.mktemp('sandbox') / 'feedback.sqlite3'}"


@pytest.fixture(scope="module")
def served(database: str) -> Iterator[Served]:
    """The service that keeps feedback, on the day of the golden request."""
    with serving(as_of=TODAY, feedback=True, database_url=database) as found:
        yield found


@pytest.fixture
def browser(served: Served, database: str) -> Sandbox:
    """The sandbox at a chart of which nothing is known: the patient of another FHIR server is another one."""
    return another(served, database)


def another(served: Served, database: str) -> Sandbox:
    """The sandbox at another FHIR server."""
    return Sandbox(served.url, database, f"http://127.0.0.1:8080/fhir/{uuid.uuid4()}")


@contextmanager
def later(browser: Sandbox, day: date) -> Iterator[Sandbox]:
    """The same chart on another day."""
    with serving(as_of=day, feedback=True, database_url=browser.database) as found:
        yield Sandbox(found.url, browser.database, browser.server)


def test_discovery(browser: Sandbox) -> None:
    """The sandbox finds the service, by a call of another origin with a token."""
    assert [service["hook"] for service in browser.discover()].count("patient-view") == 1


def test_accepted(browser: Sandbox) -> None:
    """An accepted suggestion is stored, and its topic is quiet; the other topic is shown."""
    cards = browser.open()
    card = cards[VITAMIN_D]
    browser.accept(card, 1)

    assert set(cards) == {VITAMIN_D, MAGNESIUM}
    assert set(browser.open()) == {MAGNESIUM}
    assert stored(browser.database, card) == [("accepted", card["suggestions"][1]["uuid"], None)]


def test_accepted_until_the_test_is_due(browser: Sandbox) -> None:
    """The topic of an accepted suggestion is shown again on the day of the test that the suggestion orders."""
    due = date(2026, 3, 30)
    card = browser.open()[MAGNESIUM]
    browser.accept(card)
    with later(browser, due - timedelta(days=1)) as browser_then:
        before = browser_then.open()
    with later(browser, due) as browser_then:
        after = browser_then.open()

    assert str(due) in card["suggestions"][0]["label"]
    assert MAGNESIUM not in before
    assert MAGNESIUM in after


def test_dismissed(browser: Sandbox) -> None:
    """A card that is dismissed without a reason is stored, and shown again."""
    cards = browser.open()
    browser.dismiss(cards[MAGNESIUM])
    again = browser.open()

    assert set(again) == set(cards)
    assert again[MAGNESIUM]["uuid"] != cards[MAGNESIUM]["uuid"]
    assert stored(browser.database, cards[MAGNESIUM]) == [("overridden", None, None)]


def test_dismissed_with_a_reason(browser: Sandbox) -> None:
    """A reason is stored, and keeps its topic quiet for as many days as the guidance says, not one more."""
    days = RULES["topic"][MAGNESIUM]["days"]["not-now"]
    card = browser.open()[MAGNESIUM]
    browser.dismiss(card, "not-now")
    same_day = browser.open()
    with later(browser, TODAY + timedelta(days=days - 1)) as browser_then:
        last_day = browser_then.open()
    with later(browser, TODAY + timedelta(days=days)) as browser_then:
        day_after = browser_then.open()

    assert set(same_day) == set(last_day) == {VITAMIN_D}
    assert set(day_after) == {VITAMIN_D, MAGNESIUM}
    assert stored(browser.database, card) == [("overridden", None, "action-not-priority")]


@pytest.mark.parametrize("reason", RULES["topic"][VITAMIN_D]["reasons"])
def test_every_reason_of_a_card(browser: Sandbox, reason: str) -> None:
    """Each reason that the card offers keeps the card quiet when it is chosen."""
    browser.dismiss(browser.open()[VITAMIN_D], reason)

    assert set(browser.open()) == {MAGNESIUM}


def test_other_server(browser: Sandbox, served: Served, database: str) -> None:
    """What is said of a patient says nothing of one with the same id at another FHIR server."""
    browser.dismiss(browser.open()[VITAMIN_D], "declines")

    assert set(another(served, database).open()) == {VITAMIN_D, MAGNESIUM}


def test_accepted_several_times(browser: Sandbox) -> None:
    """The same suggestion accepted several times changes nothing more; the same message sent twice is stored once."""
    card = browser.open()[VITAMIN_D]
    moments = ["2026-03-02T08:15:30.120Z", "2026-03-02T08:15:31.250Z", "2026-03-02T08:15:31.250Z"]
    for moment in moments:
        browser.accept(card, moment=moment)

    assert set(browser.open()) == {MAGNESIUM}
    assert stored(browser.database, card) == [("accepted", card["suggestions"][0]["uuid"], None)] * 2


def test_accepted_and_then_dismissed(browser: Sandbox) -> None:
    """Both are stored when a card is accepted and then dismissed; its topic is quiet as it was accepted."""
    card = browser.open()[MAGNESIUM]
    browser.accept(card, moment="2026-03-02T08:15:30.120Z")
    browser.dismiss(card)

    assert set(browser.open()) == {VITAMIN_D}
    assert [outcome for outcome, _, _ in stored(browser.database, card)] == ["accepted", "overridden"]
