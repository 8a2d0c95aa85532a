"""Every subset of prefetch keys (rows 61, 62, 64, 72 to 75): the answer of complete data, or a plain word why not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.fault_server import FaultServer
from tests.support.fixtures import SERVICE, Situation, engine, situations
from tests.web.calls import KEYS, PATIENCE, REQUIRED, URL, Json, drugs, meaning, problem

SITUATIONS = (
    "bariatric-surgery-no-maintenance-order",
    "four-warnings-fold-every-info-card",
    "synthetic-deficient-low-normal-mg",
)
SUBSETS = [frozenset(chosen) for size in range(len(KEYS) + 1) for chosen in itertools.combinations(KEYS, size)]


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


def test_completed(client: FlaskClient, whole: Json, server: FaultServer) -> None:
    """Rows 61, 62, 72: whatever subset arrives, the cards are those of full prefetch, and just the rest is fetched."""
    expected = meaning(client.post(URL, json=whole))
    for keys in SUBSETS:
        server.heal()
        answer = client.post(URL, json=_with(whole, keys, fhirServer=server.url))

        assert meaning(answer) == expected, sorted(keys)
        assert {request.key for request in server.requests} == set(KEYS) - keys


def test_without_a_server(client: FlaskClient, whole: Json) -> None:
    """Rows 64, 73: with no server a lost required key is 412 and named; a lost optional one unlocks no drug."""
    offered = drugs(client.post(URL, json=whole).get_json())
    for keys in SUBSETS:
        answer = client.post(URL, json=_with(whole, keys))
        lost = [key for key in REQUIRED if key not in keys]
        if lost:
            assert answer.status_code == 412, sorted(keys)
            assert [key for key in KEYS if f"{key}:" in problem(answer)] == lost
        else:
            assert answer.status_code == 200, sorted(keys)
            assert drugs(answer.get_json()) <= offered, sorted(keys)
