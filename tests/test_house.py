"""The tests leave the house as it was: a test that writes outside its temporary folder fails, and so does bulk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cds_service.settings import Settings
from cds_service.store.database import Database
from tests.support.fixtures import ROOT
from tests.support.house import House, Outside

PLACE = ROOT / "never-there.sqlite3"
CARELESS = f"""
import contextlib, os
from hypothesis import given, strategies

def test_reaches_out():
    assert "CDS_PROFILE" not in os.environ
    with contextlib.suppress(Exception):
        open({str(PLACE)!r}, "w")

@given(strategies.integers())
def test_tries(number):
    assert number == number
"""


MOST_LINES = 1.6
"""Of tests for each line of the product: tests are read and moved with it, and say each idea once."""


def _lines(folder: str) -> int:
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in (ROOT / folder).rglob("*.py"))


def test_no_more_tests_than_can_be_looked_after():
    """The lines of tests stay in proportion to those of the product: what tests an idea again has to go."""
    tests, product = _lines("tests"), _lines("cds_service")

    assert tests <= MOST_LINES * product, f"{tests} lines of tests are {tests / product:.2f} to one of {product}"


@pytest.mark.parametrize(
    "reach",
    [
        lambda: PLACE.write_text("", encoding="utf-8"),
        PLACE.mkdir,
        lambda: sqlite3.connect(PLACE),
        lambda: Path("mine").rename(PLACE),
        lambda: subprocess.run([sys.executable, "--version"], cwd=ROOT, check=True),
    ],
    ids=["file", "folder", "database", "rename", "process"],
)
def test_reaching_out_is_refused(reach: Callable[[], object], house: House):
    """What is no business of a test is not done, and it is told which test would have done it."""
    with pytest.raises(Outside):
        reach()

    (told,) = house.left()
    assert "test_reaching_out_is_refused" in told
    assert not PLACE.exists()


def test_database_falls_into_the_folder_of_the_test(house: House):
    """A test begins in an empty folder; what is there by default falls into it, and the next test has another."""
    assert not any(Path().iterdir())

    Database(Settings().database_url).ready().dispose()

    assert Path("cds-service.sqlite3").is_file()
    assert house.left() == []
    assert not any(Path().iterdir())


@pytest.mark.served
def test_who_does_not_notice_fails(tmp_path: Path):
    """A test that reaches out fails also where the refusal is swallowed, and has no setting of whoever runs it."""
    file = tmp_path / "test_careless.py"
    file.write_text(CARELESS, encoding="utf-8")
    options = ["-q", "-p", "no:cacheprovider", "-p", "tests.support.house", "--basetemp", str(tmp_path / "base")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, file],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CDS_PROFILE": "nowhere"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert "2 passed, 1 error" in done.stdout, done.stdout
    assert f"test_reaches_out (call): open {PLACE}" in done.stdout
    assert not any(Path().iterdir())
