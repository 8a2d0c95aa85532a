"""What guidance files must satisfy beyond their shape: each check names file, key, value and what was expected.

The numbers of `limits.toml` and `profiles.toml` are checked in `limit_checks`.
"""

from __future__ import annotations

import string
from collections.abc import Container, Iterable, Mapping
from decimal import Decimal

from msgspec import structs

from cds_service.clinical.cards.catalogue import CATALOGUE
from cds_service.clinical.cards.drafts import DAILY, DAILY_IN_OBESITY, DRUGS, LABS, WEEKLY
from cds_service.clinical.guidance_types import (
    DAYS_OF_A_WEEK,
    MOST_QUIET_DAYS,
    CardEntry,
    DrugOrder,
    Evidence,
    Feedback,
    FeedbackTopic,
    LabOrderText,
    Profile,
    Topics,
)
from cds_service.clinical.limits import Limits
from cds_service.clinical.order_limits import ALWAYS_ON, OrderRows, OrderTopic
from cds_service.clinical.words import (
    order_phrases,  # noqa: F401 - declares its phrases among PHRASES
    phrases,
)
from cds_service.clinical.words.phrases import BLOCKS, PHRASES
from cds_service.errors import GuidanceError

PROFILES, ORDERS, CARDS, FEEDBACK = "profiles.toml", "orders.toml", "cards.toml", "feedback.toml"
ORDER_ROWS = "order_rows.toml"
TOPICS = "topics.toml"
IN_TOPICS = frozenset({"target", "maint", "floor"})
"""What the page of a topic fills in from the profile, and the Floor in both units."""
BULLETS = ("beware.", "spacing.", "block.", "then.")
"""Texts that stand as bullets."""
VITAMIN_D_ATC = "A11CC"
COURSES = (*WEEKLY, DAILY, DAILY_IN_OBESITY)


def orders(drugs: Mapping[str, DrugOrder], limits: Limits, profiles: Mapping[str, Profile]) -> None:
    """Doses are within the ceilings and what the logic takes them for; every order it drafts is there."""
    for name, order in drugs.items():
        _dose(name, order, limits)
    for name in DRUGS:
        if name not in drugs:
            raise GuidanceError(ORDERS, f"drug.{name}", None, "an entry: it is missing, and the logic orders it")
    for name in COURSES:
        _is_a_course(name, drugs[name], limits)
    usual, obese = drugs[DAILY].dose, drugs[DAILY_IN_OBESITY].dose
    if obese <= usual:
        raise GuidanceError(ORDERS, f"drug.{DAILY_IN_OBESITY}.dose", obese, f"more than {usual}, that of {DAILY} (R10)")
    for name, profile in profiles.items():
        _step_down(f"profile.{name}.step_down_order", profile, drugs, limits)


def _dose(name: str, order: DrugOrder, limits: Limits) -> None:
    ceiling, reduced = limits.ceiling, limits.kidney.reduced_magnesium_mg
    if not order.atc.startswith(VITAMIN_D_ATC):
        most = {"ceiling.magnesium_mg": ceiling.magnesium_mg, "kidney.reduced_magnesium_mg": reduced}
    elif order.period_unit == "d":
        most = {"ceiling.daily_iu": ceiling.daily_iu}
    else:
        most = {"ceiling.single_iu": ceiling.single_iu}
    for where, limit in most.items():
        if not 0 < order.dose <= limit:
            expected = f"more than 0 and at most {limit} {order.unit} (limits.toml: {where})"
            raise GuidanceError(ORDERS, f"drug.{name}.dose", order.dose, expected)


def _is_a_course(name: str, order: DrugOrder, limits: Limits) -> None:
    """What is ordered as a course must count as one later (section 9.3), or R1 to R3 would never see it."""
    least = limits.therapy.course_per_day
    per_day = Decimal(order.dose) / (1 if order.period_unit == "d" else DAYS_OF_A_WEEK)
    if per_day < least and order.dose < limits.therapy.course_single:
        expected = f"at least {least} IU a day, or it would not count as a course (limits.toml: therapy.course_per_day)"
        raise GuidanceError(ORDERS, f"drug.{name}.dose", order.dose, expected)


def _step_down(key: str, profile: Profile, drugs: Mapping[str, DrugOrder], limits: Limits) -> None:
    name = profile.step_down_order
    if name is None:
        return
    if name not in drugs or not drugs[name].atc.startswith(VITAMIN_D_ATC) or drugs[name].period_unit != "d":
        raise GuidanceError(PROFILES, key, name, "a daily vitamin D drug of orders.toml")
    dose, said = drugs[name].dose, profile.maintenance_iu
    if not said.low <= dose <= said.high:
        expected = f"a dose inside of maintenance_iu, {profile.maintenance} IU: orders.toml gives it {dose}"
        raise GuidanceError(PROFILES, key, name, expected)
    if dose > limits.therapy.step_down_above_per_day:
        expected = f"a dose to step down to: {dose} is above therapy.step_down_above_per_day of limits.toml"
        raise GuidanceError(PROFILES, key, name, expected)


def labs(found: Mapping[str, LabOrderText]) -> None:
    """Every test the logic orders is there, each with a code of its own."""
    for name in LABS:
        if name not in found:
            raise GuidanceError(ORDERS, f"lab.{name}", None, "an entry: it is missing, and the logic orders it")
    codes = [lab.code for lab in found.values()]
    for name, lab in found.items():
        if codes.count(lab.code) > 1:
            raise GuidanceError(ORDERS, f"lab.{name}.code", lab.code, "a code that no other test has")


def evidence(found: Mapping[str, Evidence]) -> None:
    """A verified source has an https address to link to."""
    for key, source in found.items():
        if source.verified and not (source.url or "").startswith("https://"):
            expected = "an https address, or verified = false"
            raise GuidanceError("evidence.toml", f"source.{key}.url", source.url, expected)


def cards(found: Mapping[str, CardEntry], sources: Mapping[str, Evidence]) -> None:
    """The catalogue is complete; its blocks and links exist."""
    for name in CATALOGUE:
        if name not in found:
            raise GuidanceError(CARDS, f"card.{name}", None, "an entry: it is missing")
    for name, card in found.items():
        if name not in CATALOGUE:
            raise GuidanceError(CARDS, f"card.{name}", name, "a card of the catalogue")
        for block in card.blocks:
            if block not in BLOCKS:
                raise GuidanceError(CARDS, f"card.{name}.blocks", block, "a block of wording.toml")
        _links(CARDS, f"card.{name}.links", card.links, sources)


def summaries(found: Mapping[str, CardEntry]) -> dict[str, str]:
    """The summaries that stand at their cards, by their keys in the wording; no card is without any."""
    for name, card in found.items():
        place = f"card.{name}.summary"
        worded = [key for key in PHRASES if f"{key}.".startswith(f"summary.{name}.")]
        if not card.summary and not worded:
            raise GuidanceError(
                CARDS, place, None, "an entry: it is missing, and wording.toml has no summary of the card"
            )
        if card.summary and worded:
            raise GuidanceError(CARDS, place, card.summary, f"no entry: wording.toml has {worded[0]}")
        text(CARDS, place, card.summary, frozenset())
    return {phrases.summary_of(name)().key: card.summary for name, card in found.items() if card.summary}


def _links(file: str, key: str, links: Iterable[str], sources: Mapping[str, Evidence]) -> None:
    for link in links:
        if link not in sources:
            raise GuidanceError(file, key, link, "a source of evidence.toml")


def topics(
    found: Topics, cards: Iterable[CardEntry], sources: Mapping[str, Evidence], profiles: Container[str]
) -> None:
    """The topic of each card of any hook has its page; what is named exists; a block of cards has a long form."""
    known = {card.topic for card in cards}
    for topic in sorted(known ^ found.topic.keys()):
        expected = "an entry: it is missing" if topic in known else "a topic of cards.toml or order_rows.toml"
        raise GuidanceError(TOPICS, f"topic.{topic}", topic if topic in found.topic else None, expected)
    for name in sorted(BLOCKS.keys() - found.block.keys()):
        raise GuidanceError(TOPICS, f"block.{name}", None, "an entry: it is missing, and cards hold its short form")
    for name, members in found.groups.items():
        _among(TOPICS, f"groups.{name}", members, known)
    for name, block in found.block.items():
        _among(TOPICS, f"block.{name}.topics", block.topics, {*known, *found.groups})
        _among(TOPICS, f"block.{name}.of", block.of, profiles)
        _links(TOPICS, f"block.{name}.links", block.links, sources)
        for profile, written in (("text", block.text), *block.of.items()):
            text(TOPICS, f"block.{name}.{profile}", written, IN_TOPICS)
    for name, plan in found.plan.items():
        _among(TOPICS, f"plan.{name}.gates", plan.gates, found.gate)
    for name, topic_entry in found.topic.items():
        _among(TOPICS, f"topic.{name}.withheld", topic_entry.withheld, found.plan)
        text(TOPICS, f"topic.{name}.when", topic_entry.when, IN_TOPICS)
        text(TOPICS, f"topic.{name}.says", topic_entry.says, IN_TOPICS)


def order_rows(rows: OrderRows, topics: Mapping[str, OrderTopic], sources: Mapping[str, Evidence]) -> None:
    """Each row has a topic, each topic a row; links exist, numbers are more than 0, and what is always on is on."""
    used = set()
    for name, row in rows.each():
        used.add(row.topic)
        if row.topic not in topics:
            raise GuidanceError(ORDER_ROWS, f"row.{name}.topic", row.topic, "a topic of this file")
        if name in ALWAYS_ON and not (row.select and row.sign):
            raise GuidanceError(ORDER_ROWS, f"row.{name}", "off", "a row that is on: it warns of harm")
        for field in structs.fields(row):
            value = getattr(row, field.name)
            if isinstance(value, int) and not isinstance(value, bool) and value <= 0:
                raise GuidanceError(ORDER_ROWS, f"row.{name}.{field.name}", value, "more than 0")
    for topic, entry in topics.items():
        if topic not in used:
            raise GuidanceError(ORDER_ROWS, f"topic.{topic}", topic, "the topic of a row")
        _links(ORDER_ROWS, f"topic.{topic}.links", entry.links, sources)


def feedback(found: Feedback, cards: Mapping[str, CardEntry], order_cards: Mapping[str, CardEntry]) -> None:
    """Every card's topic has reasons; what is named exists; nothing is quiet for more than 90 days."""
    order_topics = {card.topic for card in order_cards.values()}
    topics = {card.topic for card in cards.values()} | order_topics
    for topic in sorted(topics - found.topic.keys()):
        raise GuidanceError(FEEDBACK, f"topic.{topic}", None, "an entry: it is missing, here and in cards.toml")
    usual = {f"urgency_days.{urgency}": number for urgency, number in found.urgency_days.items()}
    for key, number in (usual | {f"reason.{name}.days": r.days for name, r in found.reason.items()}).items():
        _quiet_days(key, number)
    for topic, entry in found.topic.items():
        key = f"topic.{topic}"
        if topic not in topics:
            raise GuidanceError(FEEDBACK, key, topic, "a topic of cards.toml or order_rows.toml")
        _among(FEEDBACK, f"{key}.reasons", entry.reasons, found.reason)
        _among(FEEDBACK, f"{key}.days", entry.days, entry.reasons)
        _among(FEEDBACK, f"{key}.also", entry.also, found.topic)
        _among(FEEDBACK, f"{key}.displays", entry.displays, entry.reasons)
        if topic in order_topics:
            _of_an_order(key, entry)
        if not entry.reasons:
            raise GuidanceError(FEEDBACK, f"{key}.reasons", "none", "one reason or more")
        for name, days in entry.days.items():
            _quiet_days(f"{key}.days.{name}", days)
        if not entry.never and topic not in order_topics:
            _quiet_days(f"{key}.accepted_days", entry.accepted_days)
        if any(found.topic[milder].never for milder in entry.also):
            raise GuidanceError(FEEDBACK, f"{key}.also", ", ".join(entry.also), "no topic that is never quiet")


def _of_an_order(key: str, entry: FeedbackTopic) -> None:
    """What was accepted of an order's card quiets nothing: the next draft may be wrong again (part 7)."""
    if entry.accepted_days or entry.also or not entry.by_urgency:
        expected = "by_urgency, and neither accepted_days nor also: the next order may be wrong again"
        raise GuidanceError(FEEDBACK, key, "...", expected)


def _among(file: str, key: str, names: Iterable[str], known: Container[str]) -> None:
    for name in names:
        if name not in known:
            raise GuidanceError(file, key, name, "a name that is defined")


def _quiet_days(key: str, days: int) -> None:
    if not 1 <= days <= MOST_QUIET_DAYS:
        raise GuidanceError(FEEDBACK, key, days, f"from 1 to {MOST_QUIET_DAYS} days")


LONGEST = {"hold.": 45, "problem.": 45, "trigger.": 55, "order-kidney.": 45}
"""Reasons that stand in a summary have a length of their own (section 14)."""


def text(file: str, key: str, written: str, fields: frozenset[str]) -> None:
    """A text uses only the values it is given, as plain {names}, and fits where it stands."""
    try:
        parts = [part for part in string.Formatter().parse(written) if part[1] is not None]
    except ValueError as error:
        raise GuidanceError(file, key, written, "braces in pairs") from error
    if any(name not in fields or spec or conversion for _, name, spec, conversion in parts):
        known = ", ".join(sorted(fields)) or "none"
        raise GuidanceError(file, key, written, f"only these values in braces, as they are: {known}")
    for section, most in LONGEST.items():
        if key.startswith(section) and not parts and len(written) > most:
            raise GuidanceError(file, key, written, f"at most {most} characters")


def bullet(file: str, key: str, written: str, most: int) -> None:
    """A bullet has at most *most* words, a value counting as one."""
    if key.startswith(BULLETS) and len(written.split()) > most:
        raise GuidanceError(file, key, written, f"at most {most} words (limits.toml: card.bullet_words)")
