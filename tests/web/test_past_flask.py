"""The calls of services go past Flask: nothing that a caller, an operator or the log sees tells which way one went."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.application import WebApplication
from tests.web.calls import LOCAL, TODAY, URL, Json, golden, meaning, problem
from tests.web.refused import REFUSED, Refused

CALLS = [
    Refused("cards", 200, "", golden()),
    Refused("odd slashes", 200, "", golden(), url=f"{URL}//"),
    *(row for row in REFUSED if row.url == URL and row.method == "POST"),
]
OF_ONE_CALL = {"request", "milliseconds"}
"""What no two calls share in the log."""


def _app(*, past_flask: bool, **settings: Any) -> WebApplication:
    """An application by *settings*; where it is not to go past Flask it has the addresses of no services."""
    app = create_app(Settings(as_of=TODAY, **settings))
    assert isinstance(app, WebApplication)
    assert URL in app.calls
    if not past_flask:
        app.calls.clear()
    return app


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
    past, through = (_app(past_flask=way, mode=mode).test_client() for way in (True, False))
    with caplog.at_level(logging.INFO, "cds_service.audit"):
        differing = [
            row.name for row in CALLS if _seen(past, row, headers, caplog) != _seen(through, row, headers, caplog)
        ]

    assert differing == []


@pytest.mark.parametrize("past_flask", [True, False])
def test_a_fault_at_the_end(*, past_flask: bool) -> None:
    """A fault in what is done after each call is 500 with an OperationOutcome, as one before it."""
    app = _app(past_flask=past_flask)

    def fail(*_: object) -> None:
        raise RuntimeError

    app.ends.append(fail)
    response = app.test_client().post(URL, json=golden())

    assert response.status_code == 500
    assert "fault of the service" in problem(response)
