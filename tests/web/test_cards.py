"""The cards over HTTP (conformance rows 97 to 149), over the answers to every golden request.

What holds for each answer alone is in `tests/properties/checks.py`; the markdown of the detail (rows 102, 103) in
`test_markdown.py`. Rows 115, 121 (the client's half), 130, 135 and 147 (the client's half) are promises of the client.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from tests.support.fixtures import situations
from tests.support.for_each import for_each
from tests.web.calls import Json, golden, meaning, only_result
from tests.web.conftest import Post

PUBLISHED = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"


@pytest.fixture(scope="module")
def cards(answers: dict[str, Json]) -> list[Json]:
    """Every card of every golden answer."""
    return [card for body in answers.values() for card in body["cards"]]


@for_each("key", ["vitaminD", "magnesium"])
@for_each(
    ("value", "unit", "day"),
    [
        ("123456789.123456789", "ng/mL", "2026-02-20"),
        ("1234.5678", "nmol/L", "2025-11-30"),
        ("0.000000001", "mmol/L", "2026-02-20"),
        ("19.99999999999999999999999", "ng/mL", "2025-04-01"),
        ("4.999999999999", "mg/L", "2025-12-31"),
        ("49.94999", "nmol/L", "2025-12-31"),
        ("1.8199999999", "mEq/L", "2025-12-31"),
        ("999999999", "mg/dL", "2026-02-20"),
    ],
)
def test_summary_of_long_values(post: Post, key: str, value: str, unit: str, day: str) -> None:
    """Row 100: the longest values, units and dates still fit."""
    request = json.dumps(only_result(key, valueQuantity={"value": 0, "unit": unit}, effectiveDateTime=day))
    body = post(request.replace('"value": 0,', f'"value": {value},').encode()).get_json()

    assert [card["summary"] for card in body["cards"] if not 0 < len(card["summary"]) < 140] == []


def test_one_name_for_one_thing(cards: list[Json]) -> None:
    """Rows 111, 138, 180: a topic has one display, an address one label; the hosts of links are few."""
    topics = {tuple(sorted(card["source"]["topic"].items())) for card in cards}
    links = {(link["url"], link["label"]) for card in cards for link in card.get("links", ())}

    assert len({dict(topic)["code"] for topic in topics}) == len(topics)
    assert len({url for url, _ in links}) == len(links)
    assert len({urlsplit(url).netloc for url, _ in links}) <= 6


def test_codes_of_override_reasons(cards: list[Json]) -> None:
    """Row 136: the codes are HL7's where one fits; what they are called says what they mean here."""
    found = {(r["system"], r["code"], r["display"]) for card in cards for r in card["overrideReasons"]}

    assert {(code, display) for system, code, display in found if system == PUBLISHED} == {
        ("action-completed", "Already treated or supplemented elsewhere"),
        ("patient-refuses", "Patient declines"),
        ("action-not-priority", "Not clinically relevant now"),
        ("limited-time", "Will address at another visit"),
        ("patient-contraindication", "Contraindicated"),
    }
    assert {display for system, _, display in found if system != PUBLISHED} == {"Result known or repeated elsewhere"}


def test_finding_is_in_the_summary(post: Post) -> None:
    """Row 193: a client may hide the detail, so the value and its unit are in the summary."""
    magnesium, vitamin_d = (found["summary"] for found in post(golden()).get_json()["cards"])

    assert "0.72 mmol/L" in magnesium
    assert "35.0 nmol/L" in vitamin_d


def test_every_situation_twice(post: Post) -> None:
    """Row 146: the same request gives the same cards but for uuids, whatever was asked in between."""
    bodies = [situation.body for situation in situations()]

    assert [meaning(post(body)) for body in bodies] == [meaning(post(body)) for body in bodies]
