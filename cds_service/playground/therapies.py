"""Therapies that can be chosen in place of those in the chart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from cds_service.fhir.units import UCUM
from cds_service.playground.resources import Json, medication_request

ERGOCALCIFEROL, CHOLECALCIFEROL, MAGNESIUM = "4018", "2418", "6574"
"""RxNorm ingredients."""


class Choice(NamedTuple):
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


VITAMIN_D: Mapping[str, Choice] = {
    "d3-1000": Choice("Cholecalciferol 1,000 IU daily, for a year", CHOLECALCIFEROL, 1_000, "IU", "d", 52),
    "d3-2000": Choice("Cholecalciferol 2,000 IU daily, for 20 weeks", CHOLECALCIFEROL, 2_000, "IU", "d", 20),
    "d3-10000": Choice("Cholecalciferol 10,000 IU daily, for 20 weeks", CHOLECALCIFEROL, 10_000, "IU", "d", 20),
    "d2-weekly-4": Choice("Ergocalciferol 50,000 IU weekly, for 4 weeks", ERGOCALCIFEROL, 50_000, "IU", "wk", 4),
    "d2-weekly-20": Choice("Ergocalciferol 50,000 IU weekly, for 20 weeks", ERGOCALCIFEROL, 50_000, "IU", "wk", 20),
}
MAGNESIUM_PRODUCTS: Mapping[str, Choice] = {
    "magnesium-200": Choice("Magnesium citrate 200 mg daily, for 8 weeks", MAGNESIUM, 200, "mg", "d", 8),
}
NONE = "none"
"""The choice of no therapy at all."""
