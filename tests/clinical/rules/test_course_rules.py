"""R1 to R4: what a course says about a result (decision table, section 13). As-of is 2026-03-02."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3X8,
    ago,
    ask,
    d2,
    d3,
    dosed,
    egfr,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

DONE = {"status": "completed"}
KNOWN = {"magnesium": [mg("0.9")]}
LONG = [d3("2000", "2025-06-01")]  # M3 = 2025-08-24
HIGH = [d3("5000", "2025-06-01")]


def topics(**parts):
    """The topics of an answer with magnesium in range."""
    return ask(**(KNOWN | parts)).topics


@for_each(
    ("days", "value", "topic"),
    [
        (84, "15", "vitamin-d-recheck"),
        (83, "15", "vitamin-d-too-soon"),
        (84, "25", "vitamin-d-recheck"),
        (83, "25", "vitamin-d-too-soon"),
    ],
)
def test_r1_and_r2_meet_at_84_days(days, value, topic):
    """A result of before the course: R1 from S + 84 days on, R2 before."""
    assert topics(vitamin_d=[vitd(value, day=ago(120))], medications=[d3("2000", ago(days))]) == [topic]


@for_each(
    ("day", "topic"),
    [
        ("2025-08-23", "vitamin-d-recheck"),
        ("2025-08-24", "vitamin-d-resistance"),
        ("2026-02-20", "vitamin-d-resistance"),
    ],
)
def test_r1_and_r3_meet_at_month_3(day, topic):
    """A low result dated M3 or later is R3's, one of the day before leaves R1."""
    assert topics(vitamin_d=[vitd("15", day=day)], medications=LONG) == [topic]


@for_each(
    ("parts", "expected"),
    [
        ({"vitamin_d": [vitd("40", day="2025-05-01")], "medications": LONG}, []),
        (
            {"vitamin_d": [vitd("40", day="2025-05-01")], "medications": LONG, "conditions": [problem("M81.0")]},
            ["vitamin-d-recheck"],
        ),
        ({"vitamin_d": [vitd("40", day="2025-05-01")], "medications": HIGH}, ["vitamin-d-recheck"]),
        ({"medications": HIGH}, ["vitamin-d-recheck"]),
        ({"medications": LONG}, []),
        ({"medications": LONG, "conditions": [problem("K90.0")]}, ["vitamin-d-recheck"]),
        ({"vitamin_d": [vitd("15", day="2024-06-01")], "medications": LONG}, ["vitamin-d-recheck"]),
        ({"vitamin_d": [vitd("120", day="2025-07-01")], "medications": HIGH}, ["vitamin-d-high"]),
        ({"vitamin_d": [vitd("160", day="2025-07-01")], "medications": HIGH}, ["vitamin-d-toxicity"]),
        ({"vitamin_d": [vitd("15", "furlong")], "medications": HIGH}, ["unusable-result"]),
        (
            {"vitamin_d": [vitd("15", day="2025-05-01")], "medications": [d3("2000", "2025-06-01", ago(180), **DONE)]},
            ["vitamin-d-recheck"],
        ),
        (
            {"vitamin_d": [vitd("15", day="2025-05-01")], "medications": [d3("2000", "2025-05-01", ago(181), **DONE)]},
            ["vitamin-d-deficiency", "magnesium-adjunct"],
        ),
    ],
    ids=["OK", "OK, indication", "OK, HD", "UNK, HD", "UNK", "UNK, indication", "STALE, DEF", "HIGH", "TOX", "INDET",
         "ended 180", "ended 181"],
)  # fmt: skip
def test_r1(parts, expected):
    """R1: the last usable result was low, or HD, or an established indication; not with HIGH, TOX or INDET."""
    assert topics(**parts) == expected


def test_r1_an_old_low_result_after_month_3_is_enough():
    """R1: any usable result dated M3 or later ends it, however old."""
    medications = [d3("2000", "2023-06-01")]
    assert topics(vitamin_d=[vitd("15", day="2024-06-01")], medications=medications) == ["vitamin-d-stale"]


def test_r1_counts_the_weeks():
    """14.1: {n} is whole weeks: 2025-06-01 to 2026-03-02 is 274 days, 39 weeks."""
    seen = ask(**KNOWN, vitamin_d=[vitd("15", day="2025-05-01")], medications=LONG)
    assert seen.summary("vitamin-d-recheck") == (
        "Vitamin D started 39 weeks ago and no 25(OH)D from month 3 or later is available: a recheck is due."
    )
    assert seen.suggestions("vitamin-d-recheck") == [["SR:62292-8"]]


AFTER = "25(OH)D 15 ng/mL{} was taken {} days after starting vitamin D: too early to judge; recheck at 3 months."
BEFORE = "Vitamin D was started after 25(OH)D 15 ng/mL{}: recheck 3 months after the start, on 2026-04-15."


@for_each(
    ("day", "summary"),
    [
        ("2026-02-20", AFTER.format("", 36)),
        ("2026-01-15", AFTER.format(" on 2026-01-15", 0)),
        ("2026-01-14", BEFORE.format(" on 2026-01-14")),
    ],
)
def test_r2_wording(day, summary):
    """R2: wording a with d >= S, wording b before; the order is dated S + 3 calendar months."""
    seen = ask(**KNOWN, vitamin_d=[vitd("15", day=day)], medications=[d3("2000", "2026-01-15")])
    assert seen.summary("vitamin-d-too-soon") == summary
    assert seen.suggestions("vitamin-d-too-soon") == [["SR:62292-8@2026-04-15"]]


@for_each(
    ("parts", "topic", "labs"),
    [
        ({"vitamin_d": [vitd("15", day=ago(366))]}, "vitamin-d-stale", ["SR:62292-8@2026-04-15"]),
        ({"conditions": [problem("M81.0")]}, "vitamin-d-order", ["SR:62292-8@2026-04-15"]),
    ],
)
def test_r2_dates_other_orders(parts, topic, labs):
    """R2: with D = STALE or UNK the order of K-STALE or K-DORDER is dated S + 3 months."""
    assert ask(**KNOWN, **parts, medications=[d3("2000", "2026-01-15")]).labs(topic) == labs


@for_each(("value", "indicator"), [("15", "warning"), ("25", "info")])
def test_r3_level(value, indicator):
    """R3: warning for DEF, info for INS; no vitamin D order, no adjunct."""
    seen = ask(**KNOWN, vitamin_d=[vitd(value)], medications=LONG)
    assert seen.outline == [["vitamin-d-resistance", indicator, []]]


@for_each(("end", "topic"), [("2025-12-22", "vitamin-d-resistance"), ("2025-12-21", "vitamin-d-deficiency")])
def test_r3_after_the_end_of_a_course(end, topic):
    """R3: not if the course ended more than 60 days before the result of 2026-02-20."""
    seen = ask(**KNOWN, vitamin_d=[vitd("15")], medications=[d3("2000", "2025-06-01", end, **DONE)])
    assert seen.topics[0] == topic
    if topic == "vitamin-d-deficiency":
        assert seen.suggestions(topic) == [D2X8, D3X8]


def test_r3_counts_weeks_to_the_result():
    """14.1: {n} is whole weeks from S to the result, and a comma follows {on}: 2025-06-01 to 2026-01-10 is 223 days."""
    seen = ask(**KNOWN, vitamin_d=[vitd("15", day="2026-01-10")], medications=LONG)
    assert seen.summary("vitamin-d-resistance") == (
        "25(OH)D still 15 ng/mL on 2026-01-10, 31 weeks after starting vitamin D: "
        "check adherence, dose, absorption, drugs and magnesium."
    )


R4 = [
    # (a) on a high dose
    ({"medications": HIGH}, True),
    ({"medications": [d3("5000", None)]}, True),
    ({"medications": [d3("5000", "2026-02-20")]}, True),
    ({"medications": [d3("5000", "2026-02-21")]}, False),
    ({"medications": [d3("4000", "2025-06-01")]}, False),
    # (b) after a course
    ({"medications": [d2("2025-06-01", ago(180), **DONE)]}, True),
    ({"medications": [d2("2025-06-01", ago(181), **DONE)]}, False),
    ({"medications": [d2("2026-02-20", ago(5), **DONE)]}, True),
    ({"medications": [d2("2026-02-21", ago(5), **DONE)]}, False),
    ({"medications": [d2("2025-06-01", ago(60), **DONE), d3("400", "2025-12-01")]}, False),
    ({"medications": [d2("2025-06-01", ago(60), **DONE), d3("1000", "2025-12-01")]}, False),
    ({"medications": [d2("2025-06-01", ago(60), **DONE), order("calcitriol", "2026-01-05")]}, True),
    ({"medications": [d3("1000", "2025-06-01", ago(60), **DONE)]}, False),
]


@for_each(("parts", "card"), R4)
def test_r4(parts, card):
    """R4: (a) HD and d >= S, or S unknown; (b) ended at most 180 days ago, d >= S, nothing nutritional current."""
    assert ("vitamin-d-step-down" in topics(vitamin_d=[vitd("40")], **parts)) is card


@for_each("value", ["15", "25", "120"])
def test_r4_needs_an_adequate_level(value):
    """R4: only with D = OK."""
    assert "vitamin-d-step-down" not in topics(vitamin_d=[vitd(value)], medications=HIGH)


ENDED = [d2("2025-11-03", "2025-12-29", **DONE)]


@for_each(
    ("profile", "order_a", "order_b"),
    [("magnesium-aware", "1000", "1000"), ("endocrine-2011", "2000", "2000"), ("nam-2011", "800", "800")],
)
def test_r4_orders(profile, order_a, order_b):
    """Section 2: the step-down and maintenance dose of each profile, with a recheck after 3 months."""
    value = "40"
    for medications, dose in ((HIGH, order_a), (ENDED, order_b)):
        seen = ask({"profile": profile}, **KNOWN, vitamin_d=[vitd(value)], medications=medications)
        assert seen.suggestions("vitamin-d-step-down") == [
            [f"MR:cholecalciferol-{dose}-daily", "SR:62292-8@2026-06-02"]
        ]


def test_r4_never_in_endocrine_2024():
    """Section 2: no OK band, so no K-DMAINT."""
    assert ask({"profile": "endocrine-2024"}, **KNOWN, vitamin_d=[vitd("40")], medications=HIGH).topics == []


@for_each(
    "parts",
    [
        {"conditions": [problem("K90.0")]},
        {"conditions": [problem("Z98.84")]},
        {"extra": [order("phenytoin", "2026-01-05")]},
        {"extra": [order("orlistat", "2026-01-05")]},
        {"extra": [order("prednisone", "2025-06-01")]},
    ],
)
@for_each(("medications", "words"), [(HIGH, "review whether"), (ENDED, "decide on maintenance individually")])
def test_r4_without_an_order(parts, medications, words):
    """R4: no order with malabsorption, bariatric surgery or a drug that lowers vitamin D; the card stays."""
    listed = [*medications, *parts.get("extra", [])]
    seen = ask(**KNOWN, vitamin_d=[vitd("40")], medications=listed, conditions=parts.get("conditions", []))
    assert seen.suggestions("vitamin-d-step-down") == []
    assert words in seen.summary("vitamin-d-step-down")
    assert "Maintain with" not in seen.detail("vitamin-d-step-down")


def test_r4_summaries():
    """14.1: both wordings with an order."""
    high, ended = (ask(**KNOWN, vitamin_d=[vitd("40")], medications=listed) for listed in (HIGH, ENDED))
    assert high.summary("vitamin-d-step-down") == (
        "25(OH)D 40 ng/mL at target on high-dose vitamin D: consider stepping down to 800-2,000 IU daily."
    )
    assert ended.summary("vitamin-d-step-down") == (
        "25(OH)D 40 ng/mL at target after a vitamin D course: consider maintenance, 800-2,000 IU daily."
    )


def test_r4_comes_before_r1():
    """R4: K-DMAINT before K-RECHECK: an adequate result of S on, before month 3."""
    assert topics(vitamin_d=[vitd("40", day="2025-07-01")], medications=HIGH) == ["vitamin-d-step-down"]


def test_a_weekly_dose_counts_by_its_single_dose():
    """Section 9.3: 50,000 IU monthly is course-grade: R3 applies."""
    monthly = order(
        "cholecalciferol",
        "2025-06-01",
        dosageInstruction=dosed("50000", "[iU]", {"frequency": 1, "period": 1, "periodUnit": "mo"}),
    )
    assert topics(vitamin_d=[vitd("15")], medications=[monthly], kidney=[egfr("90")]) == ["vitamin-d-resistance"]
