"""The patient's banner: who this is, as a chart system tells it at its top. Read from the request as it is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any, NamedTuple
from zlib import crc32

from cds_service.clinical.days import whole_years
from cds_service.clinical.facts import PatientFacts, Source
from cds_service.fhir.conditions import OVER
from cds_service.playground.changes import entries
from cds_service.playground.resources import Json
from cds_service.playground.situations import Situation

OWN = "Your own patient"
GIVEN = {
    "male": ("Adam", "Ben", "Carl", "David", "Felix", "George", "Hugo", "Ivan", "Leo", "Martin", "Simon", "Thomas"),
    "female": ("Anna", "Clara", "Diana", "Emma", "Flora", "Grace", "Helen", "Ines", "Julia", "Laura", "Nora", "Rosa"),
    "": ("Alex", "Kim", "Robin", "Sam"),
}
FAMILY = ("Ash", "Birch", "Cooper", "Dale", "Elm", "Ford", "Grove", "Hill", "Knox", "Lake", "Moor", "Reed", "Wells")
PLACEHOLDER = "Example"
"""The family name of every patient of the golden folders that was written by hand."""
DIGITS = re.compile(r"\d")
KIND = re.compile(r" \((disorder|finding|situation)\)$")
"""What SNOMED CT puts behind a name; only the first is an illness."""


class Banner(NamedTuple):
    """Who the patient is. `None` of problems or medications: they are not known, which is not the same as none."""

    name: str
    age: str
    sex: str
    deceased: bool
    problems: tuple[str, ...] | None
    medications: tuple[str, ...] | None


def read(record: Json, facts: PatientFacts, situation: Situation | None, today: date) -> Banner:
    """The banner of the patient in the request *record*, whose *facts* were read from it."""
    prefetch = record.get("prefetch")
    held = prefetch if isinstance(prefetch, dict) else {}
    return Banner(
        name=_name(held, facts, situation),
        age=_age(facts.birth_date, today),
        sex=facts.sex or "sex not recorded",
        deceased=facts.deceased,
        problems=tuple(_problems(held)) if facts.known(Source.CONDITIONS) else None,
        medications=tuple(_medications(held, facts)) if facts.known(Source.MEDICATIONS) else None,
    )


def _name(held: Json, facts: PatientFacts, situation: Situation | None) -> str:
    """A made-up name: one that was given, that of the synthetic record, or one that stays with the situation."""
    if situation is None:
        return OWN
    if situation.person:
        return situation.person
    official = next(_dicts(_dict(held.get("patient")).get("name")), {})
    if official.get("family") != PLACEHOLDER:
        given = official.get("given")
        return DIGITS.sub("", f"{given[0] if given else ''} {official.get('family', '')}").strip()
    number, names = crc32(situation.name.encode()), GIVEN[facts.sex or ""]
    return f"{names[number % len(names)]} {FAMILY[number // len(names) % len(FAMILY)]}"


def _age(born: date | None, today: date) -> str:
    return "age unknown" if born is None or born > today else f"{whole_years(born, today)} years"


def _problems(held: Json) -> Iterator[str]:
    """What is on the problem list, without what is over: illnesses first, then findings and situations."""
    listed = [resource for resource in entries(held, Source.CONDITIONS) if not _is_over(resource)]
    names = [name for resource in listed if (name := _said(resource.get("code")))]
    return _once(KIND.sub("", name) for name in sorted(names, key=_is_no_illness))


def _is_no_illness(name: str) -> bool:
    kind = KIND.search(name)
    return kind is not None and kind[1] != "disorder"


def _is_over(condition: Json) -> bool:
    status = _dict(condition.get("clinicalStatus"))
    return any(str(coding.get("code")) in OVER for coding in _dicts(status.get("coding")))


def _medications(held: Json, facts: PatientFacts) -> Iterator[str]:
    """What is ordered and active; what the rules look at comes first."""
    looked_at = [order.name.lower() for order in facts.medications if order.sets]
    orders = [order for order in entries(held, Source.MEDICATIONS) if order.get("status") == "active"]
    names = [_said(order.get("medicationCodeableConcept")) or _named_elsewhere(order) for order in orders]
    return _once(sorted(names, key=lambda name: not any(drug in name.lower() for drug in looked_at)))


def _named_elsewhere(order: Json) -> str:
    return str(_dict(order.get("medicationReference")).get("display") or "a medication that is named elsewhere")


def _said(concept: Any) -> str:
    """A CodeableConcept in words; empty where it has none."""
    coded = _dict(concept)
    named = (coding.get("display") or coding.get("code") for coding in _dicts(coded.get("coding")))
    return str(coded.get("text") or next(filter(None, named), ""))


def _once(names: Iterable[str]) -> Iterator[str]:
    return iter(dict.fromkeys(names))


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> Iterator[Json]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
