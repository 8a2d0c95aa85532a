"""Loads and checks `guidance/`: a bad file stops the program with file, key, value and what was expected."""

from __future__ import annotations

import hashlib
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cds_service.clinical import guidance_checks as checks
from cds_service.clinical.guidance_types import (
    CardEntry,
    DrugOrder,
    Evidence,
    Feedback,
    Guidance,
    LabOrderText,
    Names,
    Overlay,
    Profile,
    Provenance,
)
from cds_service.clinical.limit_types import Limits
from cds_service.clinical.phrases import BLOCKS, PHRASES
from cds_service.clinical.toml_table import build, convert
from cds_service.errors import GuidanceError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

FOLDER = Path(__file__).parent / "guidance"
DEFAULT_PROFILE, DEFAULT_OVERLAY = "magnesium-aware", "kdoqi-2003"


def load(profile: str = DEFAULT_PROFILE, overlay: str = DEFAULT_OVERLAY, folder: Path = FOLDER) -> Guidance:
    """Read and check every guidance file of *folder* and put *profile* and *overlay* in force.

    Raises:
        GuidanceError: a file is missing or wrong, or there is no such profile or overlay.
    """
    profiles = _tables(folder, "profiles.toml", "profile", Profile)
    overlays = _tables(folder, "profiles.toml", "overlay", Overlay, others=("profile",))
    checks.profiles(profiles, overlays)
    limits = build(Limits, _read(folder, "limits.toml"), "limits.toml", "limits")
    checks.limits(limits)
    drugs = _tables(folder, "orders.toml", "drug", DrugOrder, others=("lab",))
    labs = _tables(folder, "orders.toml", "lab", LabOrderText, others=("drug",))
    checks.orders(drugs, labs, profiles)
    evidence = _tables(folder, "evidence.toml", "source", Evidence, others=("provenance",))
    checks.evidence(evidence)
    cards = _tables(folder, "cards.toml", "card", CardEntry)
    checks.cards(cards, evidence)
    feedback = build(Feedback, _read(folder, "feedback.toml"), "feedback.toml", "feedback")
    checks.feedback(feedback, cards)
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
        feedback=feedback,
        always_blocks=_always(folder),
        digest=_digest(folder),
    )


def profiles_known(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of the profiles there are."""
    return tuple(_tables(folder, "profiles.toml", "profile", Profile, others=("overlay",)))


def overlays_known(folder: Path = FOLDER) -> tuple[str, ...]:
    """The names of the overlays there are."""
    return tuple(_tables(folder, "profiles.toml", "overlay", Overlay, others=("profile",)))


def _read(folder: Path, file: str) -> dict[str, object]:
    try:
        with (folder / file).open("rb") as stream:
            return tomllib.load(stream, parse_float=Decimal)
    except FileNotFoundError as error:
        raise GuidanceError(file, "(file)", str(folder), "the file to be there") from error
    except tomllib.TOMLDecodeError as error:
        raise GuidanceError(file, "(file)", str(error), "valid TOML") from error
    except UnicodeDecodeError as error:
        raise GuidanceError(file, "(file)", f"byte {error.start} is not UTF-8", "valid TOML") from error


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
        checks.text(file, key, text, PHRASES[name].fields)
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


def _always(folder: Path) -> frozenset[str]:
    table = _read(folder, "wording.toml").get("always")
    blocks: dict[str, tuple[str, ...]] = convert(dict[str, tuple[str, ...]], table, "wording.toml", "always")
    for block in blocks.get("blocks", ()):
        if block not in BLOCKS:
            raise GuidanceError("wording.toml", "always.blocks", block, "a block")
    return frozenset(f"block.{block}" for block in blocks.get("blocks", ()))
