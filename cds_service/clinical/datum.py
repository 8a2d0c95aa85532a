"""What records are: facts, states, verdicts, cards, drafts, and what is read on the way to them."""

from __future__ import annotations

from typing import Self

from msgspec import Struct, structs


class Datum(Struct, frozen=True, gc=False):
    """A frozen record, made in a quarter of the time that a named tuple takes, and read faster.

    The garbage collector leaves it alone: what never changes is in no circle.
    """

    def changed(self, **changes: object) -> Self:
        """The same, but for *changes*."""
        return structs.replace(self, **changes)
