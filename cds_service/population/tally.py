"""Counted marks as the counts of the report, with the sums between them: what is told, and what is hidden.

Every sum that a reader could build from the report stands here as an equation, so that masking knows of it. A count
that is in the report and not in its equations would be a way round the mask.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cds_service.population.chart import (
    CARD,
    CARDS,
    CHANGE,
    GATE,
    LINE,
    MEASURED,
    PATIENT,
    PERSON,
    PROBLEM,
    RESULT,
    SILENT,
    Mark,
    View,
)
from cds_service.population.masking import Cell, Equation, Key, adds_up, hidden_keys

INDICATORS = ("critical", "warning", "info")
CHANGES = ("gained", "lost", "changed", "same")
ALL, OTHER = "all", "other"
SEXES = ("female", "male", "unknown")
COMMONEST = 10
"""Reasons for silence that are named."""
PATIENTS: Key = ("patients",)
WITH_CARD: Key = ("with_card",)
NUMBER_OF_CARDS: Key = ("cards",)
URGENT_CHARTS: Key = ("urgent",)
NO_ORDER: Key = ("no_order",)


@dataclass(slots=True)
class Figures:
    """Every count of the report by view and key, the sums between them, and which keys are hidden."""

    counts: Counter[Cell] = field(default_factory=Counter)
    equations: list[Equation] = field(default_factory=list)
    untold: set[Key] = field(default_factory=set)
    hidden: frozenset[Key] = frozenset()

    def told(self, view: int, *key: object) -> int | None:
        """The count, or `None` where it is hidden."""
        return None if key in self.hidden else self.counts[view, key]

    def keys(self, *begin: object) -> list[Key]:
        """The keys that begin so, as they came."""
        found = [key for _, key in self.counts if key[: len(begin)] == begin and key not in self.untold]
        return list(dict.fromkeys(found))

    def sum_up(self, view: int, whole: Key, parts: Iterable[Key]) -> None:
        """The *whole* is the sum of the *parts*, whether both are known already or the whole is not."""
        listed = list(parts)
        if (view, whole) not in self.counts:
            self.counts[view, whole] = sum(self.counts[view, part] for part in listed)
        self.equations.append(adds_up((view, whole), [(view, part) for part in listed]))

    def rest(self, view: int, whole: Key, part: Key) -> None:
        """What is left of the *whole* besides the *part* is told nowhere, and yet anybody can work it out."""
        left = (*part, "not")
        self.counts[view, left] = self.counts[view, whole] - self.counts[view, part]
        self.untold.add(left)
        self.sum_up(view, whole, [part, left])


def figures(marks: Mapping[Mark, int], views: Sequence[View], lines: Mapping[str, int], limit: int) -> Figures:
    """The counts of *marks*, and of *lines* that could not be read, with small ones hidden below *limit*."""
    found = Figures()
    by_kind: dict[object, list[tuple[Mark, int]]] = {}
    marks = dict(sorted(marks.items(), key=lambda item: str(item[0])))  # in whatever order they were counted
    for mark, times in marks.items():
        by_kind.setdefault(mark[0], []).append((mark, times))
    for place, view in enumerate(views):
        found.counts[place, PATIENTS] = marks.get((PATIENT,), 0)
        mine = [(mark[1:], times) for mark, times in by_kind.get(place, [])]
        topics = [entry.topic for entry in view.guidance.cards.values()]
        _charts(found, place, mine)
        _topics(found, place, mine, topics)
        _gates(found, place, mine)
        _people(found, place, mine)
    _silence(found, marks, len(views), limit)
    for place, view in enumerate(views):
        if view.against is not None:
            _changes(found, place, view.against, by_kind.get(place, []))
    _results(found, by_kind, limit)
    unreadable = Counter(lines)
    for mark, times in by_kind.get(LINE, []):
        unreadable[mark[1]] += times
    for kind, times in unreadable.items():
        found.counts[0, ("unreadable", kind)] = times
    _complete(found)
    found.hidden = hidden_keys(found.counts, found.equations, frozenset(found.untold), limit)
    return found


def _complete(found: Figures) -> None:
    """Every cell of every equation has a count."""
    for equation in found.equations:
        for cell in equation:
            found.counts[cell] += 0


def _charts(found: Figures, place: int, marks: Iterable[tuple[Mark, int]]) -> None:
    """Charts by their number of cards, and those with a warning or worse."""
    for mark, times in marks:
        if mark[0] == CARDS:
            found.counts[place, ("charts", mark[1])] += times
            found.counts[place, URGENT_CHARTS] += times * bool(mark[2])
    charts = [key for view, key in found.counts if view == place and key[0] == "charts" and key[1]]
    found.sum_up(place, WITH_CARD, charts)
    found.sum_up(place, PATIENTS, [("charts", 0), WITH_CARD])
    found.counts[place, NUMBER_OF_CARDS] = sum(key[1] * found.counts[place, key] for key in charts)
    weighed = {(place, key): key[1] for key in charts}
    found.equations.append({(place, NUMBER_OF_CARDS): -1, **weighed})
    found.rest(place, WITH_CARD, URGENT_CHARTS)


def _topics(found: Figures, place: int, marks: Iterable[tuple[Mark, int]], topics: Sequence[str]) -> None:
    """Patients by topic and indicator, in the order in which cards are shown."""
    given = Counter({(mark[1], mark[2]): times for mark, times in marks if mark[0] == CARD})
    shown = [topic for topic in dict.fromkeys(topics) if any(given[topic, indicator] for indicator in INDICATORS)]
    for topic in shown:
        for indicator in INDICATORS:
            if given[topic, indicator]:
                found.counts[place, ("topic", topic, indicator)] = given[topic, indicator]
        parts = [("topic", topic, indicator) for indicator in INDICATORS if given[topic, indicator]]
        found.sum_up(place, ("topic", topic, ALL), parts)
        found.rest(place, PATIENTS, ("topic", topic, ALL))
    for indicator in INDICATORS:
        parts = [("topic", topic, indicator) for topic in shown if given[topic, indicator]]
        found.sum_up(place, ("topic", ALL, indicator), parts)
    found.sum_up(place, NUMBER_OF_CARDS, [("topic", topic, ALL) for topic in shown])
    found.sum_up(place, NUMBER_OF_CARDS, [("topic", ALL, indicator) for indicator in INDICATORS])


def _gates(found: Figures, place: int, marks: Iterable[tuple[Mark, int]]) -> None:
    """Of the charts with a card that drafts no drug, those in which each gate is closed."""
    for mark, times in marks:
        if mark[0] == GATE:
            found.counts[place, ("gate", mark[1]) if mark[1] else NO_ORDER] = times
    found.counts[place, NO_ORDER] += 0
    found.rest(place, WITH_CARD, NO_ORDER)
    for key in [key for view, key in found.counts if view == place and key[0] == "gate" and key[-1] != "not"]:
        found.rest(place, NO_ORDER, key)


def _people(found: Figures, place: int, marks: Iterable[tuple[Mark, int]]) -> None:
    """Patients, and those with a card, by age band and sex."""
    bands: dict[str, None] = {}
    for mark, times in marks:
        if mark[0] == PERSON:
            _, band, sex, carded = mark
            bands[band] = None
            found.counts[place, ("people", band, sex)] += times
            found.counts[place, ("carded", band, sex)] += times * carded
    for table in ("people", "carded"):
        _margins(found, place, bands, (table,))
    for band in (*bands, ALL):
        for sex in (*SEXES, ALL):
            found.rest(place, ("people", band, sex), ("carded", band, sex))
    _margins(found, place, bands, ("carded",), ("not",))
    found.sum_up(place, WITH_CARD, [("carded", ALL, ALL)])


def _margins(found: Figures, place: int, bands: Iterable[str], begin: Key, end: Key = ()) -> None:
    """The sums of a table by age band and sex, whose keys *begin* and *end* so."""
    for band in bands:
        found.sum_up(place, (*begin, band, ALL, *end), [(*begin, band, sex, *end) for sex in SEXES])
    for sex in SEXES:
        found.sum_up(place, (*begin, ALL, sex, *end), [(*begin, band, sex, *end) for band in bands])
    found.sum_up(place, (*begin, ALL, ALL, *end), [(*begin, band, ALL, *end) for band in bands])
    found.sum_up(place, (*begin, ALL, ALL, *end), [(*begin, ALL, sex, *end) for sex in SEXES])


def _silence(found: Figures, marks: Mapping[Mark, int], views: int, limit: int) -> None:
    """Charts without a card by reason: the commonest of the first view by name, and the others together."""
    given = Counter({(mark[0], mark[2:]): times for mark, times in marks.items() if mark[1:2] == (SILENT,)})
    first = Counter({reason: times for (place, reason), times in given.items() if place == 0})
    ranked = sorted(first.items(), key=lambda item: (-item[1], item[0]))
    named = [reason for reason, times in ranked if times >= limit][:COMMONEST]
    for (place, reason), times in given.items():
        found.counts[place, ("silent", *(reason if reason in named else (OTHER,)))] += times
    for place in range(views):
        parts = [("silent", *reason) for reason in named]
        found.sum_up(place, ("charts", 0), [*parts, ("silent", OTHER)])


def _changes(found: Figures, place: int, against: int, marks: Iterable[tuple[Mark, int]]) -> None:
    """What became of the cards of each topic under the other guidance."""
    given = Counter({(mark[2], mark[3]): times for mark, times in marks if mark[1] == CHANGE})
    for topic in dict.fromkeys(topic for topic, _ in given):
        for change in CHANGES:
            found.counts[place, ("change", topic, change)] = given[topic, change]
        before, after = (against, ("topic", topic, ALL)), (place, ("topic", topic, ALL))
        parts = [(place, ("change", topic, change)) for change in CHANGES]
        gained, lost, changed, same = parts
        found.equations += [adds_up(before, [lost, changed, same]), adds_up(after, [gained, changed, same])]


def _results(found: Figures, by_kind: Mapping[object, list[tuple[Mark, int]]], limit: int) -> None:
    """Results by code and unit, and those that are not used by why; what is rare has no name, as it may be one.

    Rare is what few patients have, however many results they have of it.
    """
    patients = {mark[1:]: times for mark, times in by_kind.get(MEASURED, [])}
    for mark, times in by_kind.get(RESULT, []):
        _, analyte, *kind = mark
        named = kind if patients[mark[1:]] >= limit else (OTHER, OTHER)
        found.counts[0, ("result", analyte, *named)] += times
    for mark, times in by_kind.get(PROBLEM, []):
        found.counts[0, ("problem", mark[1], mark[2])] += times
    for analyte in dict.fromkeys(key[1] for key in found.keys("result")):
        found.sum_up(0, ("results", analyte), found.keys("result", analyte))
        problems = found.keys("problem", analyte)
        found.counts[0, ("usable", analyte)] = found.counts[0, ("results", analyte)] - sum(
            found.counts[0, key] for key in problems
        )
        found.sum_up(0, ("results", analyte), [("usable", analyte), *problems])
