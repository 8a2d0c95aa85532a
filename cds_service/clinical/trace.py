"""The trace: for each rule and gate, fired or not, and the fact that decided it. It answers "why is there no card?"."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from cds_service.clinical.datum import Datum


class Step(NamedTuple):
    """One rule (`R3`), map row (`D:K-DDEF`), trigger (`T-D 1`) or gate (`G-KID`) and what decided it.

    The words are put together only when they are read: most traces never are.
    """

    id: str
    fired: bool
    words: str
    values: tuple[object, ...] = ()

    @property
    def because(self) -> str:
        """The fact that decided it."""
        if not self.values:
            return self.words
        return " ".join(self.words.format(*map(spoken, self.values)).split())


Noted: TypeAlias = "tuple[str, bool, str, tuple[object, ...]] | Callable[[Trace], None]"
"""What a `Step` is made of, or what notes some, when they are read."""


def spoken(value: object) -> str:
    """A value as people say it: yes, no, unknown; several with commas."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(spoken(item) for item in value)
    return str(value)


class Verdict(Datum, frozen=True):
    """Whether a rule applies, and the fact that decided it."""

    holds: bool
    words: str
    values: tuple[object, ...] = ()

    def __bool__(self) -> bool:
        """A verdict stands for its answer."""
        return self.holds


def yes(words: str, *values: object) -> Verdict:
    """It applies, and the fact that decided it: *words* with *values* in its braces."""
    return Verdict(True, words, values)  # noqa: FBT003 - the verdict itself


def no(words: str, *values: object) -> Verdict:
    """It does not apply, and the fact that decided it."""
    return Verdict(False, words, values)  # noqa: FBT003 - the verdict itself


def steps(noted: Iterable[Noted]) -> tuple[Step, ...]:
    """The steps that were *noted*."""
    found: list[Step] = []
    for one in noted:
        if isinstance(one, tuple):
            found.append(Step(*one))
        else:
            told = Trace()
            one(told)
            found += told.steps
    return tuple(found)


@dataclass(slots=True)
class Trace:
    """Grows by one step at a time, in the order of evaluation (section 1)."""

    noted: list[Noted] = field(default_factory=list)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What was noted so far, as steps."""
        return steps(self.noted)

    def add(self, step_id: str, verdict: Verdict) -> Verdict:
        """Note *verdict* under *step_id* and hand it back."""
        self.noted.append((step_id, verdict.holds, verdict.words, verdict.values))
        return verdict

    def later(self, tell: Callable[[Trace], None]) -> None:
        """Let *tell* note its steps here once they are read: for what it takes some work to find out."""
        self.noted.append(tell)

    def note(self, step_id: str, fired: object, words: str, *values: object) -> None:
        """Note one step: *words* with *values* in its braces."""
        self.noted.append((step_id, bool(fired), words, values))

    def yes(self, step_id: str, words: str, *values: object) -> None:
        """Note one step that fired."""
        self.noted.append((step_id, True, words, values))

    def no(self, step_id: str, words: str, *values: object) -> None:
        """Note one step that did not fire."""
        self.noted.append((step_id, False, words, values))
