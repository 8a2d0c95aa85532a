"""Facts about one patient, as the logic sees them: codes, units and dates are already settled by `fhir/`.

Everything here is frozen. A fact that is not on file is empty or `None`; whether its source could be read at all is
a different question, answered by `PatientFacts.availability` (decision table, section 9.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from msgspec import structs

from cds_service.clinical.datum import Datum
from cds_service.clinical.interval import Interval
from cds_service.clinical.numbers import plain

Family = Literal["mass", "molar", "equivalent"]
"""How a result was reported: mass (ng/mL, mg/dL), molar (nmol/L, mmol/L) or equivalents (mEq/L)."""


class Kind(StrEnum):
    """The three kinds of result (decision table, section 4.5)."""

    USABLE = "usable"
    BLOCKED = "blocked"
    EMPTY = "empty"


USABLE, BLOCKED, EMPTY = Kind
"""Names of their own: Python 3.11 takes forty times as long to find `Kind.USABLE`, and a call asks for it often."""


class Source(StrEnum):
    """The prefetch keys, each a source of facts (design contract)."""

    PATIENT = "patient"
    VITAMIN_D = "vitaminD"
    MAGNESIUM = "magnesium"
    CHEMISTRY = "chemistry"
    KIDNEY = "kidney"
    VITALS = "vitals"
    CONDITIONS = "conditions"
    MEDICATIONS = "medications"
    LAB_ORDERS = "labOrders"


class Availability(StrEnum):
    """Whether a source was read whole, in part (a next page was not followed) or not at all."""

    AVAILABLE = "available"
    PARTIAL = "partial"
    UNAVAILABLE = "unavailable"


AVAILABLE, PARTIAL, UNAVAILABLE = Availability


class Recency(NamedTuple):
    """The order of results (section 5), the smaller the newer: day, instant, code, status.

    `day` is minus the ordinal of the calendar day, `instant` minus the seconds since 1970, `code` the preference among
    codes, `status` corrected before amended before final.
    """

    day: int
    instant: float
    code: int
    status: int


class OwnRange(NamedTuple):
    """One of the laboratory's own ranges that may be meant for this patient (section 4.6).

    `low` and `high` are in the unit the analyte is compared in, `age_low` and `age_high` in years, both included.
    `sex` is the sex it is meant for, `pregnancy` says that it is meant for pregnant patients.
    """

    low: Decimal | None
    high: Decimal | None
    sex: Literal["male", "female"] | None = None
    pregnancy: bool = False
    age_low: Decimal | None = None
    age_high: Decimal | None = None


class LabResult(Datum, frozen=True):
    """One laboratory or body measurement.

    `interval` is in the unit its analyte is compared in: 25(OH)D in ng/mL or nmol/L and calcium, phosphate and PTH in
    mg/dL or mmol/L (pg/mL or pmol/L for PTH), whichever `family` says; magnesium in mmol/L; potassium mmol/L; albumin
    g/dL; creatinine mg/dL; eGFR mL/min/1.73 m2; height m; weight kg; BMI kg/m2. `reported` and `comparator` are the
    value as written, in `unit`; `text` stands in their place where the value is a range, a sum or cannot be read.
    `problem` and `notes` are keys of the wording. The own range is `reference_low` and `reference_high` where there is
    just one, which is for everybody; otherwise the patient decides which of `ranges` are left (section 4.6).
    """

    code: str
    form: str
    day: date | None
    recency: Recency
    kind: Kind
    interval: Interval | None = None
    family: Family = "mass"
    unit: str = ""
    reported: Decimal | None = None
    comparator: str = ""
    text: str = ""
    reference_low: Decimal | None = None
    reference_high: Decimal | None = None
    haemolysed: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()
    ranges: tuple[OwnRange, ...] = ()

    @property
    def shown(self) -> str:
        """The value as reported, at most two decimals (section 4.2); empty where it said nothing."""
        if self.reported is None:
            return self.text
        return self.comparator + plain(self.reported)

    @property
    def step(self) -> Decimal | None:
        """The last reported digit, in the unit compared: how far rounding may have moved the value."""
        if self.reported is None or self.interval is None or self.reported == 0:
            return None
        exponent = self.reported.as_tuple().exponent
        digit = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
        return digit * self.interval.bound / self.reported


class PendingTest(Datum, frozen=True):
    """A preliminary or registered result: the test of this analyte is under way (section 5)."""

    analyte: str
    day: date


@dataclass(frozen=True, slots=True)
class LabOrder:
    """An active or draft laboratory order (section 17). `analyte` is a value set, else the code itself."""

    analyte: str
    occurrence: date | None
    authored: date | None
    id: str = field(default="", compare=False)


class Dose(Datum, frozen=True):
    """A dose that could be counted (section 7.4): IU at a time, IU a day, days between doses.

    A draft may be for one dose and no more: it has no IU a day, and no end of days follows it.
    """

    single: Decimal
    per_day: Decimal
    interval_days: Decimal

    @classmethod
    def once(cls, single: Decimal) -> Dose:
        """One dose, and no other after it."""
        return cls(single, Decimal(0), Decimal("Infinity"))

    @property
    def is_once(self) -> bool:
        """Whether it is one dose and no more."""
        return self.interval_days.is_infinite()


class MedicationOrder(Datum, frozen=True):
    """One medication order (section 7). `sets` are the drug value sets it belongs to, `groups` their sub-groups.

    `bounds_end` is the stated end of the course (period end, or start and duration); `supply_end` start and expected
    supply. `dose` is IU of vitamin D, or `None` when it cannot be counted. `unresolved`: it could be any drug.
    `parenteral` says that it is given by needle, `trace` that it holds a little of many things. Orders that differ in
    these or in their `id` alone are the same to every rule of an open chart.
    """

    name: str
    sets: frozenset[str]
    groups: frozenset[str]
    status: str
    start: date | None = None
    bounds_end: date | None = None
    supply_end: date | None = None
    dose: Dose | None = None
    unresolved: bool = False
    id: str = ""
    parenteral: bool = False
    trace: bool = False

    @property
    def told(self) -> tuple[object, ...]:
        """All that a rule of an open chart reads of it."""
        return structs.astuple(self)[: self.__struct_fields__.index("id")]


class Problem(Datum, frozen=True):
    """One problem or diagnosis that belongs to a value set (section 8). `last_day`: of one that is over (dialysis)."""

    concept: str
    group: str
    active: bool
    day: date | None
    last_day: date | None
    from_text: bool = False


class PregnancyAnswer(Datum, frozen=True):
    """An answer to 82810-3, pregnancy status."""

    day: date
    pregnant: bool


class PatientFacts(Datum, frozen=True):
    """All that is known of one patient. `birth_date` is the latest possible one (the youngest possible age)."""

    birth_date: date | None = None
    sex: Literal["male", "female"] | None = None
    deceased: bool = False
    vitamin_d: tuple[LabResult, ...] = ()
    calcitriol_on_file: bool = False
    magnesium: tuple[LabResult, ...] = ()
    calcium: tuple[LabResult, ...] = ()
    albumin: tuple[LabResult, ...] = ()
    phosphate: tuple[LabResult, ...] = ()
    pth: tuple[LabResult, ...] = ()
    potassium: tuple[LabResult, ...] = ()
    egfr: tuple[LabResult, ...] = ()
    creatinine: tuple[LabResult, ...] = ()
    bmi: tuple[LabResult, ...] = ()
    height: tuple[LabResult, ...] = ()
    weight: tuple[LabResult, ...] = ()
    pregnancy: tuple[PregnancyAnswer, ...] = ()
    conditions: tuple[Problem, ...] = ()
    medications: tuple[MedicationOrder, ...] = ()
    lab_orders: tuple[LabOrder, ...] = ()
    pending: tuple[PendingTest, ...] = ()
    availability: Mapping[Source, Availability] = MappingProxyType({})

    @property
    def lacking(self) -> frozenset[Source]:
        """The sources that were not read whole: unknown is not normal."""
        return frozenset([source for source, there in self.availability.items() if there is not AVAILABLE])

    def known(self, source: Source) -> bool:
        """Whether *source* was read whole."""
        return source not in self.lacking


class Drafted(Datum, frozen=True):
    """One order that is being written, for a drug or a laboratory test (order hooks, part 2).

    `place` is its place among the drafts, `judged` whether this call is about it. `own` are the orders it may be in the
    chart under, or replaces, as `Type/id`. `removable` and `changeable`: what may be offered to be done to it;
    `mixable`: drafts of ours may stand beside it. `reasons` are its own, as keys of condition sets, by code alone.
    `spaced`: it says already how far apart it is taken; `from_name`: its dose was read from the drug's name;
    `strengths` are the IU in one piece that the name tells, zero for one that is none of a piece. `codes` are those of
    a test, which may have no day of its own, or `repeats`.
    """

    place: int
    judged: bool
    own: frozenset[str] = frozenset()
    removable: bool = True
    changeable: bool = True
    mixable: bool = True
    reasons: frozenset[tuple[str, str | None]] = frozenset()
    drug: MedicationOrder | None = None
    spaced: bool = False
    from_name: bool = False
    strengths: frozenset[Decimal] = frozenset()
    lab: LabOrder | None = None
    codes: tuple[str, ...] = ()
    repeats: bool = False


class Drafts(Datum, frozen=True):
    """What is being written. `written` are the orders of the chart that it is, or replaces, as `Type/id`.

    `signing`: it is about to be signed, so that only what matters then is said.
    """

    listed: tuple[Drafted, ...] = ()
    written: frozenset[str] = frozenset()
    signing: bool = False
