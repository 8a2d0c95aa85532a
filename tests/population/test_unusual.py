"""Exports and orders that are not as one expects: what can be read is read, and a sentence says what is wrong."""

from __future__ import annotations

import csv
import gzip
import json
import os
import tempfile
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

import pytest

from cds_service.cli import main
from cds_service.population import export, local
from cds_service.population.export import Unreadable
from tests.population.exports import AS_OF, magnesium, patient, report, vitamin_d, write

RESULTS = [vitamin_d("Patient/a", 8), magnesium("Patient/b", 1.4)]
BUNDLE = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient("a")}]}


def two_patients(folder: Path) -> None:
    """An export of two patients, each with a result that gives a card."""
    write(folder, "Patient.ndjson", [patient("a"), patient("b")])
    write(folder, "Observation.ndjson", RESULTS)


def rewritten(folder: Path, change: Any) -> None:
    """Every file of *folder* as *change* makes it of what is in it."""
    for file in folder.glob("*.ndjson"):
        file.write_bytes(change(file.read_bytes()))


def packed(folder: Path) -> None:
    """Every file of *folder* packed."""
    for file in folder.glob("*.ndjson"):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: BOM_UTF8 + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\n\r\n \t\n" + text + b"\n\n",
        lambda text: text.rstrip(b"\n"),
    ],
    ids=["mark of UTF-8", "CRLF", "blank lines", "no end of line"],
)
def test_ways_to_write_lines(tmp_path: Path, change: Any, *, gz: bool) -> None:
    """However lines are written, packed or not, both patients are read, and no line is counted as unreadable."""
    two_patients(tmp_path / "export")
    rewritten(tmp_path / "export", change)
    if gz:
        packed(tmp_path / "export")
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert (found["patients"], found["with_card"], found["unreadable"]) == (2, 2, {})


@pytest.mark.parametrize("gz", [False, True])
def test_a_line_that_is_too_long_is_skipped(tmp_path: Path, *, gz: bool) -> None:
    """A line of more than is read is counted, and the next one is read."""
    two_patients(tmp_path / "export")
    long = b'{"resourceType":"Observation","note":"' + b"x" * (2 * export.LONGEST_LINE) + b'"}'
    write(tmp_path / "export", "Observation.2.ndjson", [long, vitamin_d("Patient/b", 8)])
    if gz:
        packed(tmp_path / "export")
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert found["unreadable"] == {Unreadable.TOO_LONG.value: 1}
    assert found["topics"]["vitamin-d-deficiency"] == {"warning": 2}


def test_a_file_in_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is read in pieces, wherever they end, has each line once, and one that comes twice is read once."""
    monkeypatch.setattr(export, "PART", 500)
    names = [f"p{number}" for number in range(40)]
    lines = [magnesium(f"Patient/{name}", 1.4, day=day) for day in ("2026-02-20", "2026-01-20") for name in names]
    write(tmp_path / "export", "all.ndjson", [*map(patient, names), *lines, *lines])
    found = report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0")

    assert (found["patients"], found["with_card"], found["unreadable"]) == (40, 40, {})
    assert [row["results"] for row in found["results"]] == [80]


def told(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What the command that cannot do it says in the end, when it has left no report."""
    assert main(["population", *options]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert not list(Path().glob("out*"))
    return said.splitlines()[-1].removeprefix("cds-service: ")


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([BUNDLE], Unreadable.BUNDLE),
        ([b"\xff\xfe{\x00}\x00"], Unreadable.NOT_JSON),
        (json.dumps(patient("a"), indent=1).encode().splitlines(), Unreadable.NOT_JSON),
        ([json.dumps([patient("a")]).encode()], Unreadable.NOT_JSON),
    ],
    ids=["Bundles", "UTF-16", "a resource over several lines", "a list"],
)
def test_an_export_of_nobody_says_what_is_in_it(capsys: pytest.CaptureFixture[str], lines: Any, kind: str) -> None:
    """Where no Patient is read, that is what is told, with the kinds of lines that are not read and no day."""
    write(Path("export"), "all.ndjson", lines)

    assert told(capsys, "export", "--out", "out").endswith(f"nothing can be counted; lines that are not read: {kind}")


def test_files_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Folders of folders, a link to itself, a link to nothing and a folder named as a file are told by their name."""
    two_patients(Path("export/below").parent)
    Path("above").mkdir()
    Path("export").rename("above/export")
    assert told(capsys, "above") == (
        "above: there is no file *.ndjson or *.ndjson.gz in it (folders of it are not read)"
    )
    odd = Path("above/export/Condition.ndjson")
    for make in (lambda: odd.symlink_to(odd.name), lambda: odd.symlink_to("nowhere"), odd.mkdir):
        make()
        assert told(capsys, "above/export", "--out", "out").endswith(f": {odd}")
        odd.rmdir() if odd.is_dir() else odd.unlink()


def test_damage_is_told_first(tmp_path: Path) -> None:
    """Of a file that is damaged it is said before any number that the rest of it is not counted."""
    two_patients(tmp_path / "export")
    (tmp_path / "export" / "Condition.ndjson.gz").write_bytes(b"not packed at all\n")
    found = report(tmp_path / "export", "--as-of", AS_OF)

    assert any("cut off or damaged" in note for note in found["read_first"])


def test_no_file_is_lost_to_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Only an earlier list is written over: a slip must not cost a file of the export."""
    two_patients(Path("export"))
    before = Path("export/Patient.ndjson").read_bytes()
    for place in ("export/Patient.ndjson", "export"):
        assert "no earlier list" in told(capsys, "export", "--out", "out", "--list", place)
    assert Path("export/Patient.ndjson").read_bytes() == before
    for _ in range(2):
        report(Path("export"), "--as-of", AS_OF, "--list", "who.csv")


def test_an_id_is_no_formula(tmp_path: Path) -> None:
    """An id that a spreadsheet would take for a formula is marked as text, and one with a comma is one cell."""
    write(tmp_path / "export", "all.ndjson", [patient("=1,2"), vitamin_d("Patient/=1,2", 8)])
    report(tmp_path / "export", "--as-of", AS_OF, "--list", "who.csv")
    with Path("who.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [(row["patient"], row["topic"]) for row in rows] == [("'=1,2", "vitamin-d-deficiency")]


def test_no_chart_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder in which charts are sorted is gone after a report, and after one that cannot be written."""
    two_patients(tmp_path / "export")
    sorting = tmp_path / "sorting"
    sorting.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(sorting))
    report(tmp_path / "export", "--as-of", AS_OF)
    Path("out/report.csv.part").mkdir()

    assert main(["population", str(tmp_path / "export"), "--processes", "1", "--out", "out"]) == 2
    assert list(sorting.iterdir()) == []


def test_places_are_looked_at_before_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the report or the list cannot be written, that is said before anything is read."""
    two_patients(Path("export"))
    Path("file").touch()
    Path("shut").mkdir()
    may = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place).name != "shut" and may(place, mode))
    for options in (("--out", "file"), ("--out", "file/below"), ("--out", "shut/below"), ("--list", "nowhere/l.csv")):
        assert main(["population", "export", *options]) == 2
        said = capsys.readouterr().err
        assert "nothing can be written there" in said
        assert "Reading" not in said
    assert list(Path("shut").iterdir()) == []


def test_another_guidance_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of guidance to compare with has to be there."""
    two_patients(Path("export"))

    assert told(capsys, "export", "--out", "out", "--compare", "nowhere") == "nowhere: there is no such folder"


def test_no_more_processes_than_there_is_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many processes are asked for, there are no more than pieces of work; one piece needs none besides."""
    write(tmp_path / "export", "all.ndjson", [patient("a"), RESULTS[0]])
    monkeypatch.setattr(local, "ProcessPoolExecutor", lambda *_: pytest.fail("there was one piece of work"))

    assert report(tmp_path / "export", "--as-of", AS_OF, "--mask", "0", "--processes", "100000")["patients"] == 1


def test_the_same_twice_is_once(tmp_path: Path) -> None:
    """A day or a profile that is named twice stands there once."""
    two_patients(tmp_path / "export")
    twice = ("--as-of", AS_OF, "--as-of", AS_OF, "--profile", "nam-2011", "--profile", "nam-2011")

    assert len(report(tmp_path / "export", *twice)["views"]) == 1
