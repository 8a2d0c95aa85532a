"""The list of made-up patients."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.errors import SettingsError
from cds_service.playground import situations as module
from tests.support.fixtures import FOLDER, situations


def test_every_situation_is_in_the_list_once():
    """Each golden folder can be chosen, in one group; the list begins with what to look at first."""
    groups = module.load(FOLDER).groups()
    listed = [situation.name for found in groups.values() for situation in found]

    assert sorted(listed) == sorted(situation.name for situation in situations())
    assert next(iter(groups)) == "Start here"
    assert [one.name for one in groups["Start here"]] == list(module.FIRST)
    assert len(groups["Synthetic patients"]) == 10


def test_missing_situations_stop_the_start(tmp_path: Path):
    """Without its situations the service does not start with a playground, and says which setting helps."""
    with pytest.raises(SettingsError, match="CDS_PLAYGROUND=false"):
        module.load(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"title": "x", "asOf": "yesterday", "cards": []}', '{"asOf": "2026-03-02"}'])
def test_broken_situation_is_named(tmp_path: Path, text: str):
    """A situation that cannot be read stops the start and is named."""
    (tmp_path / "broken-one").mkdir()
    (tmp_path / "broken-one" / "expected.json").write_text(text, encoding="utf-8")
    (tmp_path / "broken-one" / "request.json").write_text("{}", encoding="utf-8")

    with pytest.raises(SettingsError, match="broken-one"):
        module.load(tmp_path)
