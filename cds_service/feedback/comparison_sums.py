"""The comparison as the owner sees it: tables, in which no count from 1 to 4 stands or can be worked out.

A row with such a count is left out whole, zeros excepted, and a total is told only where all its parts are. What
clinicians were shown of a topic adds up to what the summary says was shown. So where one such row of a topic is left
out, all of them are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cds_service.feedback.comparison import OUTCOMES, Arm, ArmCounts, Comparison, Outcomes, difference
from cds_service.feedback.sums import is_small, share, shown

INDICATORS = ("critical", "warning", "info")
ONCE = "once per patient and 30 days"
Row = tuple[str, Arm]
"""Of which topic and arm a row is."""


def tables(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """Every table by its name."""
    hidden = _hidden(comparison)
    return {
        "modes": [
            {"cards were": str(arm), "charts": shown(counts.charts), **_totals(comparison, arm, counts, hidden)}
            for arm, counts in comparison.charts.items()
        ],
        "mode topics": [
            {"topic": row[0], "cards were": str(row[1]), **_counts(counts, told=row not in hidden)}
            for row, counts in comparison.topics.items()
        ],
        "mode outcomes": [
            _outcome_row(topic, outcome, of[True], of[False])
            for topic, of in comparison.outcomes.items()
            for outcome in OUTCOMES
        ],
    }


def _hidden(comparison: Comparison) -> set[Row]:
    """The rows whose cards are not told."""
    small = {row for row, counts in comparison.topics.items() if any(map(is_small, counts.cards.values()))}
    topics = {topic for topic, arm in small if arm.shown}
    return small | {row for row in comparison.topics if row[1].shown and row[0] in topics}


def _counts(counts: ArmCounts, *, told: bool) -> dict[str, Any]:
    """The counts of one topic and arm."""
    return {
        "cards": counts.cards.total() if told else None,
        ONCE: shown(counts.once),
        **{name: counts.cards[name] if told or not counts.cards[name] else None for name in INDICATORS},
    }


def _totals(comparison: Comparison, arm: Arm, counts: ArmCounts, hidden: Collection[Row]) -> dict[str, Any]:
    """The counts of one arm: those whose parts are all told."""
    parts = {row: of for row, of in comparison.topics.items() if row[1] == arm}
    untold = [of for row, of in parts.items() if row in hidden]
    return {
        "cards": None if untold else counts.cards.total(),
        ONCE: None if any(is_small(of.once) for of in parts.values()) else counts.once,
        **{name: None if any(of.cards[name] for of in untold) else counts.cards[name] for name in INDICATORS},
    }


def _part(outcome: str, of: Outcomes) -> int | str | None:
    """Of how many patients an outcome is told; not where that tells how few are left."""
    count = of.counts[outcome]
    wholes = [of.patients, of.counts["repeated"]] if outcome == "back in range" else [of.patients]
    return None if any(is_small(whole - count) for whole in wholes) and count else shown(count)


def _outcome_row(topic: str, outcome: str, seen: Outcomes, silent: Outcomes) -> dict[str, Any]:
    counts = (seen.counts[outcome], seen.patients, silent.counts[outcome], silent.patients)
    parts = (_part(outcome, seen), _part(outcome, silent))
    apart = None if None in parts else difference(*counts)
    return {
        "topic": topic,
        "next result": outcome,
        "patients shown": shown(seen.patients),
        "shown": parts[0],
        "shown %": None if parts[0] is None else share(*counts[:2]),
        "patients silent": shown(silent.patients),
        "silent": parts[1],
        "silent %": None if parts[1] is None else share(*counts[2:]),
        "difference": None if apart is None else apart.points,
        "95 % from": None if apart is None else apart.low,
        "95 % to": None if apart is None else apart.high,
    }
