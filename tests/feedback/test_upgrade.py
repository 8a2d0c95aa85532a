"""Over each migration with a month of data, while two copies start on it; and the way back, row by row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData, insert

from cds_service import cli
from cds_service.settings import Settings
from cds_service.store.database import MIGRATIONS, Database
from cds_service.store.engines import build
from cds_service.store.migrating import MIGRATIONS_KNOWN, counted
from tests.feedback.hospital import Hospital, Json, chart, hospital
from tests.support.patients import AS_OF, mg, vitd

DAYS, CALLS, CARDS = 30, 100, 40
"""Of a month, and of each of its days; every fourth card is answered, and has one suggestion."""
DAY_MS = 86_400_000
NOON = 1_772_452_800_000
"""2026-03-02T12:00Z, the last day."""
BOTH: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.70")]}
MONTH = {"call": DAYS * CALLS, "card": DAYS * CARDS, "feedback": DAYS * CARDS // 4, "quiet": DAYS, "secret": 1}


def made(url: str, revision: str) -> None:
    """A database as *revision* left it, with a month of data."""
    engine = build(url, None, 60.0, quick=True)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    _fill(engine, revision)
    engine.dispose()


def _fill(engine: Engine, revision: str) -> None:
    metadata = MetaData()
    metadata.reflect(engine)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (*MONTH, "suggestion")}
    rows["secret"] = [{"name": "patient-digest", "value": "0" * 64}]
    for back in range(DAYS):
        day, at = AS_OF - timedelta(days=back), NOON - back * DAY_MS
        about = {"at": at, "client": "anyone", "service": "s"}
        rows["call"] += [
            {**about, "status": 200, "milliseconds": 9.5, "cards": 1, "prefetched": 9, "fetched": 0, "lacking": 0}
            for _ in range(CALLS)
        ]
        rows["quiet"].append({"at": at, "client": "anyone", "topic": "ckd"})
        for number in range(CARDS):
            name = f"{back}-{number}"
            of_card = {"topic": "ckd", "indicator": "info", "level": 0, "patient": f"patient-{number}"}
            rows["card"].append({**about, **of_card, "uuid": name, "day": day, "hook": "h", "rule": "K-CKD"})
            rows["suggestion"].append({"uuid": f"s{name}", "card": name, "follow_up": None})
            if revision != "0001":
                rows["card"][-1]["suggestions"] = {f"s{name}": None}
            if number % 4 == 0:
                answer = {"digest": name, "received": at, "day": day, "client": "anyone", "service": "s", "card": name}
                answer |= {"outcome": "overridden", "commented": False, "outcome_at": "t"}
                rows["feedback"].append(answer | (of_card if revision != "0001" else {}))
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            if rows.get(table.name):
                connection.execute(insert(table), rows[table.name])


def found(url: str) -> dict[str, int]:
    """The rows of each table that is there."""
    with closing(Database(url)) as database:
        return counted(database.engine)


@pytest.mark.parametrize("revision", MIGRATIONS_KNOWN[:-1])
def test_upgrade_and_back(database_url: str, revision: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Two copies that start at once on a month of an older version keep every row and serve; back, only theirs go."""
    made(database_url, revision)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(Hospital, [database_url] * 2)
    for service in (first, second):
        assert len(service.open(chart(**BOTH))) == 2
        service.close()
    upgraded = found(database_url)
    assert upgraded == {
        **MONTH, "seen_token": 0, "mode": 0,
        "call": MONTH["call"] + 2, "card": MONTH["card"] + 4, "considered": 4, "course": 2,
    }  # fmt: skip

    with patch("cds_service.settings.load", lambda: Settings(feedback=True, database_url=database_url)):
        assert cli.main(["database", "back", "0002"]) == 2
        assert found(database_url) == upgraded
        assert cli.main(["database", "back", "0002", "--yes"]) == 0
    assert found(database_url) == {
        name: count for name, count in upgraded.items() if name not in ("mode", "considered", "course")
    }
    assert "say --yes" in capsys.readouterr().err
    with hospital(database_url) as service:
        assert len(service.open(chart(**BOTH))) == 2
    assert found(database_url)["call"] == upgraded["call"] + 1
