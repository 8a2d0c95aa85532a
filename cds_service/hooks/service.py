"""One call of a service, from the request's bytes to the response: what `web/` and the commands share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical.evaluate import Evaluation, evaluate
from cds_service.clinical.facts import PatientFacts
from cds_service.errors import InvalidFhir
from cds_service.fhir import reader
from cds_service.hooks.memory import FORGETFUL, Chart, said, shown_cards
from cds_service.hooks.messages import EXPLAIN, read_request
from cds_service.hooks.prefetch import gather, read_record
from cds_service.hooks.record import Call, explanation
from cds_service.hooks.registry import check_hook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from cds_service.clinical.guidance_types import Guidance
    from cds_service.fhir.orders import Json
    from cds_service.fhir.terminology import Terminology
    from cds_service.hooks.cards import CardWriter
    from cds_service.hooks.keys import Key
    from cds_service.hooks.memory import Memory
    from cds_service.hooks.prefetch import Completer, SizeLimits
    from cds_service.hooks.registry import Registry

NOTHING_EVALUATED = Evaluation((), ())
NOTHING_KNOWN = PatientFacts()


@dataclass(frozen=True, slots=True)
class Answer:
    """A response and how it came about: the facts, their evaluation, and what was known of each prefetch key."""

    response: Json
    evaluation: Evaluation = NOTHING_EVALUATED
    keys: tuple[Key, ...] = ()
    facts: PatientFacts = NOTHING_KNOWN


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
    strict_fhir: bool
    sizes: SizeLimits
    today: Callable[[], date]
    memory: Memory = FORGETFUL

    def answer(self, service_id: str, body: bytes, call: Call | None = None) -> Answer:
        """Answer one call; *call* is told how it goes.

        Raises:
            RequestError: what the caller can mend.
        """
        service = self.registry.find(service_id)
        call = Call() if call is None else call
        call.began = began = time.perf_counter()
        call.request = request = read_request(body)
        check_hook(service, request.hook)
        if request.patient_facing:
            return Answer({"cards": []})
        call.gathered = gathered = gather(service, request, self.completer, self.sizes)
        keys = gathered.keys
        if self.strict_fhir:
            _check_strictly(keys.values())
        facts = reader.read(read_record(keys, request.patient_id), self.terms, d3_is_total=self.d3_is_total)
        read = time.perf_counter()
        today = self.today()
        chart = Chart(call.client, request.fhir_server or "", request.patient_id, service.id, service.hook, today)
        earlier = said(self.memory, chart, self.guidance.feedback.reason)
        evaluation = evaluate(facts, self.guidance, today, self.max_cards, earlier)
        decided = time.perf_counter()
        response = self.writer.write(evaluation.cards, request.patient_id)
        call.stages = {
            "decode": read - began - gathered.seconds,
            "prefetch": gathered.seconds,
            "logic": decided - read,
            "cards": time.perf_counter() - decided,
        }
        call.cards = shown_cards(evaluation, response)
        call.quiet = tuple(card.topic for card in evaluation.quiet)
        self.memory.note(chart, call.cards, call.quiet)
        if request.explain:
            response["extension"] = {EXPLAIN: explanation(request, gathered, evaluation)}
        return Answer(response, evaluation, tuple(keys.values()), facts)


def _check_strictly(keys: Iterable[Key]) -> None:
    """Refuse what is not valid FHIR R4, with all that is wrong with it."""
    from cds_service.fhir import strict  # noqa: PLC0415 - few ask for it, and it is slow to import

    found = [
        f"prefetch.{key.source.value}: {f'{where}: ' if where else ''}{message}"
        for key in keys
        for raw in key.raw
        for where, message in strict.problems(raw)
    ]
    if found:
        raise InvalidFhir(found)
