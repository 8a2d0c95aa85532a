"""How much a clinician is given to read: words of each card and chart, over every situation of `fhir_fixtures`.

`python -m benchmarks.card_words` prints the table of `docs/reference/cards/measured.md`.
"""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from cds_service.app import build_engine, build_playground
from cds_service.hooks.memory import FORGETFUL
from cds_service.playground.changes import Trial
from cds_service.playground.situations import SYNTHETIC
from cds_service.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
Chart = Sequence[str]
"""The details of the cards of one chart."""
ROWS = (
    "charts", "charts with a card", "cards", "cards of a chart that has any, mean", "cards of a chart, most",
    "words of a card, median", "words of a card, most", "words of a chart's cards together, median",
    "words in paragraphs that recur on another card",
)  # fmt: skip


def charts() -> dict[str, list[Chart]]:
    """The charts of situations that were written by hand, and those of synthetic patients."""
    settings = Settings()
    playground = build_playground(settings, build_engine(settings), FORGETFUL)
    found: dict[str, list[Chart]] = {"by hand": [], "synthetic": []}
    if playground is None:
        return found
    for situation in playground.situations.all():
        written = playground.open(Trial(situation=situation.name)).answer.written
        kind = "synthetic" if situation.group == SYNTHETIC else "by hand"
        found[kind].append([str(card.detail) for card in written.cards])
    return found


def measure(found: Iterable[Chart]) -> dict[str, str]:
    """The numbers of some charts, by what they count."""
    every = list(found)
    speaking = [chart for chart in every if chart]
    details = [detail for chart in speaking for detail in chart]
    words = [count(detail) for detail in details]
    together = [sum(map(count, chart)) for chart in speaking]
    numbers = (
        f"{len(every)}",
        f"{len(speaking)} ({len(speaking) / len(every):.0%})",
        f"{len(details)}",
        f"{len(details) / len(speaking):.1f}",
        f"{max(map(len, speaking))}",
        f"{statistics.median(words):.0f}",
        f"{max(words)}",
        f"{statistics.median(together):.0f}",
        f"{recurring(details):.0%}",
    )
    return dict(zip(ROWS, numbers, strict=True))


def count(text: str) -> int:
    """The words of a detail; the mark of a bullet is none."""
    return sum(word != "-" for word in text.split())


def recurring(details: Iterable[str]) -> float:
    """The share of words that stand in lines which another card has word for word."""
    cards = [set(filter(None, map(str.strip, detail.splitlines()))) for detail in details]
    on = Counter(line for card in cards for line in card)
    lines = [line for card in cards for line in card]
    return sum(count(line) for line in lines if on[line] > 1) / sum(map(count, lines))


def table() -> list[str]:
    """The rows of the page, as markdown."""
    found = charts()
    columns = [measure(found["by hand"]), measure(found["synthetic"])]
    return [f"| {row} | {' | '.join(column[row] for column in columns)} |" for row in ROWS]


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
