"""What stands behind the cards: the page of a topic and the source attributes, made from the guidance (`card-text`).

Each page is JSON that a template can show: what it says is the same for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from cds_service.clinical.guidance_types import Guidance, Profile
from cds_service.clinical.limits import Cut, Pair
from cds_service.clinical.numbers import plain
from cds_service.guidance.text_numbers import said

Json = dict[str, Any]
CALCIUM_UNITS, VITAMIN_D_UNITS = ("mg/dL", "mmol/L"), ("ng/mL", "nmol/L")
PREFIXES = {"G-DUP(D)": "gate.G-DUP-D", "G-DUP(Mg)": "gate.G-DUP-Mg"}


def topics(guidance: Guidance) -> Json:
    """Every topic and what it is called: those of an open chart, then those of orders."""
    return {
        "chart": {card.topic: card.display for card in guidance.cards.values()},
        "order": {card.topic: card.display for card in guidance.order_cards.values()},
    }


def topic_page(guidance: Guidance, topic: str) -> Json:
    """The page of *topic* by the profile in force.

    Raises:
        KeyError: there is no such topic.
    """
    found = guidance.topics
    entry = found.topic[topic]
    entries = {**guidance.cards, **guidance.order_cards}
    ids = [name for name, one in entries.items() if one.topic == topic]
    card = entries[ids[0]]
    values = _values(guidance)
    left_out = guidance.profile.blocks_left_out
    shown = [name for name in found.blocks_of(topic) if name not in left_out]
    blocks = [
        {
            "id": name,
            "text": found.block[name].text_in(guidance.profile_name).format_map(values),
            "sources": list(found.block[name].links),
        }
        for name in shown
    ]
    thresholds = [row for kind in entry.thresholds for row in _thresholds(guidance, kind)]
    sources = [*card.links, *(key for name in shown for key in found.block[name].links)]
    sources += [key for row in thresholds for key in guidance.evidence if key in row["source"]]
    return {
        "topic": topic,
        "title": card.display,
        "card": ", ".join(ids),
        "profile": guidance.profile_name,
        "when": entry.when.format_map(values),
        "says": entry.says.format_map(values),
        "aim": found.page.aim,
        "thresholds": thresholds,
        "rows": [
            {"row": name, "source": row.source}
            for name, row in guidance.order_rows.each()
            if name in ids and row.has_numbers
        ],
        "background": blocks,
        "profiles": [_side_by_side(name, profile, guidance) for name, profile in guidance.profiles.items()],
        "withheld": [_withheld(guidance, plan) for plan in entry.withheld],
        "noneWithheld": "" if entry.withheld else found.page.none_withheld,
        "notLookedAt": list(found.page.not_looked_at),
        "sources": _sources(guidance, sources),
        "article": {**_article(guidance), "note": found.page.article},
        "guidance": _edition(guidance),
        "disclaimer": list(found.page.disclaimer),
    }


def attributes_page(guidance: Guidance) -> Json:
    """The source attributes of this service, numbered as the rule has them."""
    found = guidance.attributes
    return {
        "title": "Source attributes",
        "rule": found.rule,
        "attributes": [
            {"number": number, "name": one.name, "value": one.value} for number, one in enumerate(found.attribute, 1)
        ],
        "notPredictive": found.not_predictive,
        "notCertified": found.not_certified,
        "sources": _sources(guidance, guidance.evidence),
        "article": {**_article(guidance), "note": guidance.topics.page.article},
        "guidance": _edition(guidance),
        "disclaimer": list(guidance.topics.page.disclaimer),
    }


def _values(guidance: Guidance) -> dict[str, str]:
    profile = guidance.profile
    return {
        "target": _both(profile.target or profile.deficient_below, VITAMIN_D_UNITS),
        "maint": profile.maintenance,
        "floor": _both(guidance.limits.vitamin_d.floor, VITAMIN_D_UNITS),
    }


def _both(pair: Pair, units: tuple[str, str]) -> str:
    """A limit in both units: 20 ng/mL (50 nmol/L)."""
    return f"{plain(Decimal(pair.mass))} {units[0]} ({plain(Decimal(pair.molar))} {units[1]})"


def _magnesium(cut: Cut) -> str:
    return f"{plain(cut.mmol_L)} mmol/L ({plain(cut.mg_dL)} mg/dL)"


def _thresholds(guidance: Guidance, kind: str) -> list[Json]:
    """The cut-offs of one *kind*, and whose they are."""
    limits = guidance.limits
    rows, source = {
        "vitamin-d": (_vitamin_d(guidance.profile), guidance.profile.source),
        "floor": (
            [("very low, in every profile, below", _both(limits.vitamin_d.floor, VITAMIN_D_UNITS))],
            limits.vitamin_d.source,
        ),
        "magnesium": (
            [
                ("severely low below", _magnesium(limits.mg.severe)),
                ("low below", _magnesium(limits.mg.low)),
                ("low-normal below (a proposal, in no practice guideline)", _magnesium(limits.mg.latent)),
                ("in range up to", _magnesium(limits.mg.normal_to)),
                ("very high from", _magnesium(limits.mg.very_high)),
            ],
            limits.mg.source,
        ),
        "calcium": (
            [
                ("high above", _both(limits.calcium.high, CALCIUM_UNITS)),
                ("high in CKD G3 or worse above", _both(limits.calcium.ckd_stop, CALCIUM_UNITS)),
                ("severely high from", _both(limits.calcium.severe, CALCIUM_UNITS)),
                ("low below", _both(limits.calcium.low, CALCIUM_UNITS)),
                ("very low below", _both(limits.calcium.very_low, CALCIUM_UNITS)),
            ],
            limits.calcium.source,
        ),
        "phosphate": (
            [("high in CKD G3 and G4 above", _both(limits.phosphate.limit, CALCIUM_UNITS))],
            limits.phosphate.source,
        ),
        "potassium": ([("low below", f"{plain(Decimal(limits.potassium.low_below))} mmol/L")], limits.potassium.source),
        "kidney": (
            [
                ("eGFR for optional magnesium from", f"{limits.kidney.adjunct_from} mL/min/1.73 m2"),
                ("no magnesium at an eGFR below", f"{limits.kidney.g4_below} mL/min/1.73 m2"),
                ("magnesium a day at a reduced eGFR at most", f"{limits.kidney.reduced_magnesium_mg} mg elemental"),
            ],
            limits.kidney.source,
        ),
    }[kind]
    analyte = {"vitamin-d": "25(OH)D", "floor": "25(OH)D"}.get(kind, kind)
    return [{"of": analyte, "name": name, "value": value, "source": source} for name, value in rows]


def _vitamin_d(profile: Profile) -> list[tuple[str, str]]:
    bands = {
        "deficient below": profile.deficient_below,
        "with an established indication deficient below": profile.indicated_below,
        "insufficient below": profile.insufficient_below,
        "adequate up to": profile.adequate_to,
        "high up to, possibly toxic above": profile.high_to,
    }
    return [(name, _both(pair, VITAMIN_D_UNITS)) for name, pair in bands.items() if pair is not None]


def _side_by_side(name: str, profile: Profile, guidance: Guidance) -> Json:
    """What *profile* would say."""
    order = profile.step_down_order
    return {
        "profile": name,
        "inForce": name == guidance.profile_name,
        "deficientBelow": _both(profile.deficient_below, VITAMIN_D_UNITS),
        "target": "none" if profile.target is None else _both(profile.target, VITAMIN_D_UNITS),
        "deficiencyOrders": profile.deficiency_orders,
        "maintenance": f"{profile.maintenance} IU daily",
        "atTarget": "no order" if order is None else f"D3 {said(guidance.drugs[order].dose)} IU daily",
        "optionalMagnesium": "yes" if profile.adjunct_magnesium else "no",
    }


def _withheld(guidance: Guidance, plan: str) -> Json:
    """What is withheld, by each gate with its reasons as cards say them, and why."""
    found = guidance.topics
    gates = [
        {"gate": gate, "when": list(_reasons(guidance, gate)), "why": found.gate[gate]}
        for gate in found.plan[plan].gates
    ]
    return {"what": found.plan[plan].what, "gates": gates}


def _reasons(guidance: Guidance, gate: str) -> Iterator[str]:
    prefix = PREFIXES.get(gate, f"gate.{gate}")
    for key, text in guidance.wording.items():
        if (
            key == prefix
            or key.startswith(f"{prefix}.")
            or (gate == "G-HOLD" and key.startswith("hold.") and key != "hold.all")
        ):
            yield text.replace("{v} {u}{on}", "the result").replace("{n}", "some")


def _sources(guidance: Guidance, keys: Iterable[str]) -> list[Json]:
    """Every source once; one whose address is still to be checked has none."""
    found = []
    for key in dict.fromkeys(keys):
        source = guidance.evidence[key]
        found.append({"key": key, "citation": source.citation, "url": source.url if source.verified else None})
    return found


def _article(guidance: Guidance) -> Json:
    article = guidance.provenance
    return {
        "title": article.title, "publisher": article.publisher, "date": article.date, "review": article.reviewStatus,
        "stages": article.note,
    }  # fmt: skip


def _edition(guidance: Guidance) -> Json:
    edition = guidance.topics.edition
    return {
        "version": edition.version, "date": edition.date, "files": guidance.digest, "review": edition.review,
        "service": version("vitamin-d-magnesium-cds"),
    }  # fmt: skip
