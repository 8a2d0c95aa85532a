"""Calls of services go past Flask with our own server: nothing that anybody sees tells which way one went."""

from __future__ import annotations

import gc
import logging
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from flask import abort
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from cds_service import create_app
from cds_service.errors import let_go
from cds_service.settings import Settings
from cds_service.web.incoming import PAST_FLASK
from tests.web.calls import DISCOVERY, LOCAL, TODAY, URL, Json, golden, meaning
from tests.web.refused import REFUSED, SURNAME, Refused

CALLS = [
    Refused("cards", 200, "", golden()),
    Refused("odd slashes", 200, "", golden(), url=f"{URL}//"),
    *(row for row in REFUSED if row.url == URL and row.method == "POST"),
]
MEGABYTE = 1024 * 1024
OF_ONE_CALL = {"request", "milliseconds"}
"""What no two calls share in the log."""


def _client(*, past_flask: bool, **settings: Any) -> FlaskClient:
    """A client of an application by *settings*, whose calls of services may go past Flask or not."""
    client = create_app(Settings(as_of=TODAY, **settings)).test_client()
    client.environ_base |= {PAST_FLASK: "yes"} if past_flask else {}
    return client


def _seen(client: FlaskClient, row: Refused, headers: Json, caplog: pytest.LogCaptureFixture) -> tuple[Any, ...]:
    """What is seen of a call: the status, the headers, what the body means, the line of the log."""
    caplog.clear()
    response = row.call(client, headers)
    (line,) = [vars(record)["fields"] for record in caplog.records if record.name == "cds_service.audit"]
    return (
        response.status,
        sorted((name, value) for name, value in response.headers if name != "X-Request-ID"),
        meaning(response) if response.status_code == 200 else response.get_data(),
        {name: value for name, value in line.items() if name not in OF_ONE_CALL},
    )


@pytest.mark.parametrize("mode", ["on", "off", "silent"])
@pytest.mark.parametrize("headers", [{}, {"Origin": LOCAL}], ids=["of a program", "of a browser"])
def test_either_way(mode: str, headers: Json, caplog: pytest.LogCaptureFixture) -> None:
    """Calls of every kind are answered and logged the same, whichever way they go."""
    past, through = (_client(past_flask=way, mode=mode) for way in (True, False))
    with caplog.at_level(logging.INFO, "cds_service.audit"):
        differing = [
            row.name for row in CALLS if _seen(past, row, headers, caplog) != _seen(through, row, headers, caplog)
        ]

    assert differing == []


@pytest.mark.parametrize("past_flask", [True, False])
def test_a_fault_at_the_end(caplog: pytest.LogCaptureFixture, *, past_flask: bool) -> None:
    """A fault in what is done after each call is logged, and takes neither cards nor what comes after it away."""
    client = _client(past_flask=past_flask)

    def fail(*_: object) -> None:
        raise RuntimeError(SURNAME)

    client.application.ends.insert(0, fail)  # type: ignore[attr-defined]
    response = client.post(URL, json=golden())

    assert meaning(response) == meaning(_client(past_flask=past_flask).post(URL, json=golden()))
    assert "X-Request-ID" in response.headers
    assert "unexpected RuntimeError" in caplog.text
    assert SURNAME not in caplog.text


@pytest.mark.parametrize(("past_flask", "passed"), [(True, 1), (False, 0)])
def test_what_others_put_before_each_request(*, past_flask: bool, passed: int) -> None:
    """Who builds on the application may guard all of it as Flask has it: with another server no call goes past that."""
    client = _client(past_flask=past_flask)
    client.application.before_request(lambda: abort(403))

    assert [client.post(URL, json=golden()).status_code, client.get(DISCOVERY).status_code] == [(403, 200)[passed], 403]


def test_errors_in_a_circle_are_let_go_of() -> None:
    """An error whose cause came of it in turn lets go of its frames, and that ends."""
    errors = [ValueError(), KeyError()]
    for error in errors:
        with pytest.raises(type(error)):
            raise error
    errors[0].__cause__, errors[1].__cause__ = errors[1], errors[0]
    let_go(errors[0])

    assert [error.__traceback__ for error in errors] == [None, None]


@pytest.mark.parametrize("past_flask", [True, False])
@pytest.mark.parametrize("url", [URL, f"{URL}/feedback"])
def test_nothing_keeps_a_refused_body(tmp_path: Path, url: str, *, past_flask: bool) -> None:
    """A body that was refused is gone with its answer, and does not wait until Python looks for circles."""
    app = _client(past_flask=past_flask, feedback=True, database_url=f"sqlite:///{tmp_path}/db").application

    def refused(body: bytes) -> None:
        call = EnvironBuilder(path=url, method="POST", data=body, content_type="application/json").get_environ()
        _, status, _ = run_wsgi_app(app, call | ({PAST_FLASK: "yes"} if past_flask else {}))
        assert status == "400 BAD REQUEST"

    refused(b"{")  # what is made at the first call stays
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(4):
            refused(b"[" + b" " * MEGABYTE + b"]")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
        app.extensions["cds_close"]()

    assert kept < MEGABYTE
