"""Rows of the D map beside the course: very low calcium and stale results (decision table, section 12.1)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import ago, albumin, ask, calcium, d3, mg, vitd

KNOWN = {"magnesium": [mg("0.9")]}
LONG = [d3("2000", "2025-06-01")]


def topics(**parts):
    """The topics of an answer with magnesium in range."""
    return ask(**(KNOWN | parts)).topics


@for_each("value", ["15", "25"])
@for_each("medications", [LONG, [d3("2000", "2026-01-15")], []], ids=["R3", "R2", "no course"])
def test_very_low_calcium_comes_before_the_course(value, medications):
    """12.1, row 3: D low and calcium very low is critical, whatever the course."""
    seen = ask(
        vitamin_d=[vitd(value)], **KNOWN, medications=medications, calcium=[calcium("7.4")], albumin=[albumin("4.0")]
    )
    topic = "vitamin-d-deficiency" if value == "15" else "vitamin-d-insufficiency"
    labs = [f"SR:{code}!urgent" for code in ("17861-6", "19123-9", "2731-8", "2160-0")]
    assert seen.outline == [[topic, "critical", [labs]]]
    assert seen.summary(topic) == (
        f"Calcium 7.4 mg/dL on 2026-02-10 is very low with 25(OH)D {value} ng/mL: "
        "assess urgently; check magnesium and PTH before a course."
    )


def test_very_low_calcium_in_k_recheck():
    """R15: K-RECHECK keeps its card and gains the sentence."""
    seen = ask(
        **KNOWN,
        vitamin_d=[vitd("15", day="2024-06-01")],
        medications=LONG,
        calcium=[calcium("7.4")],
        albumin=[albumin("4.0")],
    )
    assert "assess urgently; check magnesium and PTH" in seen.detail("vitamin-d-recheck")


@for_each(
    ("value", "medications", "card"),
    [
        ("15", [], True),
        ("25", [], False),
        ("40", [], False),
        ("120", [], True),
        ("160", [], True),
        ("40", [d3("5000", None)], True),
    ],
)
def test_k_stale(value, medications, card):
    """12.1, row 11: the last value was DEF, HIGH or TOX, or HD."""
    assert ("vitamin-d-stale" in topics(vitamin_d=[vitd(value, day=ago(400))], medications=medications)) is card


@for_each(("day", "months"), [("2025-03-01", 12), ("2025-02-03", 12), ("2025-02-02", 13), ("2024-03-02", 24)])
def test_k_stale_counts_whole_months(day, months):
    """14.1: {n} is whole calendar months to 2026-03-02."""
    summary = ask(**KNOWN, vitamin_d=[vitd("15", day=day)]).summary("vitamin-d-stale")
    assert summary == f"Latest 25(OH)D (15 ng/mL) is {months} months old: repeat before acting on it."
