"""One edit of the guidance: where it contradicts what is written elsewhere it is refused, else every text follows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cds_service import cli
from cds_service.fhir.orders import Orders
from cds_service.guidance import loading
from cds_service.hooks.card_json import CardWriter
from tests.support.for_each import for_each
from tests.support.patients import Seen, ago, d3, engine, lab, mg, request, vitd

D3_DAILY = "dose = 2000\nsupply_days = 90\n\n[drug.d3-maintenance]"
MAGNESIUM_AWARE = (
    'holick-2011"\ndeficient_below = { mass = 20, molar = 50 }\ninsufficient_below = { mass = 30, molar = 75 }'
)
OWN = "or its words and their source in [own-numbers], if it is none of this guidance"


def edited(tmp_path: Path, *edits: tuple[str, str, str]) -> Path:
    """A copy of the shipped files with *edits*: file, what it reads, what it reads then."""
    folder = Path(shutil.copytree(loading.FOLDER, tmp_path / "guidance"))
    for file, old, new in edits:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


WRONG = {
    "a dose": (
        "orders.toml", D3_DAILY, D3_DAILY.replace("2000", "1000"),
        ("drug.d3-daily.dose = 1000: expected at least 2000 IU a day, or it would not count as a course "
         "(limits.toml: therapy.course_per_day)"),
    ),
    "a dose of another strength": (
        "orders.toml", "\ndose = 50000", "\ndose = 25000",
        "drug.d2-weekly.dose = 25000: expected 50000, the strength that RxNorm 1367410 means, or no clinical_drug",
    ),
    "a pair": (
        "profiles.toml", MAGNESIUM_AWARE, MAGNESIUM_AWARE.replace("mass = 20", "mass = 22"),
        ("profile.magnesium-aware.deficient_below = { mass = 22, molar = 50 }: expected one limit in both units, at "
         "most 0.5 % apart: 50 nmol/L is 20.03 ng/mL, 22 ng/mL is 54.91 nmol/L"),
    ),
    "an age": (
        "limits.toml", "adult_age = 18", "adult_age = 60",
        "people.daily_first_age = 50: expected at least 60, which is adult_age",
    ),
    "an interval": (
        "limits.toml", "recheck_months = 3", "recheck_months = 4",
        "therapy.month3_days = 84: expected from 112 to 124: texts say month 4, by repeat.recheck_months",
    ),
    "a unit": (
        "orders.toml", '[form.daily]\nunit = "IU"', '[form.daily]\nunit = "mg"',
        "form.daily.unit = 'mg': expected IU, the unit of drug.d3-daily-obesity (ATC A11CC05)",
    ),
    "a swapped limit": (
        "limits.toml", "\nlow = { mass = 8.5, molar = 2.12 }", "\nlow = { mass = 2.12, molar = 8.5 }",
        ("calcium.low = { mass = 2.12, molar = 8.5 }: expected one limit in both units, at most 0.5 % apart: "
         "8.5 mmol/L is 34.07 mg/dL, 2.12 mg/dL is 0.53 mmol/L"),
    ),
    "a missing source": (
        "limits.toml", '[phosphate]\nsource = "section 6.2: kdoqi-2003, G3 and G4 only"\n', "[phosphate]\n",
        "phosphate.source = None: expected an entry: it is missing",
    ),
    "a text with a number of its own": (
        "wording.toml", "age under {people.adult_age}, or unknown", "age under 18, or unknown",
        ("gate.G-ADULT = 'age under 18, or unknown': expected 18 taken from where it is written, "
         f"{{obesity.adult_height_age}} or {{people.adult_age}}; {OWN}"),
    ),
    "a text with a number of nobody": (
        "wording.toml", "at least {repeat.recheck_months} months", "at least 6 months",
        f"then.recheck = 'Recheck 25(OH)D after at least 6 months.': expected no number of its own, 6; {OWN}",
    ),
}  # fmt: skip


@for_each("edit", WRONG)
def test_wrong_edit(edit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`cds-service check` refuses an edit that contradicts another place: file, key, value, what was expected."""
    file, old, new, said = WRONG[edit]
    folder = edited(tmp_path, (file, old, new))
    monkeypatch.setattr(loading, "load", partial(loading.load, folder=folder))

    assert cli.main(["check"]) != 0
    assert capsys.readouterr().err == f"cds-service: {file}: {said}\n"


def ask_edited(folder: Path, /, **parts: object) -> Seen:
    """What the service answers by the guidance in *folder*."""
    loaded = loading.load(folder=folder)
    return Seen(request(**parts), replace(engine(), guidance=loaded, writer=CardWriter(loaded, Orders(loaded))))


DOSE = [("orders.toml", D3_DAILY, D3_DAILY.replace("2000", "3000"))]
WEEKS = [("orders.toml", "weeks = 8\n\n", "weeks = 6\n\n")]
AGE = [("limits.toml", "adult_age = 18", "adult_age = 21")]
INTERVAL = [("limits.toml", "recheck_months = 3", "recheck_months = 4"), ("limits.toml", "days = 84", "days = 112")]
PAIR = [("profiles.toml", MAGNESIUM_AWARE, MAGNESIUM_AWARE.replace("mass = 20, molar = 50", "mass = 22, molar = 55"))]
FOLLOWED: dict[str, tuple[Any, ...]] = {
    "dose": (
        DOSE, {"vitamin_d": [vitd("25")], "magnesium": [mg("0.9")]}, "vitamin-d-insufficiency",
        ("Consider D3 3,000 IU daily", "D3 3,000 IU daily;", "(vitamin D3) 3,000 IU by mouth", "3,000 IU oral",
         "Take 3,000 IU by mouth", '"value": 3000'), ("2,000", "2000"),
    ),
    "dose beside that in obesity": (
        DOSE, {"vitamin_d": [vitd("25")], "vitals": [lab("39156-5", "31", "kg/m2")]}, "vitamin-d-insufficiency",
        ("Consider D3 3,000-4,000 IU daily",), ("2,000", "2000"),
    ),
    "weeks": (
        WEEKS, {"vitamin_d": [vitd("15")]}, "vitamin-d-deficiency",
        ("D2 50,000 IU weekly x 6", "once a week for 6 weeks", "for 6 weeks. Not daily",
         '"boundsDuration": {"value": 6', '"quantity": {"value": 6'), ("D2 50,000 IU weekly x 8",),
    ),
    "age": (
        AGE, {"vitamin_d": [vitd("15")], "patient": {"birthDate": "2007-01-15"}}, "under-18",
        ("Under 21: 25(OH)D 15 ng/mL", '"display": "Under 21"'), ("Under 18",),
    ),
    "interval": (
        INTERVAL, {"vitamin_d": [vitd("15")], "medications": [d3("2000", ago(100))]}, "vitamin-d-too-soon",
        ("recheck at 4 months", "Month 4 is not reached", '"2026-03-22"'), ("3 months",),
    ),
    "pair": (
        PAIR, {"vitamin_d": [vitd("21")]}, "vitamin-d-deficiency",
        ("vitamin D deficiency (<22 ng/mL)",), ("<20",),
    ),
}  # fmt: skip


@for_each("edit", FOLLOWED)
def test_an_edit_is_followed(edit: str, tmp_path: Path):
    """A number that is changed where it is written is the new one in every text and order, the old one in none."""
    edits, parts, topic, said, gone = FOLLOWED[edit]
    card = json.dumps(ask_edited(edited(tmp_path, *edits), **parts).card(topic))

    for text in said:
        assert text in card
    for text in gone:
        assert text not in card
