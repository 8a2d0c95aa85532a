"""Health: what a load balancer asks."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.web.calls import LOCAL, problem


def test_healthz(client: FlaskClient) -> None:
    """Design contract: `GET /healthz` is 200 and JSON as long as the process serves."""
    response = client.get("/healthz")

    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == {"status": "ok"}


def test_head(client: FlaskClient) -> None:
    """Load balancers ask with HEAD as well."""
    assert client.head("/healthz").status_code == 200


def test_needs_nothing(client: FlaskClient) -> None:
    """Any Accept, a query and no host of ours: it is still 200."""
    response = client.get("/healthz?probe=1", headers={"Accept": "text/html", "Host": "10.0.0.7:8000"})

    assert response.status_code == 200


def test_only_get(client: FlaskClient) -> None:
    """Row 95: another method is 405 with `Allow` and a body that says which one to use."""
    response = client.post("/healthz", json={})

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert "GET" in problem(response)


def test_cors(client: FlaskClient) -> None:
    """Row 179: a browser client may ask too."""
    response = client.get("/healthz", headers={"Origin": LOCAL})

    assert response.headers["Access-Control-Allow-Origin"] == LOCAL
