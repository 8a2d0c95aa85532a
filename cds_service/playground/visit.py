"""The memory of one visit to the page: what is dismissed there is quiet there, and for nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cds_service.hooks.memory import Answered, Chart, FeedbackKeeper
from cds_service.hooks.record import Call


@dataclass(frozen=True, slots=True)
class Visit:
    """A `hooks.memory.Memory` for which each visit is a chart system of its own.

    Cards are noted only where the user has come to rest: a slider passes many values that nobody read. What was said of
    a topic that is `undone` is not remembered.
    """

    keeper: FeedbackKeeper
    id: str
    settled: bool
    undone: frozenset[str] = frozenset()

    def answers(self, chart: Chart) -> Iterable[Answered] | None:
        """What was done in this visit with earlier cards of *chart*."""
        said = self.keeper.answers(self._of_visit(chart))
        return None if said is None else [one for one in said if one.topic not in self.undone]

    def note(self, call: Call) -> None:
        """Remember the cards of a *call* that were shown, and the topics that were quiet."""
        chart = call.weighed.chart
        if self.settled and chart is not None:
            self.keeper.note(self._of_visit(chart), call.cards, call.quiet)

    def _of_visit(self, chart: Chart) -> Chart:
        return replace(chart, server=f"playground:{self.id}")
