"""The list of made-up patients."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds_service.errors import SettingsError
from cds_service.playground import situations as module
from tests.support.fixtures import FOLDER, situations
from tests.support.for_each import for_each

JARGON = re.compile(
    r"\b(R\d+|[GKB]-[A-Z]+|S\d|V\d+|LOINC|wording [ab])|[a-z]+-20\d\d|magnesium-aware|\d{4,5}-\d\b", re.IGNORECASE
)


def test_every_situation_is_in_the_list_once():
    """Each golden folder can be chosen: eight are introduced, each with a sentence, and the rest is searched."""
    found = module.load(FOLDER)
    introduced = [one.situation for one in found.introduced]

    assert len(introduced) == 8
    assert introduced[0] == found.first.name
    assert all(one.sentence.endswith(".") for one in found.introduced)
    assert sorted([*introduced, *(one.name for one in found.rest)]) == sorted(one.name for one in situations())


def test_titles_are_for_clinicians():
    """No title names a rule, a gate, a block, a vector or a profile's key, and none stands twice."""
    titles = [one.title for one in module.load(FOLDER).all()]

    assert [title for title in titles if JARGON.search(title)] == []
    assert len(set(titles)) == len(titles)


def test_working_notes_are_not_shown():
    """What was worked out by hand is shown, without the notes on how an open point was read."""
    found = module.load(FOLDER).find("synthetic-deficient-thiazide")
    written = next(one.expected["reasoning"] for one in situations() if one.name == "synthetic-deficient-thiazide")

    assert any(line.startswith("AMBIGUOUS:") for line in written)
    assert found is not None
    assert found.reasoning == tuple(line for line in written if "AMBIGUOUS" not in line)
    assert found.reasoning


def test_missing_situations_stop_the_start(tmp_path: Path):
    """Without its situations the service does not start with a playground, and says which setting helps."""
    with pytest.raises(SettingsError, match="CDS_PLAYGROUND=false"):
        module.load(tmp_path)


@for_each("text", ["{", '{"title": "x", "asOf": "yesterday", "cards": []}', '{"asOf": "2026-03-02"}'])
def test_broken_situation_is_named(tmp_path: Path, text: str):
    """A situation that cannot be read stops the start and is named."""
    (tmp_path / "broken-one").mkdir()
    (tmp_path / "broken-one" / "expected.json").write_text(text, encoding="utf-8")
    (tmp_path / "broken-one" / "request.json").write_text("{}", encoding="utf-8")

    with pytest.raises(SettingsError, match="broken-one"):
        module.load(tmp_path)
