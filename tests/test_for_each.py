"""A table of cases in one test: all are tried, those that fail are named, and each has its fixtures to itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.for_each import for_each


def test_all_are_tried_and_those_that_fail_are_named():
    """The first failure does not keep the others from being tried; one that fails alone is told as it is."""
    tried: list[int] = []

    def holds(number: int, most: int) -> None:
        tried.append(number)
        assert number <= most

    with pytest.raises(ExceptionGroup, match="2 of 3 failed") as several:
        for_each("number", [1, 2, 3])(holds)(most=1)
    with pytest.raises(AssertionError) as one:
        for_each("number", [1, 2, 3], ids=["first", "second", "third"])(holds)(most=2)

    assert tried == [1, 2, 3, 1, 2, 3]
    assert [error.__notes__ for error in several.value.exceptions] == [["with {'number': 2}"], ["with {'number': 3}"]]
    assert one.value.__notes__ == ["with third"]


@for_each("name", ["CDS_ONE", "CDS_TWO"])
def test_a_case_has_its_fixtures_to_itself(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a case sets or writes is gone in the next."""
    assert not {"CDS_ONE", "CDS_TWO"} & os.environ.keys()
    assert not any(tmp_path.iterdir())

    monkeypatch.setenv(name, "1")
    (tmp_path / name).touch()
