"""When a source is unavailable (decision table, section 9.6): unknown never unlocks a suggestion."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import (
    D2X8,
    D3X8,
    MG_LOW,
    ago,
    ask,
    d3,
    egfr,
    mg,
    order,
    problem,
    vitd,
)  # fmt: skip

WOMAN = {"gender": "female", "birthDate": "1990-06-15"}
LOW = {"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")]}
OPTIONAL = ("chemistry", "kidney", "vitals", "conditions", "medications", "labOrders")
NAMES = {
    "chemistry": "calcium and other chemistry",
    "kidney": "kidney results",
    "conditions": "conditions",
    "medications": "medications",
}
GATES = {
    "chemistry": {"G-HOLD", "G-CA", "G-MG"},
    "kidney": {"G-HOLD", "G-KID", "G-MG"},
    "vitals": set(),
    "conditions": {"G-HOLD", "G-KID", "G-MG"},
    "medications": {"G-AD", "G-DUP(D)", "G-DUP(Mg)", "G-MG"},
    "labOrders": set(),
}


@for_each("how", ["missing", "failed", "partial"])
@for_each("key", OPTIONAL)
def test_a_gate_that_reads_an_unavailable_key_is_closed(key, how):
    """Missing, failed or partial: its gates are closed; what reads nothing of it stays open (here for a man)."""
    parts = LOW | ({"kidney": []} if key == "kidney" else {})
    seen = ask(**parts, **{how: (key,)})
    expected = GATES[key]
    assert seen.gates == expected
    vitamin_d = [token for token in seen.drugs if "magnesium" not in token]
    magnesium = [token for token in seen.drugs if "magnesium" in token]
    assert bool(vitamin_d) is not bool(expected & {"G-HOLD", "G-CA", "G-KID", "G-AD", "G-DUP(D)"})
    assert bool(magnesium) is not bool(expected & {"G-MG", "G-DUP(Mg)"})


@for_each("how", ["missing", "failed", "partial"])
@for_each("key", NAMES)
def test_the_detail_names_what_was_missing(key, how):
    """K-DDEF and K-MGLOW name the missing source; K-MGLOW may say that renal function is unknown."""
    seen = ask(**LOW, **{how: (key,)})
    assert NAMES[key] in seen.detail("vitamin-d-deficiency")
    detail = seen.detail("magnesium-low")
    assert NAMES[key] in detail or (key == "kidney" and "renal function unknown" in detail)


@for_each(
    ("patient", "missing", "closed"),
    [
        (WOMAN, ("vitals",), True),
        (WOMAN, ("conditions",), True),
        (WOMAN, (), False),
        ({"gender": "male"}, ("vitals",), False),
        ({"gender": "other"}, ("vitals",), True),
        ({"gender": None}, ("vitals",), True),
        ({"gender": "female", "birthDate": "1970-03-02"}, ("vitals",), False),
        ({"gender": "female", "birthDate": "1970-03-03"}, ("vitals",), True),
        ({"gender": "female", "birthDate": "1970-03-02"}, ("vitals", "conditions"), False),
    ],
)
def test_pregnancy_that_cannot_be_known(patient, missing, closed):
    """G-PREG: without `conditions` or `vitals` open only if recorded male or aged 56 and over."""
    seen = ask(**LOW, patient=patient, missing=missing)
    assert ("G-PREG" in seen.gates) is closed
    assert ("pregnancy status not available" in seen.detail("vitamin-d-deficiency")) is closed


def test_a_recorded_pregnancy_always_closes():
    """A positive fact stands, whatever else is missing; the reason is the pregnancy."""
    seen = ask(**LOW, patient=WOMAN, conditions=[problem("O09.90", ago(40))], missing=("vitals",))
    assert ("G-PREG", "gate.G-PREG") in seen.closed
    assert "pregnancy" in seen.topics


def test_a_dialysis_code_counts_without_kidney_results():
    """A positive fact from another source stands."""
    seen = ask(**LOW, conditions=[problem("Z99.2")], missing=("kidney",))
    assert {("G-KID", "gate.G-KID"), ("G-MG", "gate.G-MG.dialysis")} <= seen.closed


@for_each(
    ("key", "parts", "gate"),
    [
        ("conditions", {"conditions": [problem("D86.9")]}, ("G-HOLD", "hold.granulomatous")),
        ("medications", {"medications": [order("calcitriol", "2026-01-05")]}, ("G-AD", "gate.G-AD")),
        ("kidney", {"kidney": [egfr("10")]}, ("G-KID", "gate.G-KID")),
    ],
)
def test_what_a_partial_bundle_holds_counts(key, parts, gate):
    """A next page that was not followed: what is there counts (what it lacks is unavailable, as above)."""
    seen = ask(**LOW, **parts, partial=(key,))
    assert gate in seen.closed
    assert "gate.partial" in {reason for _, reason in seen.closed}


@for_each("key", OPTIONAL)
def test_an_empty_answer_is_a_fact(key):
    """An empty Bundle is "none on file": nothing is unavailable. Without an eGFR magnesium waits for the kidneys."""
    sources = {"labOrders": "lab_orders"}
    seen = ask(**(LOW | {sources.get(key, key): []}))
    assert "gate.unavailable" not in {reason for _, reason in seen.closed}
    assert seen.suggestions("vitamin-d-deficiency") == [D2X8, D3X8]


def test_lab_orders_block_nothing():
    """`labOrders` is the exception: unavailable, it blocks nothing."""
    seen = ask(**LOW, missing=("labOrders",))
    assert (seen.suggestions("vitamin-d-deficiency"), seen.suggestions("magnesium-low")) == ([D2X8, D3X8], [MG_LOW])


@for_each(
    ("parts", "topic", "code"),
    [
        ({"vitamin_d": [vitd("120")], "missing": ("chemistry",)}, "vitamin-d-high", "SR:17861-6"),
        ({"magnesium": [mg("1.3")], "missing": ("kidney",)}, "magnesium-high", "SR:2160-0"),
        ({"magnesium": [mg("0.7")], "missing": ("chemistry",)}, "magnesium-low", "SR:2823-3"),
        ({"magnesium": [mg("0.7")], "missing": ("kidney",)}, "magnesium-low", "SR:2160-0"),
    ],
)
def test_for_lab_suggestions_unavailable_counts_as_none(parts, topic, code):
    """14.2: "if none <= N d" holds for an unavailable source."""
    assert code in ask(**parts).labs(topic)


@for_each(
    ("missing", "card"),
    [("conditions", False), ("kidney", False), ("chemistry", False), ("vitals", True), ("labOrders", True)],
)
def test_active_vitamin_d_needs_every_source_of_an_indication(missing, card):
    """K-ACTIVED is not added while an indication cannot be excluded."""
    seen = ask(vitamin_d=[vitd("15")], medications=[order("calcitriol", "2026-01-05")], missing=(missing,))
    assert ("active-vitamin-d-misuse" in seen.topics) is card


@for_each("missing", ["conditions", "medications", "kidney"])
def test_a_rule_without_its_fact_adds_no_card(missing):
    """A rule that needs an unavailable fact does not add its card."""
    parts = {
        "conditions": {"conditions": [problem("E55.9")]},
        "medications": {"medications": [order("tacrolimus", "2026-01-05")]},
        "kidney": {"kidney": [egfr("55", ago(10)), egfr("55", ago(200))]},
    }[missing]
    assert ask(**parts).topics != []
    assert ask(**parts, missing=(missing,)).topics == []


def test_everything_optional_missing():
    """Only the patient and the two analytes: both cards stand, nothing is drafted but tests."""
    seen = ask(**LOW, missing=OPTIONAL)
    assert seen.topics == ["magnesium-low", "vitamin-d-deficiency"]
    assert seen.drugs == []


def test_a_course_is_not_seen_without_medications():
    """Without `medications` a low 25(OH)D is K-DDEF with its gates closed, not K-RESIST."""
    medications = [d3("2000", "2025-06-01")]
    assert "vitamin-d-resistance" in ask(**LOW, medications=medications).topics
    assert "vitamin-d-deficiency" in ask(**LOW, medications=medications, missing=("medications",)).topics
