"""A restore from a backup that is an hour old, as the operations guide tells it: what is there again, what is lost."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import Table

from cds_service import kept_modes
from cds_service.feedback.store import FeedbackStore
from cds_service.hooks.memory import Chart
from cds_service.store import database
from cds_service.store.database import Database
from cds_service.store.mode_changes import ModeChange, add_changes
from cds_service.store.tables import FEEDBACK, METADATA, MODE
from tests.feedback.hospital import URL, Hospital, Json, card, chart, hospital, overridden, rows, topics
from tests.support.database import beside
from tests.support.patients import mg, vitd
from tests.support.postgres import Postgres
from tests.support.tokens import BASE, Issuer, write_registry

LOW, D = "magnesium-low", "vitamin-d-deficiency"
BOTH: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.70")]}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUER = Issuer("hospital", "https://hospital.example.com/issuer")

Restore = Callable[[], str]
"""Restores what was backed up; the URL of the database afterwards."""


@pytest.fixture
def back_up(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Restore]:
    """Makes a backup by the words of the guide, and gives what restores it."""
    if database_url.startswith("sqlite"):
        return lambda: _of_sqlite(tmp_path / "cds.sqlite3")
    return lambda: _of_postgres(request.getfixturevalue("postgres"), database_url, tmp_path / "cds.dump")


def _of_sqlite(file: Path) -> Restore:
    backup = file.with_name("backup.sqlite3")
    with closing(sqlite3.connect(file)) as held:
        held.execute("VACUUM INTO ?", [str(backup)])

    def restore() -> str:
        for path in beside(file)[1:]:
            path.unlink()
        shutil.copyfile(backup, file)
        return f"sqlite:///{file}"

    return restore


def _of_postgres(server: Postgres, url: str, dump: Path) -> Restore:
    subprocess.run([server.binaries / "pg_dump", "--format=custom", f"--file={dump}", url], check=True)

    def restore() -> str:
        found = server.fresh()
        into = ["--exit-on-error", "--no-owner", f"--dbname={found}"]
        subprocess.run([server.binaries / "pg_restore", *into, dump], check=True)
        return found

    return restore


def held(url: str) -> dict[str, list[Json]]:
    """All rows of all tables."""
    return {table.name: rows(url, table) for table in METADATA.sorted_tables}


def decline(service: Hospital, patient: str, topic: str = LOW) -> Json:
    """Have a patient's chart opened and the card of *topic* declined; what was sent."""
    told = overridden(card(service.open(chart(patient=patient, **BOTH)), topic), "declines")
    assert service.tell(told).status_code == 200
    return told


def change(service: Hospital, mode: str, topic: str) -> None:
    """Choose a mode for a topic as `cds-service mode` does, and have the process follow."""
    with closing(Database(service.url)) as held_open, held_open.writing() as connection:
        add_changes(connection, [ModeChange(1, "", topic, mode, "M. Example", "a test")])
    service.app.extensions["cds_modes"].look()


def shown(service: Hospital, patient: str) -> list[str]:
    """The topics that a patient's chart shows."""
    return topics(service.open(chart(patient=patient, **BOTH)))


def count(url: str, table: Table) -> int:
    """How many rows a table has."""
    return len(rows(url, table))


def test_backup_of_an_hour_ago(database_url: str, back_up: Callable[[], Restore]) -> None:
    """What was before the backup is there, row by row; the hour after it is gone, and nothing else; it goes on.

    p1 declined magnesium before; p2 did so in the hour that is lost, in which the other topic was made silent too.
    Five charts with eight cards and two that are quiet, and two answers, are added afterwards, and nothing else.
    """
    with time_machine.travel(NOON, tick=False) as clock:
        with hospital(database_url) as service:
            decline(service, "p1")
        restore, before = back_up(), held(database_url)
        clock.shift(timedelta(hours=1))
        with hospital(database_url) as service:
            late = decline(service, "p2")
            change(service, "silent", D)
            assert shown(service, "p1") == shown(service, "p2") == []
        url = restore()

        assert held(url) == before
        with hospital(url) as service:
            assert shown(service, "p1") == [D]
            assert shown(service, "p2") == [LOW, D]
            assert service.tell(late).status_code == 200
            assert shown(service, "p2") == [LOW, D]
            decline(service, "p2")
            assert shown(service, "p2") == [D]
            assert service.client.get("/readyz").status_code == 200
    after = {table.name: count(url, table) - len(before[table.name]) for table in METADATA.sorted_tables}
    assert after == {
        **dict.fromkeys(after, 0), "call": 5, "card": 8, "feedback": 2, "quiet": 2, "considered": 8, "course": 2,
    }  # fmt: skip


def test_processes_that_have_the_old_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Two processes in the place of whose file the backup is put (`mv`) show, keep and follow what that holds."""
    monkeypatch.setattr(database, "GLANCE", -1.0)  # look-ups see at once what they otherwise see within a second
    file = tmp_path / "cds.sqlite3"
    url = f"sqlite:///{file}"
    with time_machine.travel(NOON, tick=False) as clock, hospital(url) as first, hospital(url) as second:
        decline(first, "p1")
        _of_sqlite(file)
        clock.shift(timedelta(hours=1))
        decline(second, "p2")
        change(first, "silent", D)
        second.app.extensions["cds_modes"].look()
        assert shown(first, "p2") == shown(second, "p1") == []

        (tmp_path / "backup.sqlite3").rename(file)
        for service in (first, second):
            service.app.extensions["cds_modes"].look()
            shown(service, "p3")  # a look-up that finds out that the file is another
            assert service.flush()
        assert [shown(service, "p1") for service in (first, second)] == [[D], [D]]
        assert [shown(service, "p2") for service in (first, second)] == [[LOW, D], [LOW, D]]
        decline(second, "p2")
        assert [shown(service, "p2") for service in (first, second)] == [[D], [D]]
    assert count(url, FEEDBACK) == 2
    assert count(url, MODE) == 0
    whys = [vars(record)["fields"]["why"] for record in caplog.records if record.name == kept_modes.LOG.name]
    assert whys == ["a test"] * 2 + ["the database does not have it any more"] * 2


def test_patient_under_another_key(tmp_path: Path) -> None:
    """A patient of a call that goes on while the database is replaced is known by the key of the new one afterwards."""
    held = Database(f"sqlite:///{tmp_path}/cds.sqlite3")
    old, new = [FeedbackStore(held, held, held, key, {}) for key in ("a key of before", "a key of now")]
    of_call = Chart("anyone", "https://a.example/fhir", "p1", "service", "patient-view", NOON.date())
    before, after = old.patient(of_call), new.patient(of_call)

    assert before != after == new.patient(replace(of_call))


def test_tokens_of_the_hour_that_is_lost(database_url: str, back_up: Callable[[], Restore], tmp_path: Path) -> None:
    """A token that was used in it is let in once more with PostgreSQL until it expires; with SQLite it is not.

    SQLite has used tokens in a file beside, which is no part of the backup.
    """
    registry = write_registry(tmp_path / "clients.toml", ISSUER.entry)
    settings: Json = {"auth": "jwt", "clients": registry, "public_url": BASE}

    def status(service: Hospital, token: str) -> int:
        response = service.post(URL, chart(**BOTH), headers={"Authorization": f"Bearer {token}"})
        assert service.flush()
        return response.status_code

    with time_machine.travel(NOON, tick=False) as clock:
        with hospital(database_url, **settings) as service:
            assert status(service, ISSUER.token(aud=f"{BASE}{URL}")) == 200
        restore = back_up()
        clock.shift(timedelta(hours=1))
        now = int(NOON.timestamp()) + 3600
        token = ISSUER.token(aud=f"{BASE}{URL}", iat=now, exp=now + 900)
        with hospital(database_url, **settings) as service:
            assert [status(service, token) for _ in range(2)] == [200, 401]
        url = restore()
        with hospital(url, **settings) as service:
            again = [status(service, token) for _ in range(2)]
        clock.shift(timedelta(seconds=900 + 60 + 1))
        with hospital(url, **settings) as service:
            assert status(service, token) == 401

    assert again == ([401, 401] if url.startswith("sqlite") else [200, 401])
