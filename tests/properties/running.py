"""Runs a drawn request through the service and reads what came back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from cds_service.clinical.states.derive import States, derive
from cds_service.clinical.words.card import Card
from cds_service.fhir import reader
from cds_service.hooks.messages import read_request
from cds_service.hooks.prefetch import gather, read_record
from cds_service.hooks.service import Engine
from tests.properties.strategies import Json, Setup
from tests.support import fixtures

ENCODER = msgspec.json.Encoder(decimal_format="number")
"""Writes a Decimal as the JSON number it is."""


@dataclass(frozen=True)
class Run:
    """A response and how it came about."""

    response: Json
    vitamin_d: str
    magnesium: str
    chosen: tuple[Card, ...]
    rows: frozenset[str]

    @property
    def cards(self) -> list[Json]:
        """The cards of the response."""
        return self.response["cards"]

    @property
    def ids(self) -> list[str]:
        """The ids of its cards, as in the catalogue."""
        return [card.id for card in self.chosen]

    def card(self, card_id: str) -> Json | None:
        """The card of this id, if it is shown."""
        return next((card for card, found in zip(self.cards, self.ids, strict=True) if found == card_id), None)


def service(setup: Setup) -> Engine:
    """The service with these settings, on their day."""
    built = fixtures.engine(setup.as_of, setup.profile, setup.overlay)
    return replace(built, max_cards=setup.max_cards)


def run(asked: Json, setup: Setup) -> Run:
    """Answer one request."""
    answer = service(setup).answer(fixtures.SERVICE, ENCODER.encode(asked))
    found = answer.evaluation
    rows = frozenset(step.id for step in found.trace if step.fired)
    return Run(answer.response, found.vitamin_d, found.magnesium, found.cards, rows)


def derived(asked: Json, setup: Setup) -> States:
    """The states behind an answer: what the properties that speak of stage, eGFR or calcium need to know."""
    engine = service(setup)
    read = read_request(ENCODER.encode(asked))
    service_asked = engine.registry.find(fixtures.SERVICE)
    gathered = gather(service_asked, read, engine.completer, engine.sizes)
    record = read_record(service_asked, gathered.keys, read.patient_id)
    facts = reader.read(record, engine.terms, d3_is_total=engine.d3_is_total)
    return derive(facts, engine.guidance, setup.as_of)


def actions(card: Json) -> Iterator[Json]:
    """Every resource a card drafts."""
    for suggestion in card.get("suggestions", ()):
        for action in suggestion["actions"]:
            yield action["resource"]


def drugs(card: Json) -> list[Json]:
    """The MedicationRequests a card drafts."""
    return [drafted for drafted in actions(card) if drafted["resourceType"] == "MedicationRequest"]


def lab_codes(card: Json) -> set[str]:
    """The LOINC codes of the ServiceRequests a card drafts; alternatives count once."""
    return {
        drafted["code"]["coding"][0]["code"] for drafted in actions(card) if drafted["resourceType"] == "ServiceRequest"
    }


def ingredient(drafted: Json) -> str:
    """The RxNorm ingredient of a drafted order."""
    return drafted["medicationCodeableConcept"]["coding"][0]["code"]


def is_magnesium(drafted: Json) -> bool:
    """Whether a drafted order is the magnesium one; all others are vitamin D."""
    return ingredient(drafted) == "6574"


def magnesium_orders(cards: list[Json]) -> list[Json]:
    """The magnesium orders of all cards."""
    return [drafted for card in cards for drafted in drugs(card) if is_magnesium(drafted)]


def vitamin_d_orders(cards: list[Json]) -> list[Json]:
    """The vitamin D orders of all cards."""
    return [drafted for card in cards for drafted in drugs(card) if not is_magnesium(drafted)]


def without_uuids(value: Any) -> Any:
    """The same JSON without any `uuid`."""
    if isinstance(value, dict):
        return {name: without_uuids(part) for name, part in value.items() if name != "uuid"}
    return [without_uuids(part) for part in value] if isinstance(value, list) else value


def texts(card: Json) -> str:
    """Everything a reader of a card sees: summary, detail, labels, orders."""
    return f"{card['summary']}\n{card['detail']}\n{json.dumps(without_uuids(card.get('suggestions', [])))}"
