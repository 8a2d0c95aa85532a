"""Conditions into problems (section 8): codes by ICD-10 and SNOMED CT, and text where there is no such code."""

from __future__ import annotations

from datetime import date

from cds_service.clinical.facts import Problem
from cds_service.fhir.dates import earliest_day
from cds_service.fhir.page import Page
from cds_service.fhir.problems import ConditionMatch
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import Concept
from cds_service.fhir.views import Condition as ConditionView

ACTIVE = frozenset({"active", "recurrence", "relapse"})
OVER = frozenset({"inactive", "remission", "resolved"})
UNUSABLE = frozenset({"refuted", "entered-in-error"})


def read_conditions(page: Page[ConditionView], terms: Terminology) -> tuple[Problem, ...]:
    """The problems of *page* that belong to any value set."""
    found: list[Problem] = []
    for resource in page.resources:
        if resource.code is None:
            continue
        matches, coded = terms.problems.by_code(resource.code)
        if not coded:
            matches = terms.problems.by_text(resource.code)
        if matches and status_code(resource.verificationStatus) not in UNUSABLE:
            found += _problems(resource, matches, from_text=not coded)
    return tuple(found)


def _problems(resource: ConditionView, matches: list[ConditionMatch], *, from_text: bool) -> list[Problem]:
    active, day = _is_active(resource), condition_day(resource)
    last = None if active else _last_day(resource)
    return [Problem(match.concept, match.group, active, day, last, from_text) for match in dict.fromkeys(matches)]


def status_code(status: Concept | str | None) -> str | None:
    """A status that is a code (DSTU2, STU3) or a CodeableConcept (R4), in small letters."""
    if isinstance(status, Concept):
        codes = [coding.code for coding in status.codings() if coding.code]
        status = codes[0] if codes else status.text
    return None if status is None else status.strip().lower()


def _is_active(resource: ConditionView) -> bool:
    """Active, recurrence or relapse; a missing status counts as active unless the problem has abated.

    So does one that says nothing: "unknown", as R5 has it, or a word that is no status.
    """
    code = status_code(resource.clinicalStatus)
    if code in ACTIVE or code in OVER:
        return code in ACTIVE
    return not (
        resource.abatementDateTime
        or resource.abatementBoolean
        or resource.abatementString
        or resource.abatementPeriod is not None
        or resource.abatementAge is not None
        or resource.abatementRange is not None
    )


def condition_day(resource: ConditionView) -> date | None:
    """onset[x], recordedDate, assertedDate (STU3), dateRecorded (DSTU2): the first that is there (section 9.7)."""
    period = resource.onsetPeriod
    return earliest_day(
        resource.onsetDateTime
        or (period.start if period is not None else None)
        or resource.recordedDate
        or resource.assertedDate
        or resource.dateRecorded
    )


def _last_day(resource: ConditionView) -> date | None:
    """The latest of onset, recorded date and abatement: for dialysis (section 9.7)."""
    ended = resource.abatementPeriod
    texts = (
        resource.onsetDateTime,
        resource.recordedDate,
        resource.assertedDate,
        resource.dateRecorded,
        resource.abatementDateTime,
        ended.end if ended is not None else None,
    )
    days = [day for text in texts if text and (day := earliest_day(text)) is not None]
    return max(days, default=None)
