"""Quiet topics from outside: a card that was answered, what happens next, and whether its topic speaks again.

The tests of this module share a database; every test has a FHIR server, and so a patient, of its own.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import delete, event

from cds_service.feedback.store import FeedbackStore, Rows
from cds_service.hooks.memory import Chart
from cds_service.store.database import Database
from cds_service.store.statements import Question
from cds_service.store.tables import CARD
from tests.feedback.hospital import (
    CODES,
    HL7,
    OWN,
    URL,
    Hospital,
    Json,
    accepted,
    card,
    chart,
    hospital,
    overridden,
    rows,
    topics,
)
from tests.support.fixtures import tokens
from tests.support.patients import AS_OF, ago, albumin, calcium, egfr, mg, vitd

D, INS, HIGH = "vitamin-d-deficiency", "vitamin-d-insufficiency", "vitamin-d-high"
LOW, LATENT, ADJUNCT, MG_HIGH = "magnesium-low", "magnesium-latent", "magnesium-adjunct", "magnesium-high"
NORMAL_MG = [mg("0.90")]
DEFICIENT: Json = {"vitamin_d": [vitd("14")], "magnesium": NORMAL_MG}
"""Two cards: K-DDEF and K-MGADJ."""
ALONE: Json = {**DEFICIENT, "kidney": [egfr("50")]}
"""K-DDEF alone."""

Open = Callable[[date], Hospital]


@pytest.fixture(scope="module")
def opened(shared_url: str) -> Iterator[Open]:
    """The service on a day; all of them share the database, as workers and days do."""
    running: dict[date, Hospital] = {}

    def found(day: date) -> Hospital:
        if day not in running:
            running[day] = Hospital(shared_url, day)
        return running[day]

    yield found
    for each in running.values():
        each.close()


@pytest.fixture
def today(opened: Open) -> Hospital:
    """The service on the day of the cards."""
    return opened(AS_OF)


@pytest.fixture
def server() -> str:
    """A FHIR server of the test's own."""
    return f"https://{uuid.uuid4()}.example.com/fhir"


def hushed(service: Hospital, server: str, **parts: Any) -> list[Json]:
    """What an explain request says of quiet cards."""
    response = service.call(chart(server, explain=True, **parts))
    ((told,),) = [list(response.get_json()["extension"].values())]
    quiet: list[Json] = told["quiet"]
    return quiet


def answered(service: Hospital, server: str, topic: str, reason: str | None, **parts: Any) -> Json:
    """Show the card of *topic* and answer it with *reason*, or accept its first suggestion; the card."""
    shown = card(service.open(chart(server, **parts)), topic)
    told = accepted(shown) if reason is None else overridden(shown, reason)
    assert service.tell(told).status_code == 200
    return shown


# The ten next events and more

EVENTS: dict[str, tuple[str, Json, list[str]]] = {
    "the same chart again": ("14", {}, []),
    "the same value, newer": ("14", {"vitamin_d": [vitd("14", day="2026-03-01")]}, []),
    "worse, the floor crossed": ("14", {"vitamin_d": [vitd("9.9")]}, [D, ADJUNCT]),
    "worse, the floor crossed in nmol/L": ("14", {"vitamin_d": [vitd("24.9", "nmol/L")]}, [D, ADJUNCT]),
    "worse, no threshold crossed": ("14", {"vitamin_d": [vitd("11")]}, []),
    "worse, on the floor itself": ("14", {"vitamin_d": [vitd("10")]}, []),
    "worse, on the floor itself in nmol/L": ("14", {"vitamin_d": [vitd("25", "nmol/L")]}, []),
    "perhaps below the floor": ("14", {"vitamin_d": [vitd("<15")]}, [D, ADJUNCT]),
    "better, in the same band": ("14", {"vitamin_d": [vitd("19")]}, []),
    "better, in a milder band": ("14", {"vitamin_d": [vitd("25")]}, []),
    "below the floor, and still": ("8", {"vitamin_d": [vitd("7")]}, []),
    "a new analyte: low magnesium": ("14", {"magnesium": [mg("0.70")]}, [LOW]),
    "a new analyte: latent magnesium": ("14", {"magnesium": [mg("0.80")]}, [LATENT]),
    "critical: very low calcium": ("14", {"calcium": [calcium("7")], "albumin": [albumin("4.0")]}, [D]),
    "critical: toxic": ("14", {"vitamin_d": [vitd("160")]}, ["vitamin-d-toxicity"]),
    "critical: severe low magnesium": ("14", {"magnesium": [mg("0.4")]}, ["magnesium-severe-low"]),
    "high": ("14", {"vitamin_d": [vitd("120")]}, [HIGH]),
}
"""The first value; what is other in the next chart; the topics of its cards."""


@pytest.mark.parametrize(("first", "changed", "expected"), EVENTS.values(), ids=EVENTS)
def test_next_event(today: Hospital, server: str, first: str, changed: Json, expected: list[str]) -> None:
    """After "already treated" on a deficiency card, the next chart shows what is new or worse, and nothing else."""
    answered(today, server, D, "treated", **DEFICIENT | {"vitamin_d": [vitd(first)]})

    assert topics(today.open(chart(server, **DEFICIENT | changed))) == expected


def test_worse_band(today: Hospital, server: str) -> None:
    """A quiet insufficiency says nothing of a deficiency: its card is shown."""
    parts: Json = {"magnesium": NORMAL_MG}
    answered(today, server, INS, "declines", vitamin_d=[vitd("25")], **parts)

    assert topics(today.open(chart(server, vitamin_d=[vitd("25")], **parts))) == []
    assert D in topics(today.open(chart(server, vitamin_d=[vitd("19.9")], **parts)))


def test_more_urgent(today: Hospital, server: str) -> None:
    """Low magnesium inside the laboratory's own range is information; outside of it, it warns, and speaks again."""
    inside = mg("0.72", low="0.65", high="1.10")
    shown = answered(today, server, LOW, "declines", vitamin_d=[vitd("40")], magnesium=[inside])
    assert shown["indicator"] == "info"
    assert topics(today.open(chart(server, vitamin_d=[vitd("40")], magnesium=[inside]))) == []

    cards = today.open(chart(server, vitamin_d=[vitd("40")], magnesium=[mg("0.72")]))

    assert [(one["source"]["topic"]["code"], one["indicator"]) for one in cards] == [(LOW, "warning")]


def test_both_directions(today: Hospital, server: str) -> None:
    """High magnesium is worse when higher: 1.9 mmol/L stays quiet after 1.3, above 2.0 a critical card is shown."""
    parts: Json = {"vitamin_d": [vitd("40")]}
    answered(today, server, MG_HIGH, "treated", magnesium=[mg("1.3")], **parts)

    assert topics(today.open(chart(server, magnesium=[mg("1.9")], **parts))) == []
    assert topics(today.open(chart(server, magnesium=[mg("2.1")], **parts))) == ["magnesium-very-high"]


def test_milder_topics(today: Hospital, server: str) -> None:
    """Quiet low magnesium keeps latent magnesium quiet; quiet latent magnesium lets low magnesium speak."""
    parts: Json = {"vitamin_d": [vitd("14")]}
    answered(today, server, LOW, "declines", magnesium=[mg("0.70")], **parts)
    assert topics(today.open(chart(server, magnesium=[mg("0.80")], **parts))) == [D]
    assert topics(today.open(chart(server, magnesium=NORMAL_MG, **parts))) == [D]

    other = f"{server}/2"
    answered(today, other, LATENT, "declines", magnesium=[mg("0.80")], **parts)
    assert LOW in topics(today.open(chart(other, magnesium=[mg("0.70")], **parts)))


def test_no_adjunct_without_its_vitamin_d_order(today: Hospital, server: str) -> None:
    """R16: where K-DDEF is quiet no magnesium goes beside it; low-normal magnesium is told without an order."""
    answered(today, server, D, "declines", **DEFICIENT)
    shown = today.open(chart(server, **DEFICIENT | {"magnesium": [mg("0.80")]}))
    assert topics(shown) == [LATENT]
    assert "suggestions" not in card(shown, LATENT)


# Who


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (("https://a.example/fhir", "1"), ("https://b.example/fhir", "1")),
        (("https://a.example/fhir", "1"), ("https://a.example/fhir", "2")),
        (("https://a.example/fhir", "1"), (None, "1")),
        (("https://a.example/fhir1", "2"), ("https://a.example/fhir", "12")),
    ],
    ids=["server", "patient", "no server", "shifted"],
)
def test_another_patient(service: Hospital, same: tuple[str, str], other: tuple[str | None, str]) -> None:
    """The same id at another server, and another patient at the same one, are other patients: cards are shown."""
    shown = card(service.open(chart(*same, **DEFICIENT)), D)
    service.tell(overridden(shown, "treated"))

    assert D not in topics(service.open(chart(*same, **DEFICIENT)))
    assert D in topics(service.open(chart(*other, **DEFICIENT)))


# How long

HIGH_CALCIUM_OLD: Json = {
    "vitamin_d": [vitd("120")],
    "magnesium": NORMAL_MG,
    "calcium": [calcium("9.4", day="2026-01-20")],
}
SCENES: dict[str, Json] = {
    D: DEFICIENT,
    INS: {"vitamin_d": [vitd("25")], "magnesium": NORMAL_MG},
    HIGH: HIGH_CALCIUM_OLD,
    LOW: {"vitamin_d": [vitd("40")], "magnesium": [mg("0.70")]},
    LATENT: {"vitamin_d": [vitd("14")], "magnesium": [mg("0.80")]},
    ADJUNCT: DEFICIENT,
    MG_HIGH: {"vitamin_d": [vitd("40")], "magnesium": [mg("1.3")]},
    "magnesium-order": {"vitamin_d": [vitd("40")], "magnesium": [mg("0.65", day=ago(200))]},
}
DAYS = [
    *((D, reason, days) for reason, days in
      [("treated", 84), ("declines", 90), ("not-now", 30), ("other-visit", 14), ("contraindicated", 90)]),
    *((INS, reason, days) for reason, days in
      [("treated", 84), ("declines", 90), ("not-now", 30), ("other-visit", 14)]),
    *((HIGH, reason, days) for reason, days in [("treated", 30), ("not-now", 14), ("other-visit", 14), ("known", 30)]),
    *((LOW, reason, days) for reason, days in
      [("treated", 30), ("declines", 60), ("not-now", 14), ("other-visit", 14), ("contraindicated", 90)]),
    *((LATENT, reason, days) for reason, days in
      [("treated", 84), ("declines", 90), ("not-now", 30), ("other-visit", 14)]),
    *((ADJUNCT, reason, days) for reason, days in
      [("treated", 84), ("declines", 90), ("not-now", 30), ("contraindicated", 90)]),
    *((MG_HIGH, reason, days) for reason, days in
      [("treated", 30), ("not-now", 14), ("other-visit", 14), ("known", 30)]),
    *(("magnesium-order", reason, days) for reason, days in
      [("known", 30), ("declines", 90), ("not-now", 30), ("other-visit", 14)]),
]  # fmt: skip
"""By hand from feedback.toml: the days of the reason, or of the topic where it has its own."""
DISPLAYS = {
    "treated": "Already treated or supplemented elsewhere",
    "declines": "Patient declines",
    "not-now": "Not clinically relevant now",
    "other-visit": "Will address at another visit",
    "known": "Result known or repeated elsewhere",
    "contraindicated": "Contraindicated",
}
IDS = {D: "K-DDEF", INS: "K-DINS", HIGH: "K-DHIGH", LOW: "K-MGLOW", LATENT: "K-MGLAT", ADJUNCT: "K-MGADJ",
       MG_HIGH: "K-MGHIGH", "magnesium-order": "K-MGORDER"}  # fmt: skip


@pytest.mark.parametrize(("topic", "reason", "days"), DAYS, ids=[f"{topic} {reason}" for topic, reason, _ in DAYS])
def test_days_of_a_reason(today: Hospital, server: str, topic: str, reason: str, days: int) -> None:
    """Each reason keeps its topic quiet for its days; an explain request says which card, why, since when, how long."""
    shown = answered(today, server, topic, reason, **SCENES[topic])
    system, code = CODES[reason]
    assert {"system": system, "code": code, "display": DISPLAYS[reason]} in shown["overrideReasons"]

    (told,) = [one for one in hushed(today, server, **SCENES[topic]) if one["topic"] == topic]

    until = str(AS_OF + timedelta(days=days))
    because = DISPLAYS[reason]
    expected = {"card": IDS[topic], "topic": topic, "because": because, "since": "2026-03-02", "until": until}
    assert told == expected
    assert topic not in topics(today.open(chart(server, **SCENES[topic])))


@pytest.mark.parametrize(
    ("reason", "last", "first"),
    [
        ("other-visit", date(2026, 3, 15), date(2026, 3, 16)),
        ("not-now", date(2026, 3, 31), date(2026, 4, 1)),
        ("treated", date(2026, 5, 24), date(2026, 5, 25)),
        ("declines", date(2026, 5, 30), date(2026, 5, 31)),
    ],
)
def test_expiry(opened: Open, server: str, reason: str, last: date, first: date) -> None:
    """On the last of its days a topic is quiet, on the next day its card is shown again."""
    answered(opened(AS_OF), server, D, reason, **DEFICIENT)

    assert D not in topics(opened(last).open(chart(server, **DEFICIENT)))
    assert D in topics(opened(first).open(chart(server, **DEFICIENT)))


def test_accepted_until_the_follow_up(opened: Open, server: str) -> None:
    """An accepted suggestion with a test on 30 March keeps its topic quiet until that day."""
    answered(opened(AS_OF), server, LOW, None, **SCENES[LOW])

    (told,) = hushed(opened(AS_OF), server, **SCENES[LOW])

    assert {name: told[name] for name in ("card", "topic", "since", "until")} == {
        "card": "K-MGLOW",
        "topic": LOW,
        "since": "2026-03-02",
        "until": "2026-03-30",
    }
    assert told["because"]
    assert LOW not in topics(opened(date(2026, 3, 29)).open(chart(server, **SCENES[LOW])))
    assert LOW in topics(opened(date(2026, 3, 30)).open(chart(server, **SCENES[LOW])))


def test_accepted_with_a_late_follow_up(opened: Open, server: str) -> None:
    """A test on 2 June, 92 days away, keeps the topic quiet for 90 days and no longer."""
    answered(opened(AS_OF), server, D, None, **ALONE)

    assert [one["until"] for one in hushed(opened(AS_OF), server, **ALONE)] == ["2026-05-31"]
    assert D in topics(opened(date(2026, 5, 31)).open(chart(server, **ALONE)))


@pytest.mark.parametrize(("topic", "until"), [(HIGH, "2026-04-01"), (ADJUNCT, "2026-05-25")])
def test_accepted_without_a_day(today: Hospital, server: str, topic: str, until: str) -> None:
    """An accepted suggestion without a test on a day keeps its topic quiet for the days of the topic."""
    answered(today, server, topic, None, **SCENES[topic])

    assert [one["until"] for one in hushed(today, server, **SCENES[topic])] == [until]


def _row_of(url: str, topic: str) -> Json:
    """The one card of *topic* in the database."""
    (found,) = [row for row in rows(url, CARD) if row["topic"] == topic]
    return found


def test_feedback_before_its_card_is_written(database_url: str, server: str) -> None:
    """Feedback that is kept before the card it is about counts once the card is written, and by its follow-up day.

    That of 2 June is bounded to 90 days; without it the topic would be quiet for 84 (until 25 May).
    """
    with hospital(database_url) as service:
        shown = card(service.open(chart(server, **ALONE)), D)
        row = _row_of(database_url, D)
        store = service.recorder.store
        with store.connect() as connection:
            connection.execute(delete(CARD))
            connection.commit()
        assert service.tell(accepted(shown)).status_code == 200
        assert topics(service.open(chart(server, **ALONE))) == [D]
        store.write(Rows(cards=[tuple(row.values())]))
        store.tell_feedback_since(row["at"])

        assert [one["until"] for one in hushed(service, server, **ALONE)] == ["2026-05-31"]


def test_chart_that_was_opened_often(tmp_path: Path) -> None:
    """What was said of a patient's cards is found in so many steps, however many cards the patient was shown."""
    url = f"sqlite:///{tmp_path}/often.sqlite3"
    with hospital(url) as service:
        service.tell(overridden(card(service.open(chart(**DEFICIENT)), D), "treated"))
    row = _row_of(url, D)
    asked = Chart(row["client"], "", "p1", row["service"], row["hook"], AS_OF)
    database, taken = Database(url), Counter[str]()
    event.listen(
        database.engine,
        "connect",
        lambda driver, _: driver.set_progress_handler(lambda: taken.update(["step"]), 1),
    )
    store = FeedbackStore(database, database, database, None, {})
    store.begin()

    def steps() -> int:
        """Steps of SQLite's machine for what a chart-open asks."""
        taken.clear()
        assert len(store.answers(asked, row["patient"])) == 1
        return taken["step"]

    steps()
    few = steps()
    store.write(Rows(cards=[tuple({**row, "uuid": str(uuid.UUID(int=n))}.values()) for n in range(2000)]))
    many = steps()
    store.close()

    assert few > 0
    assert many == few


@pytest.mark.parametrize(("level", "asked"), [("40", 0), ("14", 1)])
def test_chart_without_cards_asks_nothing(
    database_url: str, level: str, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is nothing to say, the database is not asked what may not be said; otherwise once."""
    scene: Json = {"vitamin_d": [vitd(level)], "magnesium": NORMAL_MG}
    ask = Mock(return_value=[])
    monkeypatch.setattr(Question, "ask", ask)
    with hospital(database_url) as service:
        service.post(URL, chart(**scene))

    assert ask.call_count == asked


# What quiets nothing

NOTHING: dict[str, Json] = {
    "no reason": {},
    "a comment alone": {"userComment": "Patient declines"},
    "an unknown code": {"reason": {"system": HL7, "code": "busy"}},
    "another system": {"reason": {"system": "https://ehr.example.com/reasons", "code": "patient-refuses"}},
    "no system": {"reason": {"code": "patient-refuses"}},
    "a code in capitals": {"reason": {"system": HL7, "code": "PATIENT-REFUSES"}},
    "the code of the other system": {"reason": {"system": OWN, "code": "patient-refuses"}},
}


@pytest.mark.parametrize("override", NOTHING.values(), ids=NOTHING)
def test_not_quiet(today: Hospital, server: str, override: Json) -> None:
    """Rows 135, 160: a dismissal without a reason, or with one that nobody knows, keeps nothing quiet."""
    shown = card(today.open(chart(server, **DEFICIENT)), D)
    assert today.tell(overridden(shown, **override)).status_code == 200

    assert D in topics(today.open(chart(server, **DEFICIENT)))
    assert hushed(today, server, **DEFICIENT) == []


NEVER: dict[str, Json] = {
    "vitamin-d-toxicity": {"vitamin_d": [vitd("160")], "magnesium": NORMAL_MG},
    "magnesium-severe-low": {"vitamin_d": [vitd("40")], "magnesium": [mg("0.4")]},
    "magnesium-very-high": {"vitamin_d": [vitd("40")], "magnesium": [mg("2.1")]},
    "vitamin-d-hold": {"vitamin_d": [vitd("14")], "magnesium": NORMAL_MG, "calcium": [calcium("11")]},
}


@pytest.mark.parametrize("reason", ["treated", "known", "declines", None])
@pytest.mark.parametrize("topic", NEVER)
def test_never_quiet(today: Hospital, server: str, topic: str, reason: str | None) -> None:
    """A critical card, and the one about a hold, is shown again whatever was said of it."""
    answered(today, server, topic, reason, **NEVER[topic])

    assert topic in topics(today.open(chart(server, **NEVER[topic])))
    assert topic not in [one["topic"] for one in hushed(today, server, **NEVER[topic])]


def test_critical_deficiency_is_never_quiet(today: Hospital, server: str) -> None:
    """A deficiency card that is critical is shown again, although a topic of that name can be quiet."""
    parts: Json = {**DEFICIENT, "calcium": [calcium("7")], "albumin": [albumin("4.0")]}
    shown = answered(today, server, D, "declines", **parts)
    assert shown["indicator"] == "critical"

    assert D in topics(today.open(chart(server, **parts)))


# How it is kept


def test_lab_of_a_quiet_card_moves(today: Hospital, server: str) -> None:
    """A calcium that high vitamin D offered is offered by low magnesium, which left it, while the first is quiet."""
    chemistry: Json = {"calcium": [calcium("9.4", day=ago(100))], "albumin": [albumin("4.2", day=ago(100))]}
    parts: Json = {"vitamin_d": [vitd("120")], "magnesium": [mg("0.70")], "kidney": [egfr("90")], **chemistry}
    cards = today.open(chart(server, **parts))
    assert _offers(card(cards, HIGH), "17861-6")
    assert not _offers(card(cards, LOW), "17861-6")

    today.tell(overridden(card(cards, HIGH), "known"))

    (left,) = today.open(chart(server, **parts))
    assert left["source"]["topic"]["code"] == LOW
    assert _offers(left, "17861-6")


def _offers(shown: Json, code: str) -> bool:
    return any(token.startswith(f"SR:{code}") for listed in tokens(shown) for token in listed)
