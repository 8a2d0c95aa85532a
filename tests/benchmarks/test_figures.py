"""Ratios, spreads and verdicts, with values worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.figures import (
    BARE,
    HAPI,
    HEALTHCHAIN,
    OURS,
    Goal,
    Measured,
    Point,
    Spread,
    added,
    goals,
    paired,
    short,
    spread,
)
from benchmarks.load import Sample


def sample(rate: float = 100.0, cpu: float = 1.0, p50: float = 2.0, p99: float = 4.0) -> Sample:
    """A sample without failures."""
    return Sample(rate, p50, p99, cpu, failed=0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(3.0, 3.0, 3.0)),
        ([5.0, 1.0, 2.0], Spread(2.0, 1.0, 5.0)),
        ([4.0, 1.0, 2.0, 8.0], Spread(3.0, 1.0, 8.0)),
    ],
)
def test_spread_is_median_least_and_most(values: list[float], expected: Spread):
    """The one in the middle, or the mean of the two in the middle, with both ends."""
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (1.0, "1"), (12.34, "12.3"), (99.94, "99.9"), (100.4, "100"), (12345.6, "12,346")],
)
def test_numbers_are_short(value: float, text: str):
    """Three digits, or all before the point."""
    assert short(value) == text


def test_spread_in_words():
    """The median, then both ends."""
    assert str(Spread(12.61, 12.2, 20.0)) == "12.6 (12.2..20)"


def test_ratios_are_taken_inside_a_round():
    """100/10, 300/20 and 60/5 are 10, 15 and 12: a slow third round takes nothing from the ratio."""
    servers = {
        OURS: [sample(rate=100), sample(rate=300), sample(rate=60)],
        HEALTHCHAIN: [sample(rate=10), sample(rate=20), sample(rate=5)],
    }

    assert paired(servers, HEALTHCHAIN, lambda found: found.rate) == Spread(12.0, 10.0, 15.0)


def test_what_was_not_measured_has_no_ratio():
    """Without the other server there is nothing to compare with."""
    assert paired({OURS: [sample()]}, HAPI, lambda found: found.rate) is None


def test_cost_of_an_observation_more():
    """From 1 to 11 Observations 20 ms more are 2 ms for each; from 11 to 111 another 100 ms are 1 ms for each."""
    line = [Point(1, 10, 0.010), Point(11, 20, 0.030), Point(111, 120, 0.130)]

    assert added(line) == pytest.approx([0.002, 0.001])


@pytest.mark.parametrize(
    ("measured", "at_least", "verdict"),
    [
        (Spread(15.0, 9.0, 16.0), True, "met"),
        (Spread(14.9, 14.0, 30.0), True, "**not met**"),
        (Spread(15.0, 9.0, 90.0), False, "met"),
        (Spread(15.1, 9.0, 16.0), False, "**not met**"),
        (None, False, "not measured"),
    ],
)
def test_median_decides(measured: Spread | None, verdict: str, at_least: bool):  # noqa: FBT001 - a table
    """A goal of 15 is met by a median of 15, from either side; what was not measured is neither."""
    assert Goal("something", 15, measured, at_least=at_least).verdict == verdict


def test_goal_says_its_bound():
    """From which side, how much, of what."""
    assert Goal("a", 15, None, at_least=True).target == "at least 15x"
    assert Goal("a", 0.6, None, unit=" s").target == "at most 0.6 s"


def test_goals_are_held_against_what_was_measured():
    """Each goal has its number: ratios to the right peer and size, the tail, starts, memory and the line."""
    found = Measured(
        samples={
            "typical": {
                OURS: [sample(rate=160, cpu=2.4, p50=2, p99=7)],
                BARE: [sample(rate=400, cpu=2.0)],
                HEALTHCHAIN: [sample(rate=8)],
                HAPI: [sample(rate=50)],
            },
            "large": {OURS: [sample(rate=70)], HEALTHCHAIN: [sample(rate=2)]},
        },
        restart=Spread(0.5, 0.4, 0.7),
        first_start=Spread(0.7, 0.6, 0.8),
        worker_mib=91,
        line=[Point(10, 1, 0.010), Point(20, 2, 0.020), Point(30, 3, 0.032)],
    )

    assert [goal.measured and goal.measured.median for goal in goals(found)] == pytest.approx(
        [160 / 8, 160 / 50, 2.4 / 2.0, 70 / 2, 7 / 2, 0.5, 0.7, 91, 1.2]
    )
    assert [goal.verdict == "met" for goal in goals(found)] == [
        True,  # 20 of at least 15
        False,  # 3.2 of at least 4
        True,  # 1.2 of at most 1.3
        False,  # 35 of at least 60
        True,  # 3.5 of at most 4
        True,  # 0.5 of at most 0.6 s
        False,  # 0.7 of at most 0.6 s
        False,  # 91 of at most 90 MiB
        True,  # 1.2 ms after 1 ms: of at most 1.25
    ]


def test_goals_without_measurements_are_said_to_be_so():
    """Nothing measured is nothing met."""
    assert {goal.verdict for goal in goals(Measured({}))} == {"not measured"}
