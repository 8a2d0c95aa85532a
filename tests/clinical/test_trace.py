"""The trace: steps that are noted as they are decided, and steps that are told once it is read."""

from __future__ import annotations

from cds_service.clinical.trace import Step, Trace


def test_what_is_left_for_later_stands_in_its_place():
    """A step that is told later stands where it was left, between those that were noted before and after."""
    trace = Trace()
    trace.no("first", "before")
    trace.later(lambda told: told.yes("second", "{} and {}", 1, 2))
    trace.no("third", "after")
    assert trace.steps == (
        Step("first", fired=False, words="before"),
        Step("second", fired=True, words="{} and {}", values=(1, 2)),
        Step("third", fired=False, words="after"),
    )


def test_what_is_left_for_later_costs_nothing_before():
    """Nothing is found out for a trace that is not read, and anew each time it is."""
    asked: list[Trace] = []
    trace = Trace()
    trace.later(asked.append)
    assert asked == []
    assert trace.steps == ()
    assert len(asked) == 1
