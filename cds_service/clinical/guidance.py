"""Loads and checks `guidance/`: a bad file stops the program with file, key, value and what was expected."""

from __future__ import annotations

import string
import tomllib
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cds_service.clinical.display import ORDER
from cds_service.clinical.guidance_types import (
    CardEntry,
    DrugOrder,
    Evidence,
    Guidance,
    LabOrderText,
    Limits,
    Names,
    Overlay,
    Profile,
    Provenance,
)
from cds_service.clinical.labs import ANALYTE_OF_DRAFT
from cds_service.clinical.phrases import BLOCKS, PHRASES
from cds_service.clinical.toml_table import build, convert
from cds_service.errors import GuidanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.clinical.guidance_types import Cut, Pair

T = TypeVar("T")

FOLDER = Path(__file__).parent / "guidance"
DEFAULT_PROFILE, DEFAULT_OVERLAY = "magnesium-aware", "kdoqi-2003"
MOST_DAILY_IU, MOST_SINGLE_IU = 4_000, 50_000
"""No order exceeds 4,000 IU daily or 50,000 IU as a single dose (section 2); not a guideline's number to edit."""
MG_PER_MMOL, VALENCE, PRINTED_SLACK = Decimal("2.4305"), 2, Decimal("0.01")


def load(profile: str = DEFAULT_PROFILE, overlay: str = DEFAULT_OVERLAY, folder: Path = FOLDER) -> Guidance:
    """Read and check every guidance file of *folder* and put *profile* and *overlay* in force.

    Raises:
        GuidanceError: a file is missing or wrong, or there is no such profile or overlay.
    """
    profiles = _tables(folder, "profiles.toml", "profile", Profile)
    overlays = _tables(folder, "profiles.toml", "overlay", Overlay, others=("profile",))
    for name, entry in profiles.items():
        _check_profile(name, entry)
    limits = build(Limits, _read(folder, "limits.toml"), "limits.toml", "limits")
    _check_magnesium(limits)
    drugs = _tables(folder, "orders.toml", "drug", DrugOrder, others=("lab",))
    labs = _tables(folder, "orders.toml", "lab", LabOrderText, others=("drug",))
    _check_orders(drugs, labs, profiles)
    evidence = _tables(folder, "evidence.toml", "source", Evidence, others=("provenance",))
    _check_evidence(evidence)
    cards = _tables(folder, "cards.toml", "card", CardEntry)
    _check_cards(cards, evidence)
    wording = _wording(folder, profiles)
    return Guidance(
        profile_name=profile,
        profile=_named(profiles, profile, "profile"),
        overlay=_named(overlays, overlay, "overlay"),
        limits=limits,
        cards=cards,
        drugs=drugs,
        labs=labs,
        wording=_for_profile(wording, profile),
        evidence=evidence,
        provenance=build(Provenance, _read(folder, "evidence.toml").get("provenance"), "evidence.toml", "provenance"),
        names=build(Names, _read(folder, "names.toml"), "names.toml", "names"),
        always_blocks=_always(folder),
    )


def profiles_known(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of the profiles there are."""
    return tuple(_tables(folder, "profiles.toml", "profile", Profile, others=("overlay",)))


def _read(folder: Path, file: str) -> dict[str, object]:
    try:
        with (folder / file).open("rb") as stream:
            return tomllib.load(stream, parse_float=Decimal)
    except FileNotFoundError as error:
        raise GuidanceError(file, "(file)", str(folder), "the file to be there") from error
    except tomllib.TOMLDecodeError as error:
        raise GuidanceError(file, "(file)", str(error), "valid TOML") from error


def _tables(
    folder: Path, file: str, key: str, cls: type[T], others: tuple[str, ...] = ("profile", "overlay")
) -> dict[str, T]:
    data = _read(folder, file)
    for name in data:
        if name != key and name not in others:
            raise GuidanceError(file, name, "...", f"only {key} and {', '.join(others)} tables")
    found: dict[str, T] = convert(dict[str, cls], data.get(key), file, key)  # type: ignore[valid-type]
    return found


def _named(tables: Mapping[str, T], name: str, what: str) -> T:
    if name not in tables:
        raise GuidanceError("profiles.toml", what, name, f"one of {', '.join(tables)}")
    return tables[name]


def _rising(file: str, key: str, values: list[Decimal]) -> None:
    if any(lower > upper for lower, upper in pairwise(values)):
        raise GuidanceError(file, key, ", ".join(map(str, values)), "edges in rising order")


def _check_profile(name: str, profile: Profile) -> None:
    pairs: list[Pair] = [profile.deficient_below]
    pairs += [pair for pair in (profile.indicated_below, profile.insufficient_below) if pair is not None]
    pairs += [profile.adequate_to, profile.high_to]
    _rising("profiles.toml", f"profile.{name} (ng/mL)", [pair.mass for pair in pairs])
    _rising("profiles.toml", f"profile.{name} (nmol/L)", [pair.molar for pair in pairs])
    for block in profile.blocks_left_out:
        if block not in BLOCKS:
            raise GuidanceError("profiles.toml", f"profile.{name}.blocks_left_out", block, "a block of wording.toml")
    if profile.says_target and profile.target is None:
        raise GuidanceError("profiles.toml", f"profile.{name}.target", None, "a target, since says_target is true")


def _check_magnesium(limits: Limits) -> None:
    """Edges rise, and the printed mg/dL and mEq/L are the mmol/L converted."""
    mg = limits.mg
    cuts = {"severe": mg.severe, "low": mg.low, "latent": mg.latent, "normal_to": mg.normal_to}
    cuts["very_high"] = mg.very_high
    _rising("limits.toml", "mg (mmol/L)", [cut.mmol_L for cut in cuts.values()])
    for name, cut in cuts.items():
        _check_printed(f"mg.{name}", cut)


def _check_printed(key: str, cut: Cut) -> None:
    if abs(cut.mmol_L * MG_PER_MMOL - cut.mg_dL) > PRINTED_SLACK:
        raise GuidanceError("limits.toml", f"{key}.mg_dL", cut.mg_dL, f"{cut.mmol_L} mmol/L in mg/dL, to two decimals")
    if cut.mmol_L * VALENCE != cut.mEq_L:
        raise GuidanceError("limits.toml", f"{key}.mEq_L", cut.mEq_L, f"{cut.mmol_L} mmol/L in mEq/L, twice the number")


def _check_orders(
    drugs: Mapping[str, DrugOrder], labs: Mapping[str, LabOrderText], profiles: Mapping[str, Profile]
) -> None:
    for name, order in drugs.items():
        most = MOST_DAILY_IU if order.period_unit == "d" else MOST_SINGLE_IU
        if order.unit == "IU" and order.dose > most:
            raise GuidanceError("orders.toml", f"drug.{name}.dose", order.dose, f"at most {most} IU")
        if (order.weeks is None) == (order.supply_days is None):
            raise GuidanceError("orders.toml", f"drug.{name}", name, "either weeks or supply_days")
    for name, profile in profiles.items():
        if profile.step_down_order is not None and profile.step_down_order not in drugs:
            key = f"profile.{name}.step_down_order"
            raise GuidanceError("profiles.toml", key, profile.step_down_order, "a drug of orders.toml")
    for code in ANALYTE_OF_DRAFT:
        if code not in labs:
            raise GuidanceError("orders.toml", f"lab.{code}", None, "an entry: the logic orders it")


def _check_evidence(evidence: Mapping[str, Evidence]) -> None:
    for key, source in evidence.items():
        if source.verified and not (source.url or "").startswith("https://"):
            raise GuidanceError(
                "evidence.toml", f"source.{key}.url", source.url, "an https address, or verified = false"
            )


def _check_cards(cards: Mapping[str, CardEntry], evidence: Mapping[str, Evidence]) -> None:
    for name in ORDER:
        if name not in cards:
            raise GuidanceError("cards.toml", f"card.{name}", None, "an entry: it is missing")
    for name, card in cards.items():
        if name not in ORDER:
            raise GuidanceError("cards.toml", f"card.{name}", name, "a card of the catalogue")
        for block in card.blocks:
            if block not in BLOCKS:
                raise GuidanceError("cards.toml", f"card.{name}.blocks", block, "a block of wording.toml")
        for link in (*card.links, *card.obesity_links):
            if link not in evidence:
                raise GuidanceError("cards.toml", f"card.{name}.links", link, "a source of evidence.toml")


def _wording(folder: Path, profiles: Mapping[str, Profile]) -> dict[str, str]:
    """Every text by its dotted key; each one the program knows, with no value it is not given."""
    file = "wording.toml"
    data = _read(folder, file)
    data.pop("always", None)
    tables: dict[str, dict[str, str]] = convert(dict[str, dict[str, str]], data, file, "wording")
    texts = {f"{table}.{key}": text for table, entries in tables.items() for key, text in entries.items()}
    for key, text in texts.items():
        name, _, profile = key.partition("@")
        if name not in PHRASES or (profile and profile not in profiles):
            raise GuidanceError(file, key, text, "a text the program knows")
        _check_text(file, key, text, PHRASES[name].fields)
    for key in PHRASES:
        if key not in texts:
            raise GuidanceError(file, key, None, "a text: it is missing")
    return texts


def _check_text(file: str, key: str, text: str, fields: frozenset[str]) -> None:
    try:
        used = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise GuidanceError(file, key, text, "braces in pairs") from error
    if not used <= fields:
        known = ", ".join(sorted(fields)) or "none"
        raise GuidanceError(file, key, text, f"only these values in braces: {known}")


def _for_profile(texts: Mapping[str, str], profile: str) -> dict[str, str]:
    """The texts with those of *profile* in place of the general ones."""
    chosen = {key: text for key, text in texts.items() if "@" not in key}
    return chosen | {key.partition("@")[0]: text for key, text in texts.items() if key.endswith(f"@{profile}")}


def _always(folder: Path) -> frozenset[str]:
    table = _read(folder, "wording.toml").get("always")
    blocks: dict[str, tuple[str, ...]] = convert(dict[str, tuple[str, ...]], table, "wording.toml", "always")
    for block in blocks.get("blocks", ()):
        if block not in BLOCKS:
            raise GuidanceError("wording.toml", "always.blocks", block, "a block")
    return frozenset(f"block.{block}" for block in blocks.get("blocks", ()))
