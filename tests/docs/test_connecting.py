"""What analysts and security teams are promised: the cards of the test plan, and what answers without a token."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from cds_service.app import create_app
from cds_service.fhir import client
from cds_service.settings import Settings
from tests.docs.test_docs_in_step import DOCS, EHR, SECURITY, FhirServer, sections
from tests.support.for_each import for_each
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import TODAY, URL, cards

PATIENTS = DOCS / "how-to" / "test-patients.json"
TRANSACTIONS = [PATIENTS, DOCS / "how-to" / "hapi-patient.json", DOCS / "tutorial" / "sandbox-patients.json"]
OWNERS: dict[str, Any] = {"insights_token": "i" * 16, "metrics_token": "m" * 16, "playground": True}
"""What whoever runs the service may turn on beside it."""
FACT = r"[\d.]+(?= [np]g/mL| [nm]mol/L)|\d{4}-\d\d-\d\d|[A-Z]\d\d\.\d"
"""Results, days and codes of problems, as the plan writes them."""
ASKED = {
    "about": "ckd",
    "docs": "security",
    "static": "site.css",
    "insights": "calls",
    "cds-services": "vitamin-d-magnesium",
}
"""Something that is there, for addresses with a name in them."""


@for_each("file", TRANSACTIONS, ids=lambda file: file.stem)
def test_patients_can_be_loaded(file: Path):
    """The patients that a page has put on a FHIR server are valid FHIR, and a transaction."""
    assert Bundle.model_validate_json(file.read_bytes()).type == "transaction"


def test_patients_of_the_plan_get_the_cards_of_the_plan(monkeypatch: pytest.MonkeyPatch):
    """Each patient that is loaded is made up as the plan tells, and has its cards in their order; none is left out."""
    server = FhirServer()
    server.transaction(PATIENTS.read_bytes())
    monkeypatch.setattr(client.FhirServer, "ask", lambda _, query: server.ask(query))
    called = create_app(Settings(as_of=TODAY)).test_client()
    told: dict[str, list[list[str]]] = {}
    for line in sections(EHR, 2)["A test plan"].splitlines():
        if line.startswith("| `ehr-"):
            patient, made_up, *card = [cell.strip(" `") for cell in line.strip("|").split("|")]
            told.setdefault(patient, []).extend([] if card[-1] == "no card" else [card])
            loaded = json.dumps([found for name, found in server.resources.items() if patient in name])
            assert [fact for fact in re.findall(FACT, made_up) if fact not in loaded] == []

    assert {f"Patient/{name}" for name in told} == {name for name in server.resources if name.startswith("Patient/")}
    for patient, expected in told.items():
        context = {"patientId": patient, "userId": "Practitioner/example"}
        body = {"hook": "patient-view", "hookInstance": "p", "fhirServer": "http://127.0.0.1:8080/fhir"}
        shown = cards(called.post(URL, json={**body, "context": context}))
        assert [[card["source"]["topic"]["code"], card["indicator"], card["summary"]] for card in shown] == expected


@for_each("owners", [{}, OWNERS], ids=["as it comes", "with what the owner may turn on"])
def test_what_answers_without_a_token(owners: dict[str, Any], tmp_path: Path):
    """Each address that is served has a row, and answers a stranger as it says: 401, 404, or an answer."""
    registry = write_registry(tmp_path / "clients.toml", Issuer("riverside", "https://ehr.example.com").entry)
    app = create_app(Settings(auth="jwt", clients=registry, public_url=BASE, feedback=True, **owners))
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", ASKED.get(rule.rule.split("/")[1], ""), rule.rule)
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        status = app.test_client().open(path, method=method).status_code
        found[re.sub(r"<[^>]+>", "{id}", rule.rule)] = str(status) if status in (401, 404) else "an answer"
    rows = re.findall(
        r"^\| (`/.*`) \| ([\w ]+)(?:; ([\w ]+) where .+)? \|$", sections(SECURITY, 2)["Without a token"], re.MULTILINE
    )
    told = {
        address: turned_on if owners and turned_on else usual
        for addresses, usual, turned_on in rows
        for address in re.findall(r"`(.+?)`", addresses)
    }

    assert found == told
