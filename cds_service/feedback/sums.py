"""Sums as the owner of the service sees them.

A count from 1 to 4 is not told, but "<5": it could point at a person. A share of so few is not told at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cds_service.feedback.summary import SMALL, ClientLine, Summary, TopicLine


def is_small(count: int) -> bool:
    """Whether a count could point at a person."""
    return 0 < count < SMALL


def shown(count: int) -> int | str:
    """A count, unless it is so small that it could point at a person."""
    return f"<{SMALL}" if is_small(count) else count


def together(counts: Sequence[int]) -> list[int | str | None]:
    """Counts that add up to one that is told: small ones are left with more than one way to make up the rest of it.

    Just one, or some that are all 1 or all 4, would be worked out. So the least of the others is left out with them.
    Where that is not enough, or there is no other, none is told.
    """
    told: list[int | str | None] = [shown(count) for count in counts]
    small = [count for count in counts if is_small(count)]
    others = [count for count in counts if count >= SMALL]
    if not small or (len(small) > 1 and sum(small) not in {len(small), (SMALL - 1) * len(small)}):
        return told
    if not others:
        is_masked = sum(small) < SMALL and len(small) < SMALL - 1  # their sum is not told either
        return told if is_masked else [None] * len(counts)
    told[counts.index(min(others))] = None
    if sum(small) == len(small) and min(others) == SMALL:
        return [None if is_small(count) else mark for mark, count in zip(told, counts, strict=True)]
    return told


def share(part: int, whole: int) -> float | None:
    """The share of *part* in *whole*, in per cent; `None` where either, or what is left, is too small to be told."""
    if whole < SMALL or 0 < part < SMALL or 0 < whole - part < SMALL:
        return None
    return round(100 * part / whole, 1)


def topic_rows(summary: Summary) -> list[dict[str, Any]]:
    """A row for each topic."""
    return [_topic_row(topic, line) for topic, line in summary.topics.items()]


def _topic_row(topic: str, line: TopicLine) -> dict[str, Any]:
    accepted, overridden, ignored = together([line.accepted, line.overridden.total(), line.ignored])
    return {
        "topic": topic,
        "fired": shown(line.fired),
        "accepted": accepted,
        "overridden": overridden,
        "quieted": shown(line.quieted),
        "ignored (unknown)": ignored,
        "accepted %": None if accepted is None else share(line.accepted, line.fired),
        "median seconds to a response": line.median_seconds,
    }


def reason_rows(summary: Summary) -> list[dict[str, Any]]:
    """A row for each topic and reason."""
    rows = []
    for topic, line in summary.topics.items():
        reasons = line.overridden.most_common()
        told = together([times for _, times in reasons])
        rows += [
            {"topic": topic, "reason": reason, "times": times} for (reason, _), times in zip(reasons, told, strict=True)
        ]
    return rows


def client_rows(summary: Summary) -> list[dict[str, Any]]:
    """A row for each client."""
    return [
        {
            "client": client,
            "calls": shown(line.calls),
            "cards per call": round(line.cards / line.answered, 2) if line.answered >= SMALL else None,
            "charts with a card %": share(line.with_cards, line.answered),
            "keys prefetched %": _of_keys(line, line.prefetched),
            "keys fetched %": _of_keys(line, line.fetched),
            "keys lacking %": _of_keys(line, line.lacking),
            "p50 ms": line.p50,
            "p95 ms": line.p95,
            "p99 ms": line.p99,
            "refused (4xx)": shown(line.refused),
            "faults (5xx)": shown(line.faults),
        }
        for client, line in summary.clients.items()
    ]


def day_rows(summary: Summary) -> list[dict[str, Any]]:
    """A row for each day."""
    calls = together([calls for calls, _ in summary.days.values()])
    cards = together([cards for _, cards in summary.days.values()])
    return [
        {"day": str(day), "calls": called, "cards": carded}
        for day, called, carded in zip(summary.days, calls, cards, strict=True)
    ]


def tables(summary: Summary) -> dict[str, list[dict[str, Any]]]:
    """Every table by its name."""
    return {
        "topics": topic_rows(summary),
        "reasons": reason_rows(summary),
        "clients": client_rows(summary),
        "days": day_rows(summary),
    }


def _of_keys(line: ClientLine, part: int) -> float | None:
    keys = line.prefetched + line.fetched + line.lacking
    return round(100 * part / keys, 1) if line.answered >= SMALL and keys else None
