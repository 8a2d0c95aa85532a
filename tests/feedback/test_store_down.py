"""A database that is gone, and one that comes back: cards go on being served, feedback is refused for the time."""

from __future__ import annotations

import gc
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple
from unittest.mock import DEFAULT, Mock

import pytest
from sqlalchemy.exc import OperationalError

from cds_service.feedback import recorder
from cds_service.feedback.store import Rows
from cds_service.hooks.memory import ANYONE
from cds_service.store.tables import CALL, CARD, FEEDBACK
from cds_service.work import Turns, Work
from tests.feedback.hospital import Hospital, Json, card, chart, hospital, overridden, rows, topics
from tests.support import postgres as postgres_server
from tests.support.patients import mg, vitd
from tests.support.postgres import Postgres, PostgresAbsent
from tests.web.calls import meaning, post_to, problem

D = "vitamin-d-deficiency"
DEFICIENT: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.90")]}
UNKNOWN = "5b0e0a3c-6a5e-4d31-9d0b-1f0f6a7c2b11"
NAME = "later"
LONG = 60.0
"""Seconds that no test takes."""


class Gone(NamedTuple):
    """A database that is not there: its URL, and what brings it back."""

    url: str
    come_back: Callable[[], None]


@pytest.fixture
def stopped() -> Iterator[Postgres]:
    """A PostgreSQL with a database, stopped."""
    try:
        with postgres_server.running() as found:
            found.create(NAME)
            found.stop()
            yield found
    except PostgresAbsent as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def gone(request: pytest.FixtureRequest, tmp_path: Path) -> Gone:
    """A file in a directory that is not there, or a server that does not run."""
    if request.param == "sqlite":
        folder = tmp_path / "not-there"
        return Gone(f"sqlite:///{folder / 'cds.sqlite3'}", folder.mkdir)
    server: Postgres = request.getfixturevalue("stopped")
    return Gone(server.url(NAME), server.start)


@pytest.fixture
def service(gone: Gone) -> Iterator[Hospital]:
    """The service, which starts all the same."""
    with hospital(gone.url) as found:
        yield found


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[int]:
    """The levels of the lines that say these words, those of the start too."""
    records = [*caplog.get_records("setup"), *caplog.records]
    return [record.levelno for record in records if words in record.getMessage()]


def test_cards_without_a_database(service: Hospital) -> None:
    """Cards are the same as where nothing is kept, call after call."""
    from cds_service import create_app  # noqa: PLC0415 - compared with here alone
    from cds_service.settings import Settings  # noqa: PLC0415
    from tests.support.patients import AS_OF  # noqa: PLC0415

    asked = chart(**DEFICIENT)
    expected = meaning(post_to(create_app(Settings(feedback=False, as_of=AS_OF)).test_client(), asked))
    assert expected

    for _ in range(3):
        assert meaning(post_to(service.client, asked)) == expected


def test_feedback_without_a_database(service: Hospital) -> None:
    """Feedback is 503 with an OperationOutcome (`no-store`) and when to try again; an empty list is taken."""
    for _ in range(2):
        response = service.tell(overridden(UNKNOWN, "treated"))

        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert problem(response)
        assert response.get_json()["issue"][0]["code"] == "no-store"
    assert service.tell().status_code == 200


def test_wrong_feedback_without_a_database(service: Hospital) -> None:
    """What is wrong with a body is told whether the database is there or not."""
    assert service.tell({"card": UNKNOWN}).status_code == 400


def test_log_of_a_database_that_is_gone(service: Hospital, caplog: pytest.LogCaptureFixture) -> None:
    """However many calls meet it, the log says once that the database is gone, without its URL."""
    caplog.set_level(logging.INFO)
    for _ in range(3):
        assert post_to(service.client, chart(**DEFICIENT)).status_code == 200
        service.tell(overridden(UNKNOWN))

    for what in ("read", "written"):
        assert said(caplog, f"the database cannot be {what}") == [logging.ERROR]
        assert said(caplog, f"the database can be {what} again") == []
    assert service.url not in caplog.text


def test_database_that_comes_back(service: Hospital, gone: Gone, caplog: pytest.LogCaptureFixture) -> None:
    """When it is back, what waited is written, feedback is taken and counts, and the log says so once."""
    caplog.set_level(logging.INFO)
    shown = card(post_to(service.client, chart(**DEFICIENT)).get_json()["cards"], D)
    assert service.tell(overridden(shown, "treated")).status_code == 503

    gone.come_back()
    assert service.flush()

    assert service.tell(overridden(shown, "treated")).status_code == 200
    assert shown["uuid"] in [row["uuid"] for row in rows(gone.url, CARD)]
    assert [row["card"] for row in rows(gone.url, FEEDBACK)] == [shown["uuid"]]
    assert D not in topics(service.open(chart(**DEFICIENT)))
    for what in ("read", "written"):
        assert said(caplog, f"the database cannot be {what}") == [logging.ERROR]
        assert said(caplog, f"the database can be {what} again") == [logging.INFO]


@pytest.mark.postgres
def test_postgresql_that_goes(stopped: Postgres, caplog: pytest.LogCaptureFixture) -> None:
    """A server that goes while calls are answered, and comes back, is told of once each; nothing was lost."""
    caplog.set_level(logging.INFO)
    stopped.start()
    with hospital(stopped.url(NAME)) as service:
        first = card(service.open(chart(**DEFICIENT)), D)
        assert service.tell(overridden(first, "treated")).status_code == 200
        assert D not in topics(service.open(chart(**DEFICIENT)))

        stopped.stop()
        assert D in topics(post_to(service.client, chart(**DEFICIENT)).get_json()["cards"])
        assert service.tell(overridden(first, "declines")).status_code == 503

        stopped.start()
        assert service.flush()
        assert D not in topics(service.open(chart(**DEFICIENT)))
        assert len(rows(service.url, FEEDBACK)) == 1

    for what in ("read", "written"):
        assert said(caplog, f"the database cannot be {what}") == [logging.ERROR]
        assert said(caplog, f"the database can be {what} again") == [logging.INFO]


def test_no_more_feedback_than_can_be_kept(tmp_path: Path) -> None:
    """Where a client's line is full its feedback is 503 at once, and counted; another's is taken, and charts go on."""
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3", threads=1) as service:
        with service.recorder.turn(ANYONE):
            response = service.tell(overridden(UNKNOWN))
            with service.recorder.turn("another"):
                opened = post_to(service.client, chart(**DEFICIENT))
        numbers = service.client.get("/metrics").get_data(as_text=True)

        assert (response.status_code, opened.status_code) == (503, 200)
        assert int(response.headers["Retry-After"]) > 0
        assert problem(response)
        assert 'cds_refused_calls_total{reason="feedback-full"} 0.0' not in numbers
        assert service.tell(overridden(UNKNOWN)).status_code == 200


def test_given_up_look_ups_are_counted(service: Hospital) -> None:
    """A chart with cards that could not ask what was said is counted, and so is feedback that could not be kept."""
    before = service.client.get("/metrics").get_data(as_text=True)
    post_to(service.client, chart(**DEFICIENT))
    service.tell(overridden(UNKNOWN))
    after = service.client.get("/metrics").get_data(as_text=True)

    for number in ("cds_look_ups_given_up_total", 'cds_refused_calls_total{reason="database"}'):
        was, now = (
            float(re.findall(rf"^{re.escape(number)} (.+)$", told, re.MULTILINE)[0]) for told in (before, after)
        )
        assert now - was == 1


def test_calls_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes just after a call was written does not make it write the call again."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    gone = OperationalError("SELECT", {}, Exception("gone"))
    with hospital(url) as service:
        with monkeypatch.context() as patched:
            patched.setattr(service.recorder.store, "tell_feedback", Mock(side_effect=gone))
            post_to(service.client, chart(**DEFICIENT))
            service.flush()
        post_to(service.client, chart(**DEFICIENT))
        assert service.flush()

        assert len(rows(url, CALL)) == 2


def test_tables_of_a_newer_version(tmp_path: Path) -> None:
    """A database that a newer version has made is one that cannot be used: cards are served all the same."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    with hospital(url):
        pass
    with closing(sqlite3.connect(tmp_path / "cds.sqlite3")) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()
    with hospital(url) as service:
        assert post_to(service.client, chart(**DEFICIENT)).status_code == 200
        assert service.tell(overridden(UNKNOWN)).status_code == 503
        assert service.client.get("/readyz").get_json()["parts"]["feedback"] == "cannot be written"


def test_no_thread_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the machine has no thread left to write in, cards are served; what waits is written once it has."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    with hospital(url) as service:
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
            assert post_to(service.client, chart(**DEFICIENT)).status_code == 200
        assert post_to(service.client, chart(**DEFICIENT)).status_code == 200
        assert service.flush()

        assert len(rows(url, CALL)) == 2


def test_more_notes_than_may_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than may wait to be written the oldest are lost: of three calls the first two, since one waits for it."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    with hospital(url) as service:
        monkeypatch.setattr(recorder, "MOST_WAITING", 2)
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
            *_, last = (post_to(service.client, chart(**DEFICIENT)).get_json()["cards"] for _ in range(3))
        assert service.flush()

        assert {row["uuid"] for row in rows(url, CARD)} == {one["uuid"] for one in last}


def test_what_waits_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five calls two are written at a time; where the database fails between them, each is written once."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    monkeypatch.setattr(recorder, "PIECE", 2)
    with hospital(url) as service:
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
            shown = [post_to(service.client, chart(**DEFICIENT)).get_json()["cards"] for _ in range(5)]
        gone = OperationalError("INSERT", {}, Exception("gone"))
        write = Mock(wraps=service.recorder.store.write, side_effect=[DEFAULT, gone, DEFAULT, DEFAULT])
        monkeypatch.setattr(service.recorder.store, "write", write)
        assert service.flush()

        assert [len(asked.args[0].calls) for asked in write.call_args_list] == [2, 2, 2, 1]
        assert len(rows(url, CALL)) == 5
        assert {row["uuid"] for row in rows(url, CARD)} == {one["uuid"] for cards in shown for one in cards}


def test_many_calls_are_not_gathered_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once more than two wait they are written, however long calls may be gathered."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    monkeypatch.setattr(recorder, "ENOUGH", 2)
    monkeypatch.setattr(recorder, "GATHERING", 9 * LONG)
    with hospital(url) as service:
        write, written = service.recorder.store.write, Event()

        def is_written(given: Rows) -> None:
            write(given)
            written.set()

        monkeypatch.setattr(service.recorder.store, "write", is_written)
        for _ in range(4):
            post_to(service.client, chart(**DEFICIENT))

        assert written.wait(LONG)


def test_more_who_wait_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many waited for a database that is away, and gave up, no more of them are remembered than of notes."""
    monkeypatch.setattr(recorder, "MOST_WAITING", 4)
    with hospital(f"sqlite:///{tmp_path}/not-there/cds.sqlite3") as service:
        post_to(service.client, chart(**DEFICIENT))
        before = _events()
        assert not any(service.recorder.flush(0.02) for _ in range(60))

        assert _events() - before < 30  # some of others, and those in the queue, in hand, and left from before


def _events() -> int:
    return sum(type(one) is Event for one in gc.get_objects())


def test_feedback_waits_for_the_database_beside_charts(tmp_path: Path) -> None:
    """While feedback waits for the database, a chart has its turn, though there is but one."""
    turns = Turns(1, 9)
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service, ThreadPoolExecutor(1) as threads:

        def chart_is_opened() -> int:
            with Work(turns, LONG).turn():
                return post_to(service.client, chart(**DEFICIENT)).status_code

        with Work(turns, LONG).turn(), service.recorder.turn(ANYONE):
            assert threads.submit(chart_is_opened).result(LONG) == 200


def test_feedback_waits_for_no_second_turn(tmp_path: Path) -> None:
    """Feedback that is kept is answered, though another has the only turn: it is not 503 for want of one."""
    turns, taken, kept = Turns(1, 9), Event(), Event()
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service, ThreadPoolExecutor(1) as threads:

        def is_kept() -> int:
            with Work(turns, LONG).turn(), service.recorder.turn(ANYONE):
                taken.set()
                kept.wait(LONG)
            return 200

        answered = threads.submit(is_kept)
        assert taken.wait(LONG)
        with Work(turns, LONG).turn():
            kept.set()
            assert answered.result(LONG) == 200
