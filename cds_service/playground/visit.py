"""The memory of one visit to the page: what is dismissed there is quiet there, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds_service.hooks.memory import Answered, Chart, Memory, ShownCard


@dataclass(frozen=True, slots=True)
class Visit:
    """A `hooks.memory.Memory` for which each visit is a chart system of its own.

    Cards are noted only where the user has come to rest: a slider passes many values that nobody read. What was said of
    a topic that is `undone` is not remembered.
    """

    memory: Memory
    id: str
    settled: bool
    undone: frozenset[str] = frozenset()

    def answers(self, chart: Chart) -> Iterable[Answered] | None:
        """What was done in this visit with earlier cards of *chart*."""
        said = self.memory.answers(self._of_visit(chart))
        return None if said is None else [one for one in said if one.topic not in self.undone]

    def note(self, chart: Chart, shown: tuple[ShownCard, ...], quiet: tuple[str, ...]) -> None:
        """Remember the cards that were *shown*, and the topics that were *quiet*."""
        if self.settled:
            self.memory.note(self._of_visit(chart), shown, quiet)

    def _of_visit(self, chart: Chart) -> Chart:
        return chart._replace(server=f"playground:{self.id}")
