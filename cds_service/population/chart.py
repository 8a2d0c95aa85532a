"""One patient's chart: its lines go through the very reader and evaluation of the service, and out come marks.

A mark is one thing that is true of the patient. They are all that leaves a worker, so every engine only has to count
them. Everything a worker needs is in the `Plan`, which travels as an argument: another machine has other settings.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec

from cds_service.clinical.days import whole_years
from cds_service.clinical.evaluate import Evaluation, evaluate
from cds_service.clinical.facts import Kind, PatientFacts, Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.words.card import Card
from cds_service.errors import RequestError
from cds_service.fhir import reader, terminology
from cds_service.fhir.orders import Ordered, Orders
from cds_service.fhir.terminology import Terminology
from cds_service.hooks import patient_view, prefetch
from cds_service.hooks.card_json import CardWriter
from cds_service.hooks.prefetch import SizeLimits
from cds_service.hooks.prefetch_keys import Key, State, prefetched
from cds_service.hooks.registry import OBSERVATION_KEYS, Service
from cds_service.population import export
from cds_service.population.export import SOURCES, Lines, Unreadable

Mark = tuple[Any, ...]
PATIENT, CARDS, CARD, GATE, SILENT, PERSON, CHANGE = "patient", "cards", "card", "gate", "silent", "person", "change"
RESULT, MEASURED, PROBLEM, LINE = "result", "measured", "problem", "line"
"""The kinds of mark."""
URGENT = frozenset({"warning", "critical"})
DECADE = 10
OLDEST_BAND = 80
NEW_EACH_TIME = frozenset({"uuid", "id"})
LONGEST_UNIT = 24
TYPE_OF = {
    **dict.fromkeys(OBSERVATION_KEYS, "Observation"),
    Source.PATIENT: "Patient",
    Source.CONDITIONS: "Condition",
    Source.MEDICATIONS: "MedicationRequest",
}
"""The type that each key's resources have; lab orders are none where there is no file of them."""
ANALYTES = (
    "vitamin_d", "magnesium", "calcium", "albumin", "phosphate", "pth", "potassium", "egfr", "creatinine", "bmi",
    "height", "weight",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at every chart: a guidance in force, on a day. `against` is the view it is compared with."""

    guidance: Guidance
    day: date
    label: str = ""
    against: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a worker needs. `types` are those that the export has files of."""

    views: tuple[View, ...]
    types: frozenset[str]
    max_cards: int
    d3_is_total: bool
    sizes: SizeLimits


@dataclass(frozen=True, slots=True)
class Charts:
    """Evaluates charts by one plan; built once in each worker."""

    plan: Plan
    terms: tuple[Terminology, ...]
    service: Service
    writers: tuple[CardWriter | None, ...]
    lines: Lines

    @classmethod
    def by(cls, plan: Plan) -> Charts:
        """What evaluates by *plan*. Views whose names of drugs and problems are the same share their lookups."""
        loaded: list[tuple[Guidance, Terminology]] = []
        for view in plan.views:
            if not any(known.names == view.guidance.names for known, _ in loaded):
                loaded.append((view.guidance, terminology.load(view.guidance.names)))
        terms = tuple(next(t for known, t in loaded if known.names == view.guidance.names) for view in plan.views)
        compared = {view.against for view in plan.views} | {
            place for place, view in enumerate(plan.views) if view.against is not None
        }
        writers = tuple(
            CardWriter(view.guidance, Orders(view.guidance)) if place in compared else None
            for place, view in enumerate(plan.views)
        )
        return cls(plan, terms, patient_view.build(terms[0], plan.views[0].guidance), writers, Lines(terms[0]))

    def sorted_marks(self, patient: str, lines: Iterable[bytes]) -> list[Mark]:
        """The marks of *patient*, whose lines are not sorted yet: for engines that group lines by themselves."""
        keys: dict[int, list[bytes]] = {}
        for line in lines:
            place = self.lines.place(line)
            if isinstance(place, tuple):
                keys.setdefault(place[1], []).append(line)
        return self.marks(patient, keys)

    def marks(self, patient: str, lines: Mapping[int, list[bytes]]) -> list[Mark]:
        """What is true of *patient*, by each view. Lines of one whom the export has no Patient of are only counted.

        Lines are read in one order, whoever brought them, and a line that comes twice is read once.
        """
        if export.PATIENT not in lines:
            return [(LINE, Unreadable.UNKNOWN_PATIENT.value)] * sum(map(len, lines.values()))
        whole = {SOURCES[number]: sorted(set(found)) for number, found in lines.items()}
        try:
            facts = self.facts(patient, whole)
        except RequestError as error:
            return [(PATIENT,), *self._unanswered(error.code)]
        found: list[Mark] = [(PATIENT,), *self._results(facts[0])]
        told: list[tuple[Card, ...]] = []
        for place, view in enumerate(self.plan.views):
            of = facts[place]
            evaluation = evaluate(of, view.guidance, view.day, self.plan.max_cards)
            told.append(evaluation.cards)
            found += _view_marks(place, view, of, evaluation)
            if view.against is not None:
                found += self._changes(place, told[view.against], evaluation.cards)
        return found

    def facts(self, patient: str, lines: Mapping[Source, list[bytes]]) -> list[PatientFacts]:
        """The facts for each view; read once for all that have the same names."""
        keys = {source: self._key(source, lines.get(source, [])) for source in self.service.prefetch}
        prefetch.check_size(keys, self.plan.sizes)
        record = prefetch.read_record(self.service, keys, patient)
        read: dict[int, PatientFacts] = {}
        for terms in self.terms:
            if id(terms) not in read:
                read[id(terms)] = reader.read(record, terms, d3_is_total=self.plan.d3_is_total)
        return [read[id(terms)] for terms in self.terms]

    def _key(self, source: Source, lines: list[bytes]) -> Key:
        """The key as if the lines had been prefetched; one whose type was not exported is missing, not empty."""
        if source is Source.PATIENT:
            return prefetched(source, msgspec.Raw(lines[0]))
        if TYPE_OF.get(source, "") not in self.plan.types and source in TYPE_OF:
            return Key(source, State.MISSING, "the export has no file of it")
        if not lines:
            return Key(source, State.NONE)
        entries = b'},{"resource":'.join(lines)
        bundle = b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":' + entries + b"}]}"
        return prefetched(source, msgspec.Raw(bundle))

    def fault(self) -> list[Mark]:
        """The marks of a patient whose chart the service would fail on: such a fault is ours, and ends no run."""
        return [(PATIENT,), *self._unanswered("fault")]

    def _unanswered(self, why: str) -> Iterator[Mark]:
        """The service would have refused to answer: no card, and that is the reason."""
        for place in range(len(self.plan.views)):
            yield place, CARDS, 0, 0
            yield place, SILENT, "refused", why

    def _results(self, facts: PatientFacts) -> Iterator[Mark]:
        """What the laboratory's codes and units look like, and which results are not read, on the first day."""
        view = self.plan.views[0]
        latest = -(view.day.toordinal() + view.guidance.limits.card.future_days)
        for name in ANALYTES:
            kinds = [(name, result.code, result.unit[:LONGEST_UNIT]) for result in getattr(facts, name)]
            yield from ((RESULT, *kind) for kind in kinds)
            yield from ((MEASURED, *kind) for kind in dict.fromkeys(kinds))  # once, however often it was measured
            for result in getattr(facts, name):
                if result.kind is not Kind.USABLE:
                    yield PROBLEM, name, result.problem or ("empty" if result.kind is Kind.EMPTY else "unreadable")
                elif result.recency.day < latest:
                    yield PROBLEM, name, "future"

    def _changes(self, place: int, before: tuple[Card, ...], after: tuple[Card, ...]) -> Iterator[Mark]:
        """For each topic whether the card is gained, lost, changed in any word or order, or the same."""
        against = self.plan.views[place].against
        old, new = self._written(against or 0, before), self._written(place, after)
        for topic in old | new:
            if topic not in old or topic not in new:
                yield place, CHANGE, topic, "gained" if topic in new else "lost"
            else:
                yield place, CHANGE, topic, "same" if old[topic] == new[topic] else "changed"

    def _written(self, place: int, cards: tuple[Card, ...]) -> dict[str, Any]:
        writer = self.writers[place]
        if writer is None or not cards:
            return {}
        written = writer.write(cards, Ordered.by("patient", self.plan.views[place].day)).plain["cards"]
        return {card["source"]["topic"]["code"]: _lasting(card) for card in written}


@lru_cache(maxsize=2)
def unpacked(sent: bytes) -> Charts:
    """What evaluates by the plan that was *sent* with a piece of work, as a pickle; made once in a process."""
    return Charts.by(pickle.loads(sent))  # noqa: S301 - by our own driver


def _lasting(value: Any) -> Any:
    """*value* without what is new in each answer."""
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in NEW_EACH_TIME}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _view_marks(place: int, view: View, facts: PatientFacts, evaluation: Evaluation) -> Iterator[Mark]:
    cards = evaluation.cards
    urgent = sum(card.indicator in URGENT for card in cards)
    yield place, CARDS, len(cards), urgent
    yield place, PERSON, _age_band(facts, view), facts.sex or "unknown", bool(cards)
    if not cards:
        yield place, SILENT, *_silence(facts, evaluation)
        return
    for topic, indicator in {(view.guidance.cards[card.id].topic, card.indicator) for card in cards}:
        yield place, CARD, topic, indicator
    if not any(card.offers_drug for card in cards):
        yield place, GATE, ""
        for gate in {step.id for step in evaluation.trace if step.id.startswith("G-")}:
            yield place, GATE, gate


def _silence(facts: PatientFacts, evaluation: Evaluation) -> tuple[str, ...]:
    """Why there is no card: the patient has died or is a child, else what the two states are."""
    if facts.deceased:
        return ("deceased", "")
    if any(step.id == "R19" and step.fired for step in evaluation.trace):
        return ("child", "")
    return str(evaluation.vitamin_d), str(evaluation.magnesium)


def _age_band(facts: PatientFacts, view: View) -> str:
    if facts.birth_date is None:
        return "unknown"
    age, adult = whole_years(facts.birth_date, view.day), view.guidance.limits.people.adult_age
    if age < adult:
        return f"under {adult}"
    decade = age // DECADE * DECADE
    return f"{OLDEST_BAND} and over" if age >= OLDEST_BAND else f"{max(decade, adult)} to {decade + DECADE - 1}"
