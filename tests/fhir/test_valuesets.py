"""The value sets that ship, and the names beside them: what holds for every one of them."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir.resources.R4B.valueset import ValueSet

from tests.support.for_each import for_each

PACKAGE = Path(__file__).parents[2] / "cds_service"
VALUESETS = PACKAGE / "fhir" / "valuesets"
NAMES = PACKAGE / "guidance" / "names.toml"

BASE = "https://vitamin-d-magnesium.example/fhir"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
OWNERS = {
    LOINC: "Regenstrief Institute",
    SNOMED: "SNOMED International",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "National Library of Medicine",
    "http://hl7.org/fhir/sid/icd-10": "World Health Organization",
    "http://hl7.org/fhir/sid/icd-10-cm": "World Health Organization",
    "http://www.whocc.no/atc": "WHO Collaborating Centre for Drug Statistics Methodology",
}

LABORATORY = [
    "vitd-25ohd-total", "vitd-25ohd-d2", "vitd-25ohd-d3", "vitd-not-25ohd", "mg-serum-total", "mg-not-serum-total",
    "ca-total", "ca-corrected", "ca-ionised", "albumin", "phosphate", "pth", "potassium", "creatinine", "egfr",
    "body-size", "pregnancy-status",
]  # fmt: skip
DRUGS = [
    "nutritional-vitd", "active-vitd", "mg-products", "ppi", "loop-diuretics", "thiazides", "mg-wasting-strong",
    "mg-wasting", "mg-chelating", "mg-blocking", "vitd-catabolism", "vitd-malabsorption", "glucocorticoids",
    "digoxin", "calcium-salts",
]  # fmt: skip
HARD_HOLDS = [
    "hypercalcaemia", "granulomatous", "tuberculosis", "williams", "hypervitaminosis-d",
    "primary-hyperparathyroidism", "lymphoma",
]  # fmt: skip
CONDITIONS = [
    "ckd", "dialysis", "transplant", "aki", "obesity", "vitd-deficiency", "malabsorption", "osteoporosis",
    "hypoparathyroidism", "hypocalcaemia", "vitd-hold", "vitd-soft-hold", "stone-history", "active-vitd-indication",
    "myasthenia", "heart-block", "pacemaker", "pregnancy", "lactation", "liver", "calcitriol-test",
    *HARD_HOLDS,
]  # fmt: skip
IN_SNOMED = {"snomed", "snomed-orders"}
UNIONS = {
    "mg-wasting": ["ppi", "loop-diuretics", "thiazides", "mg-wasting-strong"],
    "vitd-hold": HARD_HOLDS,
}

FILES = sorted(VALUESETS.glob("*.json"))
every_file = for_each("file", FILES, ids=lambda file: file.stem)


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _concepts(value_set: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each concept of *value_set*, included or excluded, with its code system."""
    compose = value_set["compose"]
    for part in (*compose["include"], *compose.get("exclude", [])):
        for concept in part.get("concept", []):
            yield part["system"], concept


def _extensions(concept: dict[str, Any]) -> dict[str, Any]:
    """Return the extensions of *concept* by their short name."""
    found = {}
    for extension in concept["extension"]:
        (value,) = (extension[key] for key in extension if key.startswith("value"))
        found[extension["url"].removeprefix(f"{BASE}/StructureDefinition/")] = value
    return found


def _groups(value_set: str) -> set[str | None]:
    concepts = _concepts(_read(VALUESETS / f"{value_set}.json"))
    return {_extensions(concept).get("group") for _, concept in concepts}


def _check_digit(code: str) -> int:
    """Compute the check digit of a LOINC *code* given without it: mod 10, every second character doubled.

    A letter, as in LA15173, weighs what its place in ASCII is after the digit 0.
    """
    total = 0
    for place, character in enumerate(reversed(code)):
        weight = (ord(character) - ord("0")) * (2 if place % 2 == 0 else 1)
        total += weight - weight // 10 * 9 if place % 2 == 0 else weight
    return -total % 10


def _names() -> dict[str, Any]:
    return tomllib.loads(NAMES.read_text(encoding="utf-8"))


@every_file
def test_value_set(file: Path):
    """A file holds one FHIR R4 ValueSet, named by its file, a draft that says how its codes match and credits systems.

    SNOMED CT stands in snomed.json alone, and nothing else stands there: the file can be removed.
    """
    value_set = _read(file)
    systems = {system for system, _ in _concepts(value_set)}
    used = [VALUESETS / f"{part}.json" for part in UNIONS.get(file.stem, [file.stem])]

    assert file.stem == ValueSet.model_validate(value_set).id
    assert f"{BASE}/ValueSet/{file.stem}" == value_set["url"]
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", value_set["name"])
    assert value_set["title"]
    assert "match" in value_set["description"]
    assert (value_set["status"], value_set["experimental"]) == ("draft", True)
    assert systems <= OWNERS.keys()
    for system in {system for part in used for system, _ in _concepts(_read(part))}:
        assert OWNERS[system] in value_set["copyright"]
    assert (file.stem in IN_SNOMED) == (SNOMED in systems)
    assert SNOMED not in systems or {SNOMED} == systems


@every_file
def test_codes(file: Path):
    """Each code stands there once, says whether it is verified and which section of the table it is from.

    A LOINC code has the check digit that it must have.
    """
    concepts = list(_concepts(_read(file)))
    codes = [(system, concept["code"]) for system, concept in concepts]

    assert len(codes) == len(set(codes))
    for system, concept in concepts:
        extensions = _extensions(concept)
        assert {"verified", "source"} <= extensions.keys() <= {
            "verified", "source", "group", "property", "concept", "edition", "units",
        }  # fmt: skip
        assert extensions.get("edition") in {None, "cm", "other"}
        assert isinstance(extensions["verified"], bool)
        assert extensions["source"].startswith("decision table ")
        if system == LOINC:
            code, digit = concept["code"].split("-")
            assert _check_digit(code) == int(digit), concept["code"]


def test_is_complete():
    """There is a value set for each id of section 22 of the decision table, and no other."""
    assert {*LABORATORY, *DRUGS, *CONDITIONS, *IN_SNOMED} == {file.stem for file in FILES}


def test_has_no_name_twice():
    """The computer-friendly names differ."""
    names = [_read(file)["name"] for file in FILES]

    assert len(names) == len(set(names))


def test_gives_all_notices():
    """The notices are in a text file too."""
    notice = (VALUESETS / "NOTICE.md").read_text(encoding="utf-8")

    for heading in ("LOINC", "UCUM", "RxNorm", "ICD-10-CM", "SNOMED CT", "ATC"):
        assert f"\n## {heading}\n" in notice


def test_sends_each_snomed_code_to_a_condition():
    """A SNOMED CT code names the condition it belongs to, and a group of it where there are groups."""
    for _, concept in _concepts(_read(VALUESETS / "snomed.json")):
        extensions = _extensions(concept)

        assert extensions["concept"] in CONDITIONS
        assert extensions.get("group") in _groups(extensions["concept"])


def test_ships_no_unknown_code():
    """87552-6, which nobody could confirm as anything, is in no set."""
    assert all("87552-6" not in file.read_text(encoding="utf-8") for file in FILES)


@for_each(("union", "parts"), UNIONS.items())
def test_unites_by_reference(union: str, parts: list[str]):
    """A union refers to its parts, so that no code is kept in two places."""
    include = _read(VALUESETS / f"{union}.json")["compose"]["include"]

    assert [{"valueSet": [f"{BASE}/ValueSet/{part}"]} for part in parts] == include


@for_each(
    ("value_set", "code"),
    [
        ("vitd-25ohd-total", "62292-8"),
        ("mg-serum-total", "19123-9"),
        ("ca-total", "17861-6"),
        ("phosphate", "2777-1"),
        ("pth", "2731-8"),
        ("potassium", "2823-3"),
        ("creatinine", "2160-0"),
        ("vitd-not-25ohd", "62290-2"),
    ],
)
def test_begins_with_the_code_of_orders(value_set: str, code: str):
    """The first code of a set is the preferred one: orders carry it."""
    _, first = next(_concepts(_read(VALUESETS / f"{value_set}.json")))

    assert code == first["code"]


def test_leaves_overweight_out_of_obesity():
    """E66 is obesity, E66.3 is not."""
    (exclude,) = _read(VALUESETS / "obesity.json")["compose"]["exclude"]

    assert [concept["code"] for concept in exclude["concept"]] == ["E66.3"]


def test_never_counts_an_active_form_as_nutritional():
    """Each active form has a longer ATC prefix than A11CC, the prefix of vitamin D in general."""
    atc = "http://www.whocc.no/atc"
    active = {concept["code"] for system, concept in _concepts(_read(VALUESETS / "active-vitd.json")) if system == atc}

    assert {"A11CC02", "A11CC03", "A11CC04"} <= active


def test_names_drugs_of_known_sets():
    """A drug known by name belongs to a drug value set, or to `unclear-vitd`, which has no codes."""
    assert {entry["set"] for entry in _names()["drug"]} <= {*DRUGS, "unclear-vitd"}


def test_names_drugs_of_known_groups():
    """A drug's group is one of its set, or the drug itself where only its name is known."""
    for entry in _names()["drug"]:
        if entry["set"] != "unclear-vitd":
            assert entry.get("group") in {*_groups(entry["set"]), entry["name"]}


def test_names_conditions_of_known_sets():
    """A condition known by text belongs to a condition value set, and to a group of it where it has some."""
    for entry in _names()["condition"]:
        assert entry["concept"] in CONDITIONS
        assert entry.get("group") in _groups(entry["concept"])


def test_prints_short_names():
    """A card has 30 characters for a drug."""
    assert all(0 < len(entry["name"]) <= 30 for entry in _names()["drug"])


def test_spells_in_lower_case():
    """What is looked for in text is lower case, trimmed, and not there twice in one set."""
    names = _names()
    tables = ("exclusions", "calcium_with_d", "empty")
    lists = [(f"{table}.{key}", words) for table in tables for key, words in names[table].items()]
    lists += [(entry["set"], entry["spellings"]) for entry in names["drug"]]
    lists += [("condition", entry["phrases"]) for entry in names["condition"]]
    found = [(owner, word) for owner, words in lists for word in words]

    assert all(word == word.lower().strip() != "" for _, word in found)
    assert len(found) == len(set(found))


def test_refuses_what_is_not_about_now():
    """The words that refuse a condition's text are those of section 8."""
    expected = ["history of", "family", "past", "no ", "risk", "screening", "rule out"]

    assert expected == _names()["condition_text"]["refuse"]
