"""Backup and restore of feedback, as the operations guide tells it, while the service runs and takes more."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from cds_service.store.database import Database
from cds_service.store.tables import CARD, SECRET
from tests.feedback.hospital import FEEDBACK_URL, URL, card, chart, hospital, overridden, rows, topics
from tests.feedback.posting import Steady, kept
from tests.support.patients import AS_OF, mg, vitd
from tests.support.postgres import Postgres
from tests.support.serving import Served, serving, until
from tests.support.wire import PATIENCE

pytestmark = pytest.mark.served

LOW = "magnesium-low"
ASKED = chart(vitamin_d=[vitd("40")], magnesium=[mg("0.70")])
"""Vitamin D as it should be, magnesium low: one card that can go quiet."""
CLIENTS, BEFORE = 2, 20

Backup = Callable[[], str]
"""Makes a backup of the database, restores it elsewhere, and returns the URL of that."""


def copied(source: Path, target: Path) -> None:
    """SQLite's own way to copy a database that is in use."""
    with closing(sqlite3.connect(source)) as held, closing(sqlite3.connect(target)) as copy:
        held.backup(copy)


def vacuumed(source: Path, target: Path) -> None:
    """The same in one statement; the copy takes no more room than it needs."""
    with closing(sqlite3.connect(source)) as held:
        held.execute("VACUUM INTO ?", (str(target),))


def decline(served: Served, database: str) -> None:
    """Open the chart, and dismiss its card with a reason that quiets the topic; both are in the database then."""
    opened = requests.post(f"{served.url}{URL}", json=ASKED, timeout=PATIENCE).json()["cards"]
    assert topics(opened) == [LOW]
    told = {"feedback": [overridden(card(opened, LOW), "declines")]}
    assert requests.post(f"{served.url}{FEEDBACK_URL}", json=told, timeout=PATIENCE).status_code == 200
    until(lambda: len(rows(database, CARD)) == 1)


def restored(database: str, backup: Backup) -> tuple[str, list[str]]:
    """The URL of what a backup became, taken under load; and the cards whose feedback was acknowledged before it."""
    stop = threading.Event()
    clients = [Steady(number) for number in range(CLIENTS)]
    with (
        serving(as_of=AS_OF, workers=2, feedback=True, database_url=database) as served,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        decline(served, database)
        posting = [threads.submit(client.post_until, stop, served.url) for client in clients]
        try:
            until(lambda: all(len(client.acknowledged) >= BEFORE for client in clients))
            before = [name for client in clients for name in list(client.acknowledged)]
            url = backup()
            more = sum(len(client.acknowledged) for client in clients)
            until(lambda: sum(len(client.acknowledged) for client in clients) > more)
        finally:
            stop.set()
        for call in posting:
            call.result()
    return url, before


def shown(url: str, **settings: Any) -> list[str]:
    """The topics that the chart shows in a service on the database at *url*."""
    with hospital(url, **settings) as service:
        return topics(service.open(ASKED))


@pytest.mark.parametrize("copy", [copied, vacuumed])
def test_sqlite_is_copied_while_it_is_written(tmp_path: Path, copy: Callable[[Path, Path], None]) -> None:
    """A copy of the file in use is sound, holds what was acknowledged before it, and keeps a quiet topic quiet."""
    source, target = tmp_path / "cds.sqlite3", tmp_path / "copy.sqlite3"

    def backup() -> str:
        copy(source, target)
        return f"sqlite:///{target}"

    url, before = restored(f"sqlite:///{source}", backup)
    with closing(sqlite3.connect(target)) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    assert set(before) <= set(kept(url))
    assert shown(url) == []


@pytest.mark.postgres
def test_postgres_is_dumped_and_restored(postgres: Postgres, tmp_path: Path) -> None:
    """A dump, restored into an empty database, holds what was acknowledged before it, and a quiet topic stays quiet."""
    database, dump = postgres.fresh(), tmp_path / "cds.dump"

    def backup() -> str:
        other = postgres.fresh()
        dumping: list[Any] = [postgres.binaries / "pg_dump", "--format=custom", f"--file={dump}", database]
        restoring: list[Any] = [
            postgres.binaries / "pg_restore",
            "--exit-on-error",
            "--no-owner",
            f"--dbname={other}",
            dump,
        ]
        for command in (dumping, restoring):
            subprocess.run(command, check=True)
        return other

    url, before = restored(database, backup)

    assert set(before) <= set(kept(url))
    assert rows(url, SECRET) == rows(database, SECRET)
    assert shown(url) == []


def test_key_belongs_to_the_backup(database_url: str) -> None:
    """Where the key is a setting, the same key finds what was said; another key, or none, finds nothing."""
    key = "a key of the digests of this test"
    with hospital(database_url, hash_key=key) as service:
        assert service.tell(overridden(card(service.open(ASKED), LOW), "declines")).status_code == 200

    assert rows(database_url, SECRET) == []
    assert shown(database_url, hash_key=key) == []
    assert shown(database_url, hash_key=f"not {key}") == [LOW]
    assert shown(database_url) == [LOW]


def test_backup_without_the_secret_finds_nothing(database_url: str) -> None:
    """Where the key is in the database, a backup that leaves the table `secret` out makes every topic speak again."""
    with hospital(database_url) as service:
        assert service.tell(overridden(card(service.open(ASKED), LOW), "declines")).status_code == 200
    assert shown(database_url) == []
    database = Database(database_url)
    with closing(database), database.ready().begin() as connection:
        connection.execute(text("DELETE FROM secret"))

    assert shown(database_url) == [LOW]
