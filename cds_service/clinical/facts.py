"""Facts about one patient, as the logic sees them: codes, units and dates are already settled by `fhir/`.

Everything here is frozen. A fact that is not on file is empty or `None`; whether its source could be read at all is
a different question, answered by `PatientFacts.availability` (decision table, section 9.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from cds_service.clinical.numbers import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from cds_service.clinical.interval import Interval

Family = Literal["mass", "molar", "equivalent"]
"""How a result was reported: mass (ng/mL, mg/dL), molar (nmol/L, mmol/L) or equivalents (mEq/L)."""


class Kind(StrEnum):
    """The three kinds of result (decision table, section 4.5)."""

    USABLE = "usable"
    BLOCKED = "blocked"
    EMPTY = "empty"


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


class Recency(NamedTuple):
    """The order of results (section 5), the smaller the newer: day, instant, code, status.

    `day` is minus the ordinal of the calendar day, `instant` minus the seconds since 1970, `code` the preference among
    codes, `status` corrected before amended before final.
    """

    day: int
    instant: float
    code: int
    status: int


class LabResult(NamedTuple):
    """One laboratory or body measurement.

    `interval` is in the unit its analyte is compared in: 25(OH)D in ng/mL or nmol/L and calcium, phosphate and PTH in
    mg/dL or mmol/L (pg/mL or pmol/L for PTH), whichever `family` says; magnesium in mmol/L; potassium mmol/L; albumin
    g/dL; creatinine mg/dL; eGFR mL/min/1.73 m2; height m; weight kg; BMI kg/m2. `reported` and `comparator` are the
    value as written, in `unit`; `text` stands in their place where the value is a range, a sum or cannot be read.
    `problem` and `notes` are keys of the wording.
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


@dataclass(frozen=True, slots=True)
class PendingTest:
    """A preliminary or registered result: the test of this analyte is under way (section 5)."""

    analyte: str
    day: date


@dataclass(frozen=True, slots=True)
class LabOrder:
    """An active or draft laboratory order (section 17). `analyte` is a value set, else the code itself."""

    analyte: str
    occurrence: date | None
    authored: date | None


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose that could be counted (section 7.4): IU at a time, IU a day, days between doses."""

    single: Decimal
    per_day: Decimal
    interval_days: Decimal


@dataclass(frozen=True, slots=True)
class Medication:
    """One medication order (section 7). `sets` are the drug value sets it belongs to, `groups` their sub-groups.

    `bounds_end` is the stated end of the course (period end, or start and duration); `supply_end` start and expected
    supply. `dose` is IU of vitamin D, or `None` when it cannot be counted. `unresolved`: it could be any drug.
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


@dataclass(frozen=True, slots=True)
class Condition:
    """One problem or diagnosis that belongs to a value set (section 8). `last_day` is its latest date (dialysis)."""

    concept: str
    group: str
    active: bool
    day: date | None
    last_day: date | None
    from_text: bool = False


@dataclass(frozen=True, slots=True)
class PregnancyAnswer:
    """An answer to 82810-3, pregnancy status."""

    day: date
    pregnant: bool


@dataclass(frozen=True, slots=True)
class PatientFacts:
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
    conditions: tuple[Condition, ...] = ()
    medications: tuple[Medication, ...] = ()
    lab_orders: tuple[LabOrder, ...] = ()
    pending: tuple[PendingTest, ...] = ()
    availability: Mapping[Source, Availability] = field(default_factory=dict)

    def known(self, source: Source) -> bool:
        """Whether *source* was read whole; anything else is unavailable, and unknown is not normal."""
        return self.availability.get(source, Availability.AVAILABLE) is Availability.AVAILABLE
