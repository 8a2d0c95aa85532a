"""The playground over HTTP: the page, its question, its feedback, and where it is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.fixtures import ROOT
from tests.support.for_each import for_each
from tests.web.calls import GOLDEN, TODAY, bundle, golden, observation, problem

CARD = re.compile(r'data-card="([0-9a-f-]{36})"')
MOMENT = "2026-03-02T08:15:30Z"


@pytest.fixture
def remembering(tmp_path: Path) -> Iterator[FlaskClient]:
    """A client of a service that keeps feedback, on a day that is not the situation's."""
    app = create_app(Settings(feedback=True, database_url=f"sqlite:///{tmp_path}/kept.sqlite3"))
    yield app.test_client()
    app.extensions["cds_close"]()


def ask(client: FlaskClient, **question: Any) -> TestResponse:
    """Put a question of the page."""
    return client.post("/playground/answer", json=question)


def parts(client: FlaskClient, **question: Any) -> dict[str, str]:
    """The answer to a question of the page, which must be a success."""
    response = ask(client, **question)
    assert response.status_code == 200, response.get_data(as_text=True)
    found: dict[str, str] = response.get_json()
    return found


def summaries(html: str) -> list[str]:
    """The summaries of the cards in a part of the page."""
    return [found.strip() for found in re.findall(r'<span class="indicator">\w+</span> (.*?)</h3>', html)]


def dismiss(client: FlaskClient, card: str, **reason: str) -> TestResponse:
    """Dismiss a card of the page with a reason."""
    item: dict[str, Any] = {"card": card, "outcome": "overridden", "outcomeTimestamp": MOMENT}
    if reason:
        item["overrideReason"] = {"reason": reason}
    return client.post("/playground/feedback?asOf=2026-03-02", json={"feedback": [item]})


DECLINES = {
    "code": "patient-refuses",
    "system": "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes",
}


def test_page_opens_with_the_cards_of_a_patient(client: FlaskClient):
    """Whoever opens `/` sees the two cards of the first patient, without asking for anything."""
    response = client.get("/")
    html = response.get_data(as_text=True)

    assert response.mimetype == "text/html"
    assert [summary.partition(":")[0] for summary in summaries(html)] == [
        "Magnesium 0.72 mmol/L",
        "25(OH)D 35.0 nmol/L",
    ]
    assert "Synthetic data only" in html
    assert "Not clinically validated" in html


def test_page_is_light(client: FlaskClient):
    """The page with everything it loads weighs less than 200 kB, and loads nothing from elsewhere."""
    html = client.get("/").get_data(as_text=True)
    loaded = re.findall(r'(?:src|<link rel="stylesheet" href)="([^"]+)"', html)
    static = ROOT / "cds_service" / "web" / "static" / "playground"
    loaded += [f"/static/playground/{script.name}" for script in static.glob("*.js") if script.name != "main.js"]
    sizes = [len(client.get(name).get_data()) for name in loaded]

    assert len(loaded) >= 6
    assert all(name.startswith("/static/") for name in loaded)
    assert len(html.encode()) + sum(sizes) < 200_000


def test_page_runs_nothing_but_its_own_scripts(client: FlaskClient):
    """The policy allows scripts and styles of this service alone, and the page has none within it."""
    response = client.get("/")
    html = response.get_data(as_text=True)
    policy = response.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", html)


def test_answer_is_that_of_the_service(client: FlaskClient):
    """The response shown for an unchanged situation is what the service answers to its request."""
    html = parts(client, situation=GOLDEN)["answer"]
    shown = re.search(r'<pre id="response" tabindex="0">(.*?)</pre>', html, re.DOTALL)
    assert shown is not None
    said = json.loads(shown[1].replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">"))
    served = client.post("/cds-services/vitamin-d-magnesium", json=golden()).get_json()

    assert [card["summary"] for card in said["cards"]] == [card["summary"] for card in served["cards"]]
    assert [card["detail"] for card in said["cards"]] == [card["detail"] for card in served["cards"]]


def test_change_is_told_to_who_does_not_see_it(client: FlaskClient):
    """The sentence for screen readers names the number of cards, how urgent each is, and its summary."""
    assert parts(client, situation=GOLDEN, vitaminD="90", magnesium="0.9")["said"] == "No cards."
    said = parts(client, situation=GOLDEN, vitaminD="90")["said"]
    assert said.startswith("1 card. Warning: Magnesium 0.72 mmol/L")


def test_text_from_the_record_is_escaped(client: FlaskClient):
    """Markup in a pasted record is shown as text, in cards, plots, steps and the request alike."""
    request = golden()
    resource = request["prefetch"]["magnesium"]["entry"][0]["resource"]
    resource["valueQuantity"] = {"value": 0.72, "unit": "<img src=x onerror=alert(1)>"}
    request["prefetch"]["patient"]["name"] = [{"family": "<script>alert(1)</script>"}]
    html = parts(client, text=json.dumps(request))["answer"]

    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_refusal_is_shown_with_its_status(client: FlaskClient):
    """What the service refuses is shown as its sentence, its status and its OperationOutcome."""
    html = parts(client, text='{"hook": "patient-view"}')["answer"]

    assert "Status 400" in html
    assert "context" in html
    assert "OperationOutcome" in html


def test_curl_sends_the_request_that_was_shown(client: FlaskClient):
    """The command holds the changed request; where profile or day are not the service's, it says how to start it."""
    html = parts(client, situation=GOLDEN, vitaminD="44.25", profile="nam-2011")["answer"]

    assert "http://localhost/cds-services/vitamin-d-magnesium" in html
    assert html.count("44.25") >= 2
    assert "CDS_PROFILE=nam-2011 CDS_CKD_OVERLAY=kdoqi-2003 CDS_AS_OF=2026-03-02 make run" in html
    assert "start it with" not in parts(client, situation=GOLDEN)["answer"]


@for_each(
    "question",
    [
        {"situation": "no-such"},
        {"situation": GOLDEN, "profile": "none"},
        {"situation": GOLDEN, "vitaminD": "x"},
        {"situation": GOLDEN, "asOf": "0001-01-01"},
        {"situation": GOLDEN, "asOf": "9999-12-31"},
        {"situation": GOLDEN, "visit": "v" * 65},
        {"situation": GOLDEN, "unknown": 1},
        {"situation": 3},
    ],
)
def test_wrong_question_is_refused_clearly(client: FlaskClient, question: dict[str, Any]):
    """A question that the page would never put is 400, and the sentence says what is wrong."""
    response = ask(client, **question)

    assert response.status_code == 400
    assert problem(response)


def test_dismissed_card_is_quiet_in_this_visit_alone(remembering: FlaskClient):
    """A reason given on the page quiets the topic there until it is undone, and for no other visit."""
    shown = parts(remembering, situation=GOLDEN, visit="one", settled=True)["answer"]
    assert len(summaries(shown)) == 2
    assert dismiss(remembering, CARD.findall(shown)[1], **DECLINES).status_code == 200

    again = parts(remembering, situation=GOLDEN, visit="one", settled=True)["answer"]
    other = parts(remembering, situation=GOLDEN, visit="two", settled=True)["answer"]
    assert [summary[:9] for summary in summaries(again)] == ["Magnesium"]
    assert "Vitamin D deficiency</strong>: quiet until 31 May." in again
    assert len(summaries(other)) == 2
    undone = parts(remembering, situation=GOLDEN, visit="one", undone=["vitamin-d-deficiency"])["answer"]
    assert len(summaries(undone)) == 2


@pytest.mark.parametrize("day", ["", "yesterday", "0001-01-01", "2026-13-01"])
def test_feedback_needs_the_day_of_its_card(remembering: FlaskClient, day: str):
    """Feedback without a day that can be is 400, and is not kept."""
    response = remembering.post(f"/playground/feedback?asOf={day}", json={"feedback": []})

    assert response.status_code == 400


def test_nothing_to_dismiss_where_nothing_is_kept(client: FlaskClient):
    """Without feedback the page offers none, and its address says why it takes none."""
    html = client.get("/").get_data(as_text=True)
    response = dismiss(client, "0" * 8 + "-0000-4000-8000-" + "0" * 12)

    assert "Dismiss" not in html
    assert response.status_code == 404
    assert "CDS_FEEDBACK" in problem(response)


TEST = {"resourceType": "ServiceRequest", "status": ["active"], "code": {"text": "25(OH)D"}}


@for_each(
    ("key", "resource"),
    [
        ("vitaminD", observation("62292-8", 14, "ng/mL", status=["final"])),
        ("vitaminD", observation("62292-8", 14, "ng/mL", valueQuantity={"value": True, "unit": "ng/mL"})),
        ("conditions", {"resourceType": "Condition", "clinicalStatus": {"coding": [{"code": ["active"]}]}}),
        ("medications", {"resourceType": "MedicationRequest", "status": ["active"]}),
        ("labOrders", TEST),
    ],
)
def test_pasted_value_of_another_kind(client: FlaskClient, key: str, resource: dict[str, Any]):
    """A list where a code belongs, or true for a number, has a page all the same, also where a result is changed."""
    asked = golden()
    asked["prefetch"][key] = bundle(resource)
    for pasted in (asked, bundle(asked["prefetch"]["patient"], resource)):
        for change in ({}, {"vitaminD": "20"}):
            assert parts(client, text=json.dumps(pasted), **change)["banner"]


@for_each(("method", "path"), [("GET", "/"), ("POST", "/playground/answer"), ("POST", "/playground/feedback")])
def test_it_can_be_turned_off(method: str, path: str):
    """With CDS_PLAYGROUND=false its addresses are not there, and the documentation does not link it."""
    client = create_app(Settings(as_of=TODAY, playground=False)).test_client()

    assert client.open(path, method=method, json={}).status_code == 404
    assert '<a href="/">' not in client.get("/docs").get_data(as_text=True)


def guarded(tmp_path: Path, **given: Any) -> Flask:
    """A service that lets in clients with a token."""
    registry = tmp_path / "clients.toml"
    registry.write_text('[[client]]\npreset = "local-trial"\n', encoding="utf-8")
    return create_app(
        Settings(
            as_of=TODAY,
            auth="jwt",
            clients=registry,
            public_url="http://localhost",
            database_url=f"sqlite:///{tmp_path}/kept.sqlite3",
            **given,
        )
    )


def test_it_is_off_where_tokens_are_asked_for(tmp_path: Path):
    """With CDS_AUTH=jwt the page is not there, unless it is turned on."""
    assert guarded(tmp_path).test_client().get("/").status_code == 404
    assert guarded(tmp_path, playground=True).test_client().get("/").status_code == 200


def test_it_calls_no_server_where_tokens_are_asked_for(tmp_path: Path):
    """Turned on beside tokens, a pasted request cannot make the service call a FHIR server."""
    request = golden()
    del request["prefetch"]["magnesium"]
    request["fhirServer"] = "http://127.0.0.1:9/fhir"
    html = parts(guarded(tmp_path, playground=True).test_client(), text=json.dumps(request))["answer"]

    assert "no fhirServer was given" in html
    assert "Status 412" in html
