"""The patient's banner, the bands along the sliders, and the reasons in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service.playground import bands, banner, reasons
from cds_service.playground.banner import Banner
from cds_service.playground.changes import ANALYTES, Trial
from cds_service.playground.trial import Playground, Tried
from tests.web.calls import GOLDEN

HELD = "sarcoidosis-hold"


def opened(playground: Playground, situation: str | None = GOLDEN, text: str | None = None) -> tuple[Tried, Banner]:
    """A patient, and the banner."""
    tried = playground.open(Trial(situation=situation, text=text))
    return tried, banner.read(tried.record, tried.answer.facts, tried.situation, tried.as_of)


def test_banner_of_a_curated_patient(playground: Playground):
    """Name, age and sex; none on the list is none recorded, an active problem is there."""
    assert opened(playground)[1] == Banner(
        "Adam Brook", "45 years", "male", deceased=False, problems=(), medications=()
    )
    assert opened(playground, HELD)[1].problems == ("Sarcoidosis of lung",)


def test_banner_of_a_synthetic_record(playground: Playground):
    """What is over or stopped is left out, illnesses come before findings, and what the rules look at comes first."""
    _, found = opened(playground, "synthetic-severe-magnesium")
    problems, medications = found.problems or (), found.medications or ()

    assert (found.name, found.age) == ("William Sporer", "80 years")
    assert "Gingivitis" not in problems
    assert problems.index("Leukemia, disease") < problems.index("Has a criminal record")
    assert medications[0] == "Hydrochlorothiazide 25 MG Oral Tablet"
    assert "ciprofloxacin 500 MG Oral Tablet" not in medications


@pytest.mark.parametrize(
    "text", ["[", "{}", '{"prefetch": {"patient": 3, "conditions": {"entry": [1, {"resource": 2}]}}}']
)
def test_banner_of_anything(playground: Playground, text: str):
    """What cannot be read has a banner all the same, which says nothing that is not known."""
    assert opened(playground, None, text)[1][:3] == (banner.OWN, "age unknown", "sex not recorded")


def test_every_patient_has_a_name_that_stays(playground: Playground):
    """Each has a made-up name: no placeholder, no digits, the same each time."""
    for situation in playground.situations.all():
        name = opened(playground, situation.name)[1].name
        assert name.replace(" ", "").replace("'", "").isalpha(), situation.name
        assert "Example" not in name
        assert opened(playground, situation.name)[1].name == name


def test_ruler_has_the_edges_of_the_unit(playground: Playground):
    """From 10 to 400 nmol/L the edge 50 stands at 40/390, and 75 a line lower as it is near; magnesium in mmol/L."""
    tried, _ = opened(playground)
    vitamin_d, magnesium = (bands.ruler(ANALYTES[name], tried.dials[name], tried.guidance) for name in ANALYTES)

    assert [(mark.text, mark.below) for mark in vitamin_d.marks] == [
        ("50", False), ("75", True), ("250", False), ("375", False)
    ]  # fmt: skip
    assert vitamin_d.marks[0].at == Decimal("10.3")
    assert [mark.text for mark in magnesium.marks] == ["0.5", "0.75", "0.85", "1.05", "2"]
    assert sum(stretch.width for stretch in magnesium.stretches) == 100


def test_reasons_are_words(playground: Playground):
    """A held order is told with its gate's reason; a result that is too old or missing is told as such."""
    tried, _ = opened(playground, HELD)
    evaluation = tried.answer.evaluation

    assert list(reasons.results(evaluation))[:2] == [
        "25(OH)D: 14.2 ng/mL of 2026-02-20: deficient.",
        "Magnesium: 0.91 mmol/L of 2026-02-20: in range.",
    ]
    why = reasons.card(tried.guidance, "vitamin-d-deficiency", evaluation)
    assert why.withheld == ("A vitamin D order is not offered: granulomatous disease.",)
    assert why.when.startswith("25(OH)D is in the deficient band")
    swapped = opened(playground, "both-analytes-unusable")[0].answer.evaluation
    assert reasons.unplaced(swapped) == {"vitaminD", "magnesium"}
    assert next(reasons.results(swapped)).startswith("25(OH)D: 18 of 2026-02-20, no unit was given: the result")
    unknown = playground.open(Trial(situation=GOLDEN, magnesium="none")).answer.evaluation
    assert "Magnesium: there is no result that can be used." in list(reasons.results(unknown))


def test_reasons_of_every_patient(playground: Playground):
    """Every result of every situation is told without a key or a code of LOINC."""
    for situation in playground.situations.all():
        evaluation = opened(playground, situation.name)[0].answer.evaluation
        for sentence in reasons.results(evaluation):
            assert not reasons.CODE.search(sentence), situation.name
            assert not [word for word in sentence.split() if word.isupper() and word.strip(".:;,") in reasons.UNSURE]
