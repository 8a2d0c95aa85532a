"""Therapies that can be chosen in place of those in the chart."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from cds_service.fhir.units import UCUM
from cds_service.playground.resources import medication_request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from cds_service.fhir.units import UCUM
from cds_service.playground.resources import Json

ERGOCALCIFEROL, CHOLECALCIFEROL, MAGNESIUM = "4018", "2418", "6574"
"""RxNorm ingredients."""


class Therapy(NamedTuple):
    """A therapy: its name for people, the drug, what is taken, how often, and for how many weeks so far."""

    label: str
    rxnorm: str
    dose: int
    unit: str
    every: str
    weeks: int

    def order(self, today: date) -> Json:
        """The order for it."""
        code = "[iU]" if self.unit == "IU" else self.unit
        dose = {"value": self.dose, "unit": self.unit, "system": UCUM, "code": code}
        name = self.label.partition(",")[0] if self.unit != "IU" else self.label.rpartition(",")[0]
        return medication_request(self.rxnorm, name, dose, self.every, today - timedelta(weeks=self.weeks))


VITAMIN_D: Mapping[str, Therapy] = {
    "d3-1000": Therapy("Cholecalciferol 1,000 IU daily, for a year", CHOLECALCIFEROL, 1_000, "IU", "d", 52),
    "d3-2000": Therapy("Cholecalciferol 2,000 IU daily, for 20 weeks", CHOLECALCIFEROL, 2_000, "IU", "d", 20),
    "d3-10000": Therapy("Cholecalciferol 10,000 IU daily, for 20 weeks", CHOLECALCIFEROL, 10_000, "IU", "d", 20),
    "d2-weekly-4": Therapy("Ergocalciferol 50,000 IU weekly, for 4 weeks", ERGOCALCIFEROL, 50_000, "IU", "wk", 4),
    "d2-weekly-20": Therapy("Ergocalciferol 50,000 IU weekly, for 20 weeks", ERGOCALCIFEROL, 50_000, "IU", "wk", 20),
}
MAGNESIUM_PRODUCTS: Mapping[str, Therapy] = {
    "magnesium-200": Therapy("Magnesium citrate 200 mg daily, for 8 weeks", MAGNESIUM, 200, "mg", "d", 8),
}
NONE = "none"
"""The choice of no therapy at all."""
