"""The page on adding a rule is followed in a copy of the program: the card appears, and what is forgotten is named."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from tests.docs.test_docs_in_step import DOCS, Fence, fences
from tests.support.catalogue import forgotten
from tests.support.fixtures import ROOT
from tests.support.for_each import for_each

PAGE = DOCS / "how-to" / "add-a-rule.md"
NEW = "K-LACT"
COPIED = (
    "cds_service",
    "docs/reference",
    "fhir_fixtures",
    "tests/support",
    "tests/clinical",
    "tests/web",
    "pyproject.toml",
)
FIRST = re.compile(r"# (?P<file>\S+)(?:, (?P<how>after|in place of): (?P<line>.+))?")
STEPS = [fence for fence in fences(PAGE) if FIRST.fullmatch(fence.text.splitlines()[0])]


def copy(tmp_path: Path) -> Path:
    """The program, its tests of the clinical logic and its reference, to be changed."""
    root = tmp_path / "copy"
    left = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=left)
        else:
            shutil.copy(ROOT / name, root / name)
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, root / "tests" / name)
    return root


def follow(root: Path, step: Fence) -> str:
    """Make the change of one block below *root*; the file it is for."""
    head, _, text = step.text.partition("\n")
    found = FIRST.fullmatch(head)
    assert found is not None
    if step.language == "markdown":  # set in, or the page would have the heading as its own
        text = dedent(text)
    file = root / found["file"]
    if found["line"] is None:
        file.write_text(text, encoding="utf-8")
        return found["file"]
    lines = file.read_text(encoding="utf-8").splitlines()
    place = next(place for place, line in enumerate(lines) if line.strip().startswith(found["line"]))
    if found["how"] == "after":
        lines.insert(place + 1, text.rstrip("\n"))
    else:
        lines[place] = lines[place].replace(found["line"], text.rstrip("\n"))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return found["file"]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the copy."""
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.served
def test_steps_add_the_card(tmp_path: Path):
    """After the steps the copy starts, its new tests see the card, nothing is forgotten, five files changed."""
    root = copy(tmp_path)
    changed = {follow(root, step) for step in STEPS}

    checked = run(root, "cds_service", "check")
    tested = run(root, "pytest", "-q", "-p", "no:cacheprovider", "tests/clinical/cards/test_lactation.py")

    assert len(changed) == 5
    assert "27 cards" in checked.stdout, checked.stderr
    assert "2 passed" in tested.stdout, tested.stdout
    assert forgotten(root) == []


FORGOTTEN = {
    "cds_service/clinical/cards/catalogue.py": [f"{NEW}: the catalogue"],
    "cds_service/clinical/cards/companions.py": [f"{NEW}: a rule"],
    "cds_service/guidance/cards.toml": [f"{NEW}: cards.toml"],
    "docs/reference/cards/companions.md": [f"{NEW}: a page", f"{NEW}: display order"],
    "tests/clinical/cards/test_lactation.py": [f"{NEW}: a test"],
}


def test_forgotten_place_is_named(tmp_path: Path):
    """Whichever file is forgotten, the check of the catalogue names the card and the place."""
    root = copy(tmp_path)
    for step in STEPS:
        follow(root, step)

    for left_out, named in FORGOTTEN.items():
        followed = (root / left_out).read_text(encoding="utf-8")
        before = (ROOT / left_out).read_text(encoding="utf-8") if (ROOT / left_out).exists() else ""
        (root / left_out).write_text(before, encoding="utf-8")
        assert forgotten(root) == named, left_out
        (root / left_out).write_text(followed, encoding="utf-8")


@pytest.mark.served
@for_each(
    ("forgets", "named"),
    [
        ("# cds_service/clinical/cards/catalogue.py", "card.K-LACT = 'K-LACT': expected a card of the catalogue"),
        ("# cds_service/guidance/cards.toml", "card.K-LACT = None: expected an entry: it is missing"),
        ("summary = ", "card.K-LACT.summary = None: expected an entry: it is missing"),
        ("[card.K-LACT.about]", "cards.toml: card.K-LACT.when = '"),
        ("feedback = ", "feedback.toml: topic.lactation = None: expected an entry: it is missing"),
    ],
)
def test_start_names_what_was_forgotten(forgets: str, named: str, tmp_path: Path):
    """Without its place in the catalogue, its entry, its summary or its reasons the service does not start."""
    root = copy(tmp_path)
    for step in STEPS:
        if not step.text.startswith(forgets):
            lines = [line for line in step.text.splitlines(keepends=True) if not line.startswith(forgets)]
            follow(root, replace(step, text="".join(lines)))

    checked = run(root, "cds_service", "check")

    assert checked.returncode == 2
    assert named in checked.stderr
