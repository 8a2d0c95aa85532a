"""What the numbers of `limits.toml` and `profiles.toml` must satisfy: they cannot contradict one another.

Each check names file, key, value and what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from msgspec import structs

from cds_service.clinical.factors import CONVERSIONS, MAGNESIUM, VALENCE, VITAMIN_D, Conversion
from cds_service.clinical.guidance_types import Overlay, Profile
from cds_service.clinical.limits import Cut, Limits, Pair
from cds_service.clinical.numbers import rounded
from cds_service.clinical.words.phrases import BLOCKS
from cds_service.errors import GuidanceError

PROFILES, LIMITS = "profiles.toml", "limits.toml"
PRINTED_SLACK = Decimal("0.005")
PAIR_SLACK = Decimal("0.005")
"""How far the two numbers of a pair may be apart: 0.5 %. Of those in use, 4.6 | 1.49 is the furthest, 0.33 %."""
SHORTEST_MONTH, LONGEST_MONTH = 28, 31

ANALYTES = {"vitamin_d": "vitamin-d", "calcium": "calcium", "phosphate": "phosphate", "pth": "pth"}
"""The tables of `limits.toml` that hold pairs, and whose units they are in."""
RISING: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "vitamin_d": (("unusable_below", "floor", "implausible_above"),),
    "mg": (
        ("implausible_below", "severe", "low", "latent", "normal_to", "very_high", "implausible_above"),
        ("severe", "inside_laboratory_range_from", "low"),
        ("severe", "never_info_below", "low"),
        ("severe", "digoxin_urgent_below", "low"),
        ("swap_mmol_value_from", "swap_mmol_range_high_from"),
        ("swap_mg_value_below", "swap_mg_range_high_to"),
    ),
    "calcium": (
        ("very_low", "low", "ckd_stop", "high", "severe"),
        ("ionised_very_low", "ionised_low", "ionised_high", "ionised_severe"),
        ("plausible_from_mmol_L", "plausible_to_mmol_L"),
    ),
    "kidney": (("g5_below", "g4_below", "g3_below", "g2_below"), ("g3_below", "adjunct_from")),
    "obesity": (("plausible_bmi_from", "bmi", "plausible_bmi_to"),),
    "windows": (
        ("vitamin_d", "stale"),
        ("magnesium_in_range_short", "magnesium_in_range", "magnesium_earlier_low"),
        ("magnesium_out_of_range", "magnesium_in_range"),
        ("egfr_ckd", "egfr"),
        ("chemistry_ckd", "chemistry"),
        ("very_low_calcium_critical", "chemistry_ckd"),
    ),
    "therapy": (
        ("maintenance_per_day", "course_per_day", "high_per_day", "high_single"),
        ("maintenance_per_day", "step_down_above_per_day", "high_per_day"),
        ("course_per_day", "course_single"),
    ),
    "ceiling": (("daily_iu", "single_iu"),),
    "people": (("adult_age", "daily_first_age", "no_pregnancy_age"),),
    "repeat": (("recheck_weeks_low", "recheck_weeks_ckd", "recheck_weeks"),),
}  # fmt: skip
"""By table of `limits.toml`: keys whose numbers never fall from one to the next."""


def limits(found: Limits) -> None:
    """No number is zero or less; edges rise; what is written in two or three units is the same in each."""
    for table in structs.fields(found):
        _table(table.name, getattr(found, table.name))
    for name in ("severe", "low", "latent", "normal_to", "very_high"):
        _printed(f"mg.{name}", getattr(found.mg, name))
    for table_name, lines in RISING.items():
        for line in lines:
            _rising(LIMITS, table_name, {key: getattr(getattr(found, table_name), key) for key in line})
    months, days = found.repeat.recheck_months, found.therapy.month3_days
    fewest, most = months * SHORTEST_MONTH, months * LONGEST_MONTH
    if not fewest <= days <= most:
        expected = f"from {fewest} to {most}: texts say month {months}, by repeat.recheck_months"
        raise GuidanceError(LIMITS, "therapy.month3_days", days, expected)


def profiles(found: Mapping[str, Profile], overlays: Mapping[str, Overlay], limits: Limits) -> None:
    """Bands rise above the Floor; blocks are known; a profile without a target does not speak of one."""
    for name, profile in found.items():
        key = f"profile.{name}"
        bands = ("deficient_below", "indicated_below", "insufficient_below", "adequate_to", "high_to")
        _pairs(PROFILES, key, bands, profile)
        _above_the_floor(f"{key}.deficient_below", profile, limits.vitamin_d.floor)
        for block in profile.blocks_left_out:
            if block not in BLOCKS:
                raise GuidanceError(PROFILES, f"{key}.blocks_left_out", block, "a block of wording.toml")
        if profile.target is None and "B-TARGET" not in profile.blocks_left_out:
            expected = "insufficient_below, which is the target, or B-TARGET among blocks_left_out"
            raise GuidanceError(PROFILES, f"{key}.insufficient_below", None, expected)
        low, high = profile.maintenance_iu.low, profile.maintenance_iu.high
        if not 0 < low <= high <= limits.ceiling.daily_iu:
            expected = f"a range that rises, to {limits.ceiling.daily_iu} IU at most (limits.toml: ceiling.daily_iu)"
            raise GuidanceError(PROFILES, f"{key}.maintenance_iu", profile.maintenance, expected)
    for name, overlay in overlays.items():
        _pairs(PROFILES, f"overlay.{name}", ("deficient_below", "insufficient_below"), overlay)


def _above_the_floor(key: str, profile: Profile, floor: Pair) -> None:
    """No profile calls less than the Floor deficient; one that needs an indication for more calls just that so."""
    cut, named = profile.deficient_below, f"{floor}, the Floor (limits.toml: vitamin_d.floor)"
    if cut.mass < floor.mass:
        raise GuidanceError(PROFILES, key, cut, f"at least {named}")
    if profile.indicated_below is not None and cut != floor:
        raise GuidanceError(PROFILES, key, cut, named)


def _table(name: str, table: Any) -> None:
    for field in structs.fields(table):
        value, key = getattr(table, field.name), f"{name}.{field.name}"
        if isinstance(value, Pair):
            _pair(LIMITS, key, value, CONVERSIONS[ANALYTES[name]])
        elif isinstance(value, int | Decimal) and not isinstance(value, bool) and value <= 0:
            raise GuidanceError(LIMITS, key, value, "more than 0")


def _pair(file: str, key: str, pair: Pair, units: Conversion) -> None:
    """The two numbers of a limit are one limit, to the rounding of those who print it."""
    in_mass = pair.molar * units.factor
    if min(pair.mass, pair.molar) <= 0 or abs(in_mass - pair.mass) > PAIR_SLACK * pair.mass:
        expected = f"one limit in both units, at most 0.5 % apart: {pair.molar} {units.molar} is "
        expected += f"{rounded(in_mass, 2)} {units.mass}, {pair.mass} {units.mass} is "
        expected += f"{rounded(pair.mass / units.factor, 2)} {units.molar}"
        raise GuidanceError(file, key, pair, expected)


def _pairs(file: str, key: str, names: tuple[str, ...], table: object) -> None:
    there = {name: value for name in names if (value := getattr(table, name)) is not None}
    for name, pair in there.items():
        _pair(file, f"{key}.{name}", pair, VITAMIN_D)
    _rising(file, key, there)


def _rising(file: str, table: str, values: Mapping[str, Any]) -> None:
    for (key, lower), (next_key, upper) in pairwise(values.items()):
        if any(low > high for low, high in zip(_compared(lower), _compared(upper), strict=True)):
            raise GuidanceError(file, f"{table}.{next_key}", upper, f"at least {lower}, which is {key}")


def _compared(value: Any) -> tuple[Decimal, ...]:
    """The numbers of a limit, each in a unit that is the same for all of its table."""
    if isinstance(value, Pair):
        return (value.mass, value.molar)
    return (Decimal(getattr(value, "mmol_L", value)),)


def _printed(key: str, cut: Cut) -> None:
    if abs(cut.mmol_L * MAGNESIUM.factor - cut.mg_dL) > PRINTED_SLACK:
        raise GuidanceError(LIMITS, f"{key}.mg_dL", cut.mg_dL, f"{cut.mmol_L} mmol/L in mg/dL, to two decimals")
    if cut.mmol_L * VALENCE != cut.mEq_L:
        raise GuidanceError(LIMITS, f"{key}.mEq_L", cut.mEq_L, f"{cut.mmol_L} mmol/L in mEq/L, twice the number")
