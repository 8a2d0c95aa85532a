"""The owner's page, the commands and the digest, over a small history made through the public API, counted by hand."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import create_engine, event, inspect, update

from cds_service.cli import main
from cds_service.feedback.store import Rows
from cds_service.hooks.memory import CallRow
from cds_service.store.tables import CALL, CARD, FEEDBACK, METADATA, QUIET, SECRET
from cds_service.web import plots
from tests.feedback.hospital import (
    Hospital,
    Json,
    accepted,
    card,
    chart,
    everything,
    hospital,
    overridden,
    rows,
    topics,
)
from tests.support.patients import mg, vitd
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import problem

D, LOW = "vitamin-d-deficiency", "magnesium-low"
DEFICIENT: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.90")], "kidney": []}
"""One card: without an eGFR no magnesium is added."""
LOW_MAGNESIUM: Json = {"vitamin_d": [vitd("40")], "magnesium": [mg("0.70")]}
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
PERIOD = "from=2026-03-01&to=2026-03-03"
TOKEN = "insights-insights-token"  # noqa: S105 - of a test


def _page(service: Hospital, name: str = "/insights.json", query: str = PERIOD, **options: Any) -> Any:
    response = service.client.get(f"{name}?{query}", **options)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json() if name.endswith(".json") else response.get_data(as_text=True)


def _server(number: int) -> str:
    return f"https://ehr-{number}.example.com/fhir"


@pytest.fixture(scope="module")
def history(shared_url: str) -> Iterator[Hospital]:
    """All at noon of 2 March 2026.

    17 deficiency cards: 6 accepted after 10 to 60 seconds, 5 overridden as treated after 70 to 110, 6 ignored.
    3 low magnesium cards: 2 overridden, one twice, with two reasons. 5 charts whose accepted deficiency is quiet, with
    one of their 9 prefetch keys lacking. 6 calls that were no CDS Hooks requests. One call of the next day's evening.
    """
    with time_machine.travel(START, tick=False) as clock, hospital(shared_url) as found:
        shown = [card(found.open(chart(_server(number), **DEFICIENT)), D) for number in range(17)]
        low = [card(found.open(chart(_server(100 + number), **LOW_MAGNESIUM)), LOW) for number in range(3)]
        for number in range(11):
            clock.move_to(START + timedelta(seconds=10 * (number + 1)))
            told = accepted(shown[number]) if number < 6 else overridden(shown[number], "treated")
            assert found.tell(told).status_code == 200
        found.tell(accepted(shown[0], when="2026-03-02T12:01:00Z"), overridden(low[0], "known"), overridden(low[1]))
        found.tell(overridden(low[0], "not-now"))
        for number in range(5):
            asked = chart(_server(number), **DEFICIENT)
            del asked["prefetch"]["labOrders"]
            assert found.open(asked) == []
        for _ in range(6):
            assert found.call({"hook": "patient-view"}).status_code == 400
        yield found


def test_topics(history: Hospital) -> None:
    """Fired, accepted, overridden, quieted, ignored, share and median of each topic; one to four are masked."""
    assert _page(history)["topics"] == [
        {
            "topic": D,
            "fired": 17,
            "accepted": 6,
            "overridden": 5,
            "quieted": 5,
            "ignored (unknown)": 6,
            "accepted %": 35.3,
            "median seconds to a response": 60,
        },
        {
            "topic": LOW,
            "fired": "<5",
            "accepted": 0,
            "overridden": "<5",
            "quieted": 0,
            "ignored (unknown)": "<5",
            "accepted %": None,
            "median seconds to a response": None,
        },
    ]


def test_reasons(history: Hospital) -> None:
    """Each reason by the words of the guidance, and how often, masked where it is less than five times."""
    found = {(row["topic"], row["reason"]): row["times"] for row in _page(history)["reasons"]}

    assert found == {
        (D, "Already treated or supplemented elsewhere"): 5,
        (LOW, "another reason"): "<5",
        (LOW, "Not clinically relevant now"): "<5",
        (LOW, "no reason given"): "<5",
    }


def test_clients(history: Hospital) -> None:
    """31 calls, 25 answered, 20 of them with a card: 0.8 cards a call; 220 of 225 keys were sent, 5 are lacking."""
    (row,) = _page(history)["clients"]
    times = {name: row.pop(name) for name in ("p50 ms", "p95 ms", "p99 ms")}

    assert row == {
        "client": "anyone",
        "calls": 31,
        "cards per call": 0.8,
        "charts with a card %": 80.0,
        "keys prefetched %": 97.8,
        "keys fetched %": 0.0,
        "keys lacking %": 2.2,
        "refused (4xx)": 6,
        "faults (5xx)": 0,
    }
    assert 0 < times["p50 ms"] <= times["p95 ms"] <= times["p99 ms"]


def test_days(history: Hospital) -> None:
    """Every day of the period has a row, also one without a call."""
    assert _page(history)["days"] == [
        {"day": "2026-03-01", "calls": 0, "cards": 0},
        {"day": "2026-03-02", "calls": 31, "cards": 20},
        {"day": "2026-03-03", "calls": 0, "cards": 0},
    ]


@pytest.mark.parametrize(
    ("query", "fired"),
    [
        ("from=2026-03-02&to=2026-03-02", 17),
        ("to=2026-03-31", 17),
        ("to=2026-04-01", None),
        ("from=2026-03-03&to=2026-03-31", None),
        (f"{PERIOD}&client=anyone", 17),
        (f"{PERIOD}&client=", 17),
        (f"{PERIOD}&client=clinic", None),
        ("from=2025-03-02&to=2026-03-02", 17),
    ],
)
def test_filters(history: Hospital, query: str, fired: int | None) -> None:
    """A period includes its last day and is of 30 days unless told otherwise; one client, or all of them."""
    found = {row["topic"]: row["fired"] for row in _page(history, query=query)["topics"]}

    assert found.get(D) == fired
    if fired is None:
        assert found == {}


def test_csv(history: Hospital) -> None:
    """The tables one after the other, each with its name and its head; what is masked in JSON is masked here."""
    written = list(csv.reader(io.StringIO(_page(history, "/insights.csv"))))
    names = [row[0] for row in written if row and row[0].startswith("# ")]
    start = written.index(["# topics"])

    assert names == [f"# {name}" for name in _page(history) if name not in ("period", "mode")]
    assert len(names) == 7
    assert written[start + 1 : start + 4] == [
        ["topic", "fired", "accepted", "overridden", "quieted", "ignored (unknown)", "accepted %",
         "median seconds to a response"],
        [D, "17", "6", "5", "5", "6", "35.3", "60"],
        [LOW, "<5", "0", "<5", "0", "<5", "", ""],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["calls", "latency", "topics", "reasons"])
def test_plots(history: Hospital, name: str) -> None:
    """Each plot is an SVG of its own, with a policy that lets nothing run; an unknown one is 404."""
    response = history.client.get(f"/insights/{name}.svg?{PERIOD}")

    assert response.status_code == 200
    assert response.mimetype == "image/svg+xml"
    assert b"<svg" in response.data
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert history.client.get("/insights/other.svg").status_code == 404


def test_masked_is_told_in_the_plot(history: Hospital) -> None:
    """What is too small to be told has a sign beside its bar, and the plot says what the sign means; axes are whole."""
    drawn = history.client.get(f"/insights/topics.svg?{PERIOD}").get_data(as_text=True)
    marks = re.findall(r'text-anchor="middle">([^<]*)<', drawn)

    assert drawn.count(">&lt;5<") == 2
    assert "&lt;5, ?: too few to be told" in drawn
    assert marks == ["0", "5", "10", "15", "20", "25"]
    assert "&lt;5" in history.client.get(f"/insights/reasons.svg?{PERIOD}&narrow=yes").get_data(as_text=True)


def test_days_that_are_not_told_are_shaded(service: Hospital) -> None:
    """A day with so few calls is shaded in the plot of days, which says why."""
    service.recorder.store.write(Rows([_call(n, "north", 5) for n in range(3)]))
    drawn = service.client.get(f"/insights/calls.svg?{PERIOD}").get_data(as_text=True)

    assert "shaded: too few to be told" in drawn
    assert plots.SHADE in drawn


def test_empty_period(service: Hospital) -> None:
    """Where nothing was asked the page has no empty plots, and leads to what one may do to see something."""
    page = service.client.get("/insights").get_data(as_text=True)

    assert "Nothing was asked in this period" in page
    assert "<img" not in page
    assert '<a href="/">playground</a>' in page
    assert 'aria-current="page">Insights' in page


@pytest.mark.parametrize("name", ["/insights", "/insights.json", "/insights.csv", "/insights/topics.svg"])
@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-02-30",
        "from=2026-03-02&to=2026-03-01",
        "from=2025-03-02&to=2026-03-03",
        "from=9999-12-31&to=9999-12-31",
        "to=0001-01-01",
    ],
)
def test_wrong_parameters(history: Hospital, name: str, query: str) -> None:
    """A day that is none, and a period that ends before it begins, is too long or cannot be counted, is 400."""
    response = history.client.get(f"{name}?{query}")

    assert response.status_code == 400
    assert problem(response)


def test_edges_of_a_period(service: Hospital) -> None:
    """The last millisecond of the last day is in a period, the first of the next day is not."""
    for moment in ("2026-03-03T23:59:59.999+00:00", "2026-03-04T00:00:00+00:00"):
        with time_machine.travel(datetime.fromisoformat(moment), tick=False):
            for number in range(5):
                service.call(chart(_server(number), **LOW_MAGNESIUM))

    assert [row["calls"] for row in _page(service)["days"]] == [0, 0, 5]


# Who may see it


GUARDED = ["/insights", "/insights.json", "/insights.csv", "/insights/topics.svg"]


@pytest.mark.parametrize("path", GUARDED)
def test_with_a_token(database_url: str, path: str) -> None:
    """With a token of its own the page asks for it, as bearer token or as a browser's password, and no other way."""
    with hospital(database_url, insights_token=TOKEN) as service:
        get = service.client.get
        refused = get(path)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        assert get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert get(path, auth=("owner", TOKEN)).status_code == 200
        for wrong in (f"Bearer {TOKEN}x", "Bearer", "Basic !", f"Digest {TOKEN}", "Bearer ünïcode"):
            assert get(path, headers={"Authorization": wrong}).status_code == 401
        assert get(path, auth=(TOKEN, "")).status_code == 401
        assert get(f"{path}?token={TOKEN}").status_code == 401


@pytest.mark.parametrize("path", GUARDED)
def test_with_authentication(database_url: str, tmp_path: Path, path: str) -> None:
    """With authentication the page is not there without a token of its own; a client's token does not open it."""
    issuer = Issuer("hospital", "https://hospital.example.com/issuer")
    guard: Json = {
        "auth": "jwt",
        "clients": write_registry(tmp_path / "clients.toml", issuer.entry),
        "public_url": BASE,
    }
    with hospital(database_url, **guard) as service:
        assert service.client.get(path).status_code == 404
        assert service.client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 404
    with hospital(database_url, **guard, insights_token=TOKEN) as service:
        assert service.client.get(path).status_code == 401
        own = issuer.token(aud=f"{BASE}{path}")
        assert service.client.get(path, headers={"Authorization": f"Bearer {own}"}).status_code == 401
        assert service.client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


# How long it is kept


def test_retention(database_url: str) -> None:
    """Rows older than CDS_RETENTION_DAYS go, younger ones stay; suggestions go with their cards."""
    kept_days = 10
    with time_machine.travel(START, tick=False), hospital(database_url) as service:
        shown = card(service.open(chart(_server(1), **DEFICIENT)), D)
        service.tell(overridden(shown, "treated"))
        service.open(chart(_server(1), **DEFICIENT))
    later = START + timedelta(days=kept_days)
    with time_machine.travel(later, tick=False), hospital(database_url, retention_days=kept_days) as service:
        _sweep(service)
        assert len(rows(database_url, FEEDBACK)) == 1
        assert len(rows(database_url, QUIET)) == 1
        assert shown["uuid"] in [row["uuid"] for row in rows(database_url, CARD)]
    later += timedelta(milliseconds=1)
    with time_machine.travel(later, tick=False), hospital(database_url, retention_days=kept_days) as service:
        _sweep(service)
        assert rows(database_url, FEEDBACK) == rows(database_url, QUIET) == []
        cards = {row["uuid"] for row in rows(database_url, CARD)}
        assert shown["uuid"] not in cards
        assert min(row["at"] for row in rows(database_url, CALL)) > START.timestamp() * 1000


def _sweep(service: Hospital) -> None:
    """Two writes: before the second, what is old was deleted after the first."""
    for number in (8, 9):
        service.open(chart(_server(number), **LOW_MAGNESIUM))


# Commands


@pytest.fixture
def told(service: Hospital, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    """A database with a card of 2 March that was accepted, an orphan of 3 March, and the commands' settings."""
    monkeypatch.setenv("CDS_DATABASE_URL", service.url)
    with time_machine.travel(START, tick=False) as clock:
        shown = card(service.open(chart(_server(1), **DEFICIENT)), D)
        clock.move_to(START + timedelta(seconds=90))
        service.tell(accepted(shown))
        clock.move_to(START + timedelta(days=1))
        own = {"system": "https://ehr.example.com/r", "code": "-busy"}
        service.tell(overridden("5b0e0a3c-6a5e-4d31-9d0b-1f0f6a7c2b11", reason=own, userComment="Zebra"))
    return service


def test_export_as_lines(told: Hospital, capsys: pytest.CaptureFixture[str]) -> None:
    """`feedback export --format jsonl`: one object a line, oldest first, with its card; progress on standard error."""
    assert main(["feedback", "export", "--format", "jsonl"]) == 0
    printed = capsys.readouterr()
    first, second = map(json.loads, printed.out.splitlines())

    assert {name: first[name] for name in ("topic", "rule", "indicator", "outcome", "client", "service")} == {
        "topic": D,
        "rule": "K-DDEF",
        "indicator": "warning",
        "outcome": "accepted",
        "client": "anyone",
        "service": "vitamin-d-magnesium",
    }
    assert datetime.fromisoformat(first["shown"]) == START
    assert datetime.fromisoformat(first["received"]) == START + timedelta(seconds=90)
    assert (second["topic"], second["shown"], second["code"]) == (None, None, "other")
    assert not {"patient", "digest", "userComment"} & (first.keys() | second.keys())
    assert "Zebra" not in printed.out
    assert [row["patient"] for row in rows(told.url, CARD) if row["patient"] in printed.out] == []
    assert "2 of 2" in printed.err


def test_export_as_table(told: Hospital, capsys: pytest.CaptureFixture[str]) -> None:
    """`feedback export` writes CSV; what a spreadsheet could take for a formula is marked, also if it is old."""
    with told.recorder.store.connect() as connection:
        connection.execute(update(FEEDBACK).where(FEEDBACK.c.code == "other").values(code="-busy"))
        connection.commit()
    assert main(["feedback", "export"]) == 0
    first, second = csv.DictReader(io.StringIO(capsys.readouterr().out))

    assert (first["topic"], first["outcome"]) == (D, "accepted")
    assert (second["topic"], second["outcome"], second["code"]) == ("", "overridden", "'-busy")
    assert len(rows(told.url, FEEDBACK)) == 2


def test_purge(told: Hospital, capsys: pytest.CaptureFixture[str]) -> None:
    """`feedback purge` deletes what is from before a day: a call, a card with its suggestions, and its feedback."""
    assert main(["feedback", "purge", "--before", "2026-03-02"]) == 0
    assert capsys.readouterr().out.startswith("0 rows")
    assert len(rows(told.url, FEEDBACK)) == 2

    assert main(["feedback", "purge", "--before", "2026-03-03"]) == 0

    assert capsys.readouterr().out.startswith("3 rows")
    assert [len(rows(told.url, table)) for table in (CALL, CARD, FEEDBACK)] == [0, 0, 1]


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", None])
def test_purge_of_no_day(told: Hospital, day: str | None) -> None:
    """Without a day, or with one that is none, nothing is deleted."""
    with pytest.raises(SystemExit) as ended:
        main(["feedback", "purge", *([] if day is None else ["--before", day])])

    assert ended.value.code != 0
    assert len(rows(told.url, FEEDBACK)) == 2


# Processes

READY = """
import sys
from cds_service.store.database import Database
sys.stdin.readline()
database = Database(sys.argv[1])
database.ready()
database.close()
"""
DIGEST = """
import datetime, sys
from cds_service.feedback.store import FeedbackStore
from cds_service.hooks.memory import Chart
from cds_service.store.database import Database
sys.stdin.readline()
database = Database(sys.argv[1])
store = FeedbackStore(database, database, database, None, {})
print(store.patient(Chart("c", "https://a.example/fhir", "1", "s", "h", datetime.date(2026, 3, 2))))
store.close()
"""


def _race(program: str, url: str, count: int) -> list[str]:
    """What so many processes print that begin at once; none may fail."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]
    assert [(status, told[1]) for told, status in ended if status] == []
    return [told[0].strip() for told, _ in ended]


@pytest.mark.served
def test_two_migrations_at_once(database_url: str) -> None:
    """Processes that bring a new database up to date at once all succeed, and every table is there."""
    _race(READY, database_url, 2)

    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    assert set(METADATA.tables) <= names


@pytest.mark.served
def test_key_is_made_once(database_url: str) -> None:
    """Processes that begin at once share one key, which is made and kept; a later one has the same digest."""
    digests = _race(DIGEST, database_url, 2) + _race(DIGEST, database_url, 1)

    assert len(digests) == 3
    assert len(set(digests)) == 1
    assert len(rows(database_url, SECRET)) == 1


# The patient


def test_no_patient_in_the_database(service: Hospital) -> None:
    """Neither the id of a patient nor the name of the server is kept, in any table."""
    server, patient = "https://Zebra-Server.example.com/fhir", "Zebra-Patient-0815"
    shown = card(service.open(chart(server, patient, **DEFICIENT)), D)
    service.tell(overridden(shown, "treated"))
    assert topics(service.open(chart(server, patient, **DEFICIENT))) == []

    assert "zebra" not in everything(service.url).lower()
    assert len(rows(service.url, CARD)) == 1


def test_key_of_the_digest(database_url: str) -> None:
    """One patient has one digest under one key, another under another, and none that can be had without a key."""
    digests = []
    for key in ("a" * 16, "b" * 16, "a" * 16):
        with hospital(database_url, hash_key=key) as service:
            service.open(chart(_server(1), **DEFICIENT))
        known = {row["patient"] for row in rows(database_url, CARD)}
        digests.append(known)

    assert [len(known) for known in digests] == [1, 2, 2]
    assert rows(database_url, SECRET) == []
    assert all(re.fullmatch("[0-9a-f]{32}", digest) for digest in digests[-1])


# How much is asked


def _call(number: int, client: str, milliseconds: float) -> tuple[Any, ...]:
    """A row of a call with one card, at noon of 2 March."""
    row = CallRow(client, "s", 200, milliseconds, cards=1, prefetched=9, fetched=0, lacking=0)
    return int(START.timestamp() * 1000) + number, *row


def test_percentiles_of_each_client(service: Hospital) -> None:
    """Of a client's times 1 to 100 ms the 51st, 96th and 100th are told; another's do not mix in."""
    calls = [_call(n, "north", n + 1) for n in reversed(range(100))] + [_call(n, "south", 7.5) for n in range(5)]
    service.recorder.store.write(Rows(calls))
    lines = {line["client"]: line for line in _page(service)["clients"]}

    assert [lines["north"][f"p{share} ms"] for share in (50, 95, 99)] == [51, 96, 100]
    assert [lines["south"][f"p{share} ms"] for share in (50, 95, 99)] == [7.5, 7.5, 7.5]
    assert lines["north"]["calls"] == 100


def test_page_asks_the_same_of_many_clients(service: Hospital) -> None:
    """The page of twenty clients puts as many questions to the database as that of one: calls are many."""
    statements: list[str] = []
    for database in service.databases:
        event.listen(database.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

    def asked(clients: int) -> int:
        calls = [_call(n, f"client-{n}", 5) for n in range(clients)]
        service.recorder.store.write(Rows(calls))
        statements.clear()
        _page(service)
        return len(statements)

    assert asked(1) == asked(20)
