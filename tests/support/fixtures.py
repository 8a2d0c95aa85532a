"""The golden folders: `fhir_fixtures/<situation>/request.json` and `expected.json`."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.app import build_engine
from cds_service.clinical.guidance_types import Guidance
from cds_service.fhir import terminology
from cds_service.guidance import loading
from cds_service.guidance.overrides import NO_LOCAL
from cds_service.hooks.service import Answer, Engine
from cds_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "fhir_fixtures"
SERVICE = "vitamin-d-magnesium"


@dataclass(frozen=True)
class Situation:
    """One golden folder."""

    name: str
    body: bytes
    expected: dict[str, Any]

    @property
    def as_of(self) -> date:
        """The day it is evaluated for."""
        return date.fromisoformat(self.expected["asOf"])


def situations() -> list[Situation]:
    """Every golden folder of an open chart, by name."""
    return _situations(FOLDER)


def order_situations() -> list[Situation]:
    """Every golden folder of the order hooks, by name."""
    return _situations(FOLDER / "orders")


def _situations(within: Path) -> list[Situation]:
    return [
        Situation(
            folder.name,
            (folder / "request.json").read_bytes(),
            json.loads((folder / "expected.json").read_text(encoding="utf-8")),
        )
        for folder in sorted(within.iterdir())
        if (folder / "expected.json").is_file()
    ]


def renamed(situation: str, patient: str | None = None) -> list[dict[str, Any]]:
    """The resources of a situation under ids of its own, or of *patient*, so that charts do not meet on a server."""
    known = (*situations(), *order_situations())
    (body,) = [json.loads(found.body) for found in known if found.name == situation]
    owner = patient or situation
    resources = []
    for value in body["prefetch"].values():
        if value and value["resourceType"] == "Bundle":
            resources += [entry["resource"] for entry in value.get("entry", ())]
        elif value:
            resources.append(value)
    found = []
    for place, resource in enumerate(copy.deepcopy(resources)):
        if resource["resourceType"] == "Patient":
            resource["id"] = owner
        else:
            resource["id"] = f"{owner}-{place}"
            resource["subject"] = {"reference": f"Patient/{owner}"}
        found.append(resource)
    return found


def read_once(config: pytest.Config) -> None:
    """Guidance and value sets of the package are read once by a process of tests: all that is read is frozen."""
    patch, load = pytest.MonkeyPatch(), loading.load
    once = cache(load)

    def shipped_once(*chosen: Any, **named: Any) -> Guidance:
        if named.get("local", NO_LOCAL).overrides or "folder" in named:
            return load(*chosen, **named)
        return once(*chosen)

    patch.setattr(loading, "load", shipped_once)
    patch.setattr(terminology, "load", cache(terminology.load))
    config.add_cleanup(patch.undo)


@cache
def engine(
    as_of: date, profile: str = "magnesium-aware", ckd_overlay: str = "kdoqi-2003", max_cards: int = 4
) -> Engine:
    """An engine on a fixed day."""
    return build_engine(Settings(as_of=as_of, profile=profile, ckd_overlay=ckd_overlay, max_cards=max_cards))


def answer(situation: Situation) -> Answer:
    """What the service answers to *situation*."""
    expected = situation.expected
    chosen = engine(
        situation.as_of,
        expected.get("profile", "magnesium-aware"),
        expected.get("ckdOverlay", "kdoqi-2003"),
        expected.get("maxCards", 4),
    )
    return chosen.answer(SERVICE, situation.body)


def token(action: dict[str, Any]) -> str:
    """An action as the tokens of the worked vectors write it: `MR:...`, `SR:19123-9@2026-03-30`, `SR:...!urgent`."""
    resource = action["resource"]
    if resource["resourceType"] == "ServiceRequest":
        written = f"SR:{resource['code']['coding'][0]['code']}"
        if "occurrenceDateTime" in resource:
            written += f"@{resource['occurrenceDateTime']}"
        return written + ("!urgent" if resource.get("priority") == "urgent" else "")
    dosage = resource["dosageInstruction"][0]
    repeat = dosage["timing"]["repeat"]
    dose = dosage["doseAndRate"][0]["doseQuantity"]["value"]
    drug = {"4018": "ergocalciferol", "2418": "cholecalciferol", "6574": "magnesium"}[
        resource["medicationCodeableConcept"]["coding"][0]["code"]
    ]
    if repeat["periodUnit"] == "wk":
        return f"MR:{drug}-{dose}-weekly-{repeat['boundsDuration']['value']}"
    return f"MR:{drug}-{dose}-daily"


def tokens(card: dict[str, Any]) -> list[list[str]]:
    """The suggestions of a card as tokens."""
    return [[token(action) for action in suggestion["actions"]] for suggestion in card.get("suggestions", ())]


def outline(response: dict[str, Any]) -> list[list[Any]]:
    """A response as topic, indicator and suggestion tokens."""
    return [[card["source"]["topic"]["code"], card["indicator"], tokens(card)] for card in response["cards"]]
