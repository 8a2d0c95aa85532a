"""What a service answers, as it is written (rows 97 to 149); the OpenAPI document has its schemas from here.

Members are written in the order in which they stand; what is `UNSET` is left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from cds_service.clinical.words.card import Indicator
from cds_service.fhir.orders import Json, plain

Words = Annotated[str, Meta(min_length=1)]
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
ORDER: Json = {
    "type": "object",
    "description": "A draft of an order: a MedicationRequest or ServiceRequest of FHIR R4.",
    "required": ["resourceType", "id", "status", "intent", "subject"],
    "properties": {
        "resourceType": {"enum": ["MedicationRequest", "ServiceRequest"]},
        "status": {"const": "draft"},
        "intent": {"const": "proposal"},
    },
}


class CardTopic(msgspec.Struct):
    """What a card is about."""

    system: Words
    code: Words
    display: Words


class CardSource(msgspec.Struct):
    """Who says it."""

    label: Words
    topic: CardTopic


class OverrideReason(msgspec.Struct):
    """What a clinician may answer instead (rows 132 to 134)."""

    code: Words
    system: Words
    display: Words


class CardLink(msgspec.Struct):
    """A reference."""

    label: Words
    url: Annotated[str, Meta(extra_json_schema={"format": "uri"})]
    type: Literal["absolute"]


class DraftAction(msgspec.Struct, rename="camel"):
    """A draft of one order: a new one, a mended one, or one that goes (then by its id alone)."""

    type: Literal["create", "update", "delete"]
    description: Words
    resource: Annotated[Any, Meta(extra_json_schema=ORDER)] | UnsetType = UNSET
    """A `NewOrder`, or an order that is mended as JSON."""
    resource_id: Words | UnsetType = UNSET

    @property
    def order(self) -> Json:
        """The resource, as plain JSON; empty where one goes."""
        return {} if isinstance(self.resource, UnsetType) else plain(self.resource)


class CardSuggestion(msgspec.Struct, rename="camel"):
    """One click: all its drafts apply together. Of several the first is recommended."""

    label: Words
    uuid: Uuid
    actions: Annotated[list[DraftAction], Meta(min_length=1)]
    is_recommended: bool | UnsetType = UNSET


class HookCard(msgspec.Struct, rename="camel", kw_only=True):
    """A card of CDS Hooks 2.0; its detail is GitHub-flavoured markdown."""

    uuid: Uuid
    summary: Annotated[str, Meta(min_length=1, max_length=139)]
    indicator: Indicator
    detail: str
    source: CardSource
    suggestions: Annotated[list[CardSuggestion], Meta(min_length=1)] | UnsetType = UNSET
    selection_behavior: Literal["at-most-one"] | UnsetType = UNSET
    override_reasons: Annotated[list[OverrideReason], Meta(min_length=1)]
    links: list[CardLink] | UnsetType = UNSET


class Cards(msgspec.Struct):
    """The answer of a service, with the explanation where the request asked for it."""

    cards: list[HookCard]
    extension: dict[str, Any] | UnsetType = UNSET

    @property
    def plain(self) -> Json:
        """What is answered, as plain JSON."""
        return plain(self)
