"""Units (decision table, sections 4.1 and 4.3): exact factors per analyte; an unknown unit is an answer, not a guess.

Generic unit libraries are not used: UCUM defines `eq` as one mole, so they read mEq/L of magnesium as mmol/L, wrong by
a factor of 2 (section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from cds_service.clinical.factors import CONVERSIONS, CREATININE, MAGNESIUM, VALENCE
from cds_service.clinical.facts import Family

UCUM = "http://unitsofmeasure.org"
UCUM_SYSTEMS = frozenset({UCUM, "urn:oid:2.16.840.1.113883.6.8"})
"""UCUM by its address and by its OID (section 22)."""

# Spellings seen in real data (section 4.3) and the unit they mean. Matched after folding case where no UCUM spelling
# differs by case alone; both `l` and `L` are litre.
SPELLINGS = {
    "ng/ml": "ng/mL", "ug/l": "ug/L", "µg/l": "ug/L", "μg/l": "ug/L", "mcg/l": "ug/L", "nmol/l": "nmol/L",
    "ng/dl": "ng/dL", "pg/ml": "pg/mL", "pmol/l": "pmol/L", "mg/dl": "mg/dL", "mg%": "mg/dL", "mmol/l": "mmol/L",
    "meq/l": "mEq/L", "mval/l": "mEq/L", "mg/l": "mg/L", "g/dl": "g/dL", "g/l": "g/L", "umol/l": "umol/L",
    "µmol/l": "umol/L", "μmol/l": "umol/L", "ng/l": "ng/L", "kg/m2": "kg/m2", "kg/m^2": "kg/m2", "kg/m²": "kg/m2",
    "cm": "cm", "m": "m", "in": "in", "[in_i]": "in", "kg": "kg", "g": "g", "lb": "lb", "[lb_av]": "lb", "lbs": "lb",
}  # fmt: skip
EXACT = {"mM": "mmol/L"}
"""Spellings whose case matters: `mM` is millimolar."""


EGFR_UNIT = "mL/min"
"""Any spelling that begins with it: the annotation of body surface is ignored (section 3.5)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one unit of one analyte is read: factor to the unit compared, its family, whether to say it was scaled."""

    factor: Decimal
    family: Family
    scaled: bool = False


def _reading(factor: str | int, family: Family, *, scaled: bool = False) -> Reading:
    return Reading(Decimal(factor), family, scaled)


_ONE_MASS, _ONE_MOLAR = _reading(1, "mass"), _reading(1, "molar")

READINGS: dict[str, dict[str, Reading]] = {
    "vitamin-d": {
        "ng/mL": _ONE_MASS,
        "ug/L": _ONE_MASS,
        "ng/dL": _reading("0.01", "mass", scaled=True),
        "nmol/L": _ONE_MOLAR,
    },
    "magnesium": {
        "mmol/L": _ONE_MOLAR,
        "mEq/L": Reading(1 / VALENCE, "equivalent"),
        "mg/dL": _ONE_MASS,
        "mg/L": _reading("0.1", "mass"),
    },
    "calcium": {
        "mg/dL": _ONE_MASS,
        "mg/L": _reading("0.1", "mass"),
        "mmol/L": _ONE_MOLAR,
        "mEq/L": Reading(1 / VALENCE, "molar"),
    },
    "albumin": {"g/dL": _ONE_MASS, "g/L": _reading("0.1", "mass")},
    "phosphate": {"mg/dL": _ONE_MASS, "mg/L": _reading("0.1", "mass"), "mmol/L": _ONE_MOLAR},
    "pth": {"pg/mL": _ONE_MASS, "ng/L": _ONE_MASS, "pmol/L": _ONE_MOLAR},
    "potassium": {"mmol/L": _ONE_MOLAR, "mEq/L": _ONE_MOLAR},
    "creatinine": {
        "mg/dL": _ONE_MASS,
        "mg/L": _reading("0.1", "mass"),
        "umol/L": Reading(CREATININE.factor, "mass"),
    },
    "egfr": {EGFR_UNIT: _ONE_MASS},
    "bmi": {"kg/m2": _ONE_MASS},
    "height": {"cm": _reading("0.01", "mass"), "m": _ONE_MASS, "in": _reading("0.0254", "mass")},
    "weight": {"kg": _ONE_MASS, "g": _reading("0.001", "mass"), "lb": _reading("0.45359237", "mass")},
}
"""Per analyte: the units that are read, in the unit its limits are compared in (see `LabResult`)."""

CALCITRIOL_UNITS = frozenset({"pg/mL", "pmol/L"})
PROPERTY = {"mass": "MCnc", "molar": "SCnc", "equivalent": "SCnc"}


def normal_spelling(text: str | None) -> str | None:
    """The unit that *text* means, in its normal spelling; `None` where it is none of section 4.3."""
    if not text:
        return None
    folded = text.strip()
    if folded in EXACT:
        return EXACT[folded]
    folded = folded.lower()
    return EGFR_UNIT if folded.startswith("ml/min") else SPELLINGS.get(folded)


def disagree(analyte: str, one: str, other: str) -> bool:
    """Whether two units on one value contradict each other: by a factor of 2 or more, or as different things (4.3)."""
    if one == other:
        return False
    readings = READINGS[analyte]
    if one not in readings or other not in readings:
        return True
    ratio = _common(analyte, readings[one]) / _common(analyte, readings[other])
    return ratio >= TWO or ratio <= 1 / TWO


ONE, TWO = Decimal(1), Decimal(2)


def _common(analyte: str, reading: Reading) -> Decimal:
    in_moles = reading.family != "mass" and analyte in CONVERSIONS
    return reading.factor * (CONVERSIONS[analyte].factor if in_moles else 1)


def convert(value: Decimal, reading: Reading, analyte: str) -> Decimal:
    """*value* in the unit its analyte is compared in; magnesium in mg/dL is divided by its factor exactly once."""
    scaled = value if reading.factor == ONE else value * reading.factor
    return scaled / MAGNESIUM.factor if analyte == "magnesium" and reading.family == "mass" else scaled


def convert_to(value: Decimal, reading: Reading, target: Reading, analyte: str) -> Decimal:
    """*value*, which *reading* reads, in the unit that results of *target* are compared in (section 4.6)."""
    if analyte == "magnesium" or (reading.family == "mass") == (target.family == "mass"):
        return convert(value, reading, analyte)
    mass = value * _common(analyte, reading)
    return mass if target.family == "mass" else mass / _common(analyte, _ONE_MOLAR)
