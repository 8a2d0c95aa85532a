"""Results over time: where a point is, which bands there are, and that the table says the same."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from cds_service.clinical.facts import Family, Kind, LabResult, PatientFacts, Recency
from cds_service.clinical.interval import Interval
from cds_service.guidance import loading
from cds_service.playground.timeline import Plot, plots
from tests.web.calls import TODAY


def result(
    value: str, day: date | None, family: Family = "mass", unit: str = "ng/mL", kind: Kind = Kind.USABLE
) -> LabResult:
    """A result of a number."""
    return LabResult(
        code="62292-8",
        form="total",
        day=day,
        recency=Recency(0 if day is None else -day.toordinal(), 0.0, 0, 0),
        kind=kind,
        interval=Interval.point(Decimal(value)),
        family=family,
        unit=unit,
        reported=Decimal(value),
    )


def drawn(
    *vitamin_d: LabResult, magnesium: tuple[LabResult, ...] = (), profile: str = "magnesium-aware"
) -> tuple[Plot, Plot]:
    """The two plots of some results."""
    return plots(PatientFacts(vitamin_d=vitamin_d, magnesium=magnesium), loading.load(profile), TODAY)


def test_bands_are_those_of_the_profile():
    """magnesium-aware: deficient to 20, insufficient to 30, adequate above, as far as the plot goes (60)."""
    plot, _ = drawn(result("18", date(2026, 2, 1)))
    height = plot.bottom - plot.top
    found = {shade.name: round(shade.height / height * 60) for shade in plot.shades}

    assert found == {"deficient": 20, "insufficient": 10, "adequate": 30}


def test_magnesium_bands():
    """Severely low to 0.50, low to 0.75, low-normal to 0.85, in range to 1.05, high above."""
    _, plot = drawn()

    assert [shade.name for shade in plot.shades] == ["severely low", "low", "low-normal", "in range", "high"]
    assert [tick.text for tick in plot.upwards] == ["0.5", "0.75", "0.85", "1.05"]


def test_points_are_in_order_of_time_and_value():
    """The later a result the further right, the higher the further up; one of today is at the end."""
    plot, _ = drawn(result("30", TODAY), result("15", date(2025, 9, 1)), result("45", date(2024, 3, 2)))
    low, high = plot.points[1], plot.points[0]

    assert [point.day for point in plot.points] == [date(2024, 3, 2), date(2025, 9, 1), TODAY]
    assert plot.points[0].x == plot.left
    assert plot.points[-1].x == plot.right
    assert low.y > high.y
    assert low.y == pytest.approx(plot.bottom - (plot.bottom - plot.top) * 15 / 60, abs=0.1)


def test_results_of_both_unit_families_are_on_one_scale():
    """The newest result decides the unit; 20 ng/mL stands at about 50 nmol/L."""
    plot, _ = drawn(result("20", date(2025, 6, 1)), result("75", date(2026, 1, 1), "molar", "nmol/L"))
    height = plot.bottom - plot.top

    assert plot.unit == "nmol/L"
    assert plot.points[0].y == pytest.approx(plot.bottom - height * 49.92 / 150, abs=0.1)
    assert plot.points[0].shown == "20 ng/mL"


def test_what_cannot_be_placed_is_left_out():
    """No point for a result without a day, one that is to come, or one that cannot be used."""
    plot, _ = drawn(
        result("20", None), result("20", date(2026, 3, 3)), result("20", date(2026, 1, 1), kind=Kind.BLOCKED)
    )

    assert plot.points == ()


def test_limit_is_drawn_open():
    """<4 is a limit, not a value: its point is open."""
    limit = result("4", date(2026, 1, 1)).changed(
        interval=Interval(None, Decimal(4), high_closed=False), comparator="<"
    )
    plot, _ = drawn(limit)

    assert plot.points[0].open
    assert plot.points[0].shown == "<4 ng/mL"


def test_what_is_not_believed_is_not_drawn():
    """A newest value that the rules could not place has no point, the one before it has."""
    facts = PatientFacts(vitamin_d=(result("18", date(2026, 2, 1)), result("22", date(2025, 2, 1))))
    plot, _ = plots(facts, loading.load(), TODAY, {"vitaminD"})

    assert [point.shown for point in plot.points] == ["22 ng/mL"]
