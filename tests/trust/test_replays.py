"""Used tokens (conformance row 177): one process takes each, and where that cannot be known, nobody is let in."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import cds_service
from cds_service import create_app
from cds_service.settings import Settings
from cds_service.store.database import Database
from cds_service.store.seen_tokens import PIECE
from cds_service.trust.replays import Replays
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import DISCOVERY, TODAY, problem

TOKENS = 200
PATIENCE = 60.0
"""Seconds that no test takes."""
RACER = """
import json, sys
from cds_service import create_app
from cds_service.settings import Settings

settings, tokens = json.loads(sys.argv[1]), json.load(open(sys.argv[2]))
client = create_app(Settings(**settings)).test_client()
print("ready", flush=True)
sys.stdin.readline()
for number, token in enumerate(tokens):
    status = client.get("/cds-services", headers={"Authorization": f"Bearer {token}"}).status_code
    print(number, status)
"""
OPENER = """
import sys, time
from cds_service.store.database import Database

for line in sys.stdin:
    moment, url = line.split()
    while time.time() < float(moment):
        pass
    Database(url, tokens=True).ready()
    print("opened", flush=True)
"""
ISSUER = Issuer("hospital", "https://s3cr3t-iss.example.com")
KEPT = "CREATE TRIGGER kept BEFORE DELETE ON seen_token BEGIN SELECT RAISE(ABORT, 'kept'); END"


def _settings(folder: Path, database: str | None = None) -> dict[str, Any]:
    registry = write_registry(folder / "clients.toml", ISSUER.entry)
    chosen = database or f"sqlite:///{folder}/db"
    return {"auth": "jwt", "clients": str(registry), "public_url": BASE, "database_url": chosen}


def _client(folder: Path, database: str | None = None) -> FlaskClient:
    return create_app(Settings(as_of=TODAY, **_settings(folder, database))).test_client()


def _call(client: FlaskClient, **claims: Any) -> TestResponse:
    return client.get(DISCOVERY, headers={"Authorization": f"Bearer {ISSUER.token(**claims)}"})


def _started(program: str, *arguments: str) -> subprocess.Popen[str]:
    root = str(Path(cds_service.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )


@pytest.mark.served
@pytest.mark.parametrize("attempt", range(3))
def test_two_processes(tmp_path: Path, attempt: int) -> None:
    """Row 177: of two processes that get the same tokens at once, with a new database, one takes each token."""
    del attempt
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps([ISSUER.token(exp=int(time.time()) + 900) for _ in range(TOKENS)]), encoding="utf-8")
    racers = [_started(RACER, json.dumps(_settings(tmp_path)), str(tokens)) for _ in range(2)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = [racer.communicate(timeout=120) for racer in racers]

    assert [(racer.returncode, errors) for racer, (_, errors) in zip(racers, told, strict=True)] == [(0, "")] * 2
    answers = [sorted(pair) for pair in zip(*(lines.splitlines() for lines, _ in told), strict=True)]
    assert answers == [[f"{number} 200", f"{number} 401"] for number in range(TOKENS)]


@pytest.mark.served
def test_new_file_is_opened_by_two_processes(tmp_path: Path) -> None:
    """Row 177: two processes that open a new database at one moment both have it: one waits for the other."""
    openers = [_started(OPENER) for _ in range(2)]
    for attempt in range(20):
        told = f"{time.time() + 0.01} sqlite:///{tmp_path}/{attempt}\n"
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write(told)
            opener.stdin.flush()
        assert [opener.stdout.readline() for opener in openers if opener.stdout is not None] == ["opened\n"] * 2
    assert [opener.communicate(timeout=PATIENCE) for opener in openers] == [("", "")] * 2


def test_threads(tmp_path: Path) -> None:
    """Row 177: of many threads that bring one token at once to a new database, one is let in."""
    client = _client(tmp_path)
    application, token = client.application, ISSUER.token()
    start = threading.Barrier(8)
    statuses: list[int] = []

    def take() -> None:
        start.wait()
        answer = application.test_client().get(DISCOVERY, headers={"Authorization": f"Bearer {token}"})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200] + [401] * 7


def test_only_digests_are_kept(tmp_path: Path) -> None:
    """Row 169: nothing of a token is written to the database, not even its iss and jti."""
    assert _call(_client(tmp_path), jti="s3cr3t-jti", sub="s3cr3t-sub", tenant="s3cr3t-tenant").status_code == 200
    written = b"".join(file.read_bytes() for file in tmp_path.glob("db*"))

    assert b"seen_token" in written
    assert b"s3cr3t" not in written


def _is_unavailable(client: FlaskClient) -> None:
    """Not let in: 503 with a time to wait and an OperationOutcome; who has no sound token learns nothing of it."""
    response = _call(client)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert problem(response)
    assert _call(client, exp=1).status_code == 401
    assert client.get(DISCOVERY).status_code == 401


def test_no_database(tmp_path: Path) -> None:
    """Row 177: where the database cannot be opened, nobody is let in; once it can, they are."""
    client = _client(tmp_path, f"sqlite:///{tmp_path}/later/db")
    _is_unavailable(client)
    _is_unavailable(client)
    (tmp_path / "later").mkdir()

    assert _call(client).status_code == 200


def test_file_is_no_database(tmp_path: Path) -> None:
    """Row 177: nor where its file is something else."""
    (tmp_path / "db-tokens").write_bytes(b"This is no database. " * 500)
    _is_unavailable(_client(tmp_path))


def test_database_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 177: nor while somebody else holds the database; the token was not used up, and is good afterwards."""
    real = sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *where, **how: real(*where, **{**how, "timeout": 0}))
    client = _client(tmp_path)
    assert _call(client).status_code == 200
    other = sqlite3.connect(tmp_path / "db-tokens", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert _call(client, jti="waits").status_code == 503
    _is_unavailable(client)
    other.execute("ROLLBACK")
    other.close()

    assert _call(client, jti="waits").status_code == 200
    assert _call(client, jti="waits").status_code == 401


def test_table_is_lost(tmp_path: Path) -> None:
    """Row 177: nor where somebody has taken the table away."""
    client = _client(tmp_path)
    assert _call(client).status_code == 200
    other = sqlite3.connect(tmp_path / "db-tokens")
    other.execute("DROP TABLE seen_token")
    other.commit()
    other.close()

    _is_unavailable(client)


def test_no_thread_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 177: nor where the machine has no thread left to note the token in; once it has, they are let in."""
    client = _client(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        _is_unavailable(client)

    assert _call(client).status_code == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_fault_is_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 177: a fault on which the thread that notes tokens ends keeps nobody out after it."""
    seen, before = Replays(Database(f"sqlite:///{tmp_path}/db", tokens=True)), set(threading.enumerate())
    with closing(seen):
        with monkeypatch.context() as patched:
            patched.setattr(Database, "writing", Mock(side_effect=MemoryError))
            seen.note("iss", "jti", time.time() + 60)
            for thread in set(threading.enumerate()) - before:
                thread.join(PATIENCE)

        assert seen.note("iss", "another", time.time() + 60).result(PATIENCE)


def test_two_tokens_of_one_jti(tmp_path: Path) -> None:
    """Row 177: of two tokens of one jti that come at once the first is taken, and is known as long as it is good."""
    now = time.time()
    with closing(Replays(Database(f"sqlite:///{tmp_path}/db", tokens=True))) as seen:
        assert seen.note("iss", "before", now + 60).result(PATIENCE)
        with closing(sqlite3.connect(tmp_path / "db-tokens", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # what comes meanwhile is noted together
            noted = [seen.note("iss", "waits", now + 60)]
            noted += [seen.note("iss", "jti", now + 60), seen.note("iss", "jti", now - 60)]
        first_time = [note.result(PATIENCE) for note in noted]

        assert first_time == [True, True, False]
        assert not seen.note("iss", "jti", now + 60).result(PATIENCE)


def test_expired_one_is_taken_anew(tmp_path: Path) -> None:
    """Row 177: a token of the name of one that has expired, and is still there, is as good as the first."""
    now = time.time()
    with closing(Replays(Database(f"sqlite:///{tmp_path}/db", tokens=True))) as seen:
        assert seen.note("iss", "before", now + 60).result(PATIENCE)
        with closing(sqlite3.connect(tmp_path / "db-tokens")) as other:
            other.execute(KEPT)
        assert seen.note("iss", "jti", now - 60).result(PATIENCE)
        assert seen.note("iss", "jti", now + 60).result(PATIENCE)
        assert not seen.note("iss", "jti", now + 60).result(PATIENCE)


def test_expired_ones_that_cannot_be_deleted(tmp_path: Path) -> None:
    """Row 177: tokens of old that cannot be deleted, or not in time, keep nobody out."""
    assert _call(_client(tmp_path)).status_code == 200
    with closing(sqlite3.connect(tmp_path / "db-tokens")) as other:
        other.execute("INSERT INTO seen_token VALUES ('old', 1)")
        other.execute(KEPT)
        other.commit()

    client = _client(tmp_path)
    assert [_call(client).status_code for _ in range(2)] == [200, 200]


def test_many_expired_ones(tmp_path: Path) -> None:
    """However many have expired, all of them are deleted in the end, some with each token."""
    assert _call(_client(tmp_path)).status_code == 200
    with closing(sqlite3.connect(tmp_path / "db-tokens")) as other:
        other.executemany("INSERT INTO seen_token VALUES (?, 1)", [(str(number),) for number in range(2 * PIECE + 1)])
        other.commit()
        client = _client(tmp_path)
        for _ in range(4):
            assert _call(client).status_code == 200
        left = other.execute("SELECT count(*) FROM seen_token WHERE expires = 1").fetchone()

    assert left == (0,)
