"""Evaluate one patient without a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Literal, NotRequired, TypedDict, cast

import msgspec

from cds_service import settings as settings_module
from cds_service.app import build_engine
from cds_service.hooks.patient_bundle import to_request
from cds_service.hooks.service import Engine


class Coding(TypedDict):
    """A code with its system and its words."""

    system: str
    code: str
    display: str


class Source(TypedDict):
    """Whose advice a card is, and what it is about."""

    label: str
    topic: Coding


class Action(TypedDict):
    """A draft of one order: a FHIR R4 MedicationRequest or ServiceRequest."""

    type: Literal["create"]
    description: str
    resource: dict[str, Any]


class Suggestion(TypedDict):
    """One click of a clinician: all its actions apply together."""

    label: str
    uuid: str
    actions: list[Action]
    isRecommended: NotRequired[bool]


class Link(TypedDict):
    """A source to read."""

    label: str
    url: str
    type: Literal["absolute"]


class Card(TypedDict):
    """One card; `detail` is GitHub-flavoured markdown."""

    uuid: str
    summary: str
    indicator: Literal["info", "warning", "critical"]
    detail: str
    source: Source
    overrideReasons: list[Coding]
    suggestions: NotRequired[list[Suggestion]]
    selectionBehavior: NotRequired[Literal["at-most-one"]]
    links: NotRequired[list[Link]]


class Response(TypedDict):
    """The CDS Hooks response: the cards in display order; `extension` where the request asks for the explanation."""

    cards: list[Card]
    extension: NotRequired[dict[str, Any]]


def evaluate(request: Mapping[str, Any], *, as_of: date | None = None, profile: str | None = None) -> Response:
    """The CDS Hooks response to *request*: a `patient-view` request, or a FHIR Bundle with one Patient, as a dict.

    *as_of* is the day to evaluate for (default: today in the configured time zone), *profile* the guidance in force.
    A decimal whose zeros matter (`14.20`) is best given as `decimal.Decimal`.

    A Bundle is no answer to a search. What it holds nothing of is unknown, never "none on file", and it must hold
    results of both 25(OH)D and magnesium; if you know that there are none, give a request that says so.

    Raises:
        RequestError: what was given is malformed, lacks required prefetch, or is about another patient.
        StartupError: a setting or a guidance file is wrong.
    """
    given = {name: value for name, value in (("as_of", as_of), ("profile", profile)) if value is not None}
    engine = _engine(settings_module.load(**given))
    is_bundle = request.get("resourceType") == "Bundle"
    body = encode(to_request(request, engine.terms) if is_bundle else request)
    return cast("Response", engine.answer_by_hook(body).response)


def encode(request: Mapping[str, Any]) -> bytes:
    """*request* as JSON; decimals stay numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(request)


@lru_cache(maxsize=8)
def _engine(settings: settings_module.Settings) -> Engine:
    return build_engine(settings)
