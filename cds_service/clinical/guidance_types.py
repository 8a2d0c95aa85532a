"""What the other guidance files hold; field names are the keys of the TOML files."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from cds_service.clinical.datum import Datum
from cds_service.clinical.limits import Limits, Pair
from cds_service.clinical.order_limits import OrderRows

DAYS_OF_A_WEEK = 7
MOST_QUIET_DAYS = 90
"""No answer of a clinician keeps a topic quiet for longer."""


class DoseRange(Datum, frozen=True):
    """From one dose a day to another."""

    low: int
    high: int


class Profile(Datum, frozen=True):
    """One profile of guidance (section 2)."""

    source: str
    deficient_below: Pair
    adequate_to: Pair
    high_to: Pair
    deficiency_orders: Literal["weekly", "daily"]
    maintenance_iu: DoseRange
    adjunct_magnesium: bool
    obesity_rule: bool
    blocks_left_out: tuple[str, ...]
    insufficient_below: Pair | None = None
    indicated_below: Pair | None = None
    step_down_order: str | None = None

    @property
    def maintenance(self) -> str:
        """The maintenance range as texts say it: 800-2,000."""
        return f"{self.maintenance_iu.low:,}-{self.maintenance_iu.high:,}"

    @property
    def target(self) -> Pair | None:
        """The lowest value that can be called adequate (section 2)."""
        return self.insufficient_below

    @property
    def has_adequate_band(self) -> bool:
        """Whether a value can be called adequate (`OK`) rather than merely above the cut (`NOBAND`)."""
        return self.insufficient_below is not None


class Overlay(Datum, frozen=True):
    """One overlay for CKD G3 or worse (section 2)."""

    source: str
    kind: Literal["raise-target", "by-pth"]
    insufficient_below: Pair
    deficient_below: Pair | None = None


class OrderForm(Datum, frozen=True):
    """How orders of one kind are taken and worded; the words take the numbers of the drug in {braces}."""

    unit: Literal["IU", "mg"]
    period_unit: Literal["d", "wk"]
    text: str
    label: str
    description: str
    dosage: str
    patient_instruction: str


class ClinicalDrug(Datum, frozen=True):
    """A RxNorm code that means one strength, in the unit of the order."""

    rxnorm: str
    dose: int


class DrugEntry(Datum, frozen=True):
    """A drug the service may order (section 16): what it is, how much, for how long, and the form of its order."""

    source: str
    form: str
    rxnorm: str
    atc: str
    name: str
    short: str
    dose: int
    clinical_drug: ClinicalDrug | None = None
    weeks: int | None = None
    supply_days: int | None = None
    remark: str = ""


class DrugOrder(Datum, frozen=True):
    """A medication order the service may draft: a `DrugEntry` in the words of its form."""

    rxnorm: tuple[str, ...]
    atc: str
    dose: int
    unit: Literal["IU", "mg"]
    period_unit: Literal["d", "wk"]
    text: str
    label: str
    description: str
    dosage: str
    patient_instruction: str
    weeks: int | None = None
    supply_days: int | None = None

    @property
    def doses(self) -> int | None:
        """How many doses a course of some weeks has."""
        if self.weeks is None:
            return None
        return self.weeks if self.period_unit == "wk" else self.weeks * DAYS_OF_A_WEEK


class LabOrderText(Datum, frozen=True):
    """A test the service may order: its LOINC code and `display`, its `name` for people, and a short one for labels."""

    code: str
    name: str
    short: str
    display: str


class SiteCoding(Datum, frozen=True):
    """A code of the catalogue of a site."""

    system: str
    code: str


class Orderable(Datum, frozen=True):
    """What an order of ours is in the catalogue of a site, and whether that comes `first`; empty where no site says."""

    codings: tuple[SiteCoding, ...] = ()
    label: str = ""
    first: bool = False


class CardEntry(Datum, frozen=True):
    """One card of the catalogue (section 14): its topic and what that is called, the blocks it may hold, its links.

    `summary` is that of a card which always has the same one. `feedback` may stand here or in `feedback.toml`; what the
    page of the topic says, as `about` here or in `topics.toml`.
    """

    topic: str
    display: str
    blocks: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    summary: str = ""
    feedback: FeedbackTopic | None = None
    about: TopicEntry | None = None


class BlockEntry(Datum, frozen=True):
    """A block in its long form: on the pages of which topics or groups, its sources, and its text in other profiles."""

    text: str
    topics: tuple[str, ...]
    links: tuple[str, ...] = ()
    of: dict[str, str] = field(default_factory=dict)

    def text_in(self, profile: str) -> str:
        """What it says in *profile*."""
        return self.of.get(profile, self.text)


Threshold = Literal["vitamin-d", "floor", "magnesium", "calcium", "phosphate", "potassium", "kidney"]


class TopicEntry(Datum, frozen=True):
    """What the page of a topic says of its card: when it appears, what it says, what it reads, what may be withheld."""

    when: str
    says: str
    thresholds: tuple[Threshold, ...]
    withheld: tuple[str, ...] = ()


class Plan(Datum, frozen=True):
    """Something that is drafted only where its gates are open (section 10)."""

    what: str
    gates: tuple[str, ...]


class PageTexts(Datum, frozen=True):
    """What every page of a topic says."""

    none_withheld: str
    aim: str
    not_looked_at: tuple[str, ...]
    article: str
    disclaimer: tuple[str, ...]


class Edition(Datum, frozen=True):
    """Which state of the guidance it is, of which day, and how far its review has got."""

    version: str
    date: str
    review: str


class Topics(Datum, frozen=True):
    """The whole of `topics.toml`: what is true of everybody, and so stands on the page of a topic and not on cards."""

    edition: Edition
    groups: dict[str, tuple[str, ...]]
    block: dict[str, BlockEntry]
    plan: dict[str, Plan]
    gate: dict[str, str]
    page: PageTexts
    topic: dict[str, TopicEntry]

    def blocks_of(self, topic: str) -> list[str]:
        """The blocks that stand on the page of *topic*, in the order of the file."""
        groups = {"all", *(name for name, members in self.groups.items() if topic in members)}
        return [name for name, block in self.block.items() if not {topic, *groups}.isdisjoint(block.topics)]


class Attribute(Datum, frozen=True):
    """One source attribute: what it is called and what is so of this service."""

    name: str
    value: str


class Attributes(Datum, frozen=True):
    """The whole of `attributes.toml`."""

    rule: str
    not_predictive: str
    not_certified: str
    attribute: tuple[Attribute, ...]


class OwnNumbers(Datum, frozen=True):
    """Parts of one text with a number of their own, which is no dose or limit of this guidance, and whose it is."""

    says: tuple[str, ...]
    source: str


class Evidence(Datum, frozen=True):
    """A source a card may link to; an unverified one is never linked."""

    label: str
    citation: str
    verified: bool
    url: str | None = None
    takes: str | None = None


class Provenance(Datum, frozen=True):
    """Where the default profile comes from and how far its review has got."""

    title: str
    publisher: str
    date: str
    reviewStatus: str  # noqa: N815 - the record's own spelling
    note: str = ""


class DrugName(Datum, frozen=True):
    """Spellings of one drug, and what a card prints for it (`names.toml`).

    `beside_units` are spellings that count only beside a number of IU; `rxnorm` and `atc` codes of a drug that is in
    no value set.
    """

    set: str
    name: str
    spellings: tuple[str, ...]
    group: str = ""
    beside_units: tuple[str, ...] = ()
    rxnorm: tuple[str, ...] = ()
    atc: tuple[str, ...] = ()


class ConditionName(Datum, frozen=True):
    """Whole phrases that name one condition (`names.toml`)."""

    concept: str
    phrases: tuple[str, ...]
    group: str = ""


class CalciumWithD(Datum, frozen=True):
    """What makes a name one of calcium with vitamin D: a word for calcium, or a brand, beside one for vitamin D."""

    calcium: tuple[str, ...]
    beside_calcium: tuple[str, ...]
    brands: tuple[str, ...]
    beside_brands: tuple[str, ...]


class NameExclusions(Datum, frozen=True):
    """Fillers that name no drug, phrases that stop a match of magnesium, and words of routes that never count.

    `parenteral` are words of what is given by needle, `trace` of products that hold a little of many things: both only
    matter to the order hooks.
    """

    fillers: tuple[str, ...]
    magnesium: tuple[str, ...]
    routes: tuple[str, ...]
    parenteral: tuple[str, ...]
    trace: tuple[str, ...]


class EmptyWords(Datum, frozen=True):
    """Words that say nothing about which drug it is."""

    words: tuple[str, ...]


class ConditionText(Datum, frozen=True):
    """Words that make a Condition's text unreadable as a present problem."""

    refuse: tuple[str, ...]


class Names(Datum, frozen=True):
    """The whole of `names.toml`."""

    drug: tuple[DrugName, ...]
    calcium_with_d: CalciumWithD
    exclusions: NameExclusions
    empty: EmptyWords
    condition: tuple[ConditionName, ...]
    condition_text: ConditionText


class FeedbackReason(Datum, frozen=True):
    """A reason that a clinician may give for not following a card, and for how long it quiets (`feedback.toml`).

    Topics whose days go `by_urgency` do not ask for its `days`.
    """

    code: str
    system: str
    display: str
    days: int = 1


class FeedbackTopic(Datum, frozen=True):
    """The reasons offered on the cards of one topic, and how quiet they make it.

    `also` are milder topics that go quiet with it. `result` is whose crossing of a threshold breaks the quiet, and
    `worse` in which direction. `days` are those of a reason where they differ for this topic, `displays` its words.
    `by_urgency`: any other reason quiets for the days of the card's urgency (order hooks).
    """

    reasons: tuple[str, ...]
    accepted_days: int = 0
    also: tuple[str, ...] = ()
    days: dict[str, int] = field(default_factory=dict)
    result: Literal["", "vitamin-d", "magnesium"] = ""
    worse: Literal["lower", "higher"] = "lower"
    never: bool = False
    displays: dict[str, str] = field(default_factory=dict)
    by_urgency: bool = False


class Feedback(Datum, frozen=True):
    """The whole of `feedback.toml`, by the name of a reason and the code of a topic.

    `urgency_days` are the days of topics `by_urgency`.
    """

    reason: dict[str, FeedbackReason]
    topic: dict[str, FeedbackTopic]
    urgency_days: dict[str, int]


class Guidance(Datum, frozen=True):
    """Everything a clinician can edit, with the profile and overlay in force.

    `digest` is of the shipped files themselves, `local_digest` of those of a site that are laid over them, if any.
    `profiles` and `overlays` are all that there are.
    `order_cards` are the entries of the cards of order hooks, by the ids of their rows. `orderables` are those of the
    site, by the key of the order: `drug.d3-daily`.
    """

    profile_name: str
    profile: Profile
    overlay: Overlay
    limits: Limits
    cards: dict[str, CardEntry]
    topics: Topics
    attributes: Attributes
    drugs: dict[str, DrugOrder]
    labs: dict[str, LabOrderText]
    wording: dict[str, str]
    evidence: dict[str, Evidence]
    provenance: Provenance
    names: Names
    feedback: Feedback
    order_rows: OrderRows
    order_cards: dict[str, CardEntry]
    profiles: dict[str, Profile] = field(default_factory=dict)
    overlays: dict[str, Overlay] = field(default_factory=dict)
    orderables: dict[str, Orderable] = field(default_factory=dict)
    digest: str = ""
    local_digest: str = ""

    def entry(self, card_id: str) -> CardEntry:
        """The entry of a card of any hook."""
        return self.cards[card_id] if card_id in self.cards else self.order_cards[card_id]
