"""One call of a service, from the request's bytes to the response: what `web/` and the commands share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from cds_service import work
from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.facts import PatientFacts
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.trace import Step
from cds_service.errors import InvalidFhir
from cds_service.fhir import reader
from cds_service.fhir.orders import Json
from cds_service.fhir.terminology import Terminology
from cds_service.guidance.overrides import NO_LOCAL, Local
from cds_service.hooks import holding
from cds_service.hooks.answers import Cards
from cds_service.hooks.card_json import CardWriter
from cds_service.hooks.memory import FORGETFUL, Chart, Memory, Weighed, said, shown_cards
from cds_service.hooks.messages import EXPLAIN, HookRequest, hook_of, read_request
from cds_service.hooks.ordered import ordered
from cds_service.hooks.prefetch import Completer, Gathered, SizeLimits, gather, read_record
from cds_service.hooks.prefetch_keys import Key
from cds_service.hooks.record import Call, explanation
from cds_service.hooks.registry import Question, Registry, check_hook

NOTHING_EVALUATED = Evaluation((), ())
NOTHING_KNOWN = PatientFacts()
NOT_OURS = Evaluation((), (Step("DRAFTS", fired=False, words="no order that is judged is one that a row is about"),))


class Answer(NamedTuple):
    """What is answered and how it came about: the facts, their evaluation, and what was known of each prefetch key."""

    written: Cards
    evaluation: Evaluation = NOTHING_EVALUATED
    keys: tuple[Key, ...] = ()
    facts: PatientFacts = NOTHING_KNOWN

    @property
    def response(self) -> Json:
        """What is answered, as plain JSON."""
        return self.written.plain


@dataclass(frozen=True, slots=True)
class Engine:
    """Every collaborator of a call, built once at start-up. `today` says which day it is.

    `local` is the site's guidance as it was read then: an engine of another profile is built with it too.
    """

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
    local: Local = NO_LOCAL

    def answer_by_hook(self, body: bytes) -> Answer:
        """Answer one call by the service on its hook, whatever address it was meant for.

        Raises:
            RequestError: what the caller can mend.
        """
        return self.answer(self.registry.answering(hook_of(body)).id, body)

    def answer(self, service_id: str, body: bytes, call: Call | None = None) -> Answer:
        """Answer one call; *call* is told how it goes.

        Raises:
            RequestError: what the caller can mend.
        """
        service = self.registry.find(service_id)
        call = Call() if call is None else call
        call.began = began = time.perf_counter()
        with work.endable():
            call.request = request = read_request(body)
            check_hook(service, request.hook)
            if request.patient_facing:
                return Answer(Cards([]))
            context = service.read_context(request.context)
            if service.is_idle(context):
                return _idle(request)
            call.gathered = gathered = gather(service, request, self.completer, self.sizes)
            keys = gathered.keys
            if self.strict_fhir:
                _check_strictly(keys.values())
            known = read_record(service, keys, request.patient_id)
            facts = reader.read(known, self.terms, d3_is_total=self.d3_is_total)
            context = service.completed(context, known)
        read = time.perf_counter()
        today, off = self.today(), call.mode.off_topics
        chart = Chart(call.client, request.fhir_server or "", request.patient_id, service.id, service.hook, today)
        earlier = said(self.memory, chart, self.guidance.feedback.reason, call.give_up)
        with work.endable():
            asked = Question(facts, context, self.guidance, today, self.max_cards, earlier, off)
            evaluation = service.evaluate(asked)
            decided = time.perf_counter()
            of_call = ordered(request, today)
            if service.write is None:
                written = self.writer.write(evaluation.cards, of_call)
            else:
                written, evaluation = service.write(self.writer, evaluation, context, of_call)
        call.stages = {
            "decode": read - began - gathered.seconds,
            "prefetch": gathered.seconds,
            "logic": decided - read,
            "cards": time.perf_counter() - decided,
        }
        call.quiet = tuple(card.topic for card in evaluation.quiet if card.topic not in off)
        shown = shown_cards(evaluation, written)
        call.cards, weighed = holding.weigh(shown, written, call.mode, chart, call.place)
        call.weighed = Weighed(chart, weighed, holding.standings(facts, evaluation, today))
        if request.explain:
            written.extension = {EXPLAIN: explanation(request, gathered, evaluation)}
        return Answer(written, evaluation, tuple(keys.values()), facts)


def _idle(request: HookRequest) -> Answer:
    """Nothing in the call is the service's business: no card, and no prefetch was read."""
    written = Cards([])
    if request.explain:
        written.extension = {EXPLAIN: explanation(request, Gathered({}), NOT_OURS)}
    return Answer(written, NOT_OURS)


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
