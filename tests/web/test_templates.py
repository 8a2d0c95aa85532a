"""A lint of every published prefetch template (conformance rows 45 to 60).

Row 59 and the first half of row 60 speak of what a client may do; here no template needs either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.web.calls import DISCOVERY, REQUIRED, TODAY

TOKEN = re.compile(r"\{\{(.*?)\}\}")
TEMPLATE = re.compile(r"[A-Z][A-Za-z]+(/\{\{[^{}]+\}\}|\?[^?\s]+)")
PATIENT_VIEW_TOKENS = {"context.patientId", "context.userId", "context.encounterId"}
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


@pytest.fixture(params=sorted(TEMPLATES))
def key(request: pytest.FixtureRequest) -> str:
    """Each published key."""
    return str(request.param)


@pytest.fixture
def template(key: str) -> str:
    """The template of the key."""
    return TEMPLATES[key]


@pytest.fixture
def parameters(template: str) -> list[tuple[str, str]]:
    """The search parameters of the template."""
    return _parameters(template)


def test_read_or_search(template: str) -> None:
    """Rows 45, 52, 53: a template is a read or a type search, relative to the base, without a blank."""
    assert TEMPLATE.fullmatch(template)


def test_tokens(template: str) -> None:
    """Rows 46, 47, 48: a token is `{{context.field}}` of a field patient-view lists, without blanks inside."""
    tokens = TOKEN.findall(template)

    assert tokens
    assert set() == set(tokens) - PATIENT_VIEW_TOKENS
    assert template.count("{") == template.count("}") == 2 * len(tokens)


def test_no_user_token(template: str) -> None:
    """Row 49: no user token is used: only one of the four could be filled."""
    assert "user" not in template


def test_no_optional_field(template: str) -> None:
    """Row 50: no key depends on `encounterId`, which a client need not send."""
    assert "encounterId" not in template


def test_parameters_are_simple(parameters: list[tuple[str, str]]) -> None:
    """Rows 51, 55, 57, 58: only parameters every server has; no modifier, chain, include, summary or `_maxresults`."""
    assert set() == {name for name, _ in parameters} - SIMPLE_PARAMETERS


def test_patient_parameter(key: str, parameters: list[tuple[str, str]]) -> None:
    """Row 54: a search is held to the patient by `patient=`, not by `subject=`."""
    assert key == "patient" or ("patient", "{{context.patientId}}") in parameters


def test_token_equality(parameters: list[tuple[str, str]]) -> None:
    """Row 55: codes are compared by equality, as `system|code` or plain codes in one comma list, each once."""
    for name, value in parameters:
        codes = value.split(",")
        if name == "code":
            assert [code for code in codes if not LOINC_CODE.fullmatch(code)] == []
        if name in ("code", "status"):
            assert sorted(set(codes)) == sorted(codes)


def test_dates(parameters: list[tuple[str, str]]) -> None:
    """Row 56: a date is compared by eq, lt, gt, ge or le only."""
    assert [value for name, value in parameters if name == "date" and not re.match(r"(eq|lt|gt|ge|le)?\d", value)] == []


def test_count_and_sort(key: str, parameters: list[tuple[str, str]]) -> None:
    """Row 57: `_count` is a sensible number; Observations come newest first by R4's `_sort=-date`."""
    found = dict(parameters)

    assert key == "patient" or 10 <= int(found["_count"]) <= 1000
    assert ("-date" if TEMPLATES[key].startswith("Observation?") else None) == found.get("_sort")


def test_no_repeated_parameter(parameters: list[tuple[str, str]]) -> None:
    """Section 4.1: the sandbox merges a repeated parameter into one comma list, so none is repeated."""
    names = [name for name, _ in parameters]

    assert sorted(set(names)) == sorted(names)


def test_survives_the_sandbox(template: str) -> None:
    """Section 4.1: one question mark at most, and nothing that must be percent-encoded by hand."""
    assert template.count("?") <= 1
    assert [character for character in template if character in "#%+ \"'<>\\^`\t\n"] == []


def test_no_fhirpath(template: str) -> None:
    """Row 59: no `today()` or other FHIRPath, which clients before 3.0 cannot fill."""
    assert [sign for sign in ("(", ")", "%", "today", "resolve") if sign in template] == []


def test_keys_are_plain_identifiers(key: str) -> None:
    """Row 60: keys become variables in later versions, so they are plain identifiers."""
    assert re.fullmatch(r"[a-z][A-Za-z0-9]*", key)


def test_templates_stand_alone(template: str) -> None:
    """Row 60: no template uses the result of another."""
    assert [key for key in TEMPLATES if f"{{{{{key}" in template] == []


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


@pytest.mark.parametrize(
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
    (service,) = client.get(DISCOVERY).get_json()["services"]

    assert service["prefetch"] == TEMPLATES
