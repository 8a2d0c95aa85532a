"""The patients that the page introduces: eight situations, each with what there is to see, for who looks on first."""

from __future__ import annotations

from typing import NamedTuple


class Introduced(NamedTuple):
    """One of them: the name of the situation, a made-up name, a title, and one sentence."""

    situation: str
    person: str
    title: str
    sentence: str


INTRODUCED = (
    Introduced(
        "vector-v02-deficient-nmol-low-magnesium",
        "Adam Brook",
        "Low magnesium first",
        "Both results are low. Magnesium speaks first, and each card has its order.",
    ),
    Introduced(
        "synthetic-deficient-thiazide",
        "Moriah Dickinson",
        "Plain deficiency",
        "Low vitamin D: the daily dose leads from age 50, and a thiazide calls for calcium checks.",
    ),
    Introduced(
        "resistance-deficient-high-dose",
        "Peter Hale",
        "Poor response",
        "Still deficient after 24 weeks of ergocalciferol: look for a cause before more is given.",
    ),
    Introduced(
        "sarcoidosis-hold",
        "Noah Winter",
        "An order held back",
        "Deficient, with sarcoidosis: no vitamin D is offered, and the card says why.",
    ),
    Introduced(
        "synthetic-severe-magnesium",
        "William Sporer",
        "Critical",
        "Severely low magnesium at 80 comes before all else: urgent tests, and vitamin D waits.",
    ),
    Introduced(
        "vector-v10-toxic-level-with-hypercalcaemia-on-10000-iu",
        "Victor Lane",
        "Too much vitamin D",
        "A level above the toxic line with a high calcium, on 10,000 IU a day.",
    ),
    Introduced(
        "both-analytes-unusable",
        "Oscar Field",
        "Results that cannot be read",
        "One has no unit and one the wrong unit: nothing is concluded, and a repeat is offered.",
    ),
    Introduced(
        "normal-patient-no-card",
        "Hugo Marsh",
        "Nothing to say",
        "Both results are in range: no card, and the page tells why there is none.",
    ),
)
"""The first of them is shown when the page opens."""
