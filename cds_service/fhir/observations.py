"""Observations into laboratory results (sections 3 to 5): codes, statuses, dates, components, fractions of 25(OH)D."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count

import msgspec

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import EMPTY, LabResult, PendingTest, PregnancyAnswer, Recency
from cds_service.fhir.bundle import salvage
from cds_service.fhir.dates import When, moment
from cds_service.fhir.fractions import Fraction, combine
from cds_service.fhir.page import Page
from cds_service.fhir.ranges import NO_RANGES, own_ranges
from cds_service.fhir.terminology import MAGNESIUM, VITAMIN_D, LabCode, Terminology
from cds_service.fhir.units import PROPERTY, Reading
from cds_service.fhir.values import Value, read_value
from cds_service.fhir.views import NOTHING, Component, Observation, there

STATUS_RANK = {"corrected": 0, "amended": 1, "appended": 1, "final": 2}
USES_RANGE = frozenset({MAGNESIUM, "calcium", "pth"})
"""Analytes whose own reference range any rule reads (sections 2, 4.3, 6)."""
PENDING = frozenset({"preliminary", "registered"})
HAEMOLYSED = re.compile(r"h[a]?emoly", re.IGNORECASE)
DENIED = re.compile(
    r"\b(?:no|not|non|without|absent|negative|nil)\b[^.;]{0,30}h[a]?emoly"
    r"|h[a]?emoly\w{0,20}[^.;]{0,15}\b(?:no|not|none|nil|absent|negative)\b",
    re.IGNORECASE,
)


class Measurements(msgspec.Struct):
    """Everything read from Observations, by analyte. `pregnancy_unclear`: an answer that could not be read."""

    results: dict[str, list[LabResult]] = {}
    fractions: list[Fraction] = []
    pending: list[PendingTest] = []
    pregnancy: list[PregnancyAnswer] = []
    pregnancy_unclear: bool = False
    calcitriol: bool = False

    def of(self, analyte: str) -> tuple[LabResult, ...]:
        """The results of one analyte."""
        return tuple(self.results.get(analyte, ()))


UNDATED = When(None, 0.0)


def read_observations(pages: Iterable[Page[Observation]], terms: Terminology, *, d3_is_total: bool) -> Measurements:
    """Read every Observation of *pages*. *d3_is_total*: this site's D3 codes carry totals (`CDS_D3_IS_TOTAL`)."""
    reader = _Reader(terms, Measurements(), d3_is_total)
    for page in pages:
        for observation, spoiled in page.each():
            reader.read(observation, spoiled, next(reader.numbers))
    found = reader.found
    found.results.setdefault(VITAMIN_D, []).extend(combine(found.fractions))
    return found


class Report(Datum, frozen=True):
    """One Observation that is being read: its date, the number of the entry it came in, and what its notes say."""

    observation: Observation
    when: When
    number: int
    haemolysed: bool


class _Reader(Datum, frozen=True):
    """Collects what Observations say into `found`. `numbers` tell entries and panels apart."""

    terms: Terminology
    found: Measurements
    d3_is_total: bool
    numbers: Iterator[int] = msgspec.field(default_factory=count)

    def read(self, observation: Observation, spoiled: frozenset[str], number: int) -> None:
        """Read one Observation by its status; what is neither read nor pending is ignored."""
        if observation.status in STATUS_RANK or "status" in spoiled:
            report = Report(observation, effective(observation), number, is_haemolysed(observation))
            self._read_final(report, spoiled)
        elif observation.status in PENDING and observation.code is not None:
            code = self.terms.measures(observation.code)
            when = effective(observation)
            if code is not None and when.day is not None:
                self.found.pending.append(PendingTest(self.terms.orders.get(code.code, code.code), when.day))

    def _read_final(self, report: Report, spoiled: frozenset[str]) -> None:
        observation = report.observation
        code = self._code(observation, report)
        value = None if code is None else read_value(observation, code.analyte, spoiled)
        parts = self._read_components(report, spoiled) if observation.component else 0
        if code is not None and value is not None and (value.kind is not EMPTY or not parts):
            self._add(code, value, observation, report)
        for contained in observation.contained or ():
            self._read_contained(contained, report)

    def _code(self, source: Observation | Component, report: Report) -> LabCode | None:
        """What *source* measures; a code that is only mentioned, or asks for pregnancy, is noted."""
        if source.code is None:
            return None
        code = self.terms.measures(source.code)
        if code is None:
            self._read_other(source, self.terms.loinc(source.code), report)
        return code

    def _read_components(self, report: Report, spoiled: frozenset[str]) -> int:
        """How many components measure something, each by its own code, also those of a panel that is denied."""
        panel = f"#{next(self.numbers)}"
        read = 0
        for component in there(report.observation.component):
            code = self._code(component, report)
            if code is not None:
                value = read_value(component, code.analyte, spoiled & {"status"})
                self._add(code, value, component, report, panel)
                read += 1
        return read

    def _read_other(self, source: Observation | Component, codes: list[str], report: Report) -> None:
        """1,25(OH)2D, which is only mentioned, and pregnancy status."""
        if not self.terms.calcitriol.isdisjoint(codes):
            self.found.calcitriol = True
        if not self.terms.pregnancy_question.isdisjoint(codes):
            self._read_pregnancy(source, report)

    def _read_pregnancy(self, source: Observation | Component, report: Report) -> None:
        """The answer to 82810-3; one without a readable status, day or known code leaves the matter unclear."""
        answer = source.valueCodeableConcept
        codes = self.terms.loinc(answer) if answer is not None else []
        told = next((code for code in codes if code in self.terms.pregnancy_answers), None)
        if told is None or report.when.day is None or report.observation.status not in STATUS_RANK:
            self.found.pregnancy_unclear = True
            return
        pregnant = self.terms.pregnancy_answers[told]
        if pregnant is not None:
            self.found.pregnancy.append(PregnancyAnswer(report.when.day, pregnant))

    def _read_contained(self, raw: msgspec.Raw, panel: Report) -> None:
        """A contained member of a panel; what it does not say itself, the panel says."""
        member, spoiled = salvage(raw, Observation)
        if member.resourceType != "Observation":
            return
        parent = panel.observation
        dated = member if effective(member).day is not None else parent
        self.read(
            msgspec.structs.replace(
                member,
                status=member.status or parent.status,
                effectiveDateTime=dated.effectiveDateTime,
                effectivePeriod=dated.effectivePeriod,
                effectiveInstant=dated.effectiveInstant,
                issued=dated.issued,
                specimen=member.specimen or parent.specimen,
                contained=None,
            ),
            spoiled,
            panel.number,
        )

    def _add(
        self, code: LabCode, value: Value, source: Observation | Component, report: Report, panel: str | None = None
    ) -> None:
        observation, when, reading = report.observation, report.when, value.reading
        low, high, ranges = NO_RANGES
        if reading is not None and code.analyte in USES_RANGE and source.referenceRange is not NOTHING:
            low, high, ranges = own_ranges(source.referenceRange, value.unit, code.analyte)
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
            code.analyte == MAGNESIUM and report.haemolysed,
            value.problem,
            _notes(code, reading),
            ranges,
        )
        if code.form == "d3" and self.d3_is_total:
            result = result.changed(form="total", recency=result.recency._replace(code=0))
        elif code.form in ("d2", "d3"):
            self.found.fractions.append(Fraction(code.form, result, panel or specimen(report)))
            return
        self.found.results.setdefault(code.analyte, []).append(result)


def specimen(report: Report) -> str | None:
    """The specimen, as a place to find the other fraction; a contained one has its name within its entry alone."""
    told = report.observation.specimen
    reference = None if told is None else told.reference
    return f"#{report.number}{reference}" if reference is not None and reference.startswith("#") else reference


def effective(observation: Observation) -> When:
    """The first that is there and can be read of effectiveDateTime, effectivePeriod.end, effectiveInstant and issued.

    Section 5; effectiveTiming is not read.
    """
    period = observation.effectivePeriod
    return (
        moment(observation.effectiveDateTime)
        or moment(None if period is None else period.end)
        or moment(observation.effectiveInstant)
        or moment(observation.issued)
        or UNDATED
    )


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
    texts = [note.text for note in there(observation.note)]
    texts += [observation.comment, observation.comments]
    return any(text is not None and HAEMOLYSED.search(text) and not DENIED.search(text) for text in texts)
