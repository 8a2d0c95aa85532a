"""The database: its migrations make the tables that the code knows, and their newest is the one that is looked for."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.exc import OperationalError

from cds_service.store import standing
from cds_service.store.database import HEAD, MIGRATIONS, Database
from cds_service.store.standing import LogTaken, Moved
from cds_service.store.tables import CARD, FEEDBACK, METADATA
from tests.support import database as attacks
from tests.support.for_each import for_each


def test_migrations_make_the_tables(tmp_path: Path) -> None:
    """A new database has the very tables, columns and indexes that the code uses."""
    with Database(f"sqlite:///{tmp_path}/new.sqlite3").ready().connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_newest_migration_is_looked_for() -> None:
    """A database is up to date only at the newest migration there is."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_database_that_is_current_is_left_alone(tmp_path: Path) -> None:
    """A second process finds a current database and what is in it."""
    url = f"sqlite:///{tmp_path}/kept.sqlite3"
    with Database(url).ready().begin() as connection:
        connection.execute(text("INSERT INTO secret VALUES ('a', 'b')"))
    with Database(url).ready().connect() as connection:
        assert connection.execute(text("SELECT value FROM secret")).scalar_one() == "b"


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """A database that cannot be made is an error of the database each time, and is made once it can be."""
    folder = tmp_path / "later"
    database = Database(f"sqlite:///{folder}/new.sqlite3")
    for _ in range(2):
        with pytest.raises(OperationalError):
            database.ready()
    folder.mkdir()

    assert database.ready().dialect.name == "sqlite"


@for_each("quick", [False, True])
def test_sqlite_waits_for_the_disk(tmp_path: Path, *, quick: bool) -> None:
    """Feedback is on the disk when it is committed (2); what may be lost with the power need not be (1)."""
    with Database(f"sqlite:///{tmp_path}/disk.sqlite3", quick=quick).ready().connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == (1 if quick else 2)
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"


def test_connection_of_sqlite_holds_little(tmp_path: Path) -> None:
    """A quarter of a MiB of the file at most (told as a negative number of KiB), for a process has dozens of them."""
    with Database(f"sqlite:///{tmp_path}/cache.sqlite3").ready().connect() as connection:
        assert connection.execute(text("PRAGMA cache_size")).scalar_one() == -256


@for_each("before", [None, 0o644, 0o640])
def test_file_is_for_its_owner_alone(tmp_path: Path, before: int | None) -> None:
    """The file of SQLite and what lies beside it can be read by nobody else, also where an earlier version made it."""
    file = tmp_path / "cds.sqlite3"
    if before is not None:
        file.touch()
        file.chmod(before)
    database = Database(f"sqlite:///{file}")
    with database.writing() as connection:
        connection.execute(text("INSERT INTO secret VALUES ('a', 'b')"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    database.close()

    assert modes == dict.fromkeys(("cds.sqlite3", "cds.sqlite3-wal", "cds.sqlite3-shm"), 0o600)


@for_each("attack", [attacks.remove, attacks.replace_alone], ids=lambda one: one.__name__)
def test_file_that_goes_while_it_is_written(tmp_path: Path, attack: Callable[[Path], None]) -> None:
    """What is committed into a file that does not stand there any more is an error: it is not kept."""
    file = tmp_path / "cds.sqlite3"
    database = Database(f"sqlite:///{file}")

    def write(value: str, meanwhile: Callable[[Path], object]) -> None:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO secret VALUES ('a', :value)"), {"value": value})
            meanwhile(file)

    with pytest.raises(Moved):
        write("b", attack)
    write("c", Path.exists)
    database.close()

    with closing(sqlite3.connect(file)) as found:
        assert found.execute("SELECT value FROM secret").fetchall() == [("c",)]
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    """What is written into a removed file would be lost: it is made anew, or there is no database."""
    folder = tmp_path / "data"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/cds.sqlite3")
    database.ready()
    shutil.rmtree(folder)
    with pytest.raises(OperationalError):
        database.ready()
    folder.mkdir()
    with database.ready().begin() as connection:
        connection.execute(text("INSERT INTO secret VALUES ('a', 'b')"))

    assert (folder / "cds.sqlite3").exists()


def test_folder_that_another_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever locks the folder keeps nobody waiting without an end: the database cannot be opened then."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    monkeypatch.setattr(standing, "WRITE", 0.0)
    with closing(Database(url)) as first, closing(Database(url)) as second, first.ready().connect():
        held = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LogTaken):
            second.ready()
        os.close(held)
        second.ready()


BEFORE = (
    "INSERT INTO card VALUES ('c1', 1, '2026-03-02', 'hospital', 'p1', 's', 'h', 'topic', 'K', 'warning', 2)",
    "INSERT INTO suggestion VALUES ('g1', 'c1', '2026-05-01'), ('g2', 'c1', NULL)",
    "INSERT INTO feedback VALUES ('f1', 2, '2026-03-02', 'hospital', 's', 'c1', 'accepted', 'g1', NULL, NULL, 0, 't')",
    "INSERT INTO feedback VALUES ('f2', 2, '2026-03-02', 'clinic', 's', 'c1', 'accepted', 'g1', NULL, NULL, 0, 't')",
    "INSERT INTO feedback VALUES ('f3', 2, '2026-03-02', 'clinic', 's', 'cx', 'overridden', NULL, NULL, NULL, 0, 't')",
)


def _at_the_first(url: str) -> Engine:
    """A database as the first migration left it, with a card, its suggestions and three feedbacks."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in BEFORE:
            connection.execute(text(statement))
    return engine


def test_upgrade_keeps_what_was_said(tmp_path: Path) -> None:
    """Feedback of before the upgrade has its card's patient and follow-up day; that on another's card has none."""
    url = f"sqlite:///{tmp_path}/old.sqlite3"
    _at_the_first(url).dispose()
    repeated = (FEEDBACK.c.patient, FEEDBACK.c.topic, FEEDBACK.c.level, FEEDBACK.c.indicator, FEEDBACK.c.follow_up)
    with Database(url).ready().connect() as connection:
        rows = [tuple(row) for row in connection.execute(select(FEEDBACK.c.digest, *repeated))]
        suggestions = connection.execute(select(CARD.c.suggestions)).scalars().all()

    nothing = (None,) * 5
    assert sorted(rows) == [
        ("f1", "p1", "topic", 2, "warning", date(2026, 5, 1)),
        ("f2", *nothing),
        ("f3", *nothing),
    ]
    assert suggestions == [{"g1": "2026-05-01", "g2": None}]
