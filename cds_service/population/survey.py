"""What is seen of an export while its lines are read, and the lines themselves with whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO

from cds_service.hooks.registry import OBSERVATION_KEYS
from cds_service.population import export
from cds_service.population.chart import TYPE_OF
from cds_service.population.export import SOURCES, Lines, Part, Unreadable

OBSERVED = frozenset(export.NUMBER[source] for source in OBSERVATION_KEYS)


@dataclass(slots=True)
class Survey:
    """What was seen of the export on the way: lines that cannot be read, its types, its newest result."""

    unreadable: Counter[str] = field(default_factory=Counter)
    types: set[str] = field(default_factory=set)
    sources: set[int] = field(default_factory=set)
    newest: date | None = None
    patients: int = 0
    outcomes: int = 0

    def add(self, other: Survey) -> None:
        """Add what was seen of another part."""
        self.unreadable += other.unreadable
        self.types |= other.types
        self.sources |= other.sources
        self.newest = max((day for day in (self.newest, other.newest) if day is not None), default=None)
        self.patients += other.patients
        self.outcomes += other.outcomes

    def see_unplaced(self, found: Unreadable | str) -> None:
        """Take note of a line that belongs to no chart: why, or which type it is."""
        if isinstance(found, Unreadable):
            self.unreadable[found.value] += 1
        else:
            self.types.add(found)
            self.outcomes += found == "OperationOutcome"

    def see_result(self, line: bytes, latest: date) -> None:
        """Take note of the day of a result, if it is no later than *latest*."""
        day = export.day_of_result(line)
        if day is not None and day <= latest and (self.newest is None or day > self.newest):
            self.newest = day

    def exported(self) -> frozenset[str]:
        """The types that there is a file or a line of."""
        lines = {TYPE_OF.get(SOURCES[number], "ServiceRequest") for number in self.sources}
        return frozenset(self.types | lines)


def placed(
    part: Part, lines: Lines, seen: Survey, latest: date | None, opening: Callable[[str], BinaryIO] = export.open_file
) -> Iterator[tuple[str, int, bytes]]:
    """Each line of *part* that some rule reads: whose it is, which key asks for it, the line. All is *seen*.

    With *latest* the day of the newest result up to then is looked for.
    """
    for block in export.lines_of(part, opening):
        if isinstance(block, Unreadable):
            seen.see_unplaced(block)
            continue
        for line in block:
            place = lines.place(line)
            if not isinstance(place, tuple):
                if line.strip():
                    seen.see_unplaced(place)
                continue
            patient, source = place
            seen.sources.add(source)
            seen.patients += source == export.PATIENT
            if latest is not None and source in OBSERVED:
                seen.see_result(line, latest)
            yield patient, source, line
