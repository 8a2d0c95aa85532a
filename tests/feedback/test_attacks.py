"""The database under attack while the service runs: charts are opened, and what is acknowledged is kept."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from benchmarks.traffic import CHART, Load, Outcome
from tests.feedback.hospital import FEEDBACK_URL, URL, Json, card, chart, overridden, topics
from tests.feedback.posting import kept
from tests.support import database as attacks
from tests.support.patients import AS_OF, mg, vitd
from tests.support.postgres import Postgres
from tests.support.serving import Served, serving, until
from tests.support.tokens import BASE, Issuer, write_registry
from tests.support.wire import PATIENCE

pytestmark = pytest.mark.served

LOW = "magnesium-low"
ASKED = chart(vitamin_d=[vitd("40")], magnesium=[mg("0.70")])
"""Vitamin D as it should be, magnesium low: one card that can go quiet."""
ISSUER = Issuer("hospital", "https://hospital.example")
CHARTS_A_SECOND, FEEDBACK_CLIENTS = 20.0, 24


def item(name: str | None = None) -> Json:
    """Feedback on a card that nobody else speaks of."""
    return overridden(name or str(uuid.uuid4()))


def tell(served: Served, *items: Json) -> int:
    """The status of a feedback call; over a connection of its own, so that any process may get it."""
    return requests.post(f"{served.url}{FEEDBACK_URL}", json={"feedback": items}, timeout=PATIENCE).status_code


def shown(served: Served) -> list[str]:
    """The topics that the chart shows."""
    answer = requests.post(f"{served.url}{URL}", json=ASKED, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return topics(answer.json()["cards"])


def let_in(served: Served) -> int:
    """The status of a call with a token."""
    head = {"Authorization": f"Bearer {ISSUER.token(aud=f'{BASE}{URL}')}"}
    return requests.post(f"{served.url}{URL}", json=ASKED, headers=head, timeout=PATIENCE).status_code


def decline(served: Served) -> None:
    """Open the chart and dismiss its card with a reason that quiets the topic; return once it is quiet."""
    opened = requests.post(f"{served.url}{URL}", json=ASKED, timeout=PATIENCE).json()["cards"]
    assert tell(served, overridden(card(opened, LOW), "declines")) == 200
    until(lambda: shown(served) == [])


@contextmanager
def charts(served: Served) -> Iterator[list[Outcome]]:
    """Another client opens charts meanwhile; how each fared, once the block has ended."""
    outcomes: list[Outcome] = []
    with Load(served.port, {CHART: 1}, CHARTS_A_SECOND) as load:
        yield outcomes
    outcomes += load.taken()


def statuses(outcomes: list[Outcome]) -> set[int | None]:
    """How the charts were answered; some must have been opened."""
    assert outcomes
    return {outcome.status for outcome in outcomes}


def service(database: str, **settings: Any) -> Any:
    """The service with feedback on a database."""
    return serving(**{"as_of": AS_OF, "feedback": True, "database_url": database, **settings})


# Somebody else writes


def flood(served: Served, stop: threading.Event) -> Counter[int]:
    """Send feedback one call after the other until *stop*; how often it was answered how."""
    found: Counter[int] = Counter()
    while not stop.wait(0.02):
        found[tell(served, item())] += 1
    return found


@pytest.mark.parametrize("before_the_first_chart", [True, False])
def test_charts_beside_a_writer(tmp_path: Path, *, before_the_first_chart: bool) -> None:
    """While somebody else holds SQLite's lock charts are answered and what is quiet stays so; feedback is 503."""
    file, stop = tmp_path / "cds.sqlite3", threading.Event()
    with service(f"sqlite:///{file}") as served:
        decline(served)
    with service(f"sqlite:///{file}") as served, ThreadPoolExecutor(FEEDBACK_CLIENTS) as threads:
        if not before_the_first_chart:
            assert shown(served) == []
        with attacks.locked(file):
            with charts(served) as opened:
                telling = [threads.submit(flood, served, stop) for _ in range(FEEDBACK_CLIENTS)]
                try:
                    quiet = [shown(served) for _ in range(20)]
                    until(lambda: "cannot be written" in served.log)
                finally:
                    stop.set()
            refused = sum((call.result() for call in telling), Counter[int]())
        until(lambda: tell(served, item()) == 200)
        log = served.log

    assert quiet == [[]] * 20
    assert statuses(opened) == {200}
    assert set(refused) == {503}
    assert log.count("the database cannot be written") == 1


def test_whoever_keeps_readers_out(tmp_path: Path) -> None:
    """Where not even reading is possible a card goes out as if nothing had been said, and the log and numbers tell."""
    file = tmp_path / "cds.sqlite3"
    with service(f"sqlite:///{file}") as served:
        decline(served)
    with closing(sqlite3.connect(file)) as held:
        held.execute("PRAGMA journal_mode = DELETE")
    with attacks.locked(file, "BEGIN EXCLUSIVE"), service(f"sqlite:///{file}") as served, charts(served) as opened:
        spoken = [shown(served) for _ in range(20)]
        numbers = requests.get(f"{served.url}/metrics", timeout=PATIENCE).text
        log = served.log

    assert spoken == [[LOW]] * 20
    assert statuses(opened) == {200}
    assert log.count("the database cannot be read") == 1
    assert '"lookUp":"given up"' in log
    assert "cds_look_ups_given_up_total 0.0" not in numbers


def test_tokens_beside_a_writer(tmp_path: Path) -> None:
    """Who writes feedback keeps nobody out: used tokens have a file of their own."""
    with trusting(tmp_path) as served, attacks.locked(tmp_path / "cds.sqlite3"):
        statuses = {let_in(served) for _ in range(20)}

    assert statuses == {200}


def test_locked_tokens(tmp_path: Path) -> None:
    """Tokens that cannot be noted are 503 after two seconds, all of them; afterwards calls are let in again."""
    with trusting(tmp_path) as served, ThreadPoolExecutor(20) as threads:
        with attacks.locked(tmp_path / "cds-tokens.sqlite3"):
            began = time.monotonic()
            refused = {call.result() for call in [threads.submit(let_in, served) for _ in range(20)]}
            took = time.monotonic() - began
        until(lambda: let_in(served) == 200)

    assert refused == {503}
    assert 1.5 < took < 8


@contextmanager
def trusting(folder: Path) -> Iterator[Served]:
    """The service with tokens and its database in *folder*, once it has let somebody in."""
    registry = write_registry(folder / "clients.toml", ISSUER.entry)
    with service(f"sqlite:///{folder}/cds.sqlite3", auth="jwt", clients=registry, public_url=BASE) as served:
        assert let_in(served) == 200
        yield served


@pytest.mark.postgres
def test_locked_table_of_postgresql(postgres: Postgres) -> None:
    """A table that somebody else has locked keeps cards waiting for a moment and no longer, and none is quiet."""
    url = postgres.fresh()
    with service(url) as served:
        decline(served)
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE feedback IN ACCESS EXCLUSIVE MODE")
            with charts(served) as opened:
                spoken = [shown(served) for _ in range(20)]
                refused = tell(served, item())
        until(lambda: shown(served) == [])

    assert spoken == [[LOW]] * 20
    assert refused == 503
    assert statuses(opened) == {200}


@pytest.mark.postgres
def test_frozen_postgresql(postgres: Postgres) -> None:
    """A server that takes connections and says nothing keeps no chart waiting; afterwards what is quiet is so again."""
    url = postgres.fresh()
    with service(url) as served:
        decline(served)
        with frozen(postgres), charts(served) as opened:
            spoken = [shown(served) for _ in range(20)]
            refused = tell(served, item())
        until(lambda: shown(served) == [])

    assert spoken == [[LOW]] * 20
    assert refused == 503
    assert statuses(opened) == {200}


@contextmanager
def frozen(server: Postgres) -> Iterator[None]:
    """All processes of the server stand still until the block ends."""
    main = int((server.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
    pids = [*map(int, Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()), main]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


# What is acknowledged is kept, or it is 503 and is not kept


@pytest.mark.parametrize(
    "attack",
    [attacks.remove, attacks.remove_alone, attacks.replace, attacks.replace_alone],
    ids=lambda one: one.__name__,
)
def test_file_that_is_not_there_any_more(tmp_path: Path, attack: Callable[[Path], None]) -> None:
    """Two processes whose file is removed or replaced keep later feedback in what stands there, or it is 503."""
    file = tmp_path / "cds.sqlite3"
    with service(f"sqlite:///{file}", workers=2) as served:
        decline(served)
        for _ in range(20):
            assert tell(served, item()) == 200
        with charts(served) as opened:
            attack(file)
            names = [str(uuid.uuid4()) for _ in range(60)]
            answers = [tell(served, item(name)) for name in names]
        acknowledged = [name for name, status in zip(names, answers, strict=True) if status == 200]
        stored = kept(f"sqlite:///{file}")
        until(lambda: shown(served) in ([], [LOW]))

    with closing(sqlite3.connect(file)) as found:
        assert found.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert set(answers) <= {200, 503}
    assert answers[-1] == 200
    assert set(acknowledged) <= set(stored)
    assert set(acknowledged) <= set(kept(f"sqlite:///{file}"))
    assert statuses(opened) == {200}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("cds.sqlite3*")} == {0o600}


def test_log_that_was_taken_away(tmp_path: Path) -> None:
    """Without the log beside its file nothing more is acknowledged; what was is saved when the service stops."""
    file = tmp_path / "cds.sqlite3"
    before, after = [str(uuid.uuid4()) for _ in range(20)], [str(uuid.uuid4()) for _ in range(20)]
    with service(f"sqlite:///{file}", workers=2) as served:
        assert [tell(served, item(name)) for name in before] == [200] * 20
        for path in attacks.beside(file)[1:]:
            path.unlink()
        with charts(served) as opened:
            refused = [tell(served, item(name)) for name in after]
        log = served.log

    assert set(refused) == {503}
    assert set(before) <= set(kept(f"sqlite:///{file}"))
    assert statuses(opened) == {200}
    assert "stop the service and start it again" in log


def test_refused_is_not_kept(tmp_path: Path) -> None:
    """What was answered 503 because its time was over is not kept afterwards either, not even in part."""
    file = tmp_path / "cds.sqlite3"
    items = [item() for _ in range(500)]
    with service(f"sqlite:///{file}", request_deadline=1) as served:
        assert tell(served, item()) == 200
        with attacks.locked(file):
            refused = tell(served, *items)
        until(lambda: tell(served, item()) == 200)

    assert refused == 503
    assert not {one["card"] for one in items} & set(kept(f"sqlite:///{file}"))


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk feedback and tokens are 503, and so is `/readyz`; once there is room again it is 200 by itself."""
    registry = write_registry(tmp_path / "clients.toml", ISSUER.entry)

    def ready() -> requests.Response:
        return requests.get(f"{served.url}/readyz", timeout=PATIENCE)

    try:
        with (
            attacks.small_disk(tmp_path / "disk") as disk,
            service(f"sqlite:///{disk}/cds.sqlite3", auth="jwt", clients=registry, public_url=BASE) as served,
        ):
            assert let_in(served) == 200
            assert ready().status_code == 200
            filler = attacks.fill(disk)
            assert let_in(served) == 503
            until(lambda: ready().status_code == 503)
            told = ready().json()["parts"]
            filler.unlink()
            until(lambda: ready().status_code == 200)
            assert let_in(served) == 200
    except attacks.NoSmallDisk as reason:
        pytest.skip(str(reason))

    assert told["tokens"] == "cannot be written"
    assert json.dumps(told).count(str(disk)) == 0
