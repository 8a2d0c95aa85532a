"""What was said of a card about an order keeps its topic quiet: for that day, for longer, or never."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from cds_service.hooks.memory import Answered, Chart
from cds_service.hooks.order_hooks import SELECT, SIGN
from cds_service.hooks.record import Call
from tests.support.drafting import body, bundle, d3, draft, engine
from tests.support.for_each import for_each
from tests.support.patients import AS_OF, egfr, mg, order, vitd

OWN = "https://vitamin-d-magnesium.example/fhir/CodeSystem/override-reason"
HL7 = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
DEFICIENT = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.90")]}
DOSE, KIDNEY = "order-vitamin-d-dose", "order-magnesium-kidney"


@dataclass
class Remembered:
    """A memory that holds what it is given."""

    held: list[Answered]

    def answers(self, chart: Chart) -> Iterable[Answered]:
        """All that it holds."""
        del chart
        return self.held


def answered(topic: str, code: str | None, days: int = 0, **more: object) -> Answered:
    """A reason given so many *days* before as-of, of a warning; `level` is the IU a day."""
    told = {"system": OWN, "level": 0, "indicator": "warning", "accepted": False} | more
    return Answered(topic=topic, day=AS_OF - timedelta(days=days), code=code, follow_up=None, **told)  # type: ignore[arg-type]


def topics(service: str, drafts: list[Any], chart: dict[str, Any], *held: Answered) -> list[str]:
    """The topics that speak, given what was said."""
    remembering = replace(engine(), memory=Remembered(list(held)))
    response = remembering.answer(service, body(service, bundle(*drafts), chart)).response
    return [card["source"]["topic"]["code"] for card in response["cards"]]


@for_each(("days", "expected"), [(0, []), (1, [DOSE])])
def test_warning_is_quiet_for_that_day(days: int, expected: list[str]):
    """What selecting was answered with, signing does not repeat; tomorrow it speaks again."""
    said = answered(DOSE, "short-loading-course", days, level=50_000)

    assert topics(SIGN, [d3("50000")], DEFICIENT, said) == expected


def test_higher_dose_speaks_again():
    """More IU a day than was answered."""
    said = answered(DOSE, "short-loading-course", level=49_000)

    assert topics(SIGN, [d3("50000")], DEFICIENT, said) == [DOSE]


@for_each(
    ("code", "days", "expected"),
    [("levels-monitored", 29, []), ("levels-monitored", 30, [KIDNEY]), ("short-use", 1, [KIDNEY])],
)
def test_some_reasons_are_quiet_for_longer(code: str, days: int, expected: list[str]):
    """Levels that are monitored quiet the kidneys for 30 days, other reasons a warning for one."""
    chart = {"kidney": [egfr("24")]}

    assert topics(SIGN, [draft("magnesium oxide")], chart, answered(KIDNEY, code, days)) == expected


@for_each(("days", "expected"), [(89, []), (90, ["order-magnesium-spacing"])])
def test_patient_was_told(days: int, expected: list[str]):
    """A patient who knows how far apart to take them is not told again for 90 days."""
    chart = {"medications": [order("levothyroxine")]}
    said = answered("order-magnesium-spacing", "patient-already-told", days, indicator="info")

    assert topics(SELECT, [draft("magnesium oxide")], chart, said) == expected


def test_critical_is_never_quiet():
    """Whatever was said of it."""
    said = answered("order-magnesium-high", "expert-contradicts", system=HL7, indicator="critical")

    assert topics(SIGN, [draft("magnesium oxide")], {"magnesium": [mg("2.2")]}, said) == ["order-magnesium-high"]


@for_each("said", [answered(DOSE, None, level=50_000), answered(DOSE, None, level=50_000, accepted=True)])
def test_acceptance_and_dismissal_quiet_nothing(said: Answered):
    """The next draft may be wrong again."""
    assert topics(SIGN, [d3("50000")], DEFICIENT, said) == [DOSE]


def test_chart_and_order_do_not_quiet_one_another():
    """Their topics are their own."""
    said = answered("vitamin-d-deficiency", "patient-refuses", system=HL7, level=9)

    assert topics(SIGN, [d3("50000")], DEFICIENT, said) == [DOSE]


def test_cards_are_noted_with_their_rows():
    """Feedback finds its card: row, urgency and IU a day are kept beside its uuid and its suggestions."""
    call = Call()
    response = engine().answer(SIGN, body(SIGN, bundle(d3("50000")), DEFICIENT), call).response
    (card,), (noted,) = response["cards"], call.cards

    assert (noted.uuid, noted.rule, noted.indicator, noted.level) == (card["uuid"], "O5", "warning", 50_000)
    assert [uuid for uuid, _ in noted.suggestions] == [one["uuid"] for one in card["suggestions"]]


def test_each_card_offers_reasons_of_its_own():
    """Three to five, each with code, system and display; a topic may have its own words for one."""
    guidance = engine().guidance
    for row in guidance.order_cards.values():
        assert 3 <= len(guidance.feedback.topic[row.topic].reasons) <= 5
    sent = body(SELECT, bundle(draft("magnesium oxide")), {"medications": [order("levothyroxine")]})
    (card,) = engine().answer(SELECT, sent).response["cards"]

    assert card["overrideReasons"][-1] == {
        "code": "expert-contradicts",
        "system": HL7,
        "display": "Pharmacist or specialist agrees",
    }
    assert json.dumps(card)
