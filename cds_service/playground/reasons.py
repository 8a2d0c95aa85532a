"""Why there is this card, and why there is none: the trace in the words of a clinician."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from cds_service.clinical.evaluate import Evaluation
from cds_service.clinical.facts import Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.clinical.states.bands import D, M
from cds_service.clinical.trace import Step
from cds_service.guidance import topic_pages
from cds_service.playground.bands import NAMES

CODE = re.compile(r" ?\(\d+-\d\)")
"""A LOINC code behind a value."""
NOTE = re.compile(r"(\d{4}-\d\d-\d\d) (?=\S)")
"""What follows the day: why a result cannot be used, or is provisional."""
ANALYTES = {"D": ("25(OH)D", D), "M": ("Magnesium", M)}
UNSURE = {
    "UNK": "there is no result that can be used", "STALE": "the newest result is too old to act on",
    "INDET": "the result cannot be placed in a band",
}  # fmt: skip
GATE = "G-"


def unplaced(evaluation: Evaluation) -> set[str]:
    """The keys of results whose newest value could not be placed in a band."""
    states = {Source.VITAMIN_D: evaluation.vitamin_d, Source.MAGNESIUM: evaluation.magnesium}
    return {source for source, state in states.items() if state == D.INDET}


def results(evaluation: Evaluation) -> Iterator[str]:
    """What was found: each result with its day and its band."""
    for step in evaluation.trace:
        if step.id in ANALYTES:
            yield _result(step)
        elif step.id == "KIDNEY" and step.fired:
            yield f"Kidneys: {CODE.sub('', step.because)}."


def _result(step: Step) -> str:
    name, states = ANALYTES[step.id]
    state, _, found = step.because.partition(": ")
    meaning = UNSURE.get(state) or NAMES[states(state)][0]
    found = NOTE.sub(r"\1, ", CODE.sub("", found)).strip()
    return f"{name}: {meaning}." if state == "UNK" else f"{name}: {found}: {meaning}."


class Why(NamedTuple):
    """When a card appears, in a sentence, and what it does not offer on this chart, and why."""

    when: str
    withheld: tuple[str, ...]


def card(guidance: Guidance, topic: str, evaluation: Evaluation) -> Why:
    """Why the card of *topic* is there: its page says when, closed gates of what it might draft say what is held."""
    page = topic_pages.topic_page(guidance, topic)
    closed = {step.id: step.because for step in evaluation.trace if step.id.startswith(GATE) and step.fired}
    held = []
    for plan in page["withheld"]:
        reasons = [closed[gate["gate"]] for gate in plan["gates"] if gate["gate"] in closed]
        if reasons:
            held.append(f"{plan['what']} is not offered: {'; '.join(reasons)}.")
    return Why(page["when"], tuple(held))
