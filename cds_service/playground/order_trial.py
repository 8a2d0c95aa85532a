"""An order on the playground: it is written by a form, the order services judge it, and a suggestion changes it.

Nothing is kept between two questions: each tells the form and the suggestions that were taken since, and they are
taken again in their order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec

from cds_service.errors import MalformedRequest
from cds_service.fhir.units import UCUM
from cds_service.fhir.valuesets import LOINC, RXNORM
from cds_service.hooks.answers import DraftAction
from cds_service.hooks.memory import FORGETFUL
from cds_service.hooks.order_hooks import SELECT, SIGN
from cds_service.hooks.record import Call
from cds_service.hooks.service import Answer, Engine
from cds_service.playground.resources import Json
from cds_service.playground.situations import Situation
from cds_service.playground.trial import CLIENT, Playground

PATIENTS = (
    "vector-v02-deficient-nmol-low-magnesium",
    "normal-patient-no-card",
    "ckd-g4-low-magnesium",
    "severe-hypomagnesaemia-with-deficiency",
    "vector-v10-toxic-level-with-hypercalcaemia-on-10000-iu",
    "chelating-drug-spacing-with-magnesium-order",
    "pregnant-deficient",
)
"""Situations in which orders differ most; the first is shown when the page opens."""
MOST_TAKEN = 8
"""Suggestions that can be taken one after the other."""
DRAFT = "order-1"
DOSE = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,4})?")
UCUM_CODES = {"IU": "[iU]", "mcg": "ug", "mg": "mg"}


class Drug(NamedTuple):
    """A drug that can be chosen: its name, its RxNorm ingredient, the unit of its dose, and a dose to begin with."""

    label: str
    rxnorm: str
    unit: str
    dose: str


class Test(NamedTuple):
    """A test that can be chosen, by its LOINC code."""

    label: str
    loinc: str


class Interval(NamedTuple):
    """How often: as people say it, and as FHIR has it."""

    label: str
    repeat: Mapping[str, int | str]


DRUGS: Mapping[str, Drug] = {
    "calcitriol": Drug("Calcitriol", "1894", "mcg", "0.25"),
    "cholecalciferol": Drug("Cholecalciferol (vitamin D3)", "2418", "IU", "50000"),
    "ergocalciferol": Drug("Ergocalciferol (vitamin D2)", "4018", "IU", "50000"),
    "magnesium-oxide": Drug("Magnesium oxide", "6582", "mg", "400"),
    "levothyroxine": Drug("Levothyroxine", "10582", "mcg", "75"),
    "amoxicillin": Drug("Amoxicillin, of which the services say nothing", "723", "mg", "500"),
}
TESTS: Mapping[str, Test] = {
    "25-oh-d": Test("Test: 25(OH)D, total", "62292-8"),
    "1-25-oh-d": Test("Test: 1,25(OH)2D", "62290-2"),
}
INTERVALS: Mapping[str, Interval] = {
    "daily": Interval("once a day", {"frequency": 1, "period": 1, "periodUnit": "d"}),
    "twice-daily": Interval("twice a day", {"frequency": 2, "period": 1, "periodUnit": "d"}),
    "twice-weekly": Interval("twice a week", {"frequency": 2, "period": 1, "periodUnit": "wk"}),
    "weekly": Interval("once a week", {"frequency": 1, "period": 1, "periodUnit": "wk"}),
    "monthly": Interval("once a month", {"frequency": 1, "period": 1, "periodUnit": "mo"}),
    "once": Interval("one single dose", {"count": 1}),
}


class OrderForm(msgspec.Struct, frozen=True):
    """What the form says: a key of `DRUGS` or `TESTS` or nothing, a dose as it is written, a key of `INTERVALS`."""

    order: str = ""
    dose: str = ""
    interval: str = "daily"


class OrderTrial(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What the page asks: whose order, how it is written, which suggestions were taken, and whether it is to be signed.

    A suggestion is named by when it was made, the topic of its card and its place: `select/order-magnesium-high/0`.
    """

    situation: str = PATIENTS[0]
    form: OrderForm = OrderForm("calcitriol", DRUGS["calcitriol"].dose)
    taken: Annotated[list[str], msgspec.Meta(max_length=MOST_TAKEN)] = []
    signing: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The orders as they stand, what was asked about them, what was answered, and what the form says now."""

    situation: Situation
    form: OrderForm
    drafts: tuple[Json, ...]
    request: bytes
    answer: Answer
    profile: str
    signing: bool


def patients(playground: Playground) -> list[Situation]:
    """Whose orders can be written."""
    return [found for name in PATIENTS if (found := playground.situations.find(name)) is not None]


def write(playground: Playground, trial: OrderTrial) -> Written:
    """Write the order of *trial*, take what was taken, and ask.

    Raises:
        MalformedRequest: there is no such patient, order, dose, interval or suggestion.
    """
    situation = playground.situations.find(trial.situation)
    if situation is None:
        raise MalformedRequest("There is no such situation")
    usual_profile, usual_overlay = playground.usual
    profile = situation.profile or usual_profile
    engine = playground.guided(profile, situation.overlay or usual_overlay)
    engine = replace(engine, today=lambda: situation.as_of, memory=FORGETFUL)
    chart: Json = msgspec.json.decode(situation.body)
    drafts = drafted(trial.form, chart["context"]["patientId"])
    for number, name in enumerate(trial.taken):
        when, _, suggestion = name.partition("/")
        _, answer = _ask(engine, chart, drafts, signing=when == "sign")
        drafts = applied(drafts, _suggested(answer, suggestion), f"taken-{number}")
    request, answer = _ask(engine, chart, drafts, signing=trial.signing)
    form = _read(drafts) if trial.taken else trial.form
    return Written(situation, form, drafts, request, answer, profile, trial.signing)


def drafted(form: OrderForm, patient_id: str) -> tuple[Json, ...]:
    """The order as the form writes it; none where nothing is chosen.

    Raises:
        MalformedRequest: there is no such order, dose or interval.
    """
    if not form.order:
        return ()
    common = {"id": DRAFT, "status": "draft", "intent": "order", "subject": {"reference": f"Patient/{patient_id}"}}
    if form.order in TESTS:
        test = TESTS[form.order]
        code = {"coding": [{"system": LOINC, "code": test.loinc}], "text": test.label}
        return ({"resourceType": "ServiceRequest", **common, "code": code},)
    if form.order not in DRUGS or form.interval not in INTERVALS:
        raise MalformedRequest("There is no such order or interval")
    drug, interval = DRUGS[form.order], INTERVALS[form.interval]
    dosage: Json = {"timing": {"repeat": dict(interval.repeat)}, "route": {"text": "oral"}}
    if form.dose:
        if DOSE.fullmatch(form.dose) is None:
            raise MalformedRequest("The dose is no number that can be ordered")
        quantity = {"value": _number(form.dose), "unit": drug.unit, "system": UCUM, "code": UCUM_CODES[drug.unit]}
        dosage |= {"text": f"{form.dose} {drug.unit} {interval.label}", "doseAndRate": [{"doseQuantity": quantity}]}
    medication = {"coding": [{"system": RXNORM, "code": drug.rxnorm}], "text": drug.label.partition(",")[0]}
    return (
        {
            "resourceType": "MedicationRequest",
            **common,
            "medicationCodeableConcept": medication,
            "dosageInstruction": [dosage],
        },
    )


def _number(dose: str) -> int | float:
    value = Decimal(dose)
    return int(value) if value == value.to_integral_value() else float(value)


def applied(drafts: Iterable[Json], actions: Iterable[DraftAction], prefix: str) -> tuple[Json, ...]:
    """*drafts* after the *actions* of a suggestion, as an EHR carries them out: each new one gets an id of its own."""
    found = {_place(draft): draft for draft in drafts}
    for number, action in enumerate(actions):
        if action.type == "delete":
            found.pop(str(action.resource_id), None)
            continue
        resource = action.order
        if action.type == "create":
            resource["id"] = f"{prefix}-{number}"
        found[_place(resource)] = resource
    return tuple(found.values())


def _place(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _ask(engine: Engine, chart: Json, drafts: tuple[Json, ...], *, signing: bool) -> tuple[bytes, Answer]:
    """The request about *drafts* in the *chart*, and its answer."""
    entries = [{"resource": draft} for draft in drafts]
    context: Json = {
        **chart["context"],
        "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": entries},
    }
    if not signing:
        context["selections"] = [_place(draft) for draft in drafts if draft["id"] == DRAFT]
    hook, service = ("order-sign", SIGN) if signing else ("order-select", SELECT)
    body = msgspec.json.encode({**chart, "hook": hook, "context": context})
    return body, engine.answer(service, body, Call(client=CLIENT))


def _suggested(answer: Answer, name: str) -> list[DraftAction]:
    for card in answer.written.cards:
        for place, suggestion in enumerate(card.suggestions or ()):
            if name == f"{card.source.topic.code}/{place}":
                return suggestion.actions
    raise MalformedRequest("There is no such suggestion")


def _read(drafts: tuple[Json, ...]) -> OrderForm:
    """What the form shows of the order that was written with it; nothing where that was removed."""
    written = next((draft for draft in drafts if draft["id"] == DRAFT), None)
    if written is None:
        return OrderForm()
    concept = written.get("code") or written["medicationCodeableConcept"]
    codes = {coding["code"] for coding in concept["coding"]}
    if "code" in written:
        return OrderForm(next((name for name, test in TESTS.items() if test.loinc in codes), ""))
    order = next((name for name, drug in DRUGS.items() if drug.rxnorm in codes), "")
    dosage = written["dosageInstruction"][0]
    repeat = dosage["timing"]["repeat"]
    rates = dosage.get("doseAndRate") or [{"doseQuantity": {"value": ""}}]
    interval = next((name for name, one in INTERVALS.items() if one.repeat.items() <= repeat.items()), "")
    return OrderForm(order, str(rates[0]["doseQuantity"]["value"]), interval)
