"""Every sentence the logic can say: its key in `wording.toml` and the values it needs.

The wording itself is a clinician's to edit; a file that lacks one of these keys, or uses a value that is not given,
stops the program when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cds_service.clinical.words.card import Text, Value


class Phrase(Protocol):
    """One sentence: call it with its values."""

    def __call__(self, **values: Value) -> Text:
        """The sentence with *values*: exactly the declared fields."""


PHRASES: dict[str, frozenset[str]] = {}
"""The sentences of `wording.toml` by their keys: which values each takes."""


def declare(key: str, *fields: str) -> Phrase:
    """The sentence at *key* of `wording.toml`, which takes the values *fields*."""
    PHRASES[key] = frozenset(fields)
    return _phrase(key)


def _phrase(key: str) -> Phrase:
    """The sentence at *key*: a function, which takes less to call than an object. Without values it says one text."""
    alone = Text(key, {})

    def say(**values: Value) -> Text:
        return Text(key, values) if values else alone

    return say


def summary_of(card: str) -> Phrase:
    """The summary of a *card* that always has the same one; its words stand in `cards.toml`, at the card."""
    return _phrase(f"summary.{card}")


_RESULT = ("v", "u", "on")

# Summaries (section 14.1), one per row of the table there.
S_DDEF = declare("summary.K-DDEF.order", *_RESULT, "cut", "cu")
S_DDEF_NONE = declare("summary.K-DDEF.no-order", *_RESULT, "cut", "cu")
S_DINS = declare("summary.K-DINS.order", *_RESULT, "lo", "hi", "cu", "dose", "advice")
S_DINS_NONE = declare("summary.K-DINS.no-order", *_RESULT, "lo", "hi", "cu")
S_DINS_INTERVAL = declare("summary.K-DINS.interval", *_RESULT, "hi", "cu", "dose", "advice")
S_CALCIUM_VERY_LOW = declare("summary.calcium-very-low", "v", "u", "date", "v2", "u2")
S_DMAINT_A = declare("summary.K-DMAINT.a", *_RESULT, "maint")
S_DMAINT_A_NONE = declare("summary.K-DMAINT.a-no-order", *_RESULT)
S_DMAINT_B = declare("summary.K-DMAINT.b", *_RESULT, "maint")
S_DMAINT_B_NONE = declare("summary.K-DMAINT.b-no-order", *_RESULT)
S_DHIGH = declare("summary.K-DHIGH", *_RESULT, "cut", "cu")
S_DTOX = declare("summary.K-DTOX", "v", "u", "date", "cut", "cu")
S_DORDER = declare("summary.K-DORDER", "reason")
S_MGORDER = declare("summary.K-MGORDER.stale", "band", "date")
S_MGORDER_TREATED = declare("summary.K-MGORDER.treated")
S_MGORDER_SEVERE = declare("summary.K-MGORDER.severe", "v", "u", "date")
S_MGWASTE = declare("summary.K-MGWASTE", "drug")
S_MGSEV = declare("summary.K-MGSEV", "v", "u", "date", "cut", "cu")
S_MGLOW = declare("summary.K-MGLOW.order", *_RESULT, "cut", "cu")
S_MGLOW_WITH_D = declare("summary.K-MGLOW.order-with-vitamin-d", *_RESULT, "cut", "cu")
S_MGLOW_NONE = declare("summary.K-MGLOW.no-order", *_RESULT, "cut", "cu")
S_MGLOW_EGFR = declare("summary.K-MGLOW.egfr-unknown", *_RESULT, "cut", "cu")
S_MGLOW_RANGE = declare("summary.K-MGLOW.laboratory-range", *_RESULT, "cut", "cu", "advice")
S_MGLOW_DIGOXIN = declare("summary.K-MGLOW.digoxin", "v", "u", "date")
S_MGLOW_CALCIUM = declare("summary.K-MGLOW.calcium-very-low", "v", "u", "date")
S_MGLAT = declare("summary.K-MGLAT", *_RESULT, "lo", "hi", "cu", "advice")
S_MGLAT_ORDER = declare("summary.K-MGLAT.order", *_RESULT, "lo", "hi", "cu")
S_MGADJ = declare("summary.K-MGADJ", *_RESULT)
S_MGHIGH = declare("summary.K-MGHIGH", *_RESULT, "cut", "cu")
S_MGVHIGH = declare("summary.K-MGVHIGH", "v", "u", "date")
S_HIDOSE = summary_of("K-HIDOSE")
S_RESIST = declare("summary.K-RESIST", *_RESULT, "n")
S_RECHECK = declare("summary.K-RECHECK", "n")
S_TOOSOON_A = declare("summary.K-TOOSOON.a", *_RESULT, "n")
S_TOOSOON_B = declare("summary.K-TOOSOON.b", *_RESULT, "recheck")
S_ACTIVED = declare("summary.K-ACTIVED", "drug")
S_D2INT = summary_of("K-D2INT")
S_CKD = summary_of("K-CKD")
S_STALE = declare("summary.K-STALE", "v", "u", "n")
S_HOLD_CRITICAL = declare("summary.K-HOLD.critical", "v", "u", "date")
S_HOLD_CURRENT = declare("summary.K-HOLD.order-current", "reason")
S_HOLD = declare("summary.K-HOLD.otherwise", "reason")
S_PREG = summary_of("K-PREG")
S_PEDS = declare("summary.K-PEDS", "finding")
S_DATA = declare("summary.K-DATA", "test", "reason")

# What a text says of magnesium only where it may be advised (G-ADV).
ADVISE_MAGNESIUM = declare("advice.ensure-intake")
ADVISE_REVIEW = declare("advice.review-intake")
ADVISE_REVIEW_SENTENCE = declare("advice.review-intake-sentence")
ADVISE_WITH_MAINTENANCE = declare("advice.maintenance")

# Triggers for ordering 25(OH)D (section 11).
TRIGGER_DEFICIENCY = declare("trigger.1")
TRIGGER_CKD = declare("trigger.2")
TRIGGER_OBESITY = declare("trigger.3")
TRIGGER_MALABSORPTION = declare("trigger.4")
TRIGGER_OSTEOPOROSIS = declare("trigger.5")
TRIGGER_MAGNESIUM = declare("trigger.6")
TRIGGER_DRUG = declare("trigger.7", "drug")

# What was found.
FOUND_D = declare("found.vitamin-d", "v", "u", "converted", "date")
FOUND_NO_D = declare("found.no-vitamin-d")
FOUND_D_TOO_OLD = declare("found.vitamin-d-too-old", "v", "u", "date", "n")
FOUND_ONLY_CALCITRIOL = declare("found.only-1,25")
FOUND_MG = declare("found.magnesium", "v", "u", "converted", "date", "band")
FOUND_MG_TOO = declare("found.magnesium-too", "v", "u", "date", "band")
FOUND_MG_OLD = declare("found.magnesium-old", "v", "u", "converted", "date", "band")
FOUND_NO_MG = declare("found.no-magnesium")
FOUND_UNUSABLE_D = declare("found.unusable-vitamin-d", "reason", "values")
FOUND_UNUSABLE_MG = declare("found.unusable-magnesium", "reason", "values")
FOUND_SHOWN_NOT_USED = declare("found.shown-not-used", "analyte", "v", "u", "date")
REPORTED = declare("found.reported", "v", "date")
REPORTED_MORE = declare("found.reported-more", "n")
REPORTED_NOTHING = declare("found.reported-nothing", "date")
DATE_MISSING = declare("found.date-missing")
FOUND_CALCIUM = declare("found.calcium", "v", "u", "form", "date")
FOUND_CALCIUM_FIRST = declare("found.calcium-first", "v", "u", "form", "date")
FOUND_CORRECTION_IN_CKD = declare("found.correction-in-ckd")
FOUND_EGFR = declare("found.egfr", "v", "how", "date")
FOUND_COURSE = declare("found.course", "drug", "date")
FOUND_PASSED_OVER = declare("found.passed-over", "analyte", "date")
FOUND_RACE_VARIANTS = declare("found.race-variants")
FOUND_INTERMITTENT_D2 = declare("found.intermittent-d2", "drug", "date")
FOUND_WASTING = declare("found.wasting", "drugs")
FOUND_WASTING_MORE = declare("found.wasting-more", "drugs", "n")
FOUND_IN_CHILD = declare("found.in-child", "finding")

# Notes on a result: `note.` and the key the reader gave it.
NOTE_PROVISIONAL = declare("note.provisional", "why")
NOTE_IMPLAUSIBLE = declare("note.implausible")
NOTE_INTERVAL = declare("note.interval")
NOTE_SEVERE_OPEN = declare("note.may-be-severe")
NOTE_PROPERTY = declare("note.unit-property")
NOTE_SCALED = declare("note.scaled")
NOTE_BLOOD = declare("note.blood")
NOTE_SUM = declare("note.sum")
NOTE_BELOW_DETECTION = declare("note.below-detection")
NOTE_D2_UNREADABLE = declare("note.d2-unreadable")
NOTE_HAEMOLYSED = declare("note.haemolysed")
NOTE_BESIDE = declare("note.beside", "values")

# Why no order: gates (section 10).
MORE_REASONS = declare("gate.more", "n")
NO_D_ORDER = declare("gate.no-vitamin-d-order", "reasons")
NO_MG_ORDER = declare("gate.no-magnesium-order", "reasons")
GATE_ADULT = declare("gate.G-ADULT")
GATE_PREG = declare("gate.G-PREG")
GATE_PREG_UNKNOWN = declare("gate.G-PREG.unknown")
GATE_HOLD_HIGH_D = declare("gate.G-HOLD.vitamin-d-high")
GATE_HOLD_CALCIUM_UNKNOWN = declare("gate.G-HOLD.calcium-unknown")
GATE_CA = declare("gate.G-CA")
GATE_KID = declare("gate.G-KID")
GATE_SEV = declare("gate.G-SEV")
GATE_AD = declare("gate.G-AD")
GATE_DUP_D = declare("gate.G-DUP-D")
GATE_DUP_D_MAINTENANCE = declare("gate.G-DUP-D.maintenance", "n")
GATE_DUP_D_CALCIUM = declare("gate.G-DUP-D.calcium")
GATE_DUP_MG = declare("gate.G-DUP-Mg")
GATE_UNRESOLVED = declare("gate.unresolved-drug")
GATE_UNAVAILABLE = declare("gate.unavailable", "source")
GATE_PARTIAL = declare("gate.partial", "source")
GATE_MG_EGFR = declare("gate.G-MG.egfr")
GATE_MG_STAGE = declare("gate.G-MG.stage")
GATE_MG_DIALYSIS = declare("gate.G-MG.dialysis")
GATE_MG_AKI = declare("gate.G-MG.aki")
GATE_MG_TOX = declare("gate.G-MG.toxic")
GATE_MG_MYASTHENIA = declare("gate.G-MG.myasthenia")
GATE_MG_HEART_BLOCK = declare("gate.G-MG.heart-block")
GATE_MG_OPEN = declare("gate.G-MG.open")
GATE_MG_CONFLICT = declare("gate.G-MG.conflict")
GATE_ADV_HIGH = declare("gate.G-ADV.high")
GATE_MG_RALTEGRAVIR = declare("gate.G-MG.raltegravir")
GATE_MG_ADJUNCT = declare("gate.adjunct.egfr")

# Holds (section 10).
HOLD_HIGH_CALCIUM = declare("hold.high-calcium", "v", "u", "on")
HOLD_HYPERCALCAEMIA = declare("hold.hypercalcaemia")
HOLD_PHOSPHATE = declare("hold.phosphate")
HOLD_GRANULOMATOUS = declare("hold.granulomatous")
HOLD_TUBERCULOSIS = declare("hold.tuberculosis")
HOLD_WILLIAMS = declare("hold.williams")
HOLD_HYPERVITAMINOSIS = declare("hold.hypervitaminosis-d")
HOLD_HYPERPARATHYROIDISM = declare("hold.primary-hyperparathyroidism")
HOLD_LYMPHOMA = declare("hold.lymphoma")
HOLD_ALL = declare("hold.all", "reasons")
SOFT_STONES = declare("soft.stones")
SOFT_HYPERPARATHYROIDISM = declare("soft.hyperparathyroidism")
SOFT_PRIMARY_HYPERPARATHYROIDISM = declare("soft.primary-hyperparathyroidism")
SOFT_LYMPHOMA = declare("soft.lymphoma")

# Part 2 of a detail, why nothing is offered (sections 13 and 14.3), beside the closed gates.
SO_RESIST = declare("so.resist")
SO_TOOSOON = declare("so.too-soon")
SO_MAINTENANCE_MAY_FAIL = declare("so.maintenance-may-fail")
SO_STALE = declare("so.stale", "band")
SO_MGSEV = declare("so.magnesium-severe")
SO_ACTIVED = declare("so.active-vitamin-d")
SO_DIALYSIS_UNIT = declare("so.dialysis-unit")
SO_PREGNANCY = declare("so.pregnancy")
SO_PEDS = declare("so.under-18")

# Part 3, bullets: what to beware of.
BEWARE_CALCIUM_VERY_LOW = declare("beware.calcium-very-low")
BEWARE_BESIDE_LOW_MAGNESIUM = declare("beware.beside-low-magnesium", "risks")
RISK_DIGOXIN = declare("risk.digoxin")
RISK_CALCIUM = declare("risk.calcium")
RISK_POTASSIUM = declare("risk.potassium")
RISK_CALCIUM_AND_POTASSIUM = declare("risk.calcium-and-potassium")
BEWARE_CALCIUM_MONITORING = declare("beware.calcium-monitoring", "drug")
BEWARE_SOFT_HOLDS = declare("beware.soft-holds", "reasons")
BEWARE_NO_CALCIUM = declare("beware.no-calcium")
BEWARE_REPEAT_CALCIUM = declare("beware.repeat-calcium")
BEWARE_MALABSORPTION = declare("beware.malabsorption")
BEWARE_LACTATION = declare("beware.lactation")
BEWARE_STONE_HISTORY = declare("beware.stone-history")
BEWARE_CALCIUM_SALT = declare("beware.calcium-salt")
BEWARE_CALCIUM_SALT_MAGNESIUM = declare("beware.calcium-salt-magnesium")
BEWARE_SUPPLEMENT = declare("beware.supplement", "n")
BEWARE_LIVER = declare("beware.liver")
BEWARE_LOWERING_DRUG = declare("beware.lowering-drug", "drug")
BEWARE_UNCLEAR_DRUG = declare("beware.unclear-drug", "drug")
BEWARE_LOOK_FURTHER = declare("beware.look-further")
BEWARE_HIDOSE_TOO = declare("beware.high-dose-too")
BEWARE_VITAMIN_D_LOW_TOO = declare("beware.vitamin-d-low-too")
BEWARE_WASTING_TOO = declare("beware.wasting-too", "drug")
BEWARE_CHECK_MAGNESIUM_TOO = declare("beware.check-magnesium-too")
BEWARE_MAGNESIUM_WAS = declare("beware.magnesium-was", "band", "v", "u", "date")
BEWARE_MAGNESIUM_UNDER_WAY = declare("beware.magnesium-under-way")
BEWARE_CKD_MAGNESIUM_LIMIT = declare("beware.ckd-magnesium-limit")
BEWARE_DHIGH = declare("beware.vitamin-d-high")
BEWARE_DTOX = declare("beware.vitamin-d-toxic")
BEWARE_MGHIGH = declare("beware.magnesium-high")
BEWARE_MGVHIGH = declare("beware.magnesium-very-high")
BEWARE_PPI = declare("beware.ppi")
SPACED = (
    "bisphosphonate",
    "tetracycline",
    "moxifloxacin",
    "quinolone",
    "integrase-inhibitor",
    "mycophenolate",
    "check-label",
    "levothyroxine",
)
"""The groups of drugs that magnesium binds."""
SPACING = {group: declare(f"spacing.{group}", "drug") for group in SPACED}

# Part 4, one bullet: the recheck and what follows (B-RECHECK, B-MAINT).
THEN_RECHECK = declare("then.recheck")
THEN_RECHECK_NOW = declare("then.recheck-now")
THEN_RECHECK_ON = declare("then.recheck-on", "date")
THEN_RECHECK_FROM = declare("then.recheck-from", "date")
THEN_RECHECK_AND_MAINTAIN = declare("then.recheck-and-maintain", "date", "maint", "advice")
THEN_MAINTAIN = declare("then.maintain", "maint", "advice")
THEN_MAINTAIN_AND_RECHECK = declare("then.maintain-and-recheck", "date", "maint", "advice")
THEN_RECHECK_MAGNESIUM = declare("then.recheck-magnesium", "date")

# Labels of suggestions and descriptions of actions; `hooks/card_json.py` fills them from the drafts that are left.
SOURCE_LABEL = declare("source_label.text", "profile")
ABOUT_LINK = declare("label.about")
LABEL_LABS = declare("label.labs", "labs")
LABEL_LABS_URGENT = declare("label.labs-urgent", "labs")
LABEL_LAB_ON = declare("label.lab-on", "lab", "date")
LABEL_RECHECK = declare("label.recheck", "label", "date")
LABEL_RECHECK_OF = declare("label.recheck-of", "label", "lab", "date")
LABEL_AND_LABS = declare("label.and-labs", "label", "labs")
LABEL_AND_MAGNESIUM = declare("label.and-magnesium", "label")
LABEL_BOTH = declare("label.both", "labs")
LABEL_ALONE = declare("label.alone", "lab")
LABEL_NOTES: Mapping[str, Phrase] = {
    note: declare(f"label.{note}", "label") for note in ("step-down", "maintenance", "adjunct")
}
LAB_DESCRIPTION = declare("label.lab-description", "lab")
LAB_DESCRIPTION_ON = declare("label.lab-description-on", "lab", "date")
LAB_DESCRIPTION_URGENT = declare("label.lab-description-urgent", "lab")
BECAUSE_RESULT = declare("because.result", "test", "v", "u", "date")
BECAUSE_REASON = declare("because.reason", "reason")
BECAUSE_KIDNEYS = declare("because.kidneys", "reason")
BECAUSE_UNKNOWN = declare("because.unknown", "test")
BECAUSE_UNUSABLE = declare("because.unusable", "test")

# Blocks (section 14.3) in their short form, as cards hold them.
BLOCKS: dict[str, Phrase] = {
    name: declare(f"block.{name}", *fields)
    for name, fields in {
        "B-MG": (),
        "B-TWOWAY": (),
        "B-CONCURRENT": (),
        "B-RESIST": (),
        "B-CKD": (),
        "B-OBESE": (),
        "B-TARGET": ("target",),
        "B-D3": (),
        "B-ACTIVE": (),
        "B-FLOOR": (),
        "B-MGDOSE": (),
    }.items()
}
ALSO_NOTED = declare("label.also-noted")

# Reasons a result could not be used (K-DATA), at most 45 characters each.
PROBLEMS: dict[str, Phrase] = {
    name: declare(f"problem.{name}")
    for name in (
        "unit-missing",
        "unit-unknown",
        "unit-conflict",
        "unit-of-1,25",
        "unreadable",
        "text-unreadable",
        "two-ways",
        "swapped-unit",
        "haemolysed",
        "too-low",
        "future",
        "conflict",
        "interval",
        "empty",
        "no-date",
        "d3-with-d2",
        "two",
    )
}
PROVISIONAL: dict[str, Phrase] = {
    "d3-alone": declare("provisional.d3-alone"),
    "ambiguous": declare("provisional.ambiguous"),
}
SOURCES: dict[str, Phrase] = {
    name: declare(f"source.{name}")
    for name in (
        "patient",
        "vitaminD",
        "magnesium",
        "chemistry",
        "kidney",
        "vitals",
        "conditions",
        "medications",
        "labOrders",
    )
}
ANALYTES: dict[str, Phrase] = {
    name: declare(f"analyte.{name}") for name in ("vitamin-d", "magnesium", "calcium", "egfr")
}
BANDS: dict[str, Phrase] = {
    name: declare(f"band.{name}")
    for name in ("DEF", "INS", "OK", "NOBAND", "TOX", "SEV", "LOW", "LAT", "NORM", "HIGH", "VHIGH", "open")
}
CALCIUM_FORMS: dict[str, Phrase] = {
    name: declare(f"calcium.{name}") for name in ("ionised", "corrected", "computed", "uncorrected")
}
EGFR_HOW: dict[str, Phrase] = {name: declare(f"egfr.{name}") for name in ("reported", "computed", "blood")}
