"""Drafts into FHIR resources (section 16): MedicationRequest and ServiceRequest, `status: draft`, `intent: proposal`.

Each template is validated once with fhir.resources (R4B): those of the guidance that is shipped by the tests, those of
any other when the service starts. All that is the same in every call is JSON already; per draft only what differs is
put in, since validating or writing out every order would cost more than all rules together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from msgspec import UNSET, Raw, Struct, UnsetType, json, structs

from cds_service.clinical.cards.drafts import ECG
from cds_service.clinical.guidance_types import DrugOrder, Guidance, LabOrderText, Orderable
from cds_service.errors import GuidanceError
from cds_service.fhir.units import UCUM
from cds_service.fhir.valuesets import ATC, ATC_SYSTEMS, LOINC, LOINC_SYSTEMS, RXNORM, RXNORM_SYSTEMS, ValueSetCode

Json = dict[str, Any]
"""A JSON object, as it leaves the service."""
OURS = RXNORM_SYSTEMS | ATC_SYSTEMS | LOINC_SYSTEMS
"""Systems whose codes say to us which drug or test it is: a site changes these in `orders.toml`."""
UCUM_CODE = {"IU": "[iU]", "mg": "mg"}
VALIDATED = "bd25a5c5d8d4"
"""The digest of the orders that the tests have validated. The library that validates is half as much again to import as
everything else that reads and decides, and takes 10 MiB in each server process."""


NO_CODES: Mapping[str, ValueSetCode] = {}


class Ordered(NamedTuple):
    """What belongs into each new order of one call, as FHIR has it: for whom, on which day, where, by whom.

    They are the elements that US Core marks as must-support. Encounter and requester are not always known.
    """

    subject: Json
    authored_on: str
    encounter: Json | UnsetType
    requester: Json | UnsetType

    @classmethod
    def by(cls, patient_id: str, today: date, encounter: str = "", requester: str = "") -> Ordered:
        """Of the ids of patient and *encounter*, and of a *requester* by type and id."""
        return cls(
            {"reference": f"Patient/{patient_id}"},
            today.isoformat(),
            {"reference": f"Encounter/{encounter}"} if encounter else UNSET,
            {"reference": requester} if requester else UNSET,
        )


class NewOrder(Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A draft of an order: its members, in the order in which they are written; what is `UNSET` is left out."""

    resource_type: str
    status: str
    intent: str
    medication_codeable_concept: Raw | UnsetType = UNSET
    dosage_instruction: Raw | UnsetType = UNSET
    dispense_request: Raw | UnsetType = UNSET
    code: Raw | UnsetType = UNSET
    id: str | UnsetType = UNSET
    subject: Json | UnsetType = UNSET
    reason_code: list[Json] | UnsetType = UNSET
    priority: str | UnsetType = UNSET
    occurrence_date_time: date | UnsetType = UNSET
    authored_on: str | UnsetType = UNSET
    category: Raw | UnsetType = UNSET
    encounter: Json | UnsetType = UNSET
    requester: Json | UnsetType = UNSET


class Orders:
    """The order templates of one guidance, checked when built: `drugs` and `labs` by their names in `orders.toml`."""

    def __init__(self, guidance: Guidance, codes: Mapping[str, ValueSetCode] = NO_CODES) -> None:
        """Build every template, with *codes* of elements by what they are for; validate them, unless the tests have.

        Raises:
            GuidanceError: an order of `orders.toml` does not make a valid resource, or a site has a code of ours.
        """
        site = guidance.orderables
        _check_systems(site)
        route = _coded("oral", codes.get("oral"))
        self.drugs = {
            name: _medication_request(order, site.get(f"drug.{name}", NONE), route)
            for name, order in guidance.drugs.items()
        }
        self.labs = {test: _service_request(lab, site.get(f"lab.{test}", NONE)) for test, lab in guidance.labs.items()}
        in_laboratory = {"category": [_coded("laboratory", codes.get("laboratory"))]}
        self._drugs = {name: _prepared(template) for name, template in self.drugs.items()}
        self._labs = {
            test: _prepared(template if test == ECG else template | in_laboratory)
            for test, template in self.labs.items()
        }
        if digest(guidance) != VALIDATED:
            from cds_service.fhir import order_check  # noqa: PLC0415 - see VALIDATED

            order_check.check(self.drafts())

    def drafts(self) -> Iterator[tuple[str, Json]]:
        """A draft of every template, with its key in `orders.toml`."""
        ordered = Ordered.by("x", date(2000, 1, 1))
        for name in self.drugs:
            yield f"drug.{name}", plain(self.medication_request(name, ordered, "draft-1", "reason", ()))
        for test in self.labs:
            draft = self.service_request(test, ordered, "draft-1", "reason", on=None, urgent=True)
            yield f"lab.{test}", plain(draft)

    def medication_request(
        self, name: str, ordered: Ordered, draft_id: str, reason: str, added: tuple[str, ...]
    ) -> NewOrder:
        """A draft MedicationRequest; *added* sentences join the patient instruction."""
        return _of_call(self._told(name, added) if added else self._drugs[name], ordered, draft_id, reason)

    def _told(self, name: str, added: tuple[str, ...]) -> NewOrder:
        """The template of a drug with *added* sentences for the patient."""
        (dosage,) = self.drugs[name]["dosageInstruction"]
        instruction = " ".join((dosage["patientInstruction"], *added))
        told = json.encode([{**dosage, "patientInstruction": instruction}])
        return structs.replace(self._drugs[name], dosage_instruction=Raw(told))

    def service_request(
        self, test: str, ordered: Ordered, draft_id: str, reason: str, *, on: date | None, urgent: bool
    ) -> NewOrder:
        """A draft ServiceRequest; of a test in the laboratory with its category."""
        priority, day = "urgent" if urgent else UNSET, UNSET if on is None else on
        return _of_call(self._labs[test], ordered, draft_id, reason, priority, day)


def _of_call(
    template: NewOrder,
    ordered: Ordered,
    draft_id: str,
    reason: str,
    priority: str | UnsetType = UNSET,
    day: date | UnsetType = UNSET,
) -> NewOrder:
    """*template* with what belongs into each order of one call; that of a test may have a *priority* and a *day*."""
    return structs.replace(
        template,
        id=draft_id,
        subject=ordered.subject,
        reason_code=[{"text": reason}],
        priority=priority,
        occurrence_date_time=day,
        authored_on=ordered.authored_on,
        encounter=ordered.encounter,
        requester=ordered.requester,
    )


def _prepared(template: Json) -> NewOrder:
    """*template*, whose larger members are JSON already."""
    return json.decode(json.encode(template), type=NewOrder)


def plain(written: object) -> Json:
    """What is *written*, as plain JSON."""
    found: Json = json.decode(json.encode(written))
    return found


NONE = Orderable()


def digest(guidance: Guidance) -> str:
    """What tells one state of the orders from another."""
    orders = repr((guidance.drugs, guidance.labs, guidance.orderables))
    return hashlib.sha256(orders.encode()).hexdigest()[:12]


def _check_systems(site: Mapping[str, Orderable]) -> None:
    for key, orderable in site.items():
        for place, coding in enumerate(orderable.codings):
            if coding.system in OURS:
                where = f"{key}.codings[{place}].system"
                expected = "a system of the site: codes of RxNorm, ATC and LOINC stand in orders.toml"
                raise GuidanceError("orderables.toml", where, coding.system, expected)


def _codings(ours: list[Json], site: Orderable) -> list[Json]:
    """Our codings and those of the *site*, in its order."""
    theirs = [{"system": one.system, "code": one.code, "display": site.label} for one in site.codings]
    return [*theirs, *ours] if site.first else [*ours, *theirs]


def _medication_request(order: DrugOrder, site: Orderable, route: Json) -> Json:
    repeat: Json = {"frequency": 1, "period": 1, "periodUnit": order.period_unit}
    dispense: Json = {"numberOfRepeatsAllowed": 0}
    if order.weeks is not None:
        repeat["boundsDuration"] = _quantity(order.weeks, "wk", "wk")
    if order.doses is not None:
        dispense["quantity"] = {"value": order.doses, "unit": "capsule"}
    if order.supply_days is not None:
        dispense["expectedSupplyDuration"] = _quantity(order.supply_days, "d", "d")
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "proposal",
        "medicationCodeableConcept": {
            "coding": _codings(
                [
                    *({"system": RXNORM, "code": code} for code in order.rxnorm),
                    {"system": ATC, "code": order.atc},
                ],
                site,
            ),
            "text": order.text,
        },
        "dosageInstruction": [
            {
                "text": order.dosage,
                "patientInstruction": order.patient_instruction,
                "timing": {"repeat": repeat},
                "route": route,
                "doseAndRate": [{"doseQuantity": _quantity(order.dose, order.unit, UCUM_CODE[order.unit])}],
            }
        ],
        "dispenseRequest": dispense,
    }


def _service_request(lab: LabOrderText, site: Orderable) -> Json:
    ours = [{"system": LOINC, "code": lab.code, "display": lab.display}]
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {"coding": _codings(ours, site), "text": lab.name},
    }


def _coded(text: str, code: ValueSetCode | None) -> Json:
    """*text* and, where there is a code for it, coded."""
    if code is None:
        return {"text": text}
    return {"coding": [{"system": code.system, "code": code.code, "display": code.display}], "text": text}


def _quantity(value: int, unit: str, code: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": code}
