"""Conversion factors (section 4.1): the one table, for every ring. Exact, as decimals.

25(OH)D, calcium and phosphate are compared in the unit family they arrived in; a factor is for what is shown, for mixed
fractions and for ties. Magnesium is compared in mmol/L.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from cds_service.clinical.facts import Family

ONE = Decimal(1)


class Conversion(NamedTuple):
    """The two units of one analyte, and how much of the *mass* unit is in one of the *molar* unit."""

    mass: str
    molar: str
    factor: Decimal

    def unit(self, family: Family) -> str:
        """The unit of results of *family*."""
        return self.mass if family == "mass" else self.molar

    def in_mass(self, family: Family) -> Decimal:
        """How much of the mass unit is in one of the unit of *family*."""
        return ONE if family == "mass" else self.factor


VITAMIN_D = Conversion("ng/mL", "nmol/L", Decimal("0.40064"))
"""25(OH)D as a total and 25(OH)D3."""
VITAMIN_D2 = Conversion("ng/mL", "nmol/L", Decimal("0.41265"))
"""25(OH)D2 has its own molar mass."""
MAGNESIUM = Conversion("mg/dL", "mmol/L", Decimal("2.4305"))
CALCIUM = Conversion("mg/dL", "mmol/L", Decimal("4.0078"))
PHOSPHATE = Conversion("mg/dL", "mmol/L", Decimal("3.0974"))
"""As phosphorus, never as the ion."""
PTH = Conversion("pg/mL", "pmol/L", 1 / Decimal("0.1061"))
CREATININE = Conversion("mg/dL", "umol/L", 1 / Decimal("88.402"))

CONVERSIONS: Mapping[str, Conversion] = {
    "vitamin-d": VITAMIN_D,
    "magnesium": MAGNESIUM,
    "calcium": CALCIUM,
    "phosphate": PHOSPHATE,
    "pth": PTH,
    "creatinine": CREATININE,
}
"""By the name of the analyte."""

VALENCE = Decimal(2)
"""mEq in one mmol of magnesium or calcium."""
IU_PER_UG = Decimal(40)
"""Of vitamin D."""
UG_PER_MG = Decimal(1_000)
