"""Feedback under load and under fire: what was acknowledged is there, once, in SQLite and in PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.posting import Steady, kept, post_all
from tests.support import postgres
from tests.support.serving import serving
from tests.web.calls import TODAY

pytestmark = pytest.mark.load

PROCESSES, ITEMS = 8, int(os.environ.get("LOAD_ITEMS", "10000"))
KILLS, CLIENTS = int(os.environ.get("LOAD_KILLS", "50")), 4
LONGEST_LIFE = 0.5
"""Seconds after which a service is killed at the latest."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'feedback.sqlite3'}"
        return
    try:
        with postgres.running() as server:
            yield server.fresh()
    except postgres.PostgresAbsent as absent:
        pytest.skip(str(absent))


def settings(database: str, **others: Any) -> dict[str, Any]:
    """Settings of a service that keeps feedback in *database*."""
    return {"as_of": TODAY, "feedback": True, "database_url": database, **others}


def test_ten_thousand_items_of_eight_processes(database: str) -> None:
    """Of 10,000 items that eight processes post at once, some of them twice, each is kept, and none twice."""
    with (
        serving(**settings(database, workers=4)) as served,
        ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes,
    ):
        calls = [processes.submit(post_all, served.url, number, ITEMS // PROCESSES) for number in range(PROCESSES)]
        results = [call.result() for call in calls]
        assert "Traceback" not in served.log
    sent = [card for cards, _ in results for card in cards]

    assert len(set(sent)) == ITEMS
    assert kept(database) == sorted(sent)


def test_killed_at_fifty_moments(database: str) -> None:
    """However often the service is killed, what it acknowledged is kept, and what was sent again is there once."""
    chooser = random.Random(50)  # noqa: S311 - no secret
    clients = [Steady(number) for number in range(CLIENTS)]
    for _ in range(KILLS):
        with serving(**settings(database, workers=2)) as served, ThreadPoolExecutor(CLIENTS) as threads:
            posting = [threads.submit(client.post_until_gone, served.url) for client in clients]
            threading.Event().wait(chooser.uniform(0, LONGEST_LIFE))  # a random moment
            os.killpg(served.pid, signal.SIGKILL)
            for call in posting:
                call.result()
    acknowledged = [card for client in clients for card in client.acknowledged]
    after_the_kills = kept(database)
    with serving(**settings(database)) as served:
        for client in clients:
            client.finish(served.url)
    everything = sorted(card for client in clients for card in client.acknowledged)

    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= set(after_the_kills)
    assert len(set(after_the_kills)) == len(after_the_kills)
    assert kept(database) == everything
