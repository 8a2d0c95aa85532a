"""Health: what a load balancer asks."""

from __future__ import annotations

from pathlib import Path

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.web.health import DatabaseTrial
from cds_service.work import Turns, Work
from tests.support.for_each import for_each
from tests.web.calls import problem

AWAY = "cannot be written"
PATIENCE = 5.0
"""Seconds that no test takes."""


def test_healthz(client: FlaskClient) -> None:
    """Design contract: `GET /healthz` is 200 and JSON as long as the process serves."""
    response = client.get("/healthz")

    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == {"status": "ok"}


def test_only_get(client: FlaskClient) -> None:
    """Row 95: another method is 405 with `Allow` and a body that says which one to use."""
    response = client.post("/healthz", json={})

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert "GET" in problem(response)


def test_readyz(client: FlaskClient) -> None:
    """Design contract: `GET /readyz` names the guidance in force; without feedback and tokens there is nothing more."""
    response = client.get("/readyz")

    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == {"status": "ready", "parts": {"guidance": "ok: magnesium-aware", "mode": "on"}}


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
    parts = {"guidance": "ok: magnesium-aware", "mode": "on", "feedback": "ok", "tokens": "ok"}
    assert response.get_json()["parts"] == parts


def test_asking_often_writes_seldom(tmp_path: Path) -> None:
    """What `/readyz` found counts for some seconds: asked a hundred times, it writes once."""
    client = guarded(tmp_path, f"sqlite:///{tmp_path}/kept.sqlite3")
    file, sizes = tmp_path / "kept.sqlite3-wal", []
    for _ in range(100):
        assert client.get("/readyz").status_code == 200
        sizes.append(file.stat().st_size)
    client.application.extensions["cds_close"]()

    assert set(sizes[1:]) == {sizes[0]}
    assert sizes[0] > 0


def test_not_ready_where_nobody_is_let_in(tmp_path: Path) -> None:
    """Where tokens are asked for and the database is away, it is 503 and the part is named."""
    client = guarded(tmp_path, f"sqlite:///{tmp_path}/not-there/kept.sqlite3")
    response = client.get("/readyz")
    client.application.extensions["cds_close"]()

    assert response.status_code == 503
    assert response.get_json()["status"] == "not ready"
    assert response.get_json()["parts"]["tokens"] == "cannot be written"
    assert "not-there" not in response.get_data(as_text=True)


def test_ready_without_a_database_where_anybody_may_call(tmp_path: Path) -> None:
    """Cards are served without a database, so the process stays ready; that feedback is refused is told."""
    settings = Settings(feedback=True, database_url=f"sqlite:///{tmp_path}/not-there/kept.sqlite3")
    client = create_app(settings).test_client()
    response = client.get("/readyz")
    client.application.extensions["cds_close"]()

    assert response.status_code == 200
    assert response.get_json()["parts"]["feedback"] == "cannot be written"


@for_each(("file", "parts"), [("kept", ("ok", AWAY)), ("kept-tokens", (AWAY, "ok"))])
def test_each_part_is_tried(tmp_path: Path, file: str, parts: tuple[str, str]) -> None:
    """Feedback and used tokens are in files of their own: where one cannot be written, the other still can."""
    client = guarded(tmp_path, f"sqlite:///{tmp_path}/kept.sqlite3")
    client.get("/readyz")
    client.application.extensions["cds_close"]()
    (tmp_path / f"{file}.sqlite3").write_bytes(b"This is no database. " * 500)
    client = guarded(tmp_path, f"sqlite:///{tmp_path}/kept.sqlite3")
    response = client.get("/readyz")
    client.application.extensions["cds_close"]()

    found = response.get_json()["parts"]
    assert (found["tokens"], found["feedback"]) == parts
    assert response.status_code == (200 if found["tokens"] == "ok" else 503)


def test_who_waits_for_a_database_is_in_nobodys_way() -> None:
    """While `/readyz` waits for a database, another call has its turn, though there is but one."""
    turns = Turns(1, 9)

    def write() -> bool:
        with Work(turns, PATIENCE).turn():
            return True

    with Work(turns, PATIENCE).turn():
        assert DatabaseTrial(write).found() == "ok"
