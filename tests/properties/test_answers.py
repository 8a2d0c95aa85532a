"""Every answer is put through every check: those to the golden requests, and those to drawn patients."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given

from tests.properties.checks import CHECKS, DISPLAY_ORDER, Answered, folding_keeps_what_is_urgent
from tests.properties.running import Run, drugs, ingredient, run
from tests.properties.strategies import OPTIONAL, Json, Setup, patients, setups
from tests.support.examples import every, tried
from tests.support.fixtures import Situation, situations
from tests.support.for_each import for_each


def answered(situation: Situation) -> Answered:
    """The answer to a golden request, by its own settings."""
    expected = situation.expected
    setup = Setup(expected["profile"], expected.get("ckdOverlay", "kdoqi-2003"), expected.get("maxCards", 4))
    return Answered.of(json.loads(situation.body, parse_float=Decimal), setup._replace(as_of=situation.as_of))


def offers(found: Run) -> set[str]:
    """The drugs it offers, by ingredient."""
    return {ingredient(drafted) for card in found.cards for drafted in drugs(card)}


@for_each("situation", situations(), ids=lambda situation: situation.name)
def test_golden_request(situation: Situation) -> None:
    """All that holds for every answer holds for it."""
    found = answered(situation)
    for check in CHECKS:
        check(found)


@for_each("situation", situations()[:: every(6)], ids=lambda situation: situation.name)
def test_less_of_a_golden_request(situation: Situation) -> None:
    """Without a key, or without all optional ones, nothing more is offered; few cards are folded as many are."""
    found = answered(situation)
    for lost in (*((key,) for key in OPTIONAL), OPTIONAL):
        kept = {key: value for key, value in found.asked["prefetch"].items() if key not in lost}
        assert offers(run({**found.asked, "prefetch": kept}, found.setup)) <= offers(found.folded), lost
    for most in (1, 2, 3):
        folding_keeps_what_is_urgent(Answered.of(found.asked, found.setup._replace(max_cards=most)))


@tried(2000)
@given(patients, setups)
def test_drawn_patient(asked: Json, setup: Setup) -> None:
    """So it does for every patient that is drawn; each is answered, and none with an error."""
    found = Answered.of(asked, setup)
    for check in CHECKS:
        check(found)


def test_all_that_can_be_shown_is_among_them() -> None:
    """The golden answers show every card and every level; deficiency with an order and without one."""
    found = [answered(situation) for situation in situations()]
    deficient = [card for one in found for card in [one.folded.card("K-DDEF")] if card is not None]

    assert {card["indicator"] for one in found for card in one.cards} == {"info", "warning", "critical"}
    assert {name for one in found for name in one.unfolded.ids} == set(DISPLAY_ORDER)
    assert {"MedicationRequest" in json.dumps(card) for card in deficient} == {True, False}
