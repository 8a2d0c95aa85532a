"""Charts as they really come: every case of the folder beside the project has the answer that it expects."""

from __future__ import annotations

import gzip
import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.fixtures import ROOT
from tests.web.calls import URL, Json, problem

FOLDER = ROOT.parent / "shared" / "cases"
CASES = sorted(path.parent for path in FOLDER.glob("*/expected.json"))
INGREDIENTS = {"4018": "ergocalciferol", "2418": "cholecalciferol", "6574": "magnesium"}
pytestmark = pytest.mark.skipif(not CASES, reason=f"there is no folder of cases at {FOLDER.name}")


@cache
def _client(as_of: date) -> FlaskClient:
    return create_app(Settings(as_of=as_of)).test_client()


def _seen(card: Json) -> Json:
    """A card as a case writes it: the drugs suggestion by suggestion, each laboratory code once."""
    resources = [action["resource"] for suggestion in card.get("suggestions", ()) for action in suggestion["actions"]]
    drugs = [r["medicationCodeableConcept"]["coding"][0]["code"] for r in resources if "medicationCodeableConcept" in r]
    labs = [r["code"]["coding"][0]["code"] for r in resources if r["resourceType"] == "ServiceRequest"]
    return {
        "topic": card["source"]["topic"]["code"],
        "indicator": card["indicator"],
        "drugs": [INGREDIENTS[code] for code in drugs],
        "labs": list(dict.fromkeys(labs)),
    }


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Path) -> None:
    """The status, and the cards in display order, or the names that the sentence of an error holds."""
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    body, headers = (case / "request.json").read_bytes(), {}
    if expected.get("send") == "gzip":
        body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    response = _client(date.fromisoformat(expected["asOf"])).post(
        URL, data=body, content_type="application/json", headers=headers
    )
    statuses = expected["status"]

    assert response.status_code in (statuses if isinstance(statuses, list) else [statuses])
    if response.status_code == 200:
        cards = [_seen(card) for card in response.get_json()["cards"]]
        assert expected["cards"] == cards
    else:
        sentence = problem(response)
        assert [name for name in expected.get("names", ()) if name not in sentence] == []
