"""Builds the orders of `orders.toml`: each drug in the words of its form, with its own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from cds_service.clinical.factors import IU_PER_UG, UG_PER_MG
from cds_service.clinical.guidance_types import DrugEntry, DrugOrder, OrderForm
from cds_service.errors import GuidanceError
from cds_service.guidance import text_numbers as numbers
from cds_service.guidance.checks import VITAMIN_D_ATC
from cds_service.guidance.checks import text as check_text

FILE = "orders.toml"
WORDS = ("text", "label", "description", "dosage", "patient_instruction")


def build_orders(drugs: Mapping[str, DrugEntry], forms: Mapping[str, OrderForm]) -> dict[str, DrugOrder]:
    """Every order, by the key of its drug.

    Raises:
        GuidanceError: there is no such form, or a text has a number of its own or takes one the drug does not have.
    """
    for name, form in forms.items():
        for field in WORDS:
            _no_number(f"form.{name}.{field}", getattr(form, field))
    for name, drug in drugs.items():
        for field, text in (("name", drug.name), ("short", drug.short), ("remark", drug.remark)):
            _no_number(f"drug.{name}.{field}", text)
    return {name: _order(name, drug, forms) for name, drug in drugs.items()}


def _no_number(key: str, text: str) -> None:
    found = numbers.own_number(text)
    if found is not None:
        raise GuidanceError(FILE, key, text, f"no {found} of its own: {{dose}} and {{weeks}} are those of the drug")


def _order(name: str, drug: DrugEntry, forms: Mapping[str, OrderForm]) -> DrugOrder:
    if drug.form not in forms:
        raise GuidanceError(FILE, f"drug.{name}.form", drug.form, f"one of {', '.join(forms)}")
    form, clinical = forms[drug.form], drug.clinical_drug
    unit = "IU" if drug.atc.startswith(VITAMIN_D_ATC) else "mg"
    if form.unit != unit:
        expected = f"{unit}, the unit of drug.{name} (ATC {drug.atc})"
        raise GuidanceError(FILE, f"form.{drug.form}.unit", form.unit, expected)
    if clinical is not None and clinical.dose != drug.dose:
        expected = f"{clinical.dose}, the strength that RxNorm {clinical.rxnorm} means, or no clinical_drug"
        raise GuidanceError(FILE, f"drug.{name}.dose", drug.dose, expected)
    if (drug.weeks is None) == (drug.supply_days is None):
        raise GuidanceError(FILE, f"drug.{name}", name, "either weeks or supply_days")
    values = _values(drug, form)
    return DrugOrder(
        rxnorm=(drug.rxnorm,) if clinical is None else (drug.rxnorm, clinical.rxnorm),
        atc=drug.atc,
        dose=drug.dose,
        unit=form.unit,
        period_unit=form.period_unit,
        weeks=drug.weeks,
        supply_days=drug.supply_days,
        **{field: _fill(name, drug, field, getattr(form, field), values) for field in WORDS},
    )


def _values(drug: DrugEntry, form: OrderForm) -> dict[str, str]:
    values = {"name": drug.name, "short": drug.short, "remark": drug.remark, "dose": numbers.said(drug.dose)}
    if form.unit == "IU":
        values["mg"] = f"{(Decimal(drug.dose) / IU_PER_UG / UG_PER_MG).normalize():f}"
    weeks = numbers.weeks_of(drug)
    return values if weeks is None else {**values, "weeks": numbers.said(weeks)}


def _fill(name: str, drug: DrugEntry, field: str, text: str, values: Mapping[str, str]) -> str:
    key = f"form.{drug.form}.{field}"
    if "{weeks}" in text and "weeks" not in values:
        raise GuidanceError(FILE, f"drug.{name}.supply_days", drug.supply_days, f"whole weeks, since {key} says them")
    check_text(FILE, key, text, frozenset(values))
    return text.format_map(values)
