"""Small counts are not told, nor to be worked out from the others that they add up with."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.feedback.comparison import Arm, ArmCounts, Comparison, Outcomes
from cds_service.feedback.comparison_sums import ONCE, tables
from cds_service.feedback.sums import together

SILENT, SHOWN, SHARED = Arm("silent", shown=False), Arm("on", shown=True), Arm("share", shown=True)


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
        ([1, 1, 40, 50], ["<5", "<5", None, 50]),
        ([4, 4, 40, 50], ["<5", "<5", None, 50]),
        ([1, 5, 50], [None, None, 50]),
        ([4, 4, 0], [None, None, None]),
        ([1, 1, 1], ["<5", "<5", "<5"]),
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


def test_comparison_tells_no_total_of_a_small_part() -> None:
    """Neither cards of a topic, nor totals of an arm, nor what a topic's other shown arm leaves of all that was shown.

    Topic a has 2 critical cards in silence, c 3 that a share showed; of all shown ones the summary has c's sum.
    """
    topics = {
        ("a", SILENT): ArmCounts(Counter(critical=2, warning=43), once=20),
        ("b", SILENT): ArmCounts(Counter(warning=9, info=7), once=3),
        ("c", SHARED): ArmCounts(Counter(info=3), once=3),
        ("c", SHOWN): ArmCounts(Counter(info=50), once=30),
        ("d", SHOWN): ArmCounts(Counter(warning=6), once=6),
    }
    charts = {
        SILENT: ArmCounts(Counter(critical=2, warning=52, info=7), once=23, charts=50),
        SHOWN: ArmCounts(Counter(warning=6, info=50), once=36, charts=51),
    }
    told = tables(Comparison(charts, topics, {}))
    columns = ("cards", ONCE, "critical", "warning", "info")

    assert [[row[name] for name in columns] for row in told["mode topics"]] == [
        [None, 20, None, None, 0],
        [16, "<5", 0, 9, 7],
        [None, "<5", 0, 0, None],
        [None, 30, 0, 0, None],
        [6, 6, 0, 6, 0],
    ]
    assert [[row[name] for name in columns] for row in told["modes"]] == [
        [None, None, None, None, 7],
        [None, 36, 0, 6, None],
    ]


def test_comparison_tells_no_outcome_that_leaves_a_few() -> None:
    """Of 20 patients 17 had an order: 3 had none. Of 9 with a later result 8 were back in range: 1 was not."""
    seen = Outcomes(20, Counter({"ordered": 17, "repeated": 9, "back in range": 8}))
    silent = Outcomes(20, Counter({"ordered": 10, "repeated": 10, "back in range": 5}))
    rows = tables(Comparison({}, {}, {"a": {True: seen, False: silent}}))["mode outcomes"]

    assert [(row["shown"], row["shown %"], row["silent"], row["difference"]) for row in rows] == [
        (None, None, 10, None),
        (9, 45.0, 10, -5.0),
        (None, None, 5, None),
    ]
