"""What is counted over a whole export: by hand, and against what the service is known to answer."""

from __future__ import annotations

import csv
import io
import json
import pickle
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cds_service import settings as settings_module
from cds_service.cli import main, options_of
from cds_service.errors import StartupError
from cds_service.guidance import loading
from cds_service.hooks.prefetch import SizeLimits
from cds_service.population.chart import CARD, Charts, Plan, View
from cds_service.population.export import Unreadable
from tests.population.exports import AS_OF, by_hand, magnesium, patient, report, result, vitamin_d, write
from tests.support.fixtures import situations

CHARTS = 100
"""Patients whose cards are compared with what is expected of the service."""
NO_SERVICE_REQUEST = "There is no file of ServiceRequest: it is taken that no laboratory order is open."


UNREADABLE = {
    Unreadable.NOT_JSON.value: 2,
    Unreadable.NO_TYPE.value: 1,
    Unreadable.NO_ID.value: 1,
    Unreadable.UNKNOWN_PATIENT.value: 1,
    Unreadable.OTHER_SUBJECT.value: 1,
    Unreadable.NO_PATIENT.value: 1,
    Unreadable.CODE.value: 1,
    Unreadable.BROKEN_FILE.value: 1,
}


def test_counts_by_hand(tmp_path: Path):
    """Patients, cards, topics by indicator and lines that cannot be read are those of the lines; nobody is named."""
    by_hand(tmp_path / "export")
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert found["read_first"][0] == NO_SERVICE_REQUEST
    assert (found["patients"], found["with_card"]) == (4, 2)
    assert found["topics"]["vitamin-d-deficiency"] == {"warning": 1}
    assert found["topics"]["magnesium-low"] == {"warning": 1}
    assert sum(found["patients_by_topic"].values()) == found["cards"]
    assert found["unreadable"] == UNREADABLE
    assert found["silence"] == {
        "25(OH)D adequate, magnesium normal": 1,
        "25(OH)D none on file, magnesium none on file": 1,
    }
    people = {(row["age"], row["sex"]): (row["patients"], row["with_card"]) for row in found["people"]}
    assert people["40 to 49", "male"] == (2, 1)
    assert people["80 and over", "female"] == (1, 0)
    assert people["all", "all"] == (4, 2)
    written = "".join(file.read_text(encoding="utf-8") for file in Path("out").iterdir())
    assert not any(name in written for name in ("anna", "bert", "carl", "dora", "nobody"))


def test_a_type_is_named_only_where_it_is_known(tmp_path: Path):
    """Whatever else stands as resourceType is counted as a line that is not read, and never repeated."""
    made_up = "Jane Doe MRN 4711 <img src=x>"
    kinds = (made_up, "JaneDoe", "x" * 5000, "Encounter")
    write(tmp_path / "export", "all.ndjson", [patient("a"), *({"resourceType": kind} for kind in kinds)])
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert found["types"] == ["Encounter", "Patient"]
    assert found["unreadable"] == {Unreadable.UNKNOWN_TYPE.value: 3}


def test_small_counts_are_hidden_by_default(tmp_path: Path):
    """Of four patients nothing is told, neither how many there are nor what they have."""
    by_hand(tmp_path / "export")
    found = report(tmp_path / "export", "--as-of", AS_OF)

    assert found["patients"] is found["with_card"] is found["cards"] is None
    assert found["topics"]["magnesium-low"] == {"warning": None}
    assert set(found["unreadable"].values()) == {None}
    assert "hidden" in Path("out/report.csv").read_text(encoding="utf-8")


def golden(folder: Path) -> dict[str, set[tuple[str, str]]]:
    """An export of golden charts of one day that were sent whole; the topics and indicators expected of each."""
    expected: dict[str, set[tuple[str, str]]] = {}
    lines: dict[str, list[Any]] = {"ServiceRequest": []}
    for situation in situations():
        request = json.loads(situation.body)
        if len(expected) == CHARTS or not _whole(request) or situation.expected["asOf"] != AS_OF:
            continue
        if situation.expected["profile"] != "magnesium-aware" or situation.expected["ckdOverlay"] != "kdoqi-2003":
            continue
        name = request["context"]["patientId"]
        expected[name] = {(card["topic"], card["indicator"]) for card in situation.expected["cards"]}
        for value in request["prefetch"].values():
            for resource in _resources(value):
                lines.setdefault(resource["resourceType"], []).append(resource)
    for kind, resources in lines.items():
        for part in (0, 1):
            write(folder, f"{kind}.{part}.ndjson{'.gz' * part}", resources[part::2])
    return expected


def _resources(value: Any) -> list[Any]:
    if value is None or value["resourceType"] != "Bundle":
        return [] if value is None else [value]
    return [entry["resource"] for entry in value.get("entry", [])]


def _whole(request: Any) -> bool:
    """Whether every key was sent whole, with a subject on each resource that says whose it is."""
    prefetch = request.get("prefetch", {})
    kinds = {"Patient", "Observation", "Condition", "MedicationRequest", "ServiceRequest"}
    return len(prefetch) == 9 and all(
        set(value or {"entry": []}) <= {"resourceType", "type", "entry", "total"} or value["resourceType"] == "Patient"
        for value in prefetch.values()
    ) and all(
        resource["resourceType"] in kinds and (resource["resourceType"] == "Patient" or "subject" in resource)
        for value in prefetch.values() for resource in _resources(value)
    )  # fmt: skip


def test_cards_are_those_of_the_service(tmp_path: Path):
    """A hundred golden charts in one export have the cards that are expected of them, topic by topic."""
    expected = golden(tmp_path / "export")
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0", "--list", "who.csv")

    rows = list(csv.DictReader(io.StringIO(Path("who.csv").read_text(encoding="utf-8"))))
    listed = {name: {(row["topic"], row["indicator"]) for row in rows if row["patient"] == name} for name in expected}
    assert len(expected) == CHARTS
    assert listed == expected
    assert found["patients"] == CHARTS
    assert found["cards"] == len(rows)
    assert Path("who.csv").stat().st_mode & 0o777 == 0o600
    assert found["missing_types"] == []


def test_a_type_without_a_file_is_unavailable_for_everybody(tmp_path: Path):
    """Without conditions no order is drafted for anybody, and the report begins with that; an empty file says none."""
    write(tmp_path / "export", "p.ndjson", [patient(f"p{n}") for n in range(3)])
    write(tmp_path / "export", "o.ndjson", [vitamin_d(f"Patient/p{n}", 8) for n in range(3)])
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert "There is no file of Condition and of MedicationRequest in the export." in found["read_first"][0]
    assert found["missing_types"] == ["Condition", "MedicationRequest"]
    assert (found["with_card"], found["with_card_and_no_drug_draft"]) == (3, 3)
    assert found["closed_gates"]["G-KID"] == 3
    for kind in ("Condition", "MedicationRequest", "ServiceRequest"):
        write(tmp_path / "export", f"{kind}.ndjson", [])
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert found["missing_types"] == []
    assert "There is no file" not in found["read_first"][0]
    assert "G-KID" not in found["closed_gates"]


def test_results_by_unit_and_by_what_is_wrong(tmp_path: Path):
    """The laboratory's codes and units are counted, and results that cannot be used by why."""
    lines = [vitamin_d("Patient/a", 30) for _ in range(1)] + [
        result("Patient/a", "62292-8", 30 + n, "furlongs", day=f"2026-01-{n + 1:02}") for n in range(12)
    ]
    write(tmp_path / "export", "all.ndjson", [patient("a"), *lines])
    rows = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert {(row["code"], row["unit"], row["results"]) for row in rows["results"]} == {
        ("62292-8", "ng/mL", 1),
        ("62292-8", "furlongs", 12),
    }
    assert rows["unusable"] == [{"analyte": "vitamin_d", "why": "unit-unknown", "results": 12}]


def test_a_unit_of_few_patients_has_no_name(tmp_path: Path):
    """What a single patient has is not named, however many results have it; what eleven patients have is."""
    rare = "J.Doe <b>4711</b>"
    many = [result("Patient/p0", "62292-8", 30, rare, day=f"2026-01-{n + 1:02}") for n in range(12)]
    usual = [vitamin_d(f"Patient/p{n}", 30) for n in range(11)]
    write(tmp_path / "export", "all.ndjson", [*(patient(f"p{n}") for n in range(11)), *usual, *many])
    found = report(tmp_path / "export", "--as-of", AS_OF)

    assert {(row["unit"], row["results"]) for row in found["results"]} == {("ng/mL", 11), ("other", 12)}
    assert not any("Doe" in file.read_text(encoding="utf-8") for file in Path("out").iterdir())


@pytest.mark.parametrize(
    ("name", "text", "day", "told"),
    [
        ("manifest.json", '{"transactionTime": "2026-03-01T23:30:00Z", "output": []}', "2026-03-02", "manifest.json"),
        (
            "log.ndjson",
            """{"eventDetail": {"transactionTime": "2026-02-27T12:00:00Z"}}
            {"eventId": "kickoff"}
            {"eventDetail": {"transactionTime": "2026-02-28T12:00:00+01:00"}}""",
            "2026-02-28",
            "log.ndjson",
        ),
        ("other.json", "[1]", "2026-02-21", "newest result"),
    ],
)
def test_day_of_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, day: str, told: str):
    """The day is that of the manifest or the log in the configured time zone, else that of the newest result."""
    monkeypatch.setenv("CDS_TIMEZONE", "Europe/Berlin")
    results = [vitamin_d("Patient/a", 30, day="2026-02-21"), vitamin_d("Patient/a", 30, day="9999-01-01")]
    write(tmp_path / "export", "all.ndjson", [patient("a"), *results])
    (tmp_path / "export" / name).write_text(text, encoding="utf-8")
    found = report(tmp_path / "export")

    assert found["as_of"] == day
    assert told in found["days_from"]


def test_side_by_side(tmp_path: Path):
    """Days and profiles stand beside each other, and another guidance beside each: gained, lost, changed, the same.

    Of 45, 35 and 8 ng/mL the second is insufficient where the limit is 40, and the third is deficient under both.
    """
    values = {"a": 45, "b": 35, "c": 8}
    lines = [vitamin_d(f"Patient/{name}", value) for name, value in values.items()]
    write(tmp_path / "export", "all.ndjson", [*map(patient, values), *lines])
    other = tmp_path / "guidance"
    other.mkdir()
    approved = 'source = "test", approver = "test", date = 2026-01-01'
    limits = f"mass = {{ value = 40, {approved} }}\nmolar = {{ value = 100, {approved} }}\n"
    head = "[profile.magnesium-aware.insufficient_below]\n"
    (other / "profiles.toml").write_text(head + limits, encoding="utf-8")
    days = ("--as-of", AS_OF, "--as-of", "2028-03-02")
    found = report(tmp_path / "export", *days, "--mask", "0", "--compare", str(other))

    labels = [AS_OF, "2028-03-02", f"{AS_OF}, compared guidance", "2028-03-02, compared guidance"]
    assert [view["view"] for view in found["views"]] == labels
    compared = found["views"][2]["compared"]
    assert compared["vitamin-d-insufficiency"] == {"gained": 1, "lost": 0, "changed": 0, "same": 0}
    assert sum(compared["vitamin-d-deficiency"].values()) == 1
    assert "vitamin-d-insufficiency" not in found["topics"]
    assert found["views"][1]["topics"] != found["topics"]
    profiles = report(tmp_path / "export", "--as-of", AS_OF, "--profile", "magnesium-aware", "--profile", "nam-2011")
    assert [view["profile"] for view in profiles["views"]] == ["magnesium-aware", "nam-2011"]


def test_everything_travels_as_an_argument(monkeypatch: pytest.MonkeyPatch):
    """A worker on another machine asks no setting and no variable there: the plan that it is sent says it all."""
    guidance = loading.load("nam-2011")
    views = (View(guidance, date(2026, 3, 2)),)
    plan = Plan(views, frozenset({"Patient", "Observation"}), 4, d3_is_total=False, sizes=SizeLimits(9, 9))
    lines = patient("a"), vitamin_d("Patient/a", 8), magnesium("Patient/a", 1.4)
    chart = [json.dumps(line).encode() for line in lines]
    here = Charts.by(plan).sorted_marks("a", chart)

    def refuse(**_: object) -> None:
        raise AssertionError

    for name, value in (("AS_OF", "2031-01-01"), ("PROFILE", "endocrine-2011"), ("MAX_CARDS", "1")):
        monkeypatch.setenv(f"CDS_{name}", value)
    monkeypatch.setattr(settings_module, "load", refuse)
    there = Charts.by(pickle.loads(pickle.dumps(plan))).sorted_marks("a", chart)  # noqa: S301 - our own

    assert sorted(map(str, there)) == sorted(map(str, here))
    assert any(mark[1:2] == (CARD,) for mark in there)


@pytest.mark.parametrize("options", [["nowhere"], [".", "--as-of", AS_OF], ["empty"]])
def test_nothing_to_count(options: list[str], capsys: pytest.CaptureFixture[str]):
    """Without a folder, a file or a Patient there is a sentence that says so, and no report."""
    write(Path("empty"), "Observation.ndjson", [vitamin_d("Patient/a", 8)])

    assert main(["population", *options]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("cds-service: ")
    assert not Path("population-report").exists()


def test_a_fault_ends_no_run_and_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A chart that the evaluation fails on counts as one that was not answered."""

    def fail(_: object, name: str, __: object) -> None:
        raise RuntimeError(name)

    write(tmp_path / "export", "all.ndjson", [patient("secret-name"), vitamin_d("Patient/secret-name", 8)])
    monkeypatch.setattr(Charts, "marks", fail)
    found = report(tmp_path / "export", "--mask", "0")

    assert (found["patients"], found["with_card"]) == (1, 0)
    assert "secret-name" not in json.dumps(found) + "".join(capsys.readouterr())


def test_an_error_is_no_report(tmp_path: Path):
    """What is in the way of the report is told, and nothing of it is left there."""
    write(tmp_path / "export", "all.ndjson", [patient("a"), vitamin_d("Patient/a", 8)])
    Path("out").mkdir()
    Path("out/report.json.part").mkdir()

    options = options_of(["population", str(tmp_path / "export"), "--processes", "1", "--out", "out"])
    with pytest.raises(StartupError, match="nothing of this run is left"):
        options.run(options)
    assert [file.name for file in Path("out").iterdir()] == ["report.json.part"]
