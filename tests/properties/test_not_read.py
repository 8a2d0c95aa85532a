"""What is not used is not read: changing it leaves the answer the same (source attributes 5 to 9, 12 and 13)."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.running import ENCODER, service, without_uuids
from tests.properties.strategies import Json, Setup, changed, patients, setups
from tests.support import fixtures

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
HL7 = "http://hl7.org/fhir/StructureDefinition"
WORDS = st.text("abcdefghijklmnopqrstuvwxyz 0123456789-", min_size=1, max_size=20).filter(str.strip)
LANGUAGES = st.sampled_from(["en", "es", "de-CH", "zh", "tlh"])


def _extension(url: str) -> st.SearchStrategy[Json]:
    coding = st.builds(lambda code, display: {"code": code, "display": display}, WORDS, WORDS)
    return st.one_of(
        coding.map(lambda found: {"url": url, "valueCodeableConcept": {"coding": [found]}}),
        coding.map(lambda found: {"url": url, "extension": [{"url": "ombCategory", "valueCoding": found}]}),
        WORDS.map(lambda found: {"url": url, "valueString": found}),
    )


EXTENSIONS = st.one_of(
    *[
        _extension(url)
        for url in (
            f"{US_CORE}/us-core-race",
            f"{US_CORE}/us-core-ethnicity",
            f"{US_CORE}/us-core-genderIdentity",
            f"{US_CORE}/us-core-sexual-orientation",
            f"{HL7}/patient-genderIdentity",
            f"{HL7}/patient-nationality",
        )
    ]
)
ELEMENTS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "extension": st.lists(EXTENSIONS, min_size=1, max_size=4),
        "communication": LANGUAGES.map(lambda code: [{"language": {"coding": [{"code": code}]}, "preferred": True}]),
        "language": LANGUAGES,
        "name": WORDS.map(lambda found: [{"family": found}]),
        "address": WORDS.map(lambda found: [{"postalCode": found, "country": "US"}]),
        "maritalStatus": WORDS.map(lambda found: {"text": found}),
    },
)
"""What a Patient may say of race, ethnicity, language, orientation, identity, and where and how people live."""
ASSESSED = ["82589-3", "71802-3", "76437-3", "88122-7", "44249-1", "75246-9"]
"""Education, housing, insurance, food; a score of depression and a self-reported state of health (LOINC)."""


def _assessment(code: str, value: int) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": "2026-02-20",
        "valueQuantity": {"value": value, "unit": "{score}"},
    }


ASSESSMENTS = st.lists(st.builds(_assessment, st.sampled_from(ASSESSED), st.integers(0, 27)), max_size=3)


def _answered(asked: Json, setup: Setup) -> bytes:
    answer = service(setup).answer(fixtures.SERVICE, ENCODER.encode(asked))
    return msgspec.json.encode(without_uuids(answer.response))


@given(patients, setups, ELEMENTS, ASSESSMENTS)
def test_what_is_not_used_changes_nothing(asked: Json, setup: Setup, elements: Json, assessed: list[Json]) -> None:
    """Race, ethnicity, language, orientation, identity, social determinants, assessments: the same byte for byte."""
    other = changed(asked)
    patient, vitals = other["prefetch"].get("patient"), other["prefetch"].get("vitals")
    if isinstance(patient, dict):
        other["prefetch"]["patient"] = {**patient, **elements}
    if isinstance(vitals, dict) and vitals.get("entry") and "total" not in vitals:
        entries = [*vitals["entry"], *({"resource": found} for found in assessed)]
        other["prefetch"]["vitals"] = {**vitals, "entry": entries}

    assert _answered(asked, setup) == _answered(other, setup)
