"""What `limits.toml` holds, as frozen dataclasses; field names are its keys."""

from __future__ import annotations

from decimal import Decimal

from cds_service.clinical.datum import Datum
from cds_service.clinical.facts import Family


class Pair(Datum, frozen=True):
    """One printed cut-off in both unit families, for example 20 ng/mL | 50 nmol/L (section 4.2)."""

    mass: Decimal
    molar: Decimal

    def __str__(self) -> str:
        """As the files write it."""
        return f"{{ mass = {self.mass}, molar = {self.molar} }}"

    def for_family(self, family: Family) -> Decimal:
        """The number to compare a result of *family* with."""
        return self.mass if family == "mass" else self.molar


class Cut(Datum, frozen=True):
    """One magnesium cut-off: compared in mmol/L, printed in the unit family of the result (section 6.1)."""

    mmol_L: Decimal  # noqa: N815 - the unit's own spelling
    mg_dL: Decimal  # noqa: N815 - the unit's own spelling
    mEq_L: Decimal  # noqa: N815 - the unit's own spelling

    def __str__(self) -> str:
        """The number that is compared."""
        return f"{self.mmol_L} mmol/L"

    def printed(self, family: Family) -> Decimal:
        """The number a card prints for a result of *family*."""
        return {"mass": self.mg_dL, "molar": self.mmol_L, "equivalent": self.mEq_L}[family]


class VitaminDLimits(Datum, frozen=True):
    """Section 2 (Floor) and 4.3 (plausibility) of 25(OH)D."""

    source: str
    floor: Pair
    implausible_above: Pair
    unusable_below: Pair


class MagnesiumLimits(Datum, frozen=True):
    """Sections 4.3 and 6.1: bands of magnesium, plausibility, the swapped-unit guard."""

    source: str
    severe: Cut
    low: Cut
    latent: Cut
    normal_to: Cut
    very_high: Cut
    inside_laboratory_range_from: Decimal
    never_info_below: Decimal
    digoxin_urgent_below: Decimal
    implausible_above: Decimal
    implausible_below: Decimal
    swap_mmol_value_from: Decimal
    swap_mmol_range_high_from: Decimal
    swap_mg_value_below: Decimal
    swap_mg_range_high_to: Decimal


class CalciumLimits(Datum, frozen=True):
    """Section 6.2, calcium."""

    source: str
    high: Pair
    severe: Pair
    ckd_stop: Pair
    ionised_high: Pair
    ionised_severe: Pair
    low: Pair
    very_low: Pair
    ionised_low: Pair
    ionised_very_low: Pair
    plausible_from_mmol_L: Decimal  # noqa: N815 - the unit's own spelling
    plausible_to_mmol_L: Decimal  # noqa: N815 - the unit's own spelling
    albumin_days: int


class PhosphateLimits(Datum, frozen=True):
    """Section 6.2, phosphate in G3 and G4."""

    source: str
    limit: Pair


class PthLimits(Datum, frozen=True):
    """Section 2, raised PTH."""

    source: str
    raised_above: Pair


class KidneyLimits(Datum, frozen=True):
    """Section 6.2, eGFR stages in mL/min/1.73 m2, the eGFR an adjunct needs, the most magnesium a day in G3."""

    source: str
    g2_below: Decimal
    g3_below: Decimal
    g4_below: Decimal
    g5_below: Decimal
    adjunct_from: Decimal
    persistent_days: int
    reduced_magnesium_mg: int


class PotassiumLimits(Datum, frozen=True):
    """R15, potassium in mmol/L."""

    source: str
    low_below: Decimal


class ObesityLimits(Datum, frozen=True):
    """Section 9.5, body mass index in kg/m2."""

    source: str
    bmi: Decimal
    plausible_bmi_from: Decimal
    plausible_bmi_to: Decimal
    adult_height_age: int


class Windows(Datum, frozen=True):
    """Section 5: for how many days a result counts as fresh, and what else depends on its age.

    `stale`: a result older than that is not even stale. `very_low_calcium_critical`: until then a very low calcium
    makes a card critical (R15). `calcium_hold_repeat`: an older calcium that holds is to be repeated first.
    """

    source: str
    vitamin_d: int
    stale: int
    magnesium_out_of_range: int
    magnesium_in_range: int
    magnesium_in_range_short: int
    magnesium_earlier_low: int
    egfr: int
    egfr_ckd: int
    chemistry: int
    chemistry_ckd: int
    phosphate_hold: int
    calcium_hold_repeat: int
    very_low_calcium_critical: int
    pth: int
    potassium: int
    body: int
    calcium_known_normal: int
    dialysis_code: int


class TherapyLimits(Datum, frozen=True):
    """Sections 7.4 and 9.3: IU a day, IU at a time, days.

    `step_down_above_per_day`: at target, a known total above it is stepped down (R4). `recent_d2_days`: ergocalciferol
    that ended so long ago still makes a lone D3 undetermined (section 3.2).
    """

    source: str
    high_per_day: Decimal
    high_single: Decimal
    course_per_day: Decimal
    course_single: Decimal
    maintenance_per_day: Decimal
    step_down_above_per_day: Decimal
    intermittent_days: Decimal
    course_days_unstated: int
    course_counts_days: int
    recent_d2_days: int
    chain_gap_days: int
    month3_days: int
    resistance_gap_days: int
    intermittent_card_days: int
    wasting_ppi_months: int
    glucocorticoid_months: int


class Ceilings(Datum, frozen=True):
    """Sections 2 and 6.2: what no order exceeds. Magnesium from supplements and medicines, elemental, a day."""

    source: str
    daily_iu: int
    single_iu: int
    magnesium_mg: int


class Triggers(Datum, frozen=True):
    """Section 11: switches of the triggers for ordering 25(OH)D."""

    source: str
    obesity: bool


class PeopleLimits(Datum, frozen=True):
    """Ages in years and the days a record of pregnancy counts (section 9.5)."""

    source: str
    adult_age: int
    daily_first_age: int
    no_pregnancy_age: int
    pregnancy_condition_days: int
    pregnancy_answer_days: int


class RepeatIntervals(Datum, frozen=True):
    """Section 14.2: how long a result makes a repeat unnecessary (days), and when a recheck is due."""

    source: str
    potassium: int
    calcium: int
    calcium_hold_condition: int
    pth_hold: int
    kidney_magnesium_high: int
    vitamin_d_toxic: int
    magnesium_urgent: int
    recheck_weeks: int
    recheck_weeks_ckd: int
    recheck_weeks_low: int
    recheck_months: int


class PendingRules(Datum, frozen=True):
    """Section 17: when an order or preliminary result counts as under way, in days."""

    source: str
    occurrence_past: int
    authored: int
    preliminary: int
    apart: int


class CardRules(Datum, frozen=True):
    """Sections 4.5 and 14: what every card obeys.

    A detail has at most `max_words`; of part 3 `max_bullets`, each of `bullet_words`; in part 2 `max_reasons` of closed
    gates. A card about an order has `max_bullets_order`. Summaries and labels are counted in characters.
    """

    source: str
    date_after: int
    future_days: int
    max_words: int
    max_bullets: int
    max_bullets_critical: int
    max_bullets_order: int
    bullet_words: int
    max_reasons: int
    max_sources: int
    max_summary: int
    max_label: int


class Limits(Datum, frozen=True):
    """The whole of `limits.toml`."""

    vitamin_d: VitaminDLimits
    mg: MagnesiumLimits
    calcium: CalciumLimits
    phosphate: PhosphateLimits
    pth: PthLimits
    kidney: KidneyLimits
    potassium: PotassiumLimits
    obesity: ObesityLimits
    windows: Windows
    therapy: TherapyLimits
    ceiling: Ceilings
    trigger: Triggers
    people: PeopleLimits
    repeat: RepeatIntervals
    pending: PendingRules
    card: CardRules
