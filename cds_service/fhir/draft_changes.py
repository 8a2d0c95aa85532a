"""What is done to an order that is being written (order hooks, part 7): its own resource with the change in it.

Everything else in it stays, what is known to break is mended, and what is no valid FHIR R4 then is not offered.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from cds_service.clinical.words.order_card import Change
from cds_service.errors import GuidanceError
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.draft_orders import Draft
from cds_service.fhir.orders import Json, Orders

ONE_FOR_A_LIST = ("category", "reasonCode", "dosageInstruction")
"""Elements that real clients send as an object."""
OF_THE_DRUG = ("medicationReference", "substitution")
"""What belongs to the drug that is replaced."""


def changed(draft: Draft, change: Change, orders: Orders, subject: Json, added: tuple[str, ...]) -> msgspec.Raw | None:
    """The resource of *draft* after *change*, with sentences *added*; `None` where it would be no valid FHIR R4."""
    try:
        resource: Json = msgspec.json.decode(draft.raw)
    except UNREADABLE:
        return None
    _mend(resource, subject)
    if change.kind in ("replace", "weekly"):
        ordered = orders.drugs[change.order]
        if change.kind == "replace":
            _take_drug(resource, ordered)
        resource |= {name: ordered[name] for name in ("dosageInstruction", "dispenseRequest")}
    elif change.kind == "spacing":
        _add_sentences(resource, added)
    elif change.kind == "move":
        _move(resource, change.on)
    elif change.kind == "recode":
        resource["code"] = orders.labs[change.test]["code"]
    return msgspec.Raw(msgspec.json.encode(resource)) if _is_valid(resource) else None


def _mend(resource: Json, subject: Json) -> None:
    """What is known to break: one in place of a list, no intent (an order is being edited), no subject."""
    for name in ONE_FOR_A_LIST:
        if isinstance(resource.get(name), dict):
            resource[name] = [resource[name]]
        elif resource.get(name) == []:
            del resource[name]
    if resource.get("intent") is None:
        resource["intent"] = "order"
    if resource.get("subject") is None:
        resource["subject"] = subject


def _take_drug(resource: Json, ordered: Json) -> None:
    resource["medicationCodeableConcept"] = ordered["medicationCodeableConcept"]
    for name in OF_THE_DRUG:
        resource.pop(name, None)
    contained = resource.get("contained")
    if isinstance(contained, list):
        kept = [one for one in contained if not isinstance(one, dict) or one.get("resourceType") != "Medication"]
        resource["contained"] = kept
        if not kept:
            del resource["contained"]


def _add_sentences(resource: Json, sentences: tuple[str, ...]) -> None:
    """They join the patient instruction of the first dosage, nothing else."""
    dosages = resource.get("dosageInstruction") or [{}]
    resource["dosageInstruction"] = dosages
    first: Any = dosages[0] if isinstance(dosages, list) else None
    if not isinstance(first, dict):
        return
    said = first.get("patientInstruction")
    first["patientInstruction"] = " ".join([said, *sentences] if isinstance(said, str) and said else sentences)


def _move(resource: Json, on: date | None) -> None:
    resource.pop("occurrencePeriod", None)
    resource["occurrenceDateTime"] = str(on)


def _is_valid(resource: Json) -> bool:
    from cds_service.fhir import order_check  # noqa: PLC0415 - slow to import, and most calls change nothing

    try:
        order_check.check([("draft", resource)])
    except (GuidanceError, KeyError):
        return False
    return True
