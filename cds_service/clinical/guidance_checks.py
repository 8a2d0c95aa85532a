"""What guidance files must satisfy beyond their shape: each check names file, key, value and what was expected."""

from __future__ import annotations

import string
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from cds_service.clinical.display import ORDER
from cds_service.clinical.drafts import DRUGS, LABS
from cds_service.clinical.magnesium_state import MG_PER_MMOL
from cds_service.clinical.phrases import BLOCKS
from cds_service.errors import GuidanceError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from cds_service.clinical.guidance_types import (
        CardEntry,
        DrugOrder,
        Evidence,
        Feedback,
        LabOrderText,
        Overlay,
        Profile,
    )
    from cds_service.clinical.limit_types import Cut, Limits, Pair

PROFILES, LIMITS, ORDERS, FEEDBACK = "profiles.toml", "limits.toml", "orders.toml", "feedback.toml"
MOST_QUIET_DAYS = 90
MOST_DAILY_IU, MOST_SINGLE_IU, MOST_MAGNESIUM_MG = 4_000, 50_000, 350
"""No order exceeds 4,000 IU daily, 50,000 IU at a time (section 2) or 350 mg of magnesium a day (section 6.2)."""
VITAMIN_D_ATC = "A11CC"
VITAMIN_D_UNITS, CALCIUM_UNITS = ("ng/mL", "nmol/L"), ("mg/dL", "mmol/L")
VALENCE, PRINTED_SLACK = 2, Decimal("0.005")


def profiles(found: Mapping[str, Profile], overlays: Mapping[str, Overlay]) -> None:
    """Bands rise; blocks are known; a profile that says its target has one."""
    for name, profile in found.items():
        key = f"profile.{name}"
        pairs = [profile.deficient_below, profile.indicated_below, profile.insufficient_below]
        _rising_pairs(PROFILES, key, [*pairs, profile.adequate_to, profile.high_to], VITAMIN_D_UNITS)
        for block in profile.blocks_left_out:
            if block not in BLOCKS:
                raise GuidanceError(PROFILES, f"{key}.blocks_left_out", block, "a block of wording.toml")
        if profile.target is None and "B-TARGET" not in profile.blocks_left_out:
            raise GuidanceError(PROFILES, f"{key}.target", None, "a target, or B-TARGET among blocks_left_out")
    for name, overlay in overlays.items():
        pairs = [overlay.deficient_below, overlay.insufficient_below]
        _rising_pairs(PROFILES, f"overlay.{name}", pairs, VITAMIN_D_UNITS)


def limits(found: Limits) -> None:
    """Edges rise; the printed mg/dL and mEq/L of magnesium are its mmol/L converted."""
    mg, ca = found.mg, found.calcium
    cuts = {
        "severe": mg.severe, "low": mg.low, "latent": mg.latent, "normal_to": mg.normal_to, "very_high": mg.very_high,
    }  # fmt: skip
    _rising(LIMITS, "mg (mmol/L)", [cut.mmol_L for cut in cuts.values()])
    for name, cut in cuts.items():
        _printed(f"mg.{name}", cut)
    _rising_pairs(LIMITS, "calcium", [ca.very_low, ca.low, ca.ckd_stop, ca.high, ca.severe], CALCIUM_UNITS)
    _rising_pairs(LIMITS, "calcium.ionised", [ca.ionised_very_low, ca.ionised_low, ca.ionised_high], CALCIUM_UNITS)


def orders(drugs: Mapping[str, DrugOrder], labs: Mapping[str, LabOrderText], found: Mapping[str, Profile]) -> None:
    """Doses are within the ceilings; every order the logic drafts is there."""
    for name, order in drugs.items():
        _dose(name, order)
        if (order.weeks is None) == (order.supply_days is None):
            raise GuidanceError(ORDERS, f"drug.{name}", name, "either weeks or supply_days")
    for name in DRUGS:
        if name not in drugs:
            raise GuidanceError(ORDERS, f"drug.{name}", None, "an entry: it is missing, and the logic orders it")
    for code in LABS:
        if code not in labs:
            raise GuidanceError(ORDERS, f"lab.{code}", None, "an entry: it is missing, and the logic orders it")
    for name, profile in found.items():
        step_down = profile.step_down_order
        if step_down is not None and step_down not in drugs:
            raise GuidanceError(PROFILES, f"profile.{name}.step_down_order", step_down, "a drug of orders.toml")


def _dose(name: str, order: DrugOrder) -> None:
    if order.atc.startswith(VITAMIN_D_ATC):
        unit, most = "IU", MOST_DAILY_IU if order.period_unit == "d" else MOST_SINGLE_IU
    else:
        unit, most = "mg", MOST_MAGNESIUM_MG
    if order.unit != unit:
        raise GuidanceError(ORDERS, f"drug.{name}.unit", order.unit, unit)
    if not 0 < order.dose <= most:
        raise GuidanceError(ORDERS, f"drug.{name}.dose", order.dose, f"more than 0 and at most {most} {unit}")


def evidence(found: Mapping[str, Evidence]) -> None:
    """A verified source has an https address to link to."""
    for key, source in found.items():
        if source.verified and not (source.url or "").startswith("https://"):
            expected = "an https address, or verified = false"
            raise GuidanceError("evidence.toml", f"source.{key}.url", source.url, expected)


def cards(found: Mapping[str, CardEntry], sources: Mapping[str, Evidence]) -> None:
    """The catalogue is complete; its blocks and links exist."""
    for name in ORDER:
        if name not in found:
            raise GuidanceError("cards.toml", f"card.{name}", None, "an entry: it is missing")
    for name, card in found.items():
        if name not in ORDER:
            raise GuidanceError("cards.toml", f"card.{name}", name, "a card of the catalogue")
        for block in card.blocks:
            if block not in BLOCKS:
                raise GuidanceError("cards.toml", f"card.{name}.blocks", block, "a block of wording.toml")
        for link in (*card.links, *card.obesity_links):
            if link not in sources:
                raise GuidanceError("cards.toml", f"card.{name}.links", link, "a source of evidence.toml")


def feedback(found: Feedback, cards: Mapping[str, CardEntry]) -> None:
    """Every card's topic has reasons; what is named exists; nothing is quiet for more than 90 days."""
    topics = {card.topic for card in cards.values()}
    for topic in sorted(topics - found.topic.keys()):
        raise GuidanceError(FEEDBACK, f"topic.{topic}", None, "an entry: it is missing")
    for name, reason in found.reason.items():
        _quiet_days(f"reason.{name}.days", reason.days)
    for topic, entry in found.topic.items():
        key = f"topic.{topic}"
        if topic not in topics:
            raise GuidanceError(FEEDBACK, key, topic, "a topic of cards.toml")
        _among(f"{key}.reasons", entry.reasons, found.reason)
        _among(f"{key}.days", entry.days, entry.reasons)
        _among(f"{key}.also", entry.also, found.topic)
        if not entry.reasons:
            raise GuidanceError(FEEDBACK, f"{key}.reasons", "none", "one reason or more")
        for name, days in entry.days.items():
            _quiet_days(f"{key}.days.{name}", days)
        if not entry.never:
            _quiet_days(f"{key}.accepted_days", entry.accepted_days)
        if any(found.topic[milder].never for milder in entry.also):
            raise GuidanceError(FEEDBACK, f"{key}.also", ", ".join(entry.also), "no topic that is never quiet")


def _among(key: str, names: Iterable[str], known: Container[str]) -> None:
    for name in names:
        if name not in known:
            raise GuidanceError(FEEDBACK, key, name, "a name that is defined")


def _quiet_days(key: str, days: int) -> None:
    if not 1 <= days <= MOST_QUIET_DAYS:
        raise GuidanceError(FEEDBACK, key, days, f"from 1 to {MOST_QUIET_DAYS} days")


LONGEST = {"hold.": 45, "problem.": 45, "trigger.": 55}
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


def _rising(file: str, key: str, values: list[Decimal]) -> None:
    if any(lower > upper for lower, upper in pairwise(values)):
        raise GuidanceError(file, key, ", ".join(map(str, values)), "edges in rising order")


def _rising_pairs(file: str, key: str, pairs: list[Pair | None], units: tuple[str, str]) -> None:
    there = [pair for pair in pairs if pair is not None]
    _rising(file, f"{key} ({units[0]})", [pair.mass for pair in there])
    _rising(file, f"{key} ({units[1]})", [pair.molar for pair in there])


def _printed(key: str, cut: Cut) -> None:
    if abs(cut.mmol_L * MG_PER_MMOL - cut.mg_dL) > PRINTED_SLACK:
        raise GuidanceError(LIMITS, f"{key}.mg_dL", cut.mg_dL, f"{cut.mmol_L} mmol/L in mg/dL, to two decimals")
    if cut.mmol_L * VALENCE != cut.mEq_L:
        raise GuidanceError(LIMITS, f"{key}.mEq_L", cut.mEq_L, f"{cut.mmol_L} mmol/L in mEq/L, twice the number")
