"""Health: what a load balancer asks."""

from __future__ import annotations

from pathlib import Path

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
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


def test_readyz(client: FlaskClient) -> None:
    """Design contract: `GET /readyz` names the guidance in force; without feedback and tokens there is nothing more."""
    response = client.get("/readyz")

    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == {"status": "ready", "parts": {"guidance": "ok: magnesium-aware"}}


def guarded(folder: Path, database: str) -> FlaskClient:
    """A client of a service that asks for tokens and keeps feedback."""
    registry = folder / "clients.toml"
    registry.write_text('[[client]]\npreset = "local-trial"\n', encoding="utf-8")
    settings = Settings(
        auth="jwt", clients=registry, public_url="http://localhost", feedback=True, database_url=database
    )
    return create_app(settings).test_client()


def test_ready_with_its_database(tmp_path: Path) -> None:
    """With a database that can be reached, each part that needs it is ok; nobody needs a token to ask."""
    client = guarded(tmp_path, f"sqlite:///{tmp_path}/kept.sqlite3")
    response = client.get("/readyz")
    client.application.extensions["cds_close"]()

    assert response.status_code == 200
    assert response.get_json()["parts"] == {"guidance": "ok: magnesium-aware", "feedback": "ok", "tokens": "ok"}


def test_not_ready_where_nobody_is_let_in(tmp_path: Path) -> None:
    """Where tokens are asked for and the database is away, it is 503 and the part is named."""
    client = guarded(tmp_path, f"sqlite:///{tmp_path}/not-there/kept.sqlite3")
    response = client.get("/readyz")
    client.application.extensions["cds_close"]()

    assert response.status_code == 503
    assert response.get_json()["status"] == "not ready"
    assert response.get_json()["parts"]["tokens"] == "cannot be reached"
    assert "not-there" not in response.get_data(as_text=True)


def test_ready_without_a_database_where_anybody_may_call(tmp_path: Path) -> None:
    """Cards are served without a database, so the process stays ready; that feedback is refused is told."""
    settings = Settings(feedback=True, database_url=f"sqlite:///{tmp_path}/not-there/kept.sqlite3")
    client = create_app(settings).test_client()
    response = client.get("/readyz")
    client.application.extensions["cds_close"]()

    assert response.status_code == 200
    assert response.get_json()["parts"]["feedback"] == "cannot be reached"
