"""SMART scopes, versions 1 and 2 (conformance row 84): a query is held back only where the token plainly lacks it.

A query that is sent in vain costs a 403; one that is held back in error costs the patient a card. So only scopes that
are understood, all of them, hold anything back.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cds_service.fhir.scopes import READ, SEARCH, read_scopes
from tests.support.examples import tried
from tests.support.for_each import for_each

TYPES = ("Patient", "Observation", "Condition", "MedicationRequest", "ServiceRequest")


def _may(scope: str, resource_type: str = "Observation") -> str:
    """What may be asked of a type with *scope*: `r` for reads, `s` for searches."""
    scopes = read_scopes(scope)
    return "".join(letter for letter in (READ, SEARCH) if not scopes.lacks(resource_type, letter))


@for_each(
    ("scope", "may"),
    [
        ("Observation.read", "rs"),
        ("Observation.*", "rs"),
        ("*.read", "rs"),
        ("*.*", "rs"),
        ("Observation.write", ""),
        ("*.write", ""),
        ("Condition.read", ""),
        ("Condition.*", ""),
        ("Observation.rs", "rs"),
        ("Observation.r", "r"),
        ("Observation.s", "s"),
        ("Observation.cruds", "rs"),
        ("Observation.cud", ""),
        ("Observation.c", ""),
        ("Observation.us", "s"),
        ("Observation.cr", "r"),
        ("*.rs", "rs"),
        ("*.cruds", "rs"),
        ("*.r", "r"),
        ("*.cud", ""),
        ("Condition.rs", ""),
        ("ObservationDefinition.rs", ""),
        ("Observation.rs?category=laboratory", "rs"),
        ("Observation.r?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory", "r"),
        ("Observation.s?_security=N&category=vital-signs", "s"),
        ("Condition.rs?category=http://x/Observation.rs", ""),
        ("*.rs?_tag=x", "rs"),
    ],
)
def test_one_scope(scope: str, may: str) -> None:
    """Row 84: what a scope of either version says of Observations, for a patient, a user or a system."""
    for context in ("patient", "user", "system"):
        assert may == _may(f"{context}/{scope}"), context


@for_each("resource_type", TYPES)
def test_wildcard(resource_type: str) -> None:
    """Row 84: `*` is every type."""
    assert _may("patient/*.read", resource_type) == "rs"
    assert _may("user/*.rs", resource_type) == "rs"
    assert _may("system/*.*", resource_type) == "rs"


@for_each(
    ("scopes", "may"),
    [
        ("patient/Observation.r patient/Observation.s", "rs"),
        ("patient/Observation.r user/*.s", "rs"),
        ("patient/Observation.write user/Observation.read", "rs"),
        ("patient/Condition.rs patient/Observation.r", "r"),
        ("patient/Condition.read patient/Patient.read", ""),
        ("patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs", "rs"),
        ("launch openid profile fhirUser patient/Condition.read", ""),
        ("patient/*.* user/*.* launch openid profile online_access", "rs"),
        ("  patient/Observation.read  ", "rs"),
        ("patient/Condition.read\tpatient/Observation.read\n", "rs"),
    ],
)
def test_several_scopes(scopes: str, may: str) -> None:
    """Row 84: scopes add up; what the sandbox sends covers everything."""
    assert may == _may(scopes)


@for_each(
    "scope",
    ["", " ", "launch", "launch openid", "launch/patient", "launch/encounter openid fhirUser offline_access", "cds"],
)
def test_scopes_that_say_nothing_of_resources(scope: str) -> None:
    """Row 84: then the server decides: everything is tried."""
    assert _may(scope) == "rs"


UNKNOWN = [
    "patient/Observation",
    "patient/Observation.",
    "patient/Observation.sr",
    "patient/Observation.rss",
    "patient/Observation.x",
    "patient/Observation.READ",
    "patient/Observation.read,write",
    "patient/.read",
    "patient/Observation.rs category=laboratory/x",
    "Patient/Observation.read",
    "practitioner/Observation.read",
    "patient/Observation.$everything",
    "https://auth.example/scopes/labs.read",
    "patient/Observation.rs#x",
    "/",
    "//",
]


@for_each("scope", UNKNOWN)
def test_unknown_scopes(scope: str) -> None:
    """Row 84: a scope that cannot be read may cover anything: everything is tried, also beside scopes that lack it."""
    assert _may(scope) == "rs"
    assert _may(f"patient/Condition.read {scope}") == "rs"


@given(st.text(max_size=60) | st.lists(st.sampled_from([*UNKNOWN, "user/*.rs?", "\u2028", "\x00"])).map(" ".join))
@tried(300)
def test_never_crashes(text: str) -> None:
    """Row 84: whatever stands in `scope`, it is read."""
    read_scopes(text).lacks("Observation", SEARCH)


@given(st.lists(st.sampled_from(["user/Condition.read", "patient/*.r", "launch", *UNKNOWN]), max_size=6))
@tried(300)
def test_more_scopes_allow_more(scopes: list[str]) -> None:
    """Row 84: a scope that covers a query covers it among any others."""
    assert _may(" ".join([*scopes, "patient/Observation.s"])).endswith("s")
    assert _may(" ".join(["user/Observation.rs", *scopes])) == "rs"
