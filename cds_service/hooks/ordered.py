"""What a call says that belongs into each new order: for whom, on which day, at which encounter, by whom.

They are the elements that US Core marks as must-support, as far as they are known. An order that is written already
keeps its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.draft_changes import by_mouth, laboratory
from cds_service.fhir.draft_orders import FHIR_ID
from cds_service.fhir.orders import Json
from cds_service.fhir.valuesets import ValueSetCode
from cds_service.fhir.views import place_of
from cds_service.hooks.messages import HookRequest

REQUESTERS = frozenset({"Practitioner", "PractitionerRole"})
"""Users that an order of ours names as its requester."""
NO_CODES: Mapping[str, ValueSetCode] = {}


class Ordered(NamedTuple):
    """What belongs into each new order of one call; `codes` are those of elements of orders, by what they are for."""

    patient_id: str
    today: date
    codes: Mapping[str, ValueSetCode] = NO_CODES
    encounter: str = ""
    requester: str = ""

    def completed(self, resource: Json, *, in_laboratory: bool) -> Json:
        """*resource* with what is known: of a test done *in_laboratory* its category, of a drug its route in code."""
        about: Json = {"authoredOn": self.today.isoformat()}
        if in_laboratory:
            about["category"] = laboratory(self.codes)
        if "dosageInstruction" in resource:
            about["dosageInstruction"] = [by_mouth(dosage, self.codes) for dosage in resource["dosageInstruction"]]
        if self.encounter:
            about["encounter"] = {"reference": f"Encounter/{self.encounter}"}
        if self.requester:
            about["requester"] = {"reference": self.requester}
        return resource | about


class _Context(msgspec.Struct):
    encounterId: str = ""  # noqa: N815 - the specification's name


_CONTEXT = msgspec.json.Decoder(_Context)


def ordered(request: HookRequest, today: date, codes: Mapping[str, ValueSetCode]) -> Ordered:
    """What *request* says of the orders that are drafted for it, *today*."""
    return Ordered(request.patient_id, today, codes, _encounter(request.context), _requester(request.user_id))


def _encounter(context: msgspec.Raw) -> str:
    """The id of the encounter, where it is one."""
    try:
        found = _CONTEXT.decode(context).encounterId
    except UNREADABLE:
        return ""
    bare = place_of(found).removeprefix("Encounter/")
    return bare if FHIR_ID.fullmatch(bare) else ""


def _requester(user_id: str) -> str:
    """The user, where it is one who may order."""
    kind, _, bare = place_of(user_id).partition("/")
    return f"{kind}/{bare}" if kind in REQUESTERS and FHIR_ID.fullmatch(bare) else ""
