"""Limits on what one request may bring, and on how often a client may call; headers of every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.for_each import for_each
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import DISCOVERY, LOCAL, TODAY, URL, Json, bundle, changed, golden, observation, post_to, problem

SMALL: dict[str, Any] = {"as_of": TODAY, "max_entries": 5, "max_resources": 20}


@pytest.fixture(scope="module")
def small() -> FlaskClient:
    """A service that reads five entries of a Bundle and twenty resources in all."""
    return create_app(Settings(**SMALL)).test_client()


def _with(count: int, key: str = "chemistry") -> Json:
    """The golden request with so many entries in one Bundle."""
    return changed(**{key: bundle(*[observation("2823-3", 4.1, "mmol/L") for _ in range(count)])})


@for_each(("count", "status"), [(1, 200), (5, 200), (6, 413), (500, 413)])
def test_entries(small: FlaskClient, count: int, status: int) -> None:
    """A Bundle with more entries than CDS_MAX_ENTRIES is 413, naming the key and the setting; as many are read."""
    response = post_to(small, _with(count))

    assert response.status_code == status
    assert status == 200 or {"prefetch.chemistry", "(CDS_MAX_ENTRIES)"} <= set(problem(response).split())


@for_each("entry", [None, 7, "x", {}, {"resource": {"resourceType": "OperationOutcome"}}])
def test_entries_that_are_no_resources_count(small: FlaskClient, entry: Any) -> None:
    """An entry counts whatever it holds: a Bundle cannot be long by holding nothing."""
    request = golden()
    request["prefetch"]["chemistry"]["entry"] = [entry] * 6

    assert post_to(small, request).status_code == 413


def test_resources(small: FlaskClient) -> None:
    """More resources in all than CDS_MAX_RESOURCES are 413, though no Bundle has too many entries."""
    five = {key: _with(5, key)["prefetch"][key] for key in ("chemistry", "kidney", "vitals", "vitaminD", "magnesium")}

    assert "CDS_MAX_RESOURCES" in problem(post_to(small, changed(**five)))
    assert post_to(small, changed(**{**five, "vitals": bundle(), "vitaminD": bundle()})).status_code != 413


@for_each(("levels", "status"), [(50, 200), (100_000, 400)])
def test_depth(small: FlaskClient, levels: int, status: int) -> None:
    """JSON may be nested as no FHIR resource is; a hundred thousand levels are 400, and not the end of the process."""
    body = json.dumps(golden())[:-1] + ', "x": ' + "[" * levels + "]" * levels + "}"
    response = small.post(URL, data=body.encode(), content_type="application/json")

    assert response.status_code == status


def test_length_of_too_many_digits(small: FlaskClient) -> None:
    """Under a server that lets it through, a length of more digits than Python reads is none: 400, and no fault."""
    length = {"CONTENT_LENGTH": "9" * 5_000}
    response = small.post(URL, json=golden(), environ_overrides=length)

    assert response.status_code == 400


NOW = "2026-03-02T11:30:00+14:00"
"""Evening of the day before in UTC."""


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands."""
    with time_machine.travel(NOW, tick=False) as found:
        yield found


def test_rate(tmp_path: Path, clock: time_machine.Traveller) -> None:
    """A client that calls more often than it may is 429 with Retry-After; others may call, and it may again later."""
    often, seldom = Issuer("often", "https://often.example"), Issuer("seldom", "https://seldom.example")
    registry = write_registry(tmp_path / "clients.toml", often.entry, {**seldom.entry, "rate": "2/minute"})
    settings = Settings(
        auth="jwt", clients=registry, public_url=BASE, database_url=f"sqlite:///{tmp_path}/db", as_of=TODAY
    )
    client = create_app(settings).test_client()

    def call(issuer: Issuer) -> Any:
        return client.get(DISCOVERY, headers={"Authorization": f"Bearer {issuer.token()}", "Origin": LOCAL})

    assert [call(seldom).status_code for _ in range(3)] == [200, 200, 429]
    refused = call(seldom)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Access-Control-Allow-Origin"] == LOCAL
    assert problem(refused).startswith("This client has called more often than it may")
    assert call(often).status_code == 200
    clock.shift(121)
    assert call(seldom).status_code == 200


FIXED = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@for_each("secure", [False, True])
def test_headers(tmp_path: Path, *, secure: bool) -> None:
    """Row 164: every answer forbids caching, sniffing, framing and loading; https is demanded once it is known."""
    more: dict[str, Any] = {"public_url": BASE} if secure else {}
    app = create_app(Settings(as_of=TODAY, feedback=True, database_url=f"sqlite:///{tmp_path}/db", **more))
    try:
        paths = (DISCOVERY, URL, f"{URL}/feedback", "/healthz", "/openapi.json", "/insights", "/none")
        for path, method in product(paths, ("GET", "POST", "OPTIONS", "PUT")):
            answer = app.test_client().open(path, method=method)
            assert {name: answer.headers[name] for name in FIXED} == FIXED
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert ("Strict-Transport-Security" in answer.headers) is secure
    finally:
        app.extensions["cds_close"]()
