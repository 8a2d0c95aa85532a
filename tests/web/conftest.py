"""Fixtures for the tests of the wire: a client on a frozen day, and the answers to every golden request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app, web
from cds_service.fhir.client import FhirServer
from cds_service.settings import Settings
from cds_service.web.application import WebApplication
from tests.support.fixtures import Situation, engine, situations
from tests.web.calls import TODAY, URL, Json

Post = Callable[..., TestResponse]


@pytest.fixture(scope="session")
def app() -> Flask:
    """The application as it is served, on the day of the golden request."""
    return create_app(Settings(as_of=TODAY))


@pytest.fixture(scope="module")
def servers_are_named() -> Iterator[None]:
    """FHIR servers of this machine, at any port, as if they were listed: all that they answer is told."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FhirServer, "named", True)
        yield


@pytest.fixture(scope="session")
def client(app: Flask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()


@pytest.fixture(scope="session")
def post(client: FlaskClient) -> Post:
    """Post a body, as it is or as JSON, to the service or another URL."""

    def send(
        body: Any, *, url: str = URL, content_type: str | None = "application/json", headers: Json | None = None
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return client.post(url, data=data, content_type=content_type, headers=headers)

    return send


@pytest.fixture(scope="session")
def answers() -> dict[str, Json]:
    """The answer to every golden request over HTTP, by the name of its folder."""
    served: dict[tuple[Any, ...], FlaskClient] = {}

    def answer(situation: Situation) -> Json:
        expected = situation.expected
        chosen = (
            situation.as_of,
            expected.get("profile", "magnesium-aware"),
            expected.get("ckdOverlay", "kdoqi-2003"),
            expected.get("maxCards", 4),
        )
        if chosen not in served:
            application = WebApplication("cds_service", static_folder=None)
            web.init_app(application, engine(*chosen), Settings(as_of=situation.as_of))
            served[chosen] = application.test_client()
        response = served[chosen].post(URL, data=situation.body, content_type="application/json")
        assert response.status_code == 200, (situation.name, response.get_data(as_text=True))
        body: Json = response.get_json()
        return body

    return {situation.name: answer(situation) for situation in situations()}
