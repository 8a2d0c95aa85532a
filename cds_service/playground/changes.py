"""Changes to a made-up patient: another result, age, kidney function or therapy. The request stays one of CDS Hooks."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from cds_service.clinical.days import add_months
from cds_service.clinical.facts import Source
from cds_service.errors import MalformedRequest
from cds_service.fhir.drugs import MAGNESIUM as MAGNESIUM_PRODUCTS
from cds_service.fhir.drugs import NUTRITIONAL
from cds_service.fhir.medications import read_medications
from cds_service.fhir.observations import STATUS_RANK
from cds_service.fhir.page import Page
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.views import MedicationRequest
from cds_service.hooks.patient_bundle import analyte_of
from cds_service.playground import therapies
from cds_service.playground.resources import Json, bundle, observation
from cds_service.playground.therapies import Choice

NONE = "none"
"""Instead of a value: there is no result on file."""
TOTALS = frozenset({"total", "ambiguous"})
EGFR_NAME, EGFR_UNIT = "eGFR (CKD-EPI 2021)", "mL/min/{1.73_m2}"
EARLIER = timedelta(days=120)
"""A changed eGFR was the same so long before, so that kidney disease counts as known."""
MOST_RESULT, MOST_AGE, MOST_EGFR = Decimal(10_000), 120, 200


class Scale(NamedTuple):
    """The ends and the step of a slider."""

    low: Decimal
    high: Decimal
    step: Decimal


class Changeable(NamedTuple):
    """A result that can be changed: where it is, how one is made where there is none, and scales by unit.

    A new one has the first code of its analyte with this LOINC property.
    """

    source: Source
    name: str
    label: str
    loinc_property: str
    unit: str
    scales: Mapping[str, Scale]


def _scale(low: str, high: str, step: str) -> Scale:
    return Scale(Decimal(low), Decimal(high), Decimal(step))


VITAMIN_D = Changeable(
    Source.VITAMIN_D,
    "vitamin-d",
    "25(OH)D",
    "MCnc",
    "ng/mL",
    {"ng/mL": _scale("4", "160", "0.5"), "nmol/L": _scale("10", "400", "1")},
)
MAGNESIUM = Changeable(
    Source.MAGNESIUM,
    "magnesium",
    "Magnesium",
    "SCnc",
    "mmol/L",
    {
        "mmol/L": _scale("0.30", "2.40", "0.01"),
        "mg/dL": _scale("0.7", "5.8", "0.1"),
        "meq/L": _scale("0.6", "4.8", "0.02"),
    },
)
CHANGES = ("vitamin_d", "magnesium", "age", "egfr", "therapy", "magnesium_therapy")
"""What of a trial changes the patient."""
ANALYTES = {"vitaminD": VITAMIN_D, "magnesium": MAGNESIUM}


NumberText = Annotated[str, Meta(description="A number as text; for a result also `none`.")]


class Trial(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """What is to be tried. The patient is a situation, or a text; what is null is as the situation or chart has it."""

    situation: Annotated[str, Meta(description="The name of a folder of `fhir_fixtures`.")] | None = None
    text: Annotated[str, Meta(description="Instead: a CDS Hooks request, or a FHIR Bundle.")] | None = None
    profile: str | None = None
    overlay: str | None = None
    as_of: date | None = None
    visit: Annotated[str, Meta(max_length=64)] = ""
    settled: Annotated[bool, Meta(description="Remember the cards, so that feedback on them counts.")] = False
    undone: Annotated[tuple[str, ...], Meta(max_length=64, description="Topics that are no longer to be quiet.")] = ()
    vitamin_d: NumberText | None = None
    magnesium: NumberText | None = None
    age: NumberText | None = None
    egfr: NumberText | None = None
    therapy: str | None = None
    magnesium_therapy: str | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether the patient is as the chart has it."""
        return {getattr(self, name) for name in CHANGES} == {None}

    def apply(self, request: Json, terms: Terminology, today: date) -> Json:
        """A copy of *request* with the changes.

        Raises:
            MalformedRequest: a change is none that can be made.
        """
        changed: Json = copy.deepcopy(request)
        prefetch = changed.get("prefetch")
        if not isinstance(prefetch, dict):
            return changed
        chart = _Chart(prefetch, terms, today)
        if self.vitamin_d is not None:
            chart.set_result(VITAMIN_D, self.vitamin_d)
        if self.magnesium is not None:
            chart.set_result(MAGNESIUM, self.magnesium)
        if self.age is not None:
            chart.set_age(_whole("age", self.age, MOST_AGE))
        if self.egfr is not None:
            chart.set_egfr(_number("eGFR", self.egfr, Decimal(MOST_EGFR)))
        if self.therapy is not None:
            chart.set_therapy(NUTRITIONAL, therapies.VITAMIN_D, self.therapy)
        if self.magnesium_therapy is not None:
            chart.set_therapy(MAGNESIUM_PRODUCTS, therapies.MAGNESIUM_PRODUCTS, self.magnesium_therapy)
        return changed


class Dial(NamedTuple):
    """A result as the page lets one change it: the newest one, or where there is none to change, a new one."""

    value: Decimal | None
    unit: str
    scale: Scale


def dial(request: Json, analyte: Changeable, terms: Terminology) -> Dial:
    """Where the slider of *analyte* stands for *request*."""
    prefetch = request.get("prefetch")
    found = newest(prefetch, analyte, terms) if isinstance(prefetch, dict) else None
    if found is None:
        return Dial(None, analyte.unit, analyte.scales[analyte.unit])
    quantity = found["valueQuantity"]
    unit = _unit(quantity, analyte)
    return Dial(Decimal(str(quantity["value"])), str(quantity.get("unit") or unit), analyte.scales[unit])


def newest(prefetch: Json, analyte: Changeable, terms: Terminology) -> Json | None:
    """The newest result of *analyte* that is a plain number in a unit there is a scale for."""
    held = list(entries(prefetch, analyte.source))
    added_up = {_day(resource) for resource in held if analyte_of(resource, terms)[1] == "d2"}
    plain = [resource for resource in held if _is_plain(resource, analyte, terms, added_up)]
    return max(plain, key=lambda resource: str(resource.get("effectiveDateTime", "")), default=None)


def entries(prefetch: Json, source: Source) -> Iterator[Json]:
    """The resources of the Bundle under a key."""
    held = prefetch.get(source.value)
    listed = held.get("entry") if isinstance(held, dict) else None
    for entry in listed if isinstance(listed, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield resource


def _day(resource: Json) -> str:
    return str(resource.get("effectiveDateTime", ""))[:10]


def _is_plain(resource: Json, analyte: Changeable, terms: Terminology, added_up: set[str]) -> bool:
    """Whether it is a number that can be changed. On a day of *added_up*, 25(OH)D3 is one of two fractions."""
    quantity = resource.get("valueQuantity")
    if not isinstance(quantity, dict) or str(resource.get("status")) not in STATUS_RANK or quantity.get("comparator"):
        return False
    name, form = analyte_of(resource, terms)
    alone = form == "d3" and _day(resource) not in added_up
    if name != analyte.name or (name == VITAMIN_D.name and form not in TOTALS and not alone):
        return False
    value = quantity.get("value")
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return number and bool(_unit(quantity, analyte))


def _unit(quantity: Json, analyte: Changeable) -> str:
    """The unit of *quantity* as its scale is named; empty where there is none."""
    given = str(quantity.get("unit") or quantity.get("code") or "").lower()
    return next((unit for unit in analyte.scales if unit.lower() == given), "")


def _number(name: str, text: str, most: Decimal) -> Decimal:
    message = f"{name} must be a number from 0 to {most}"
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise MalformedRequest(message) from error
    if not number.is_finite() or not 0 <= number <= most or len(text) > 12:  # noqa: PLR2004 - digits enough
        raise MalformedRequest(message)
    return number


def _whole(name: str, text: str, most: int) -> int:
    number = _number(name, text, Decimal(most))
    if number != number.to_integral_value():
        raise MalformedRequest(f"{name} must be a whole number")
    return int(number)


class _Chart:
    """The prefetch of a request, to be changed."""

    def __init__(self, prefetch: Json, terms: Terminology, today: date) -> None:
        self._prefetch = prefetch
        self._terms = terms
        self._today = today

    def set_result(self, analyte: Changeable, text: str) -> None:
        """Change the newest result, add one, or take all of them away."""
        if text == NONE:
            self._prefetch[analyte.source.value] = bundle(())
            return
        value = _number(analyte.label, text, MOST_RESULT)
        found = newest(self._prefetch, analyte, self._terms)
        if found is not None:
            found["valueQuantity"]["value"] = value
            return
        made = observation(
            self._code(analyte.name, analyte.loinc_property), analyte.label, value, analyte.unit, self._today
        )
        self._prefetch[analyte.source.value] = bundle([made, *entries(self._prefetch, analyte.source)])

    def _code(self, analyte: str, loinc_property: str = "") -> str:
        """The code that is preferred for *analyte*."""
        codes = [
            code
            for code in self._terms.lab.values()
            if code.analyte == analyte and code.loinc_property == loinc_property
        ]
        return min(codes, key=lambda code: (code.rank, code.specificity)).code

    def set_age(self, age: int) -> None:
        """Let the patient have turned *age* today."""
        patient = self._prefetch.get(Source.PATIENT.value)
        if isinstance(patient, dict):
            patient["birthDate"] = str(add_months(self._today, -12 * age))

    def set_egfr(self, value: Decimal) -> None:
        """Let the eGFR be *value*, now and some months ago, in place of all that is known of the kidneys."""
        days, code = (self._today, self._today - EARLIER), self._code("egfr")
        self._prefetch[Source.KIDNEY.value] = bundle(
            observation(code, EGFR_NAME, value, EGFR_UNIT, day) for day in days
        )

    def set_therapy(self, replaced: str, offered: Mapping[str, Choice], choice: str) -> None:
        """Put the therapy *choice* in place of the orders of the drug set *replaced*."""
        if choice != therapies.NONE and choice not in offered:
            raise MalformedRequest(f"There is no such therapy: {', '.join([therapies.NONE, *offered])}")
        kept = [order for order in entries(self._prefetch, Source.MEDICATIONS) if replaced not in self._sets(order)]
        new = [] if choice == therapies.NONE else [offered[choice].order(self._today)]
        self._prefetch[Source.MEDICATIONS.value] = bundle([*new, *kept])

    def _sets(self, order: Json) -> Iterable[str]:
        try:
            view = msgspec.json.decode(msgspec.json.encode(order), type=MedicationRequest)
        except msgspec.ValidationError:
            return ()
        return {name for found in read_medications(Page((view,)), self._terms) for name in found.sets}
