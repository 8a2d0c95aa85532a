"""Every subset of prefetch keys (rows 61, 62, 64, 72 to 75): the answer of complete data, or a plain word why not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.examples import tried
from tests.support.fault_server import FaultServer
from tests.support.fixtures import SERVICE, Situation, engine, situations
from tests.web.calls import KEYS, PATIENCE, REQUIRED, URL, Json, drugs, meaning, problem

SITUATIONS = (
    "bariatric-surgery-no-maintenance-order",
    "primary-hyperparathyroidism-calcium-old",
    "synthetic-deficient-low-normal-mg",
)
some = given(keys=st.frozensets(st.sampled_from(KEYS)))


@pytest.fixture(scope="module", params=SITUATIONS)
def situation(request: pytest.FixtureRequest) -> Situation:
    """A situation with results, problems and medications."""
    (found,) = [situation for situation in situations() if situation.name == request.param]
    return found


@pytest.fixture(scope="module")
def client(situation: Situation) -> FlaskClient:
    """The service on the day of the situation, with time to spare."""
    return create_app(Settings(as_of=situation.as_of, **PATIENCE)).test_client()


@pytest.fixture(scope="module")
def whole(situation: Situation) -> Json:
    """The request with every key; one the situation leaves out has nothing on file."""
    found: Json = json.loads(situation.body)
    empty: Json = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    found["prefetch"] = {key: found["prefetch"].get(key) or empty for key in KEYS}
    return found


@pytest.fixture(scope="module")
def server(whole: Json, situation: Situation) -> Iterator[FaultServer]:
    """A faithful server that pages, with the same data."""
    queries = {key.value: query for key, query in engine(situation.as_of).registry.find(SERVICE).prefetch.items()}
    patient_id = whole["context"]["patientId"]
    with FaultServer(whole["prefetch"], queries, patient_id, page_size=5) as found:
        yield found


def _with(whole: Json, keys: frozenset[str], **members: Any) -> Json:
    return {**whole, "prefetch": {key: whole["prefetch"][key] for key in keys}, **members}


@pytest.fixture(scope="module")
def full(client: FlaskClient, whole: Json) -> TestResponse:
    """The answer to the request with every key."""
    return client.post(URL, json=whole)


@some
@tried(500)
def test_completed(
    client: FlaskClient, whole: Json, server: FaultServer, full: TestResponse, keys: frozenset[str]
) -> None:
    """Rows 61, 62, 72: whatever subset arrives, the cards are those of full prefetch, and just the rest is fetched."""
    server.heal()
    answer = client.post(URL, json=_with(whole, keys, fhirServer=server.url))

    assert meaning(answer) == meaning(full)
    assert {request.key for request in server.requests} == set(KEYS) - keys


@some
@tried(500)
def test_without_a_server(client: FlaskClient, whole: Json, full: TestResponse, keys: frozenset[str]) -> None:
    """Rows 64, 73: with no server a lost required key is 412 and named; a lost optional one unlocks no drug."""
    answer = client.post(URL, json=_with(whole, keys))
    lost = [key for key in REQUIRED if key not in keys]

    if lost:
        assert answer.status_code == 412
        assert [key for key in KEYS if f"{key}:" in problem(answer)] == lost
    else:
        assert answer.status_code == 200
        assert drugs(answer.get_json()) <= drugs(full.get_json())
