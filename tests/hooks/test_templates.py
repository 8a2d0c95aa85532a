"""Templates filled with an id (conformance rows 45 to 48): an id stays one id, whatever characters it has.

The id comes from whoever calls the service. Were it read as part of the query, it could ask for other patients, other
parameters or another path.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from cds_service.hooks.templates import fill
from tests.support.examples import tried
from tests.support.fixtures import SERVICE, engine
from tests.support.for_each import for_each
from tests.web.calls import TODAY

TOKEN = "{{context.patientId}}"  # noqa: S105 - a placeholder
TEMPLATES = {key.value: query for key, query in engine(TODAY).registry.find(SERVICE).prefetch.items()}
URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*")
"""What may stand in the path and the query of a URL (RFC 3986), `%` of an escape among it."""

ODD = [
    "a,b",
    "a|b",
    "a$b",
    "a\\b",
    "a&b",
    "a&patient=b",
    "a=b",
    "a#b",
    "a%b",
    "a%2Cb",
    "a%00b",
    "a?b",
    "a;b",
    "a+b",
    "a b",
    "a\r\nX-Injected: 1",
    "a\x00b",
    "é",
    "患者",
    "\N{GRINNING FACE}",
    "a\u0301",
    "...",
    "%2e%2e",
    "..%2f",
    TOKEN,
    "{{context.userId}}",
    "{}",
    "http://evil.example",
    "$everything",
    "x" * 5000,
]
"""Ids that mean something to a URL, to a FHIR search, or to a template."""

patient_ids = (st.text(min_size=1) | st.text("\\,|$&=#%?+;:@ ./{}ab", min_size=1)).filter(
    lambda text: text not in (".", "..") and "/" not in text
)


def _escaped(text: str) -> str:
    r"""As FHIR writes a value of a search (R4, search, "Escaping search parameters"): `\` before `\`, `,`, `|`, `$`."""
    return "".join(f"\\{character}" if character in "\\,|$" else character for character in text)


def _check(template: str, patient_id: str) -> None:
    """The filled template is a valid URL with the template's path and parameters, and the id in its place."""
    filled = fill(template, patient_id)
    path, mark, _ = template.partition("?")
    parts = urlsplit(f"https://ehr.example/fhir/{filled}")

    assert URL_CHARACTERS.fullmatch(filled)
    assert re.findall(r"%(?![0-9A-Fa-f]{2})", filled) == []
    assert parts.fragment == ""
    assert parts.netloc == "ehr.example"
    assert bool(parts.query) == bool(mark)
    assert [unquote(step) for step in parts.path.split("/")] == [
        step.replace(TOKEN, patient_id) for step in ("", "fhir", *path.split("/"))
    ]
    assert parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(mark)) == [
        (name, value.replace(TOKEN, _escaped(patient_id)))
        for name, value in parse_qsl(template.partition("?")[2], keep_blank_values=True)
    ]


@for_each("key", TEMPLATES)
def test_filled(key: str) -> None:
    """Rows 46, 47: filled, a template asks what it says, of just the patient of the context; no token is left over."""
    for patient_id in ("patient-v02", "1", "A.b-9", *ODD):
        _check(TEMPLATES[key], patient_id)
    assert "{" not in fill(TEMPLATES[key], "p-1")


@given(patient_id=patient_ids)
@example(patient_id="\\")
@example(patient_id="a\\")
@tried(60)
@pytest.mark.parametrize("key", TEMPLATES)
def test_filled_with_anything(key: str, patient_id: str) -> None:
    """Rows 46, 47: every published template, filled with any id, is a valid URL that asks what the template says."""
    _check(TEMPLATES[key], patient_id)


@given(patient_id=patient_ids)
@tried(100)
@pytest.mark.parametrize("key", ["patient", "conditions"])
def test_sent_as_filled(key: str, patient_id: str) -> None:
    """Rows 46, 47: the HTTP library normalises URLs: what it sends still asks for just that patient."""
    sent = requests.Request("GET", f"https://ehr.example/fhir/{fill(TEMPLATES[key], patient_id)}").prepare().url
    assert sent is not None
    parts = urlsplit(sent)

    if key == "patient":
        assert unquote(parts.path) == f"/fhir/Patient/{patient_id}"
        assert parts.path.count("/") == 3
    else:
        assert parts.path == "/fhir/Condition"
        assert parse_qsl(parts.query)[0] == ("patient", _escaped(patient_id))


@for_each("key", TEMPLATES)
@for_each("patient_id", [".", ".."])
def test_steps_of_a_path(key: str, patient_id: str) -> None:
    """Row 47: `.` and `..` would lead to another address in a path, and are no ids: nothing is filled."""
    with pytest.raises(ValueError, match=r"context\.patientId"):
        fill(TEMPLATES[key], patient_id)


@for_each(
    ("patient_id", "written"),
    [
        ("p-1", "p-1"),
        ("a,b", "a%5C%2Cb"),
        ("a|b", "a%5C%7Cb"),
        ("a$b", "a%5C%24b"),
        ("a\\b", "a%5C%5Cb"),
        ("a&b=c", "a%26b%3Dc"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("é", "%C3%A9"),
    ],
)
def test_written_form(patient_id: str, written: str) -> None:
    """Rows 54, 57: the written form, sign by sign: FHIR's escapes first, then the URL's."""
    assert fill(TEMPLATES["conditions"], patient_id) == f"Condition?patient={written}&_count=200"


def test_filled_templates_are_published_ones() -> None:
    """Row 62: with an ordinary id only the sign between system and code is encoded: it is the published query."""
    filled = {key: fill(template, "p-1") for key, template in TEMPLATES.items()}

    assert {key: unquote(query) for key, query in filled.items()} == {
        key: template.replace(TOKEN, "p-1") for key, template in TEMPLATES.items()
    }
