"""Loads and checks the guidance beside it: a bad file stops the program with file, key, value and what was expected."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from cds_service.clinical.guidance_types import (
    Attributes,
    CardEntry,
    DrugEntry,
    Evidence,
    Feedback,
    Guidance,
    LabOrderText,
    Names,
    Orderable,
    OrderForm,
    Overlay,
    OwnNumbers,
    Profile,
    Provenance,
    Topics,
)
from cds_service.clinical.limits import CardRules, Limits
from cds_service.clinical.order_limits import OrderRows, OrderTopic
from cds_service.clinical.words.phrases import PHRASES
from cds_service.errors import GuidanceError
from cds_service.guidance import checks, limit_checks, orderables, overrides
from cds_service.guidance.drug_orders import build_orders
from cds_service.guidance.overrides import NO_LOCAL, Local
from cds_service.guidance.text_numbers import OWN, fill, number_names
from cds_service.guidance.toml_table import Files, build, convert, read_toml

T = TypeVar("T")

FOLDER = Path(__file__).parent
TABLES = {
    "limits.toml": (),
    "profiles.toml": ("profile", "overlay"),
    "orders.toml": ("form", "drug", "lab"),
    "orderables.toml": ("drug", "lab"),
    "evidence.toml": ("source", "provenance"),
    "cards.toml": ("card",),
    "order_rows.toml": ("topic", "row"),
    "topics.toml": (),
    "attributes.toml": (),
    "feedback.toml": (),
    "wording.toml": (),
    "names.toml": (),
}
"""Every file; of those that hold tables of several kinds, the kinds."""
DEFAULT_PROFILE, DEFAULT_OVERLAY = "magnesium-aware", "kdoqi-2003"


def load(
    profile: str = DEFAULT_PROFILE, overlay: str = DEFAULT_OVERLAY, folder: Path = FOLDER, local: Local = NO_LOCAL
) -> Guidance:
    """Read and check every guidance file of *folder* and put *profile* and *overlay* in force.

    *local* guidance is laid over them first, and has to pass the same checks.

    Raises:
        GuidanceError: a file is missing or wrong, or there is no such profile or overlay.
    """
    files = _read(folder)
    if not local.overrides:
        return _build(files, profile, overlay, _digest(folder))
    try:
        found = _build(local.laid_over(files), profile, overlay, _digest(folder))
    except GuidanceError as error:
        raise overrides.blamed(error, local) from error
    return found.changed(local_digest=local.digest)


def read_local(folder: Path | None, today: date) -> Local:
    """The local guidance in *folder*, if there is one, none of it approved after *today*.

    Raises:
        GuidanceError: something in the folder is no override of a shipped key.
    """
    return NO_LOCAL if folder is None else overrides.read(folder, _read(FOLDER), today)


def _read(folder: Path) -> Files:
    return {file: read_toml(folder / file, file) for file in TABLES}


def _build(files: Files, profile: str, overlay: str, digest: str) -> Guidance:
    limits = build(Limits, files["limits.toml"], "limits.toml", "")
    limit_checks.limits(limits)
    profiles = _tables(files, "profiles.toml", "profile", Profile)
    overlays = _tables(files, "profiles.toml", "overlay", Overlay)
    limit_checks.profiles(profiles, overlays, limits)
    entries = _tables(files, "orders.toml", "drug", DrugEntry)
    drugs = build_orders(entries, _tables(files, "orders.toml", "form", OrderForm))
    checks.orders(drugs, limits, profiles)
    labs = _tables(files, "orders.toml", "lab", LabOrderText)
    checks.labs(labs)
    orders_of_site = _orderables(files)
    orderables.check(orders_of_site, {*(f"drug.{name}" for name in drugs), *(f"lab.{name}" for name in labs)})
    evidence = _tables(files, "evidence.toml", "source", Evidence)
    checks.evidence(evidence)
    rows = _order_rows(files)
    order_topics = _tables(files, "order_rows.toml", "topic", OrderTopic)
    checks.order_rows(rows, order_topics, evidence)
    order_cards = {
        name: CardEntry(row.topic, order_topics[row.topic].display, links=order_topics[row.topic].links)
        for name, row in rows.each()
    }
    numbers = number_names(limits, entries, rows)
    cards = _cards(files, numbers)
    topics = _topics(files, numbers, cards)
    checks.cards(cards, evidence)
    checks.topics(topics, [*cards.values(), *order_cards.values()], evidence, profiles)
    feedback = _feedback(files, cards)
    checks.feedback(feedback, cards, order_cards)
    return Guidance(
        profile_name=profile,
        profile=_named(profiles, profile, "profile"),
        overlay=_named(overlays, overlay, "overlay"),
        limits=limits,
        cards=cards,
        topics=topics,
        attributes=build(Attributes, files["attributes.toml"], "attributes.toml", ""),
        drugs=drugs,
        labs=labs,
        wording=_for_profile(_wording(files, profiles, numbers, limits.card), profile) | checks.summaries(cards),
        evidence=evidence,
        provenance=build(Provenance, files["evidence.toml"].get("provenance"), "evidence.toml", "provenance"),
        names=build(Names, files["names.toml"], "names.toml", ""),
        feedback=feedback,
        order_rows=rows,
        order_cards=order_cards,
        profiles=profiles,
        overlays=overlays,
        orderables=orders_of_site,
        digest=digest,
    )


def _tables(files: Files, file: str, key: str, cls: type[T]) -> dict[str, T]:
    """The tables of one kind, by name."""
    for name in files[file]:
        if name not in TABLES[file]:
            raise GuidanceError(file, name, "...", f"only these tables: {', '.join(TABLES[file])}")
    found: dict[str, T] = convert(dict[str, cls], files[file].get(key), file, key)  # type: ignore[valid-type]
    return found


def _orderables(files: Files) -> dict[str, Orderable]:
    """What the site calls our orders, by their keys."""
    return {
        f"{kind}.{name}": entry
        for kind in TABLES[orderables.FILE]
        for name, entry in _tables(files, orderables.FILE, kind, Orderable).items()
    }


def _order_rows(files: Files) -> OrderRows:
    return build(OrderRows, files["order_rows.toml"].get("row"), "order_rows.toml", "row")


def _cards(files: Files, numbers: Mapping[str, str]) -> dict[str, CardEntry]:
    file = "cards.toml"

    def filled(key: str, text: str) -> str:
        return fill(file, f"card.{key}", text, numbers)

    found = {}
    for name, card in _tables(files, file, "card", CardEntry).items():
        texts: dict[str, Any] = {one: filled(f"{name}.{one}", getattr(card, one)) for one in ("display", "summary")}
        if (about := card.about) is not None:
            when, says = filled(f"{name}.about.when", about.when), filled(f"{name}.about.says", about.says)
            texts["about"] = about.changed(when=when, says=says)
        found[name] = card.changed(**texts)
    return found


def _at_cards(file: str, topics: dict[str, T], own: Mapping[str, T | None]) -> dict[str, T]:
    """The *topics* of *file*, and those that have an entry of their *own* at a card."""
    at_cards = {topic: entry for topic, entry in own.items() if entry is not None}
    for topic in at_cards.keys() & topics.keys():
        raise GuidanceError(file, f"topic.{topic}", "...", "no entry: it has one in cards.toml")
    return topics | at_cards


def _feedback(files: Files, cards: Mapping[str, CardEntry]) -> Feedback:
    found = build(Feedback, files["feedback.toml"], "feedback.toml", "")
    own = {card.topic: card.feedback for card in cards.values()}
    return found.changed(topic=_at_cards("feedback.toml", found.topic, own))


def _with_own(files: Files, file: str) -> tuple[dict[str, Any], dict[str, OwnNumbers]]:
    """The tables of *file*, and the numbers that its texts have of their own, by the key of the text."""
    own: dict[str, OwnNumbers] = convert(dict[str, OwnNumbers], files[file].get(OWN), file, OWN)
    return {name: table for name, table in files[file].items() if name != OWN}, own


def _all_met(file: str, own: Mapping[str, OwnNumbers], texts: Collection[str]) -> None:
    for key in own:
        if key not in texts:
            raise GuidanceError(file, f"{OWN}.{key}", key, "the key of a text")


NO_TEXT = ("groups", "topics", "links", "gates", "thresholds", "withheld", "edition")
"""Entries of `topics.toml` that are names and not words."""


def _topics(files: Files, numbers: Mapping[str, str], cards: Mapping[str, CardEntry]) -> Topics:
    """`topics.toml` with the numbers that its texts take."""
    file = "topics.toml"
    data, own = _with_own(files, file)
    met: set[str] = set()

    def filled(value: object, key: str) -> object:
        if isinstance(value, dict):
            return {name: item if name in NO_TEXT else filled(item, f"{key}.{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [filled(item, key) for item in value]
        met.add(key)
        return fill(file, key, value, numbers, own.get(key)) if isinstance(value, str) else value

    found = build(Topics, {name: filled(v, name) if name not in NO_TEXT else v for name, v in data.items()}, file, "")
    _all_met(file, own, met)
    return found.changed(topic=_at_cards(file, found.topic, {card.topic: card.about for card in cards.values()}))


def _named(tables: Mapping[str, T], name: str, what: str) -> T:
    if name not in tables:
        raise GuidanceError("profiles.toml", what, name, f"one of {', '.join(tables)}")
    return tables[name]


def _wording(
    files: Files, profiles: Mapping[str, Profile], numbers: Mapping[str, str], rules: CardRules
) -> dict[str, str]:
    """Every text by its dotted key, with the numbers it takes; each one the program knows, with no value not given."""
    file = "wording.toml"
    data, own = _with_own(files, file)
    tables: dict[str, dict[str, str]] = convert(dict[str, dict[str, str]], data, file, "")
    texts = {f"{table}.{key}": text for table, entries in tables.items() for key, text in entries.items()}
    _all_met(file, own, texts)
    for key, text in texts.items():
        name, _, profile = key.partition("@")
        if name not in PHRASES or (profile and profile not in profiles):
            raise GuidanceError(file, key, text, "a text the program knows")
        texts[key] = fill(file, key, text, numbers, own.get(key))
        checks.text(file, key, texts[key], PHRASES[name])
        checks.bullet(file, key, texts[key], rules.bullet_words)
    for key in PHRASES:
        if key not in texts:
            raise GuidanceError(file, key, None, "a text: it is missing")
    return texts


def _for_profile(texts: Mapping[str, str], profile: str) -> dict[str, str]:
    """The texts with those of *profile* in place of the general ones."""
    chosen = {key: text for key, text in texts.items() if "@" not in key}
    return chosen | {key.partition("@")[0]: text for key, text in texts.items() if key.endswith(f"@{profile}")}


def _digest(folder: Path) -> str:
    """What tells one state of the files from another."""
    found = hashlib.sha256()
    for file in sorted(folder.glob("*.toml")):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:12]
