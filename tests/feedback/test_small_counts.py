"""Small counts are not told, nor to be worked out from the others that they add up with."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.feedback.tables import together
from cds_service.web.plots import _library


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([], []),
        ([0, 0, 0], [0, 0, 0]),
        ([5, 9, 0], [5, 9, 0]),
        ([3, 33, 52], ["<5", None, 52]),
        ([33, 3, 52], [None, "<5", 52]),
        ([33, 0, 4], [None, 0, "<5"]),
        ([1, 4, 40], ["<5", "<5", 40]),
        ([2, 0, 0], ["<5", 0, 0]),
        ([1, 7, 7], ["<5", None, 7]),
    ],
)
def test_together(counts: list[int], told: list[int | str | None]) -> None:
    """One small count takes the smallest of the others with it; two of them hide one another."""
    assert together(counts) == told


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_never_to_be_worked_out(counts: list[int]) -> None:
    """Who knows the sum and all that is told can never reckon a small count."""
    told = together(counts)
    unknown = [count for count, shown in zip(counts, told, strict=True) if shown != count]

    assert len(unknown) != 1 or sum(counts) < 5


def test_plots_leave_imports_alone() -> None:
    """The library of the plots adds a finder for its plug-ins to every later import; it does not stay."""
    _library()

    assert [finder for finder in sys.meta_path if type(finder).__module__.startswith("pygal")] == []
