"""What a service is, and the services there are. The one source for discovery, prefetch and the docs.

A service brings all that is its own: templates, how it reads its context, and who evaluates. `app.py` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from cds_service.clinical.cards.quiet import Said
from cds_service.clinical.datum import Datum
from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.facts import PatientFacts, Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.errors import MalformedRequest, UnknownService
from cds_service.fhir.orders import Ordered
from cds_service.fhir.reader import Record
from cds_service.hooks.answers import Cards, Words
from cds_service.hooks.card_json import CardWriter

OBSERVATION_KEYS: Mapping[Source, frozenset[str]] = {
    Source.VITAMIN_D: frozenset({"vitamin-d"}),
    Source.MAGNESIUM: frozenset({"magnesium"}),
    Source.CHEMISTRY: frozenset({"calcium", "albumin", "phosphate", "pth", "potassium"}),
    Source.KIDNEY: frozenset({"egfr", "creatinine"}),
    Source.VITALS: frozenset({"bmi", "height", "weight"}),
}
"""The analytes each Observation key asks for (decision table, section 3.6)."""


SPECIFICATION = "3.0.0"
"""The version of CDS Hooks that the services keep to, as a client of an older one can call them too (row 19)."""


class ServiceEntry(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """What the discovery document says of a service."""

    hook: Words
    id: Words
    title: Words
    description: Words
    usage_requirements: Words
    prefetch: dict[str, Words]
    version: Words
    hook_version: Words | msgspec.UnsetType = msgspec.UNSET


class Discovery(msgspec.Struct, frozen=True):
    """The discovery document."""

    services: tuple[ServiceEntry, ...]


class Question(Datum, frozen=True):
    """What the evaluator of a service is asked. `context` is what the service read of the hook's own context.

    Rows of topics in `off_topics` are silent at the order hooks.
    """

    facts: PatientFacts
    context: Any
    guidance: Guidance
    today: date
    max_cards: int
    said: Iterable[Said] = ()
    off_topics: frozenset[str] = frozenset()


def never_idle(context: Any) -> bool:
    """Every call is this service's business."""
    del context
    return False


def as_it_is(context: Any, record: Record) -> Any:
    """The record tells nothing more of the context."""
    del record
    return context


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service. `prefetch` maps each key to its FHIR query; without a `required` one a call is 412.

    `read_context` reads what the hook's context holds beside patient and user (MalformedRequest: it cannot be read);
    `is_idle` says that nothing in it is this service's business, so that no prefetch is read; `completed` is the
    context once the record is known. `evaluate` decides what to show and `write` puts it into JSON. `advertised`: the
    keys that discovery asks for, where they are not all. `hook_version` is that of the hook, where its pages agree.
    """

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    prefetch: Mapping[Source, str]
    required: frozenset[Source]
    read_context: Callable[[msgspec.Raw], Any]
    evaluate: Callable[[Question], Evaluation]
    is_idle: Callable[[Any], bool] = never_idle
    completed: Callable[[Any, Record], Any] = as_it_is
    write: Callable[[CardWriter, Evaluation, Any, Ordered], tuple[Cards, Evaluation]] | None = None
    advertised: frozenset[Source] | None = None
    hook_version: str | None = None

    def discovery(self) -> ServiceEntry:
        """Its entry in the discovery document (rows 12 to 20)."""
        return ServiceEntry(
            hook=self.hook,
            id=self.id,
            title=self.title,
            description=self.description,
            usage_requirements=self.usage_requirements,
            prefetch={
                key.value: query
                for key, query in self.prefetch.items()
                if self.advertised is None or key in self.advertised
            },
            version=SPECIFICATION,
            hook_version=self.hook_version or msgspec.UNSET,
        )


@dataclass(frozen=True, slots=True)
class Registry:
    """Every service, by id."""

    services: tuple[Service, ...]

    def find(self, service_id: str) -> Service:
        """The service called *service_id*.

        Raises:
            UnknownService: there is none.
        """
        for service in self.services:
            if service.id == service_id:
                return service
        known = ", ".join(service.id for service in self.services)
        raise UnknownService(f"There is no such service. Known: {known}")

    def answering(self, hook: str) -> Service:
        """The service on *hook*, or the first, which says what is wrong with a call of another."""
        return next((service for service in self.services if service.hook == hook), self.services[0])

    def discovery(self) -> Discovery:
        """The discovery document (rows 9 to 20)."""
        return Discovery(tuple(service.discovery() for service in self.services))


def check_hook(service: Service, hook: str) -> None:
    """Refuse a call of another hook than the service's (row 28).

    Raises:
        MalformedRequest: names both hooks.
    """
    if hook != service.hook:
        raise MalformedRequest(f"{service.id} answers the hook {service.hook}, not {hook[:64]!r}")
