"""What a Bundle held, and whether it is a whole answer (decision table, section 9.6).

"None on file" is a fact; an answer that is not whole and holds no match never says it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from cds_service.clinical.datum import Datum
from cds_service.fhir.views import Concept, OperationOutcome, Resource

R = TypeVar("R", bound=Resource)

SEARCHSET = "searchset"
ALL_READ: frozenset[str] = frozenset()
NOTHING_SPOILED: Mapping[int, frozenset[str]] = MappingProxyType({})
WHOLE_TYPES = frozenset({SEARCHSET, "collection", ""})
"""Types of a Bundle that may be a whole answer; a type that is missing is a slip."""
IN_ERROR = "entered-in-error"
SERIOUS = frozenset({"error", "fatal"})
WITHHOLDING = frozenset({
    "security", "login", "unknown", "expired", "forbidden", "suppressed",
    "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
    "too-costly",
})  # fmt: skip
"""Codes of an issue below error which say that something was withheld or left out."""


class Remark(NamedTuple):
    """What an OperationOutcome among the entries says of the answer: that it failed, that something was left out."""

    failed: bool = False
    withheld: bool = False


def remark(outcome: OperationOutcome) -> Remark:
    """What *outcome* says of the answer it came with."""
    issues = [issue for issue in outcome.issue or () if issue is not None]
    return Remark(
        any((issue.severity or "").strip().lower() in SERIOUS for issue in issues),
        any((issue.code or "").strip().lower() in WITHHOLDING for issue in issues),
    )


def stands(resource: Resource) -> bool:
    """Whether *resource* was not entered in error; one that was is as if it were not there (property 10)."""
    status: Concept | str | None = getattr(resource, "status", None) or getattr(resource, "verificationStatus", None)
    if isinstance(status, Concept):
        return all(coding.code != IN_ERROR for coding in status.codings())
    return status != IN_ERROR


class Page(Datum, Generic[R], frozen=True):
    """What a Bundle held. `spoiled` names, per place in `resources`, the elements that could not be read.

    `included` are the raw resources that are no matches, `strangers` of them are of another type and no include,
    `unreadable` counts entries that cannot be read; `failed` and `withheld` are what OperationOutcomes among the
    entries say. `more`: there is a next page that was not followed, `next_page` where. `type`, `total` and the number
    of all `entries` are the Bundle's own.
    """

    resources: tuple[R, ...] = ()
    spoiled: Mapping[int, frozenset[str]] = NOTHING_SPOILED
    included: tuple[bytes, ...] = ()
    strangers: int = 0
    unreadable: int = 0
    failed: bool = False
    withheld: bool = False
    more: bool = False
    next_page: str | None = None
    type: str = SEARCHSET
    total: int = 0
    entries: int = 0

    def each(self) -> Iterable[tuple[R, frozenset[str]]]:
        """Each resource, and the names of its elements that could not be read."""
        if not self.spoiled:
            return zip(self.resources, repeat(ALL_READ))
        return [(resource, self.spoiled.get(place, ALL_READ)) for place, resource in enumerate(self.resources)]

    @property
    def short(self) -> str:
        """Why it is not whole, a next page aside; empty where it is."""
        if self.unreadable:
            return "an entry of its Bundle is no FHIR resource"
        if self.withheld:
            return "its Bundle holds an OperationOutcome which says that something was left out"
        if self.type not in WHOLE_TYPES:
            return "its Bundle is no searchset"
        if self.total > self.entries and not self.more:
            return "its Bundle has fewer entries than its total says"
        return ""

    @property
    def partial(self) -> bool:
        """Whether there is, or may be, more than it holds."""
        return self.more or bool(self.short)

    @property
    def fault(self) -> str:
        """Why it tells nothing, not even that nothing is on file; empty where it does, by a match or by being whole."""
        if any(map(stands, self.resources)):
            return ""
        if self.unreadable:
            return "no entry of its Bundle is a FHIR resource"
        if self.more:
            return "its first page is empty"
        if self.strangers:
            return self.short or "its Bundle holds resources of other types alone"
        return self.short or ("" if self.type == SEARCHSET else "its Bundle is empty and no searchset")

    def followed_by(self, later: Page[R]) -> Page[R]:
        """This page and the *later* one as one."""
        places = {len(self.resources) + place: names for place, names in later.spoiled.items()}
        return Page(
            self.resources + later.resources,
            {**self.spoiled, **places},
            self.included + later.included,
            self.strangers + later.strangers,
            self.unreadable + later.unreadable,
            self.failed or later.failed,
            self.withheld or later.withheld,
            later.more,
            later.next_page,
            self.type if later.type in WHOLE_TYPES else later.type,
            max(self.total, later.total),
            self.entries + later.entries,
        )
