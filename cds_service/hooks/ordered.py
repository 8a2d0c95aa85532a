"""What a call says that belongs into each new order: for whom, on which day, at which encounter, by whom.

An order that is written already keeps its own.
"""

from __future__ import annotations

from datetime import date

from cds_service.fhir.draft_orders import FHIR_ID
from cds_service.fhir.orders import Ordered
from cds_service.fhir.views import place_of
from cds_service.hooks.messages import HookRequest

REQUESTERS = frozenset({"Practitioner", "PractitionerRole"})
"""Users that an order of ours names as its requester."""


def ordered(request: HookRequest, today: date) -> Ordered:
    """What *request* says of the orders that are drafted for it, *today*."""
    return Ordered.by(request.patient_id, today, _encounter(request.encounter_id), _requester(request.user_id))


def _encounter(encounter_id: str) -> str:
    """The id of the encounter, where it is one."""
    bare = place_of(encounter_id).removeprefix("Encounter/")
    return bare if FHIR_ID.fullmatch(bare) else ""


def _requester(user_id: str) -> str:
    """The user, where it is one who may order."""
    kind, _, bare = place_of(user_id).partition("/")
    return f"{kind}/{bare}" if kind in REQUESTERS and FHIR_ID.fullmatch(bare) else ""
