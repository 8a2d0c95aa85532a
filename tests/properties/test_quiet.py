"""What was said of earlier cards takes away no critical card, loses none without a word, and never for long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.clinical.cards.display import LEVEL
from cds_service.clinical.evaluate import Evaluation
from cds_service.guidance import loading
from cds_service.hooks.memory import Answered, Chart
from tests.properties.running import ENCODER, service
from tests.properties.strategies import AS_OF, UNFOLDED, Json, Setup, patients, setups
from tests.support.examples import tried
from tests.support.fixtures import SERVICE

FEEDBACK = loading.load("magnesium-aware", "kdoqi-2003").feedback
TOPICS = sorted(FEEDBACK.topic)
QUIETABLE = frozenset(topic for topic, entry in FEEDBACK.topic.items() if not entry.never)
REASONS = [(reason.system, reason.code) for reason in FEEDBACK.reason.values()]
MOST_DAYS = 90
fewer = tried(150)
"""Each is two evaluations of a whole patient, and the answers are tried in many combinations."""
HIGHEST = 9
"""A level above all there are."""


@dataclass(frozen=True)
class Recall:
    """A memory that knows these answers."""

    known: tuple[Answered, ...]

    def answers(self, chart: Chart) -> Iterable[Answered]:
        """All of them."""
        del chart
        return self.known


def _answered(
    topic: str, days: int, reason: tuple[str | None, str | None] | None, level: int, indicator: str, ahead: int | None
) -> Answered:
    day = AS_OF - timedelta(days=days)
    system, code = reason or (None, None)
    follow_up = None if ahead is None else day + timedelta(days=ahead)
    return Answered(topic, day, reason is None, system, code, level, indicator, follow_up)


answers = st.builds(
    _answered,
    st.sampled_from(TOPICS),
    st.sampled_from([0, 0, 1, 5, 13, 14, 29, 30, 60, 83, 84, 89, 90, 91, -1]),
    st.sampled_from([*REASONS, None, (None, None), ("urn:x", "y")]),
    st.sampled_from([0, 1, 2, 3, 4, HIGHEST]),
    st.sampled_from(["info", "warning", "critical"]),
    st.sampled_from([None, None, 0, 28, 92, 400]),
)
histories = st.lists(answers, max_size=12).map(tuple)


def ask(asked: Json, setup: Setup, known: tuple[Answered, ...] = ()) -> Evaluation:
    """The evaluation of a request, with nothing folded, where these answers are known."""
    chosen = replace(service(setup._replace(max_cards=UNFOLDED)), memory=Recall(known))
    return chosen.answer(SERVICE, ENCODER.encode(asked)).evaluation


def everything_said(level: int, indicator: str, day: date = AS_OF) -> tuple[Answered, ...]:
    """Every topic, answered today with every reason and accepted, on a card of this level and indicator."""
    reasons = [(False, system, code) for system, code in REASONS]
    return tuple(
        Answered(topic, day, accepted, system, code, level, indicator, None)
        for topic in TOPICS
        for accepted, system, code in [(True, None, None), *reasons]
    )


@fewer
@given(patients, setups, histories)
def test_critical_cards_are_never_quiet(asked: Json, setup: Setup, known: tuple[Answered, ...]) -> None:
    """Whatever was said, and even if everything was, every critical card is shown."""
    critical = {card.id for card in ask(asked, setup).cards if card.indicator == "critical"}

    for said in (known, everything_said(HIGHEST, "critical")):
        assert critical <= {card.id for card in ask(asked, setup, said).cards}


@fewer
@given(patients, setups, histories)
def test_no_card_is_lost(asked: Json, setup: Setup, known: tuple[Answered, ...]) -> None:
    """The cards that are shown and those that are quiet are together the cards without answers, each once.

    K-CKD may be one more: it is silent where an earlier card offers its test, and speaks where that card is quiet (R9).
    """
    before = ask(asked, setup)
    for said in (known, everything_said(HIGHEST, "critical")):
        after = ask(asked, setup, said)
        quiet = {one.rule for one in after.quiet}
        moved = {"K-CKD"} - {card.id for card in before.cards}
        shown = [(card.id, card.indicator) for card in after.cards if card.id not in moved]

        assert len(after.quiet) == len(quiet)
        assert shown == [(card.id, card.indicator) for card in before.cards if card.id not in quiet]
        assert quiet - moved <= {card.id for card in before.cards}


@fewer
@given(patients, setups)
def test_no_adjunct_beside_a_quiet_deficiency(asked: Json, setup: Setup) -> None:
    """Property 3: magnesium that is not clearly low is ordered only beside a vitamin D order of the same response."""
    said = tuple(one for one in everything_said(HIGHEST, "critical") if one.topic == "vitamin-d-deficiency")
    after = ask(asked, setup, said)

    offering = {card.id for card in after.cards if card.offers_drug}
    assert "K-DDEF" in offering or not offering & {"K-MGADJ", "K-MGLAT"}


@fewer
@given(patients, setups, histories)
def test_quiet_is_bounded(asked: Json, setup: Setup, known: tuple[Answered, ...]) -> None:
    """Quiet has begun, has not ended, and ends at most 90 days after the answer it comes from."""
    days = {one.day for one in known}
    for one in ask(asked, setup, known).quiet:
        assert one.since in days
        assert one.since <= AS_OF < one.until <= one.since + timedelta(days=MOST_DAYS)
        assert one.why


@fewer
@given(patients, setups, st.data())
def test_worse_is_never_quiet(asked: Json, setup: Setup, data: st.DataObject) -> None:
    """An answer to a card of a lower level, or a milder indicator, than the card has now keeps it quiet never."""
    before = ask(asked, setup)
    assume(before.cards)
    card = data.draw(st.sampled_from(before.cards))
    level = before.levels[card.id]
    told = []
    if level > 0:
        told.append(everything_said(data.draw(st.integers(0, level - 1)), "critical"))
    milder = [name for name, place in LEVEL.items() if place > LEVEL[card.indicator]]
    if milder:
        told.append(everything_said(HIGHEST, data.draw(st.sampled_from(milder))))

    for known in told:
        assert card.id in {shown.id for shown in ask(asked, setup, known).cards}


@fewer
@given(patients, setups)
def test_the_same_again_is_quiet(asked: Json, setup: Setup) -> None:
    """A card that is not critical, nor of a topic that never is, is quiet where it was answered just as it is now."""
    before = ask(asked, setup)
    topics = service(setup).guidance.cards
    for card in before.cards:
        known = everything_said(before.levels[card.id], card.indicator)
        quiet = {one.rule for one in ask(asked, setup, known).quiet}

        assert (card.id in quiet) is (card.indicator != "critical" and topics[card.id].topic in QUIETABLE)
