"""Ratios, spreads and verdicts, with values worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.inside import Inside
from benchmarks.servers import BARE, DUTIES, HAPI, HEALTHCHAIN, OURS, Sample
from benchmarks.table import Goal, Report, Spread, Use, added, goals, paired, short, spread, written
from tests.support.for_each import for_each


def sample(rate: float = 100.0, cpu: float = 1.0, p50: float = 2.0, p99: float = 4.0) -> Sample:
    """A sample without failures."""
    return Sample(rate, p50, p99, cpu, failed=0)


@for_each(
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


@for_each(
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
    line = [(1, 10, 0.010), (11, 20, 0.030), (111, 120, 0.130)]

    assert added(line) == pytest.approx([0.002, 0.001])


@for_each(
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
    assert Goal("something", 15, measured, at_least=at_least).cells[-1] == verdict


def test_goal_says_its_bound():
    """From which side, how much, of what."""
    assert Goal("a", 15, None, at_least=True).cells[1] == "at least 15x"
    assert Goal("a", 0.6, None, unit=" s").cells[1] == "at most 0.6 s"


def test_goals_are_held_against_what_was_measured():
    """Each goal has its number: ratios to the right peer and size, the tail, starts, memory and the line."""
    line = [(4_000, 1, 0.10), (7_000, 2, 0.20), (10_000, 3, 0.32)]
    found = Report(
        {},
        samples={
            "typical": {
                OURS: [sample(rate=160, cpu=2.4, p50=2, p99=7)],
                BARE: [sample(rate=400, cpu=2.0)],
                DUTIES: [sample(cpu=0.6)],
                HEALTHCHAIN: [sample(rate=8)],
                HAPI: [sample(rate=100)],
            },
            "large": {OURS: [sample(rate=70)], HEALTHCHAIN: [sample(rate=2)]},
        },
        uses={OURS: Use(1, 74, 91), HAPI: Use(1, 400, 500)},
        starts=[0.7, 0.4, 0.5, 0.6],
        cold=[1.1, 1.3, 1.2],
        inside=Inside(line=line),
    )

    assert [goal.measured and goal.measured.median for goal in goals(found)] == pytest.approx(
        [2.4 / 2.0, 2.4 / 0.6, 160 / 8, 70 / 2, 160 / 100, 0.32, 7 / 2, 0.5, 0.7, 74, 91, 1.2, 1.2]
    )
    assert [goal.cells[-1] == "met" for goal in goals(found)] == [
        True,  # 1.2 of at most 4
        False,  # 4 of at most 3.2
        True,  # 20 of at least 9
        True,  # 35 of at least 25
        False,  # 1.6 of at least 2
        True,  # 0.32 of at most 0.4 s
        False,  # 3.5 of at most 3
        True,  # 0.5 after the first, of at most 0.55 s
        False,  # 0.7 the first time, of at most 0.55 s
        True,  # 74 of at most 75 MiB
        False,  # 91 of at most 90 MiB
        True,  # 1.2 of at most 1.25
        True,  # 1.2 ms after 1 ms: of at most 1.25
    ]


def test_goals_without_measurements_are_said_to_be_so():
    """Nothing measured is nothing met."""
    assert {goal.cells[-1] for goal in goals(Report({}))} == {"not measured"}


def test_page_tells_all_of_it():
    """Every table is there: servers, goals, start and memory, inside, rings, and what an Observation more costs."""
    stages = {"decode": 0.001, "prefetch": 0.001, "logic": 0.002, "cards": 0.001}
    found = Report(
        {"machine": "two cores"},
        samples={"typical": {OURS: [sample(rate=160, cpu=10.0)], BARE: [sample(rate=400, cpu=2.0)]}},
        uses={OURS: Use(0.4, 70, 80)},
        inside=Inside(stages, 0.006, 0.007, 0.001, {"clinical": 0.25}, [(1, 10, 0.010), (11, 2000, 0.030)]),
        notes=["HAPI was left out"],
    )

    page = written(found)

    for row in (
        "- machine: two cores\n- HAPI was left out\n\n## Side by side",
        "| bare Flask + msgspec | 400 (400..400) | 2 (2..2) | 4 (4..4) | 2 (2..2) | 2 (2..2) | 0 | 0.4 (0.4..0.4)x |",
        "| typical: CPU per request, to bare Flask + msgspec | at most 4x | 5 (5..5)x | **not met** |",
        "| cds-service | 0.4 | 70 | 80 |",
        "| stage `logic` | 2 |",
        "| the engine, all stages, with feedback | 6 |",
        "| over HTTP, as side by side | 10 (10..10) |",
        "| clinical | 25% |",
        "| 1 | 10 | 10 | - |\n| 11 | 2,000 | 30 | 2,000 |",
    ):
        assert row in page
