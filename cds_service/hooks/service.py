"""One call of a service, from the request's bytes to the response: what `web/` and the commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical.evaluate import Evaluation, evaluate
from cds_service.fhir import reader
from cds_service.hooks.messages import read_request
from cds_service.hooks.prefetch import gather
from cds_service.hooks.registry import check_hook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from cds_service.clinical.guidance_types import Guidance
    from cds_service.fhir.orders import Json
    from cds_service.fhir.terminology import Terminology
    from cds_service.hooks.cards import CardWriter
    from cds_service.hooks.prefetch import Completer, Key
    from cds_service.hooks.registry import Registry


@dataclass(frozen=True, slots=True)
class Answer:
    """A response and how it came about: the evaluation and what was known of each prefetch key."""

    response: Json
    evaluation: Evaluation
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """Every collaborator of a call, built once at start-up. `today` says which day it is."""

    guidance: Guidance
    terms: Terminology
    registry: Registry
    writer: CardWriter
    completer: Completer
    max_cards: int
    d3_is_total: bool
    today: Callable[[], date]

    def answer(self, service_id: str, body: bytes) -> Answer:
        """Answer one call.

        Raises:
            RequestError: what the caller can mend.
        """
        service = self.registry.find(service_id)
        request = read_request(body)
        check_hook(service, request.hook)
        if request.patient_facing:
            return Answer({"cards": []}, Evaluation((), ()), ())
        record, keys = gather(service, request, self.completer)
        facts = reader.read(record, self.terms, d3_is_total=self.d3_is_total)
        evaluation = evaluate(facts, self.guidance, self.today(), self.max_cards)
        return Answer(self.writer.write(evaluation.cards, request.patient_id), evaluation, keys)
