"""The guidance files: the shipped ones load, and each kind of damage stops the program with what is to be mended."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from cds_service.clinical import guidance
from cds_service.clinical.display import ORDER
from cds_service.errors import GuidanceError, StartupError
from cds_service.fhir.orders import Orders

PROFILES = ("magnesium-aware", "endocrine-2011", "nam-2011", "endocrine-2024")
OVERLAYS = ("kdoqi-2003", "nkf-2018")
FILES = (
    "cards.toml",
    "evidence.toml",
    "feedback.toml",
    "limits.toml",
    "names.toml",
    "orders.toml",
    "profiles.toml",
    "wording.toml",
)
every_file = pytest.mark.parametrize("file", FILES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped files, to damage."""
    return Path(shutil.copytree(guidance.FOLDER, tmp_path / "guidance"))


def refused(folder: Path, profile: str = "magnesium-aware", overlay: str = "kdoqi-2003") -> GuidanceError:
    """Load *folder*, which must not succeed; give back what was said."""
    with pytest.raises(GuidanceError) as raised:
        guidance.load(profile, overlay, folder)
    return raised.value


def replace(folder: Path, file: str, old: str, new: str) -> None:
    """Change the one place of *file* that reads *old*."""
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


# The shipped files.


@pytest.mark.parametrize(("profile", "overlay"), [*product(PROFILES, OVERLAYS)])
def test_shipped_files_load(profile: str, overlay: str):
    """The shipped files are sound for every profile with every overlay, and their orders make valid resources."""
    loaded = guidance.load(profile, overlay)

    assert loaded.profile_name == loaded.profile.title == profile
    assert {*ORDER} == loaded.cards.keys()
    Orders(loaded)


def test_shipped_names():
    """The profiles and overlays are those of section 2, and the files those listed here."""
    tables = tomllib.loads((guidance.FOLDER / "profiles.toml").read_text(encoding="utf-8"))

    assert guidance.profiles_known() == PROFILES
    assert tuple(tables["overlay"]) == OVERLAYS
    assert sorted(file.name for file in guidance.FOLDER.iterdir()) == list(FILES)


@every_file
def test_shipped_files_ask_for_review(file: str):
    """Each file says at its head that a clinician must review it."""
    head = (guidance.FOLDER / file).read_text(encoding="utf-8").split("\n[", maxsplit=1)[0]

    assert "NOT CLINICALLY VALIDATED: a clinician must review" in head


def test_wording_of_a_profile_takes_the_place_of_the_general_one():
    """A text named for a profile is said in that profile alone."""
    general = guidance.load("magnesium-aware").wording["block.B-DIFFER"]
    own = guidance.load("endocrine-2024").wording["block.B-DIFFER"]

    assert general.startswith("Guidelines differ")
    assert own.startswith("This profile follows the 2024 guideline")


def test_copy_of_the_shipped_files_loads(folder: Path):
    """Files may stand in another folder: what is refused below is refused for its one change."""
    assert guidance.load(folder=folder) == guidance.load()


def test_a_sound_change_is_taken(folder: Path):
    """A clinician can change a cut-off and a sentence; both are in force when loaded."""
    replace(
        folder,
        "limits.toml",
        "low = { mmol_L = 0.75, mg_dL = 1.82, mEq_L = 1.50 }",
        "low = { mmol_L = 0.70, mg_dL = 1.70, mEq_L = 1.40 }",
    )
    replace(folder, "wording.toml", "Recheck 25(OH)D after at least 3 months.", "Recheck after a season.")

    loaded = guidance.load(folder=folder)

    assert loaded.limits.mg.low.mmol_L == Decimal("0.70")
    assert loaded.wording["block.B-RECHECK"] == "Recheck after a season."


# Damage.


@dataclass(frozen=True)
class Damage:
    """One change of one file, and what must be found in the key, the value and the expectation that are told."""

    kind: str
    file: str
    old: str
    new: str
    key: str
    value: object
    expected: str


LOW = "low = { mmol_L = 0.75, mg_dL = 1.82, mEq_L = 1.50 }"
LABEL_4000 = 'dose = 4000\nunit = "IU"'

DAMAGE = [
    # A key that is not there, and one that is there too many.
    Damage("missing key", "limits.toml", "albumin_days = 30\n", "", "limits.calcium.albumin_days", None, "missing"),
    Damage(
        "missing key in a profile",
        "profiles.toml",
        'maintenance = "1,500-2,000"\n',
        "",
        "profile.endocrine-2011.maintenance",
        None,
        "missing",
    ),
    Damage("missing half of a pair", "limits.toml", "limit = { mass = 4.6, molar = 1.49 }", "limit = { mass = 4.6 }",
           "limits.phosphate.limit.molar", None, "missing"),
    Damage("missing table", "limits.toml", '[potassium]\nsource = "section 13, R15; to verify"\nlow_below = 3.5\n', "",
           "limits.potassium", None, "missing"),
    Damage("unknown key", "limits.toml", "albumin_days = 30\n", "albumin_days = 30\nalbumin_weeks = 4\n",
           "limits.calcium.albumin_weeks", 4, "albumin_days"),
    Damage("unknown key in an order", "orders.toml", "supply_days = 56\n", "supply_days = 56\nrepeats = 2\n",
           "drug.magnesium-200-daily.repeats", 2, "supply_days"),
    Damage("unknown key in names", "names.toml", "[condition_text]\n", "[condition_text]\nallow = []\n",
           "names.condition_text.allow", [], "refuse"),
    Damage("unknown table", "limits.toml", "[potassium]\n", "[sodium]\nlow = 135\n\n[potassium]\n", "limits.sodium",
           {"low": 135}, "potassium"),
    Damage("unknown table of profiles", "profiles.toml", "[profile.nam-2011]\n", "[profiles.nam-2011]\n", "profiles",
           None, "profile"),
    # A wrong type.
    Damage("text for a number", "limits.toml", "implausible_above = 6.0\n", 'implausible_above = "6.0"\n',
           "limits.mg.implausible_above", "6.0", "a number"),
    Damage("number with a unit", "limits.toml", "bmi = 30\n", 'bmi = "30 kg/m2"\n', "limits.obesity.bmi", "30 kg/m2",
           "a number"),
    Damage("fraction for a whole number", "limits.toml", "albumin_days = 30\n", "albumin_days = 30.5\n",
           "limits.calcium.albumin_days", Decimal("30.5"), "a whole number"),
    Damage("truth for a number", "limits.toml", "bmi = 30\n", "bmi = true\n", "limits.obesity.bmi", "True", "a number"),
    Damage("text for a switch", "limits.toml", "obesity = false\n", 'obesity = "no"\n', "limits.trigger.obesity", "no",
           "true or false"),
    Damage("number for a pair", "limits.toml", "limit = { mass = 4.6, molar = 1.49 }", "limit = 4.6",
           "limits.phosphate.limit", Decimal("4.6"), "a table of Pair"),
    Damage("text for a list", "cards.toml", 'links = ["tripkovic-2012"]', 'links = "tripkovic-2012"',
           "card.K-D2INT.links", "tripkovic-2012", "a list"),
    Damage("number in a list", "cards.toml", 'links = ["tripkovic-2012"]', "links = [2012]", "card.K-D2INT.links[0]",
           2012, "a text"),
    Damage("word of no choice", "profiles.toml", 'kind = "by-pth"', 'kind = "by-calcium"', "overlay.nkf-2018.kind",
           "by-calcium", "raise-target"),
    Damage("indicator of no card", "cards.toml", 'display = "Pregnancy"\nindicator = "info"',
           'display = "Pregnancy"\nindicator = "urgent"', "card.K-PREG.indicator", "urgent", "critical"),
    Damage("number for a text", "wording.toml", '"liver" = "Liver disease can weaken the response."', '"liver" = 3',
           "wording.say.liver", 3, "a text"),
    Damage("empty text", "wording.toml", '"liver" = "Liver disease can weaken the response."', '"liver" = " "',
           "wording.say.liver", " ", "not empty"),
    Damage("no number at all", "limits.toml", "bmi = 30\n", "bmi = nan\n", "limits.obesity.bmi", None,
           "a number"),
    Damage("no number for an edge", "limits.toml", LOW, LOW.replace("0.75", "nan"), "limits.mg.low.mmol_L",
           None, "a number"),
    # Edges and printed numbers.
    Damage("25(OH)D edges fall in mass", "profiles.toml", "deficient_below = { mass = 12, molar = 30 }",
           "deficient_below = { mass = 21, molar = 30 }", "profile.nam-2011 (ng/mL)", "21, 20, 50, 150", "rising"),
    Damage("25(OH)D edges fall in moles", "profiles.toml", "adequate_to = { mass = 50, molar = 125 }",
           "adequate_to = { mass = 50, molar = 25 }", "profile.nam-2011 (nmol/L)", "30, 50, 25, 375", "rising"),
    Damage("magnesium edges fall", "limits.toml", LOW, "low = { mmol_L = 0.45, mg_dL = 1.09, mEq_L = 0.90 }",
           "mg (mmol/L)", "0.50, 0.45, 0.85, 1.05, 2.0", "rising"),
    Damage("overlay edges fall", "profiles.toml", "deficient_below = { mass = 15, molar = 37.5 }",
           "deficient_below = { mass = 25, molar = 37.5 }", "overlay.nkf-2018", "25, 20", "rising"),
    Damage("calcium edges fall", "limits.toml", "very_low = { mass = 7.5, molar = 1.87 }",
           "very_low = { mass = 9.5, molar = 1.87 }", "calcium", "9.5", "rising"),
    Damage("printed mg/dL is another number", "limits.toml", LOW, LOW.replace("1.82", "1.70"), "mg.low.mg_dL",
           Decimal("1.70"), "0.75 mmol/L in mg/dL"),
    Damage("printed mg/dL is off by a hundredth", "limits.toml", LOW, LOW.replace("1.82", "1.83"), "mg.low.mg_dL",
           Decimal("1.83"), "0.75 mmol/L in mg/dL"),
    Damage("printed mEq/L is another number", "limits.toml", LOW, LOW.replace("1.50", "0.75"), "mg.low.mEq_L",
           Decimal("0.75"), "0.75 mmol/L in mEq/L"),
    # Orders.
    Damage("daily order of 6,000 IU", "orders.toml", LABEL_4000, 'dose = 6000\nunit = "IU"',
           "drug.cholecalciferol-4000-daily.dose", 6000, "4000 IU"),
    Damage("single dose of 60,000 IU", "orders.toml",
           'text = "ergocalciferol (vitamin D2) 50,000 IU (1.25 mg) oral capsule"\ndose = 50000',
           'text = "ergocalciferol (vitamin D2) 50,000 IU (1.25 mg) oral capsule"\ndose = 60000',
           "drug.ergocalciferol-50000-weekly-8.dose", 60000, "50000 IU"),
    Damage("order of 10,000 IU in micrograms", "orders.toml", f'{LABEL_4000}\nucum = "[iU]"',
           'dose = 250\nunit = "ug"\nucum = "ug"', "drug.cholecalciferol-4000-daily", None, "IU"),
    Damage("order without an end", "orders.toml", "supply_days = 56\n", "", "drug.magnesium-200-daily",
           "magnesium-200-daily", "either weeks or supply_days"),
    Damage("step-down to no order", "profiles.toml", '"cholecalciferol-800-daily"', '"cholecalciferol-900-daily"',
           "profile.nam-2011.step_down_order", "cholecalciferol-900-daily", "a drug of orders.toml"),
    Damage("missing order that the logic makes", "orders.toml", "[drug.magnesium-200-daily]",
           "[drug.magnesium-300-daily]", "drug.magnesium-200-daily", None, "missing"),
    Damage("missing test that the logic orders", "orders.toml", "[lab.2777-1]", "[lab.2777-2]", "lab.2777-1", None,
           "the logic orders it"),
    Damage("missing ECG", "orders.toml", "[lab.11524-6]", "[lab.11524-7]", "lab.11524-6", None, "the logic orders it"),
    # Cards and sources.
    Damage("unknown block", "cards.toml", 'blocks = ["B-CKD", "B-DIFFER"]', 'blocks = ["B-CKD", "B-AGREE"]',
           "card.K-CKD.blocks", "B-AGREE", "a block"),
    Damage("unknown block left out", "profiles.toml", 'blocks_left_out = ["B-CONCURRENT", "B-TARGET"]',
           'blocks_left_out = ["B-GOAL"]', "profile.endocrine-2024.blocks_left_out", "B-GOAL", "a block"),
    Damage("unknown block shown always", "wording.toml", 'blocks = ["B-MGDOSE", "B-FLOOR", "B-OBESE"]',
           'blocks = ["B-MGDOSES"]', "always.blocks", "B-MGDOSES", "a block"),
    Damage("unknown link", "cards.toml", 'links = ["tripkovic-2012"]', 'links = ["tripkovic-2021"]',
           "card.K-D2INT.links", "tripkovic-2021", "a source of evidence.toml"),
    Damage("missing card", "cards.toml", "[card.K-PEDS]", "[card.K-KIDS]", "card.K-PEDS", None, "missing"),
    Damage("unknown card", "cards.toml", "[card.K-PEDS]\n",
           '[card.K-KIDS]\ntopic = "x"\ndisplay = "x"\nindicator = "info"\n\n[card.K-PEDS]\n', "card.K-KIDS", "K-KIDS",
           "a card of the catalogue"),
    Damage("verified source over http", "evidence.toml", 'url = "https://doi.org/10.3945/ajcn.111.031070"',
           'url = "http://doi.org/10.3945/ajcn.111.031070"', "source.tripkovic-2012.url",
           "http://doi.org/10.3945/ajcn.111.031070", "an https address"),
    Damage("verified source without an address", "evidence.toml",
           'url = "https://doi.org/10.3945/ajcn.111.031070"\n', "", "source.tripkovic-2012.url", None,
           "an https address"),
    # Wording.
    Damage("unknown placeholder", "wording.toml", "Already takes {n} IU a day", "Already takes {dose} IU a day",
           "say.supplement", "Already takes {dose} IU a day as a supplement.", "n"),
    Damage("placeholder where there is none", "wording.toml", "Liver disease can weaken the response.",
           "The result of {date} is too old.", "say.liver", "The result of {date} is too old.", "none"),
    Damage("placeholder without a name", "wording.toml", "Already takes {n} IU a day", "Already takes {} IU a day",
           "say.supplement", "Already takes {} IU a day as a supplement.", "n"),
    Damage("brace without its end", "wording.toml", "Already takes {n} IU a day", "Already takes {n IU a day",
           "say.supplement", "Already takes {n IU a day as a supplement.", "braces in pairs"),
    Damage("brace without its beginning", "wording.toml", "Already takes {n} IU a day", "Already takes n} IU a day",
           "say.supplement", "Already takes n} IU a day as a supplement.", "braces in pairs"),
    Damage("placeholder with a format", "wording.toml", "Already takes {n} IU a day", "Already takes {n:.1f} IU a day",
           "say.supplement", "Already takes {n:.1f} IU a day as a supplement.", "braces"),
    Damage("missing text", "wording.toml", '"liver" = "Liver disease can weaken the response."\n', "", "say.liver",
           None, "missing"),
    Damage("unknown text", "wording.toml", '"liver" = "Liver disease can weaken the response."',
           '"liver" = "Liver disease can weaken the response."\n"fresh" = "Act."', "say.fresh", "Act.",
           "a text the program knows"),
    Damage("text of no profile", "wording.toml", '"B-DIFFER@endocrine-2024"', '"B-DIFFER@endocrine-2042"',
           "block.B-DIFFER@endocrine-2042",
           "This profile follows the 2024 guideline; older guidelines use 20 and 30 ng/mL.",
           "a text the program knows"),
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.kind)
def test_damage(damage: Damage, folder: Path):
    """One change that makes no sense stops the program, and the error tells file, key, value and what was expected."""
    replace(folder, damage.file, damage.old, damage.new)

    error = refused(folder)

    assert damage.file == error.file
    assert damage.key in error.key
    assert damage.expected in error.expected
    if damage.value is not None:
        assert str(damage.value) in str(error.value)
    for part in (error.file, error.key, error.expected):
        assert part in str(error)


@every_file
def test_missing_file(file: str, folder: Path):
    """A file that is not there is named."""
    (folder / file).unlink()

    error = refused(folder)

    assert file == error.file
    assert "the file to be there" in str(error)


@every_file
def test_file_that_is_no_toml(file: str, folder: Path):
    """A file that is not TOML is named, with the line where it goes wrong."""
    with (folder / file).open("a", encoding="utf-8") as stream:
        stream.write("\nthis is no TOML\n")
    lines = (folder / file).read_text(encoding="utf-8").count("\n")

    error = refused(folder)

    assert file == error.file
    assert error.expected == "valid TOML"
    assert f"line {lines}" in str(error)


@every_file
def test_file_in_another_encoding(file: str, folder: Path):
    """A file that an editor saved in another encoding than UTF-8 is named too."""
    with (folder / file).open("ab") as stream:
        stream.write("# 1 µg = 40 IU\n".encode("cp1252"))

    error = refused(folder)

    assert file == error.file
    assert error.expected == "valid TOML"


@every_file
def test_empty_file(file: str, folder: Path):
    """An empty file is refused: nothing is taken for granted."""
    (folder / file).write_text("", encoding="utf-8")

    assert file == refused(folder).file


@pytest.mark.parametrize("profile", ["endocrine-1999", "", "Magnesium-Aware", "kdoqi-2003"])
def test_unknown_profile(profile: str, folder: Path):
    """A profile that is none is refused with the names there are."""
    error = refused(folder, profile=profile)

    assert ("profiles.toml", "profile", profile) == (error.file, error.key, error.value)
    assert all(name in error.expected for name in PROFILES)


@pytest.mark.parametrize("overlay", ["kdigo-2017", "", "magnesium-aware"])
def test_unknown_overlay(overlay: str, folder: Path):
    """An overlay that is none is refused with the names there are."""
    error = refused(folder, overlay=overlay)

    assert ("profiles.toml", "overlay", overlay) == (error.file, error.key, error.value)
    assert all(name in error.expected for name in OVERLAYS)


def test_damage_of_a_profile_not_in_force(folder: Path):
    """Every profile is checked, in force or not: a change is found before anyone switches to it."""
    replace(folder, "profiles.toml", "deficient_below = { mass = 12, molar = 30 }", "deficient_below = 12")

    assert refused(folder, profile="magnesium-aware").key == "profile.nam-2011.deficient_below"


def test_order_that_makes_no_resource(folder: Path):
    """An order that FHIR does not allow stops the program as well, before any card is shown."""
    replace(folder, "orders.toml", 'rxnorm = ["4018", "1367410"]', 'rxnorm = ["4018 ", "1367410"]')

    with pytest.raises(GuidanceError) as raised:
        Orders(guidance.load(folder=folder))

    assert raised.value.file == "orders.toml"
    assert "ergocalciferol-50000-weekly-8" in raised.value.key


def test_error_reads_as_a_sentence(folder: Path):
    """What is printed is file, key, value and what was expected, as a clinician wrote them."""
    replace(folder, "limits.toml", LOW, LOW.replace("1.82", "1.70"))

    error = refused(folder)

    assert isinstance(error, StartupError)
    assert str(error) == "limits.toml: mg.low.mg_dL = 1.70: expected 0.75 mmol/L in mg/dL, to two decimals"
