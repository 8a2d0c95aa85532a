"""Quiet topics: what a clinician said of a card keeps its topic quiet for this patient, for a bounded time.

Broken at once by a more urgent card, by a result that crossed a further threshold, and by the end of its days. A
critical card is never quiet. Reasons and days are in `feedback.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar

from cds_service.clinical.cards.display import LEVEL
from cds_service.clinical.datum import Datum
from cds_service.clinical.guidance_types import MOST_QUIET_DAYS, FeedbackTopic, Guidance
from cds_service.clinical.interval import Interval
from cds_service.clinical.states.derive import States
from cds_service.clinical.trace import Trace
from cds_service.clinical.words.card import Card
from cds_service.clinical.words.order_card import OrderCard

ACCEPTED = "a suggestion was accepted"
AnyCard = TypeVar("AnyCard", Card, OrderCard)


class Said(Datum, frozen=True):
    """What a clinician said of an earlier card, and on which `day`.

    `reason` is one of the guidance; if empty, a suggestion was accepted, whose first test is for `follow_up`. `level`
    and `indicator` are what the card had: how many thresholds its result had crossed, and its urgency.
    """

    topic: str
    day: date
    reason: str
    level: int
    indicator: str
    follow_up: date | None = None


class Quiet(Datum, frozen=True):
    """A card that is not shown: its id and topic, why in words, since when, and the first day it may speak again."""

    rule: str
    topic: str
    why: str
    since: date
    until: date


def hush(
    cards: Iterable[AnyCard], said: Iterable[Said], s: States, trace: Trace
) -> tuple[list[AnyCard], tuple[Quiet, ...]]:
    """The *cards* that speak, and those that what was *said* keeps quiet on `s.today`."""
    cards = list(cards)
    earlier = list(said) if cards else []
    if not earlier:
        return cards, ()
    speaking, quiet = [], []
    for card in cards:
        found = _quiet(card, earlier, s, trace)
        if found is None:
            speaking.append(card)
        else:
            quiet.append(found)
            trace.yes("QUIET", "{} is quiet until {}: {} ({})", card.id, found.until, found.why, found.since)
    return speaking, tuple(quiet)


def adjunct_too(
    cards: Iterable[Card], left: list[Card], hushed: tuple[Quiet, ...], s: States, trace: Trace
) -> tuple[list[Card], tuple[Quiet, ...]]:
    """The cards that are *left* of *cards* without the adjunct to a quiet K-DDEF, which is quiet with it (R16)."""
    answered = next(one for one in hushed if one.rule == "K-DDEF")
    speaking = {card.id for card in left}
    gone = [card.id for card in cards if card.id not in speaking]
    for card_id in gone:
        trace.yes("QUIET", "{} is quiet with K-DDEF until {}: no vitamin D order is shown", card_id, answered.until)
    topics = s.guidance.cards
    return left, (*hushed, *(answered.changed(rule=card_id, topic=topics[card_id].topic) for card_id in gone))


def _quiet(card: Card | OrderCard, said: list[Said], s: States, trace: Trace) -> Quiet | None:
    guidance = s.guidance
    topic = guidance.entry(card.id).topic
    about = [(one, until) for one in said if (until := _until(one, topic, guidance)) and one.day <= s.today < until]
    if not about:
        return None
    if card.indicator == "critical" or guidance.feedback.topic[topic].never:
        trace.no("QUIET", "{} is never quiet", card.id)
        return None
    level = level_of(card, s)
    kept = [(one, until) for one, until in about if not _is_worse(card, level, one)]
    if not kept:
        trace.no("QUIET", "{} speaks again: the result or its urgency is worse than when it was answered", card.id)
        return None
    one, until = max(kept, key=lambda pair: pair[1])
    why = guidance.feedback.reason[one.reason].display if one.reason else ACCEPTED
    return Quiet(card.id, topic, why, one.day, until)


def _until(one: Said, topic: str, guidance: Guidance) -> date | None:
    """The first day on which *one* does not keep *topic* quiet any more; `None` where it is not about it."""
    entry = guidance.feedback.topic.get(one.topic)
    if entry is None or (topic != one.topic and topic not in entry.also):
        return None
    last = one.day + timedelta(days=MOST_QUIET_DAYS)
    if not one.reason:
        return min(last, one.follow_up or one.day + timedelta(days=entry.accepted_days))
    reason = guidance.feedback.reason.get(one.reason)
    if reason is None:
        return None
    usual = guidance.feedback.urgency_days.get(one.indicator, 0) if entry.by_urgency else reason.days
    return min(last, one.day + timedelta(days=entry.days.get(one.reason, usual)))


def _is_worse(card: Card | OrderCard, level: int, one: Said) -> bool:
    return LEVEL[card.indicator] < LEVEL.get(one.indicator, 0) or level > one.level


def level_of(card: Card | OrderCard, s: States) -> int:
    """How many thresholds the result of the card's topic has crossed in the bad direction; an interval may have.

    A card about an order brings its own level.
    """
    if isinstance(card, OrderCard):
        return card.level
    entry = s.guidance.feedback.topic[s.guidance.cards[card.id].topic]
    if entry.result == "vitamin-d":
        return _vitamin_d_level(entry, s)
    if entry.result == "magnesium":
        return _magnesium_level(entry, s)
    return 0


def _vitamin_d_level(entry: FeedbackTopic, s: States) -> int:
    if s.d.result is None or s.d.result.interval is None:
        return 0
    profile, limits = s.guidance.profile, s.limits.vitamin_d
    low = (profile.insufficient_below, profile.indicated_below, profile.deficient_below, limits.floor)
    pairs = low if entry.worse == "lower" else (profile.adequate_to, profile.high_to)
    cuts = [pair.for_family(s.d.result.family) for pair in pairs if pair is not None]
    return _crossed(s.d.result.interval, cuts, entry.worse)


def _magnesium_level(entry: FeedbackTopic, s: States) -> int:
    if s.m.result is None or s.m.result.interval is None:
        return 0
    mg = s.limits.mg
    low = (mg.latent.mmol_L, mg.low.mmol_L, mg.never_info_below, mg.severe.mmol_L)
    cuts = low if entry.worse == "lower" else (mg.normal_to.mmol_L, mg.very_high.mmol_L)
    return _crossed(s.m.result.interval, cuts, entry.worse)


def _crossed(interval: Interval, cuts: Sequence[Decimal], worse: str) -> int:
    """Beyond how many of *cuts* some of *interval* is: what may be worse counts as worse."""
    if worse == "lower":
        return len([cut for cut in cuts if interval.low is None or interval.low < cut])
    return len([cut for cut in cuts if interval.high is None or interval.high > cut])
