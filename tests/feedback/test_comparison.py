"""Shown and silent compared, over a small history through the public API, counted by hand."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from cds_service.feedback import comparison_rows
from cds_service.feedback.comparison import difference
from cds_service.store.database import Database
from cds_service.store.tables import CONSIDERED, COURSE
from tests.feedback.hospital import Hospital, Json, chart, hospital, rows
from tests.support.patients import AS_OF, lab_order, mg, vitd

D, LOW = "vitamin-d-deficiency", "magnesium-low"
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
BOTH: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.70")]}
LATER = "2026-03-01"
PERIOD = "from=2026-03-01&to=2026-04-20"


def told(service: Hospital, name: str) -> list[Json]:
    """A table of the owner's page."""
    found: list[Json] = service.client.get(f"/insights.json?{PERIOD}").get_json()[name]
    return found


def by_arm(service: Hospital, name: str, **wanted: Any) -> dict[str, Json]:
    """The rows of a table by what the cards were."""
    found = [row for row in told(service, name) if wanted.items() <= row.items()]
    return {row["cards were"]: row for row in found}


def test_silent_then_on(database_url: str) -> None:
    """Six patients' charts are opened twice in silence and once again a month later, then once with cards shown.

    Two cards each: 12 charts and 24 cards silent on the first day, 6 and 12 after 31 days; once per topic, patient and
    30 days that is 12 and 12.
    """
    with time_machine.travel(START, tick=False) as clock:
        with hospital(database_url, mode="silent") as service:
            for opened in (0, 0, 31):
                clock.move_to(START + timedelta(days=opened))
                for number in range(6):
                    assert service.open(chart(patient=f"p{number}", **BOTH)) == []
        with hospital(database_url) as service:
            for number in range(6):
                assert len(service.open(chart(patient=f"p{number}", **BOTH))) == 2
            assert by_arm(service, "modes") == {
                "shown": {
                    "cards were": "shown", "charts": 6, "cards": 12, "once per patient and 30 days": 12,
                    "critical": 0, "warning": 12, "info": 0,
                },
                "silent": {
                    "cards were": "silent", "charts": 18, "cards": 36, "once per patient and 30 days": 24,
                    "critical": 0, "warning": 36, "info": 0,
                },
            }  # fmt: skip
            assert by_arm(service, "mode topics", topic=LOW)["silent"]["once per patient and 30 days"] == 12
            written = list(
                csv.reader(io.StringIO(service.client.get(f"/insights.csv?{PERIOD}").get_data(as_text=True)))
            )
            page = service.client.get(f"/insights?{PERIOD}").get_data(as_text=True)
            plot = service.client.get(f"/insights/modes.svg?{PERIOD}")
    assert ["shown", "6", "12", "12", "0", "12", "0"] in written
    assert "Compare the counts once per topic" in page
    assert f"{D}, silent: 12" in plot.get_data(as_text=True)


def test_what_became_of_the_next_result(database_url: str) -> None:
    """Of the patients who see cards six have a later normal magnesium, of the others five, and five an order.

    The patients come in the order of their numbers, until each part has eleven of them.
    """
    parts: dict[bool, list[str]] = {True: [], False: []}
    with time_machine.travel(START, tick=False) as clock, hospital(database_url, mode="share 50") as service:
        for number in range(100):
            part = parts[bool(service.open(chart(patient=f"p{number}", **BOTH)))]
            part.append(f"p{number}")
            if min(map(len, parts.values())) >= 11:
                break
        clock.move_to(START + timedelta(days=20))
        for name in parts[True][:6]:
            service.open(chart(patient=name, vitamin_d=[vitd("14")], magnesium=[mg("0.90", day=LATER), mg("0.70")]))
        for name in parts[False][:5]:
            service.open(chart(patient=name, vitamin_d=[vitd("14")], magnesium=[mg("0.90", day=LATER), mg("0.70")]))
        for name in parts[False][5:10]:
            service.open(chart(patient=name, **BOTH, lab_orders=[lab_order("2601-3", authoredOn=AS_OF.isoformat())]))
        found = {row["next result"]: row for row in told(service, "mode outcomes") if row["topic"] == LOW}
    sizes = (len(parts[True]), len(parts[False]))

    assert [(row["patients shown"], row["patients silent"]) for row in found.values()] == [sizes] * 3
    assert [(row["shown"], row["silent"]) for row in found.values()] == [(0, 5), (6, 5), (6, 5)]
    assert {row["patient"] for row in rows(database_url, COURSE)} == {
        row["patient"] for row in rows(database_url, CONSIDERED)
    }


def test_nothing_of_patients_without_cards(database_url: str) -> None:
    """Of a patient who never had a card nothing is kept to compare by."""
    with hospital(database_url, mode="share 50") as service:
        service.open(chart(vitamin_d=[vitd("40")], magnesium=[mg("0.90")]))
    assert rows(database_url, CONSIDERED) == rows(database_url, COURSE) == []


def test_every_process_writes_in_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever order charts were opened, rows that others may write too are written in one order: no deadlock."""
    written: list[list[tuple[Any, ...]]] = []
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service:
        for name in ("p1", "p2", "p3"):
            service.open(chart(patient=name, **BOTH))
        found = [tuple(row.values()) for row in rows(service.url, COURSE)]
        monkeypatch.setattr(comparison_rows, "insert_new", lambda _, __, given, *_only: written.append(given))
        database = Database(service.url)
        with database.writing() as connection:
            comparison_rows.write(connection, [], found)
            comparison_rows.write(connection, [], found[::-1])
        database.close()
    assert len(found) == 6
    assert written[1] == written[3]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((56, 70, 48, 80), (20.0, 5.2, 33.4)),
        ((5, 56, 0, 29), (8.9, -3.8, 19.3)),
        ((4, 56, 9, 29), None),
        ((9, 12, 9, 29), None),
    ],
)
def test_difference(counts: tuple[int, int, int, int], expected: tuple[float, float, float] | None) -> None:
    """Newcombe's own examples (1998, method 10, table II) in percentage points; of small counts nothing is told."""
    assert difference(*counts) == expected
