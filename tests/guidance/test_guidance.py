"""The guidance files: the shipped ones load, and each kind of damage stops the program with what is to be mended."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from cds_service.clinical.cards.catalogue import CATALOGUE
from cds_service.errors import GuidanceError, StartupError
from cds_service.fhir.orders import Orders
from cds_service.guidance import loading
from tests.support.for_each import for_each

PROFILES = ("magnesium-aware", "endocrine-2011", "nam-2011", "endocrine-2024")
OVERLAYS = ("kdoqi-2003", "nkf-2018")
FILES = (
    "attributes.toml",
    "cards.toml",
    "evidence.toml",
    "feedback.toml",
    "limits.toml",
    "names.toml",
    "order_rows.toml",
    "orderables.toml",
    "orders.toml",
    "profiles.toml",
    "topics.toml",
    "wording.toml",
)
every_file = for_each("file", FILES)


def copied(tmp_path: Path) -> Path:
    """A copy of the shipped files, to damage."""
    return Path(shutil.copytree(loading.FOLDER, tmp_path / "guidance"))


def refused(folder: Path, profile: str = "magnesium-aware", overlay: str = "kdoqi-2003") -> GuidanceError:
    """Load *folder*, which must not succeed; give back what was said."""
    with pytest.raises(GuidanceError) as raised:
        loading.load(profile, overlay, folder=folder)
    return raised.value


def replace(folder: Path, file: str, old: str, new: str) -> None:
    """Change the one place of *file* that reads *old*."""
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


# The shipped files.


def test_guidance_is_read_by_itself() -> None:
    """The shipped guidance loads in a process that has imported nothing else: every text it holds is known to it."""
    program = "from cds_service.guidance import loading; print(loading.load().profile_name)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert told.stdout == "magnesium-aware\n"


@for_each(("profile", "overlay"), [*product(PROFILES, OVERLAYS)])
def test_shipped_files_load(profile: str, overlay: str):
    """The shipped files are sound for every profile with every overlay, and their orders make valid resources."""
    loaded = loading.load(profile, overlay)

    assert loaded.profile_name == profile
    assert CATALOGUE.keys() == loaded.cards.keys()
    Orders(loaded)


def test_shipped_names():
    """The profiles and overlays are those of section 2, and the files those listed here."""
    loaded = loading.load()

    assert tuple(loaded.profiles) == PROFILES
    assert tuple(loaded.overlays) == OVERLAYS
    assert sorted(file.name for file in loading.FOLDER.glob("*.toml")) == list(FILES)


@every_file
def test_shipped_files_ask_for_review(file: str):
    """Each file says at its head that a clinician must review it."""
    head = (loading.FOLDER / file).read_text(encoding="utf-8").split("\n[", maxsplit=1)[0]

    assert "NOT CLINICALLY VALIDATED: a clinician must review" in head


def test_wording_of_a_profile_takes_the_place_of_the_general_one():
    """A text named for a profile is said in that profile alone."""
    general = loading.load("magnesium-aware").topics.block["B-DIFFER"].text_in("magnesium-aware")
    own = loading.load("endocrine-2024").topics.block["B-DIFFER"].text_in("endocrine-2024")

    assert general.startswith("Guidelines differ")
    assert own.startswith("This profile follows the 2024 guideline")


def test_copy_of_the_shipped_files_loads(tmp_path: Path):
    """Files may stand in another folder: what is refused below is refused for its one change."""
    folder = copied(tmp_path)
    assert loading.load(folder=folder) == loading.load()


def test_a_sound_change_is_taken(tmp_path: Path):
    """A clinician can change a cut-off and a sentence; both are in force when loaded."""
    folder = copied(tmp_path)
    replace(
        folder,
        "limits.toml",
        "low = { mmol_L = 0.75, mg_dL = 1.82, mEq_L = 1.50 }",
        "low = { mmol_L = 0.70, mg_dL = 1.70, mEq_L = 1.40 }",
    )
    replace(
        folder,
        "wording.toml",
        "Recheck 25(OH)D after at least {repeat.recheck_months} months.",
        "Recheck after a season.",
    )

    loaded = loading.load(folder=folder)

    assert loaded.limits.mg.low.mmol_L == Decimal("0.70")
    assert loaded.wording["then.recheck"] == "Recheck after a season."


# Damage.


@dataclass(frozen=True)
class Damage:
    """One change of one file, and what must be found in the key, the value and the expectation that are told."""

    kind: str
    file: str
    old: str
    new: str
    key: str
    expected: str
    value: str = ""


DAMAGE = [
    Damage(**told)
    for told in tomllib.loads(Path(__file__).with_name("damage.toml").read_text(encoding="utf-8"))["damage"]
]


@for_each("damage", DAMAGE, ids=lambda damage: damage.kind)
def test_damage(damage: Damage, tmp_path: Path):
    """One change that makes no sense stops the program, and the error tells file, key, value and what was expected."""
    folder = copied(tmp_path)
    replace(folder, damage.file, damage.old, damage.new)

    error = refused(folder)

    assert damage.file == error.file
    assert damage.key in error.key
    assert damage.expected in error.expected
    assert damage.value in str(error.value)
    for part in (error.file, error.key, error.expected):
        assert part in str(error)


def test_weeks_that_are_not_whole(tmp_path: Path):
    """A supply of whole weeks is what texts say; one of other days is refused, where a text would say it."""
    folder = copied(tmp_path)
    replace(folder, "orders.toml", "supply_days = 56\n", "supply_days = 60\n")

    assert refused(folder).value == "{drug.magnesium-daily.weeks}"


@every_file
def test_missing_file(file: str, tmp_path: Path):
    """A file that is not there is named."""
    folder = copied(tmp_path)
    (folder / file).unlink()

    error = refused(folder)

    assert file == error.file
    assert "the file to be there" in str(error)


@every_file
def test_file_that_is_no_toml(file: str, tmp_path: Path):
    """A file that is not TOML is named, with the line where it goes wrong."""
    folder = copied(tmp_path)
    with (folder / file).open("a", encoding="utf-8") as stream:
        stream.write("\nthis is no TOML\n")
    lines = (folder / file).read_text(encoding="utf-8").count("\n")

    error = refused(folder)

    assert file == error.file
    assert error.expected == "valid TOML"
    assert f"line {lines}" in str(error)


@every_file
def test_file_in_another_encoding(file: str, tmp_path: Path):
    """A file that an editor saved in another encoding than UTF-8 is named too."""
    folder = copied(tmp_path)
    with (folder / file).open("ab") as stream:
        stream.write("# 1 µg = 40 IU\n".encode("cp1252"))

    error = refused(folder)

    assert file == error.file
    assert error.expected == "valid TOML"


@every_file
def test_empty_file(file: str, tmp_path: Path):
    """An empty file is refused: nothing is taken for granted."""
    folder = copied(tmp_path)
    (folder / file).write_text("", encoding="utf-8")

    assert file == refused(folder).file


@for_each("profile", ["endocrine-1999", "", "Magnesium-Aware", "kdoqi-2003"])
def test_unknown_profile(profile: str, tmp_path: Path):
    """A profile that is none is refused with the names there are."""
    folder = copied(tmp_path)
    error = refused(folder, profile=profile)

    assert ("profiles.toml", "profile", profile) == (error.file, error.key, error.value)
    assert all(name in error.expected for name in PROFILES)


@for_each("overlay", ["kdigo-2017", "", "magnesium-aware"])
def test_unknown_overlay(overlay: str, tmp_path: Path):
    """An overlay that is none is refused with the names there are."""
    folder = copied(tmp_path)
    error = refused(folder, overlay=overlay)

    assert ("profiles.toml", "overlay", overlay) == (error.file, error.key, error.value)
    assert all(name in error.expected for name in OVERLAYS)


def test_damage_of_a_profile_not_in_force(tmp_path: Path):
    """Every profile is checked, in force or not: a change is found before anyone switches to it."""
    folder = copied(tmp_path)
    replace(folder, "profiles.toml", "deficient_below = { mass = 12, molar = 30 }", "deficient_below = 12")

    assert refused(folder, profile="magnesium-aware").key == "profile.nam-2011.deficient_below"


def test_order_that_makes_no_resource(tmp_path: Path):
    """An order that FHIR does not allow stops the program as well, before any card is shown."""
    folder = copied(tmp_path)
    replace(folder, "orders.toml", 'rxnorm = "4018"', 'rxnorm = "4018 "')

    with pytest.raises(GuidanceError) as raised:
        Orders(loading.load(folder=folder))

    assert raised.value.file == "orders.toml"
    assert "d2-weekly" in raised.value.key


def test_error_reads_as_a_sentence(tmp_path: Path):
    """What is printed is file, key, value and what was expected, as a clinician wrote them."""
    folder = copied(tmp_path)
    replace(folder, "limits.toml", "mg_dL = 1.82", "mg_dL = 1.70")

    error = refused(folder)

    assert isinstance(error, StartupError)
    assert str(error) == "limits.toml: mg.low.mg_dL = 1.70: expected 0.75 mmol/L in mg/dL, to two decimals"
