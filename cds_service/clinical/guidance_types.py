"""What the other guidance files hold, as frozen dataclasses; field names are the keys of the TOML files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cds_service.clinical.limit_types import Limits, Pair


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile of guidance (section 2)."""

    title: str
    source: str
    deficient_below: Pair
    adequate_to: Pair
    high_to: Pair
    deficiency_orders: Literal["weekly", "daily"]
    maintenance: str
    adjunct_magnesium: bool
    obesity_rule: bool
    blocks_left_out: tuple[str, ...]
    insufficient_below: Pair | None = None
    indicated_below: Pair | None = None
    target: Pair | None = None
    step_down_order: str | None = None

    @property
    def has_adequate_band(self) -> bool:
        """Whether a value can be called adequate (`OK`) rather than merely above the cut (`NOBAND`)."""
        return self.insufficient_below is not None


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay for CKD G3 or worse (section 2)."""

    source: str
    kind: Literal["raise-target", "by-pth"]
    insufficient_below: Pair
    deficient_below: Pair | None = None


@dataclass(frozen=True, slots=True)
class DrugOrder:
    """A medication order the service may draft (section 16)."""

    source: str
    rxnorm: tuple[str, ...]
    atc: str
    text: str
    dose: int
    unit: str
    ucum: str
    period_unit: Literal["d", "wk"]
    label: str
    description: str
    dosage: str
    patient_instruction: str
    weeks: int | None = None
    dispense: int | None = None
    supply_days: int | None = None


@dataclass(frozen=True, slots=True)
class LabOrderText:
    """A laboratory order the service may draft: `name` for people, `display` as LOINC has it."""

    name: str
    analyte: str
    display: str


@dataclass(frozen=True, slots=True)
class CardEntry:
    """One card of the catalogue (section 14): its topic, blocks in order, links."""

    topic: str
    display: str
    indicator: Literal["info", "warning", "critical"]
    blocks: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    obesity_links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """A source a card may link to; an unverified one is never linked."""

    label: str
    citation: str
    verified: bool
    url: str | None = None
    takes: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the default profile comes from and how far its review has got."""

    title: str
    date: str
    reviewStatus: str  # noqa: N815 - the record's own spelling
    note: str = ""


@dataclass(frozen=True, slots=True)
class DrugName:
    """Spellings of one drug, and what a card prints for it (`names.toml`)."""

    set: str
    name: str
    spellings: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True, slots=True)
class ConditionName:
    """Whole phrases that name one condition (`names.toml`)."""

    concept: str
    phrases: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True, slots=True)
class NameExclusions:
    """Phrases that stop a name match, and words of routes that never count."""

    magnesium: tuple[str, ...]
    routes: tuple[str, ...]
    calcium: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionText:
    """Words that make a Condition's text unreadable as a present problem."""

    refuse: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The whole of `names.toml`."""

    drug: tuple[DrugName, ...]
    exclusions: NameExclusions
    condition: tuple[ConditionName, ...]
    condition_text: ConditionText


@dataclass(frozen=True, slots=True)
class FeedbackReason:
    """A reason that a clinician may give for not following a card, and for how long it quiets (`feedback.toml`)."""

    code: str
    system: str
    display: str
    days: int


@dataclass(frozen=True, slots=True)
class FeedbackTopic:
    """The reasons offered on the cards of one topic, and how quiet they make it.

    `also` are milder topics that go quiet with it. `result` is whose crossing of a threshold breaks the quiet, and
    `worse` in which direction. `days` are those of a reason where they differ for this topic.
    """

    reasons: tuple[str, ...]
    accepted_days: int = 0
    also: tuple[str, ...] = ()
    days: dict[str, int] = field(default_factory=dict)
    result: Literal["", "vitamin-d", "magnesium"] = ""
    worse: Literal["lower", "higher"] = "lower"
    never: bool = False


@dataclass(frozen=True, slots=True)
class Feedback:
    """The whole of `feedback.toml`, by the name of a reason and the code of a topic."""

    reason: dict[str, FeedbackReason]
    topic: dict[str, FeedbackTopic]


@dataclass(frozen=True, slots=True)
class Guidance:
    """Everything a clinician can edit, with the profile and overlay in force. `digest` is of the files themselves."""

    profile_name: str
    profile: Profile
    overlay: Overlay
    limits: Limits
    cards: dict[str, CardEntry]
    drugs: dict[str, DrugOrder]
    labs: dict[str, LabOrderText]
    wording: dict[str, str]
    evidence: dict[str, Evidence]
    provenance: Provenance
    names: Names
    feedback: Feedback
    always_blocks: frozenset[str] = field(default_factory=frozenset)
    digest: str = ""
