"""A lint of every published prefetch template (conformance rows 45 to 60).

Row 59 and the first half of row 60 speak of what a client may do; here no template needs either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, REQUIRED, TODAY

TOKEN = re.compile(r"\{\{(.*?)\}\}")
TEMPLATE = re.compile(r"[A-Z][A-Za-z]+(/\{\{[^{}]+\}\}|\?[^?\s]+)")
SIMPLE_PARAMETERS = {"patient", "code", "status", "date", "category", "_count", "_sort"}
LOINC_CODE = re.compile(r"http://loinc\.org\|\d{1,6}-\d")


def _templates() -> Iterator[tuple[str, str]]:
    document = create_app(Settings(as_of=TODAY)).test_client().get(DISCOVERY).get_json()
    for service in document["services"]:
        yield from service["prefetch"].items()


TEMPLATES = dict(_templates())


def _parameters(template: str) -> list[tuple[str, str]]:
    _, _, query = template.partition("?")
    return [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]


@for_each("key", TEMPLATES)
def test_form(key: str) -> None:
    """Rows 45 to 53, 59, 60: a read or a type search, relative to the base, of fields patient-view always lists.

    A token is `{{context.field}}` without blanks inside: no user token, no `encounterId`, no FHIRPath, no other key. It
    survives the sandbox (section 4.1): one question mark, and nothing that must be percent-encoded by hand.
    """
    template = TEMPLATES[key]
    tokens = TOKEN.findall(template)

    assert re.fullmatch(r"[a-z][A-Za-z0-9]*", key)
    assert TEMPLATE.fullmatch(template)
    assert set(tokens) == {"context.patientId"}
    assert template.count("{") == template.count("}") == 2 * len(tokens)
    assert [sign for sign in (*"#%+ \"'<>\\^`\t\n()", "today", "resolve", "user") if sign in template] == []
    assert template.count("?") <= 1
    assert len(template) <= 8000


@for_each("key", [key for key in TEMPLATES if key != "patient"])
def test_parameters(key: str) -> None:
    """Rows 51, 54 to 58: parameters that every server has, none twice, held to the patient by `patient=`.

    Codes are compared by equality, as `system|code` in one comma list, each once; Observations come newest first.
    """
    parameters = _parameters(TEMPLATES[key])
    found = dict(parameters)

    assert len(found) == len(parameters)
    assert set(found) <= SIMPLE_PARAMETERS
    assert found["patient"] == "{{context.patientId}}"
    assert 10 <= int(found["_count"]) <= 1000
    assert found.get("_sort") == ("-date" if TEMPLATES[key].startswith("Observation?") else None)
    assert re.match(r"(eq|lt|gt|ge|le)?\d", found.get("date", "0"))
    codes = found["code"].split(",") if "code" in found else []
    assert [code for code in codes if not LOINC_CODE.fullmatch(code)] == []
    for listed in (codes, found.get("status", "").split(",")):
        assert len(set(listed)) == len(listed)


def test_one_query_a_key() -> None:
    """Section 5, theme 4: no two keys ask the same."""
    assert sorted(set(TEMPLATES.values())) == sorted(TEMPLATES.values())


def test_required_keys_read_the_patient_and_both_analytes() -> None:
    """Design contract: what each required key asks for."""
    assert [re.split(r"(?<=[/?])", TEMPLATES[key], maxsplit=1)[0] for key in REQUIRED] == [
        "Patient/",
        "Observation?",
        "Observation?",
    ]


@for_each(
    ("key", "codes"),
    [
        ("vitaminD", ["62292-8", "68438-1", "1989-3", "35365-6", "62290-2"]),
        ("magnesium", ["19123-9", "2601-3"]),
        ("chemistry", ["17861-6", "1751-7", "2777-1", "2731-8", "2823-3"]),
        ("kidney", ["98979-8", "2160-0"]),
        ("vitals", ["39156-5", "8302-2", "29463-7", "82810-3"]),
    ],
)
def test_codes_that_must_be_asked_for(key: str, codes: list[str]) -> None:
    """Row 62: a query asks for every code the rules read, so that prefetch and a query of our own would agree."""
    assert [code for code in codes if f"http://loinc.org|{code}" not in TEMPLATES[key]] == []


def test_length() -> None:
    """Row 51: a template fits into a URL every server takes (8,000 characters)."""
    assert [key for key, template in TEMPLATES.items() if len(template) > 8000] == []


def test_discovery_is_what_was_linted(client: FlaskClient) -> None:
    """Row 17: the lint saw every published template."""
    service, *_ = client.get(DISCOVERY).get_json()["services"]

    assert service["prefetch"] == TEMPLATES
