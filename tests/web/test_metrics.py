"""Numbers for Prometheus: what is counted, that it holds nothing of a patient, and who may read it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

from cds_service import create_app
from cds_service.settings import Settings
from tests.web.calls import PATIENT_ID, TODAY, URL, golden, post_to, without

SERVICE = 'service="vitamin-d-magnesium"'
TOKEN = "a-token-of-the-watcher"  # noqa: S105 - made up
SAMPLE = re.compile(r"^(\w+(?:\{[^}]*\})?) ([0-9.e+-]+)$", re.MULTILINE)


def numbers(client: FlaskClient) -> dict[str, float]:
    """Every number, by its name with its labels."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    return {name: float(value) for name, value in SAMPLE.findall(response.get_data(as_text=True))}


def grown(client: FlaskClient, before: dict[str, float]) -> dict[str, float]:
    """By how much each number grew."""
    return {
        name: value - before.get(name, 0.0)
        for name, value in numbers(client).items()
        if value != before.get(name, 0.0) and "_created" not in name
    }


def test_call_is_counted(client: FlaskClient):
    """A call with two cards counts once, with its time, its stages, nine prefetched keys, and each card's topic."""
    before = numbers(client)
    post_to(client, golden())
    found = grown(client, before)

    assert found[f'cds_requests_total{{{SERVICE},status="200"}}'] == 1
    assert found[f"cds_request_seconds_count{{{SERVICE}}}"] == 1
    for stage in ("decode", "prefetch", "logic", "cards"):
        assert found[f'cds_stage_seconds_count{{stage="{stage}"}}'] == 1
    assert found['cds_prefetch_keys_total{state="prefetched"}'] == 9
    assert found['cds_cards_total{topic="magnesium-low"}'] == 1
    assert found['cds_cards_total{topic="vitamin-d-deficiency"}'] == 1


def test_stages_are_no_longer_than_the_call(client: FlaskClient):
    """The seconds of the stages add up to no more than those of the call."""
    before = numbers(client)
    post_to(client, golden())
    found = grown(client, before)
    stages = sum(value for name, value in found.items() if name.startswith("cds_stage_seconds_sum"))

    assert 0 < stages <= found[f"cds_request_seconds_sum{{{SERVICE}}}"]


def test_lacking_key_is_counted(client: FlaskClient):
    """A key that was not sent, without a FHIR server to ask, is lacking."""
    before = numbers(client)
    post_to(client, without("chemistry"))
    found = grown(client, before)

    assert found['cds_prefetch_keys_total{state="lacking"}'] == 1
    assert found['cds_prefetch_keys_total{state="prefetched"}'] == 8


def test_refusals_are_counted_by_status(client: FlaskClient):
    """A 412 is a call of the service; an address of no service is counted without its name."""
    before = numbers(client)
    post_to(client, without("magnesium"))
    client.post("/cds-services/Rosalind-Franklin", json={})
    found = grown(client, before)

    assert found[f'cds_requests_total{{{SERVICE},status="412"}}'] == 1
    assert found['cds_requests_total{service="unknown",status="404"}'] == 1
    assert not [name for name in numbers(client) if "Rosalind" in name]


def test_nothing_of_the_patient_is_told(client: FlaskClient):
    """No id, name, date or value of the record is in the numbers."""
    post_to(client, golden())
    text = client.get("/metrics").get_data(as_text=True)

    for secret in (PATIENT_ID, "Example", "1980-06-15", "0.72", "2026-02-20"):
        assert secret not in text


def test_feedback_and_quiet_cards_are_counted(tmp_path: Path):
    """A call of feedback counts, and so does the card that it keeps quiet."""
    settings = Settings(as_of=TODAY, feedback=True, database_url=f"sqlite:///{tmp_path}/kept.sqlite3")
    client = create_app(settings).test_client()
    card = next(
        card
        for card in post_to(client, golden()).get_json()["cards"]
        if card["source"]["topic"]["code"] == "vitamin-d-deficiency"
    )
    before = numbers(client)
    reason = {key: card["overrideReasons"][1][key] for key in ("code", "system")}
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-02T08:00:00Z"}
    client.application.extensions["cds_recorder"].flush()
    kept = client.post(f"{URL}/feedback", json={"feedback": [item | {"overrideReason": {"reason": reason}}]})
    post_to(client, golden())
    found = grown(client, before)
    client.application.extensions["cds_close"]()

    assert kept.status_code == 200
    assert found[f'cds_feedback_requests_total{{{SERVICE},status="200"}}'] == 1
    assert found['cds_quiet_cards_total{topic="vitamin-d-deficiency"}'] == 1


def test_guidance_in_force_is_told(client: FlaskClient):
    """Version, profile, overlay and a digest of the guidance files are labels of one number that is 1."""
    told = [name for name in numbers(client) if name.startswith("cds_build_info")]

    assert [name for name in told if re.search(r'guidance="[0-9a-f]{12}",overlay="kdoqi-2003"', name)]


def guarded(tmp_path: Path, token: str | None) -> FlaskClient:
    """A client of a service that asks for tokens."""
    registry = tmp_path / "clients.toml"
    registry.write_text('[[client]]\npreset = "local-trial"\n', encoding="utf-8")
    settings = Settings(
        auth="jwt",
        clients=registry,
        public_url="http://localhost",
        metrics_token=None if token is None else SecretStr(token),
        database_url=f"sqlite:///{tmp_path}/kept.sqlite3",
    )
    return create_app(settings).test_client()


@pytest.mark.parametrize(("token", "given", "status"), [(None, None, 404), (TOKEN, None, 401), (TOKEN, TOKEN, 200)])
def test_numbers_are_kept_inside(tmp_path: Path, token: str | None, given: str | None, status: int):
    """With CDS_AUTH=jwt the numbers are there only for who has their token."""
    headers = {} if given is None else {"Authorization": f"Bearer {given}"}

    assert guarded(tmp_path, token).get("/metrics", headers=headers).status_code == status


def test_wrong_token_is_refused(tmp_path: Path):
    """Another token is 401, and nothing is told."""
    response = guarded(tmp_path, TOKEN).get("/metrics", headers={"Authorization": "Bearer another-token-of-16"})

    assert response.status_code == 401
    assert json.dumps(response.get_data(as_text=True)) == '""'
