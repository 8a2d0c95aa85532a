"""Observations into laboratory results (sections 3 to 5): codes, statuses, dates, components, fractions of 25(OH)D."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from cds_service.clinical.facts import LabResult, PendingTest, PregnancyAnswer, Recency
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.dates import earliest_day, seconds
from cds_service.fhir.fractions import Fraction, combine
from cds_service.fhir.terminology import MAGNESIUM, VITAMIN_D
from cds_service.fhir.units import PROPERTY
from cds_service.fhir.values import Value, read_value, reference_range
from cds_service.fhir.valuesets import LOINC
from cds_service.fhir.views import NOTHING, Component, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from cds_service.fhir.bundle import Page
    from cds_service.fhir.terminology import LabCode, Terminology
    from cds_service.fhir.units import Reading
    from cds_service.fhir.views import LabConcept

STATUS_RANK = {"corrected": 0, "amended": 1, "appended": 1, "final": 2}
USES_RANGE = frozenset({MAGNESIUM, "calcium", "pth"})
"""Analytes whose own reference range any rule reads (sections 2, 4.3, 6)."""
PENDING = frozenset({"preliminary", "registered"})
HAEMOLYSED = re.compile(r"h[a]?emoly", re.IGNORECASE)
DENIED = re.compile(
    r"\b(?:no|not|non|without|absent|negative|nil)\b[^.;]{0,30}h[a]?emoly"
    r"|h[a]?emoly\w*[^.;]{0,15}\b(?:no|not|none|nil|absent|negative)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Measurements:
    """Everything read from Observations, by analyte. `pregnancy_unclear`: an answer that could not be read."""

    results: dict[str, list[LabResult]] = field(default_factory=dict)
    fractions: list[Fraction] = field(default_factory=list)
    pending: list[PendingTest] = field(default_factory=list)
    pregnancy: list[PregnancyAnswer] = field(default_factory=list)
    pregnancy_unclear: bool = False
    calcitriol: bool = False

    def of(self, analyte: str) -> tuple[LabResult, ...]:
        """The results of one analyte."""
        return tuple(self.results.get(analyte, ()))


class When(NamedTuple):
    """The effective date of an Observation: the day, and seconds to order results of one day."""

    day: date | None
    instant: float


def read_observations(pages: Iterable[Page[Observation]], terms: Terminology, *, d3_is_total: bool) -> Measurements:
    """Read every Observation of *pages*. *d3_is_total*: this site's D3 codes carry totals (`CDS_D3_IS_TOTAL`)."""
    reader = _Reader(terms, Measurements(), d3_is_total)
    for page in pages:
        for place, observation in enumerate(page.resources):
            reader.read(observation, page.spoiled.get(place, frozenset()))
    found = reader.found
    found.results.setdefault(VITAMIN_D, []).extend(combine(found.fractions))
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Collects what Observations say into `found`."""

    terms: Terminology
    found: Measurements
    d3_is_total: bool

    def read(self, observation: Observation, spoiled: frozenset[str] = frozenset()) -> None:
        """Read one Observation by its status; what is neither read nor pending is ignored."""
        if observation.status in STATUS_RANK or "status" in spoiled:
            self._read_final(observation, spoiled)
        elif observation.status in PENDING and observation.code is not None:
            code = self.terms.measures(observation.code.codings())
            when = effective(observation)
            if code is not None and when.day is not None:
                self.found.pending.append(PendingTest(self.terms.orders.get(code.code, code.code), when.day))

    def _read_final(self, observation: Observation, spoiled: frozenset[str]) -> None:
        concept = observation.code
        when = effective(observation)
        code = None if concept is None else self.terms.measures(concept.codings())
        if code is None:
            if concept is not None:
                self._read_other(observation, concept, when)
        elif not observation.component or has_value(observation):
            value = read_value(observation, code.analyte, spoiled)
            self._add(code, value, observation, observation, when)
        for component in observation.component or ():
            inner = None if component.code is None else self.terms.measures(component.code.codings())
            if inner is not None:
                self._add(inner, read_value(component, inner.analyte), observation, component, when)
        for contained in observation.contained or ():
            self._read_contained(contained, observation)

    def _read_other(self, observation: Observation, concept: LabConcept, when: When) -> None:
        """1,25(OH)2D, which is only mentioned, and pregnancy status."""
        codes = {coding.code for coding in concept.codings() if coding.system == LOINC}
        if codes & self.terms.calcitriol:
            self.found.calcitriol = True
        if codes & self.terms.pregnancy_question:
            self._read_pregnancy(observation, when)

    def _read_pregnancy(self, observation: Observation, when: When) -> None:
        """The answer to 82810-3; one without a readable status, day or known code leaves the matter unclear."""
        answer = observation.valueCodeableConcept
        codes = [c.code for c in answer.codings() if c.system == LOINC] if answer is not None else []
        told = next((code for code in codes if code in self.terms.pregnancy_answers), None)
        if told is None or when.day is None or observation.status not in STATUS_RANK:
            self.found.pregnancy_unclear = True
            return
        pregnant = self.terms.pregnancy_answers[told]
        if pregnant is not None:
            self.found.pregnancy.append(PregnancyAnswer(when.day, pregnant))

    def _read_contained(self, raw: msgspec.Raw, parent: Observation) -> None:
        """A contained member of a panel; what it does not say itself, the panel says."""
        try:
            member = msgspec.json.decode(raw, type=Observation)
        except UNREADABLE:
            return
        if member.resourceType != "Observation":
            return
        dated = effective(member).day is not None
        self.read(
            msgspec.structs.replace(
                member,
                status=member.status or parent.status,
                effectiveDateTime=member.effectiveDateTime if dated else parent.effectiveDateTime,
                effectivePeriod=member.effectivePeriod if dated else parent.effectivePeriod,
                issued=member.issued or parent.issued,
                contained=None,
            )
        )

    def _add(
        self, code: LabCode, value: Value, observation: Observation, source: Observation | Component, when: When
    ) -> None:
        reading = value.reading
        low, high = (None, None)
        if reading is not None and code.analyte in USES_RANGE and source.referenceRange is not NOTHING:
            low, high = reference_range(source.referenceRange, reading, code.analyte)
        ordinal = when.day.toordinal() if when.day is not None else 0
        result = LabResult(
            code.code,
            code.form,
            when.day,
            Recency(-ordinal, -when.instant, code.rank, STATUS_RANK.get(observation.status or "", 2)),
            value.kind,
            value.interval,
            "mass" if reading is None else reading.family,
            value.unit,
            value.reported,
            value.comparator,
            value.text,
            low,
            high,
            code.analyte == MAGNESIUM and is_haemolysed(observation),
            value.problem,
            _notes(code, reading),
        )
        if code.form == "d3" and self.d3_is_total:
            result = result._replace(form="total", recency=result.recency._replace(code=0))
        elif code.form in ("d2", "d3"):
            specimen = observation.specimen.reference if observation.specimen is not None else None
            key = f"#{id(observation)}" if isinstance(source, Component) else specimen
            self.found.fractions.append(Fraction(code.form, result, key))
            return
        self.found.results.setdefault(code.analyte, []).append(result)


def has_value(observation: Observation) -> bool:
    """Whether the Observation itself, not only its components, carries a value."""
    return any(
        value is not None
        for value in (
            observation.valueQuantity,
            observation.valueString,
            observation.valueRange,
            observation.dataAbsentReason,
        )
    )


def effective(observation: Observation) -> When:
    """effectiveDateTime, else effectivePeriod.end, else effectiveInstant, else issued (section 5)."""
    text = observation.effectiveDateTime
    if not text:
        period = observation.effectivePeriod
        text = (period.end if period is not None else None) or observation.effectiveInstant or observation.issued
    day = earliest_day(text)
    return When(None, 0.0) if day is None or text is None else When(day, seconds(text, day))


def _notes(code: LabCode, reading: Reading | None) -> tuple[str, ...]:
    if reading is None or code.analyte not in (VITAMIN_D, MAGNESIUM):
        return ()
    differs = code.loinc_property in ("MCnc", "SCnc") and PROPERTY[reading.family] != code.loinc_property
    if not differs and not reading.scaled and code.form != "blood":
        return ()
    found = (("unit-property", differs), ("scaled", reading.scaled), ("blood", code.form == "blood"))
    return tuple(note for note, holds in found if holds)


def is_haemolysed(observation: Observation) -> bool:
    """Whether a note says that the sample was haemolysed (section 4.4); "no haemolysis" does not."""
    if not (observation.note or observation.comment or observation.comments):
        return False
    texts = [note.text for note in observation.note or ()]
    texts += [observation.comment, observation.comments]
    return any(text is not None and HAEMOLYSED.search(text) and not DENIED.search(text) for text in texts)
