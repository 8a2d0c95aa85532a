"""Every sentence the logic can say: its key in `wording.toml` and the values it needs.

The wording itself is a clinician's to edit; a file that lacks one of these keys, or uses a value that is not given,
stops the program when it starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from cds_service.clinical.card import Text, Value


@dataclass(frozen=True, slots=True)
class Phrase:
    """One sentence: call it with its values."""

    key: str
    fields: frozenset[str]

    def __call__(self, **values: Value) -> Text:
        """The sentence with *values*: exactly the declared fields."""
        return Text(self.key, values)


PHRASES: dict[str, Phrase] = {}


def _phrase(key: str, *fields: str) -> Phrase:
    phrase = Phrase(key, frozenset(fields))
    PHRASES[key] = phrase
    return phrase


_RESULT = ("v", "u", "on")

# Summaries (section 14.1), one per row of the table there.
S_DDEF = _phrase("summary.K-DDEF.order", *_RESULT, "cut", "cu")
S_DDEF_NONE = _phrase("summary.K-DDEF.no-order", *_RESULT, "cut", "cu")
S_DINS = _phrase("summary.K-DINS.order", *_RESULT, "lo", "hi", "cu", "dose")
S_DINS_NONE = _phrase("summary.K-DINS.no-order", *_RESULT, "lo", "hi", "cu")
S_DINS_INTERVAL = _phrase("summary.K-DINS.interval", *_RESULT, "hi", "cu", "dose")
S_CALCIUM_VERY_LOW = _phrase("summary.calcium-very-low", "v", "u", "date", "v2", "u2")
S_DMAINT_A = _phrase("summary.K-DMAINT.a", *_RESULT, "maint")
S_DMAINT_A_NONE = _phrase("summary.K-DMAINT.a-no-order", *_RESULT)
S_DMAINT_B = _phrase("summary.K-DMAINT.b", *_RESULT, "maint")
S_DMAINT_B_NONE = _phrase("summary.K-DMAINT.b-no-order", *_RESULT)
S_DHIGH = _phrase("summary.K-DHIGH", *_RESULT, "cut", "cu")
S_DTOX = _phrase("summary.K-DTOX", "v", "u", "date", "cut", "cu")
S_DORDER = _phrase("summary.K-DORDER", "reason")
S_MGORDER = _phrase("summary.K-MGORDER", "why")
S_MGORDER_SEVERE = _phrase("summary.K-MGORDER.severe", "v", "u", "date")
S_MGWASTE = _phrase("summary.K-MGWASTE", "drug")
S_MGSEV = _phrase("summary.K-MGSEV", "v", "u", "date", "cut", "cu")
S_MGLOW = _phrase("summary.K-MGLOW.order", *_RESULT, "cut", "cu")
S_MGLOW_WITH_D = _phrase("summary.K-MGLOW.order-with-vitamin-d", *_RESULT, "cut", "cu")
S_MGLOW_NONE = _phrase("summary.K-MGLOW.no-order", *_RESULT, "cut", "cu")
S_MGLOW_EGFR = _phrase("summary.K-MGLOW.egfr-unknown", *_RESULT, "cut", "cu")
S_MGLOW_RANGE = _phrase("summary.K-MGLOW.laboratory-range", *_RESULT, "cut", "cu")
S_MGLOW_CALCIUM = _phrase("summary.K-MGLOW.calcium-very-low", "v", "u", "date")
S_MGLAT = _phrase("summary.K-MGLAT", *_RESULT, "lo", "hi", "cu")
S_MGLAT_ORDER = _phrase("summary.K-MGLAT.order", *_RESULT, "lo", "hi", "cu")
S_MGADJ = _phrase("summary.K-MGADJ", *_RESULT)
S_MGHIGH = _phrase("summary.K-MGHIGH", *_RESULT, "cut", "cu")
S_MGVHIGH = _phrase("summary.K-MGVHIGH", "v", "u", "date")
S_HIDOSE = _phrase("summary.K-HIDOSE")
S_RESIST = _phrase("summary.K-RESIST", *_RESULT, "n")
S_RECHECK = _phrase("summary.K-RECHECK", "n")
S_TOOSOON_A = _phrase("summary.K-TOOSOON.a", *_RESULT, "n")
S_TOOSOON_B = _phrase("summary.K-TOOSOON.b", *_RESULT, "recheck")
S_ACTIVED = _phrase("summary.K-ACTIVED", "drug")
S_D2INT = _phrase("summary.K-D2INT")
S_CKD = _phrase("summary.K-CKD")
S_STALE = _phrase("summary.K-STALE", "v", "u", "n")
S_HOLD_CRITICAL = _phrase("summary.K-HOLD.critical", "v", "u", "date")
S_HOLD_CURRENT = _phrase("summary.K-HOLD.order-current", "reason")
S_HOLD = _phrase("summary.K-HOLD.otherwise", "reason")
S_PREG = _phrase("summary.K-PREG")
S_PEDS = _phrase("summary.K-PEDS", "finding")
S_DATA = _phrase("summary.K-DATA", "test", "reason")

WHY_D_LOW = _phrase("why.vitamin-d-low")
WHY_D_TREATED = _phrase("why.vitamin-d-treated")
WHY_MG_LOW = _phrase("why.magnesium-low")
WHY_MG_HIGH = _phrase("why.magnesium-high")

# Triggers for ordering 25(OH)D (section 11).
TRIGGER_DEFICIENCY = _phrase("trigger.1")
TRIGGER_CKD = _phrase("trigger.2")
TRIGGER_OBESITY = _phrase("trigger.3")
TRIGGER_MALABSORPTION = _phrase("trigger.4")
TRIGGER_OSTEOPOROSIS = _phrase("trigger.5")
TRIGGER_MAGNESIUM = _phrase("trigger.6")
TRIGGER_DRUG = _phrase("trigger.7", "drug")

# What was found.
FOUND_D = _phrase("found.vitamin-d", "v", "u", "converted", "date")
FOUND_NO_D = _phrase("found.no-vitamin-d")
FOUND_ONLY_CALCITRIOL = _phrase("found.only-1,25")
FOUND_MG = _phrase("found.magnesium", "v", "u", "converted", "date")
FOUND_MG_OLD = _phrase("found.magnesium-old", "v", "u", "converted", "date", "band")
FOUND_NO_MG = _phrase("found.no-magnesium")
FOUND_UNUSABLE_D = _phrase("found.unusable-vitamin-d", "reason", "date", "values")
FOUND_UNUSABLE_MG = _phrase("found.unusable-magnesium", "reason", "date", "values")
FOUND_SHOWN_NOT_USED = _phrase("found.shown-not-used", "analyte", "v", "u", "date")
REPORTED = _phrase("found.reported", "v")
REPORTED_NOTHING = _phrase("found.reported-nothing")
DATE_MISSING = _phrase("found.date-missing")
FOUND_CALCIUM = _phrase("found.calcium", "v", "u", "form", "date")
FOUND_EGFR = _phrase("found.egfr", "v", "how", "date")
FOUND_COURSE = _phrase("found.course", "drug", "date")
FOUND_PASSED_OVER = _phrase("found.passed-over", "analyte", "date")
FOUND_RACE_VARIANTS = _phrase("found.race-variants")

# Notes on a result: `note.` and the key the reader gave it.
NOTE_PROVISIONAL = _phrase("note.provisional", "why")
NOTE_IMPLAUSIBLE = _phrase("note.implausible")
NOTE_INTERVAL = _phrase("note.interval")
NOTE_SEVERE_OPEN = _phrase("note.may-be-severe")
NOTE_PROPERTY = _phrase("note.unit-property")
NOTE_SCALED = _phrase("note.scaled")
NOTE_BLOOD = _phrase("note.blood")
NOTE_SUM = _phrase("note.sum")
NOTE_BELOW_DETECTION = _phrase("note.below-detection")
NOTE_D2_UNREADABLE = _phrase("note.d2-unreadable")
NOTE_HAEMOLYSED = _phrase("note.haemolysed")

# Thresholds and whose they are.
THRESHOLD_D = _phrase("threshold.vitamin-d", "profile", "lo", "hi", "cu")
THRESHOLD_D_ONE = _phrase("threshold.vitamin-d-one", "profile", "lo", "cu")
THRESHOLD_D_HIGH = _phrase("threshold.vitamin-d-high", "profile", "top", "tox", "cu")
THRESHOLD_MG = _phrase("threshold.magnesium", "low", "latent", "top", "cu")
THRESHOLD_CALCIUM = _phrase("threshold.calcium", "cut", "cu")
THRESHOLD_CALCIUM_CKD = _phrase("threshold.calcium-ckd", "cut", "cu")
THRESHOLD_MG_SEVERE = _phrase("threshold.magnesium-severe", "cut", "cu")
THRESHOLD_MG_HIGH = _phrase("threshold.magnesium-high", "top", "very_high", "cu")

# Why no order: gates (section 10).
NO_D_ORDER = _phrase("gate.no-vitamin-d-order", "reasons")
NO_MG_ORDER = _phrase("gate.no-magnesium-order", "reasons")
GATE_ADULT = _phrase("gate.G-ADULT")
GATE_PREG = _phrase("gate.G-PREG")
GATE_PREG_UNKNOWN = _phrase("gate.G-PREG.unknown")
GATE_HOLD_HIGH_D = _phrase("gate.G-HOLD.vitamin-d-high")
GATE_HOLD_CALCIUM_UNKNOWN = _phrase("gate.G-HOLD.calcium-unknown")
GATE_CA = _phrase("gate.G-CA")
GATE_KID = _phrase("gate.G-KID")
GATE_SEV = _phrase("gate.G-SEV")
GATE_AD = _phrase("gate.G-AD")
GATE_DUP_D = _phrase("gate.G-DUP-D")
GATE_DUP_D_MAINTENANCE = _phrase("gate.G-DUP-D.maintenance", "n")
GATE_DUP_MG = _phrase("gate.G-DUP-Mg")
GATE_UNRESOLVED = _phrase("gate.unresolved-drug")
GATE_UNAVAILABLE = _phrase("gate.unavailable", "source")
GATE_PARTIAL = _phrase("gate.partial", "source")
GATE_MG_EGFR = _phrase("gate.G-MG.egfr")
GATE_MG_STAGE = _phrase("gate.G-MG.stage")
GATE_MG_DIALYSIS = _phrase("gate.G-MG.dialysis")
GATE_MG_AKI = _phrase("gate.G-MG.aki")
GATE_MG_TOX = _phrase("gate.G-MG.toxic")
GATE_MG_MYASTHENIA = _phrase("gate.G-MG.myasthenia")
GATE_MG_HEART_BLOCK = _phrase("gate.G-MG.heart-block")
GATE_MG_OPEN = _phrase("gate.G-MG.open")
GATE_MG_RALTEGRAVIR = _phrase("gate.G-MG.raltegravir")
GATE_MG_ADJUNCT = _phrase("gate.adjunct.egfr")

# Holds (section 10).
HOLD_HIGH_CALCIUM = _phrase("hold.high-calcium", "v", "u", "on")
HOLD_HYPERCALCAEMIA = _phrase("hold.hypercalcaemia")
HOLD_PHOSPHATE = _phrase("hold.phosphate")
HOLD_GRANULOMATOUS = _phrase("hold.granulomatous")
HOLD_TUBERCULOSIS = _phrase("hold.tuberculosis")
HOLD_WILLIAMS = _phrase("hold.williams")
HOLD_HYPERVITAMINOSIS = _phrase("hold.hypervitaminosis-d")
HOLD_HYPERPARATHYROIDISM = _phrase("hold.primary-hyperparathyroidism")
HOLD_LYMPHOMA = _phrase("hold.lymphoma")
HOLD_ALL = _phrase("hold.all", "reasons")
SOFT_STONES = _phrase("soft.stones")
SOFT_HYPERPARATHYROIDISM = _phrase("soft.hyperparathyroidism")
SOFT_PRIMARY_HYPERPARATHYROIDISM = _phrase("soft.primary-hyperparathyroidism")
SOFT_LYMPHOMA = _phrase("soft.lymphoma")

# Sentences of section 13.
SAY_CALCIUM_VERY_LOW = _phrase("say.calcium-very-low")
SAY_CALCIUM_AND_MAGNESIUM = _phrase("say.calcium-and-magnesium")
SAY_POTASSIUM_AND_MAGNESIUM = _phrase("say.potassium-and-magnesium")
SAY_DIGOXIN_MAGNESIUM = _phrase("say.digoxin-magnesium")
SAY_DIGOXIN_CALCIUM = _phrase("say.calcium-monitoring", "drug")
SAY_MALABSORPTION = _phrase("say.malabsorption")
SAY_MAINTENANCE_MAY_FAIL = _phrase("say.maintenance-may-fail")
SAY_WASTING = _phrase("say.wasting", "drugs")
SAY_SUPPLEMENT = _phrase("say.supplement", "n")
SAY_LACTATION = _phrase("say.lactation")
SAY_STONE_HISTORY = _phrase("say.stone-history")
SAY_CALCIUM_SALT = _phrase("say.calcium-salt")
SAY_CALCIUM_SALT_MAGNESIUM = _phrase("say.calcium-salt-magnesium")
SAY_LIVER = _phrase("say.liver")
SAY_UNCLEAR_DRUG = _phrase("say.unclear-drug", "drug")
SAY_LOWERING_DRUG = _phrase("say.lowering-drug", "drug")
SAY_RESIST = _phrase("say.resist")
SAY_RECHECK = _phrase("say.recheck", "date")
SAY_TOOSOON = _phrase("say.too-soon", "date")
SAY_STEP_DOWN = _phrase("say.step-down")
SAY_MAINTENANCE = _phrase("say.maintenance")
SAY_HIDOSE_TOO = _phrase("say.high-dose-too")
SAY_VITAMIN_D_LOW_TOO = _phrase("say.vitamin-d-low-too")
SAY_WASTING_TOO = _phrase("say.wasting-too", "drug")
SAY_ASK_BOTH = _phrase("say.ask-both")
SAY_ADJUNCT = _phrase("say.adjunct")
SAY_CKD_MAGNESIUM_LIMIT = _phrase("say.ckd-magnesium-limit")
SAY_CORRECTION_IN_CKD = _phrase("say.correction-in-ckd")
SAY_DIALYSIS_UNIT = _phrase("say.dialysis-unit")
SAY_PREGNANCY = _phrase("say.pregnancy")
SAY_PEDS = _phrase("say.under-18", "finding")
SAY_DHIGH = _phrase("say.vitamin-d-high")
SAY_DTOX = _phrase("say.vitamin-d-toxic")
SAY_MGSEV = _phrase("say.magnesium-severe")
SAY_MGHIGH = _phrase("say.magnesium-high")
SAY_MGVHIGH = _phrase("say.magnesium-very-high")
SAY_ACTIVED = _phrase("say.active-vitamin-d")
SAY_TRIGGER = _phrase("say.trigger", "reason")
SAY_D2INT = _phrase("say.intermittent-d2", "drug", "date")
SAY_STALE = _phrase("say.stale", "band")
SAY_NO_CALCIUM = _phrase("say.no-calcium")
SAY_PPI = _phrase("say.ppi")
SAY_INSIDE_RANGE = _phrase("say.inside-laboratory-range")
SAY_SPACING = {
    group: _phrase(f"spacing.{group}", "drug")
    for group in (
        "bisphosphonate",
        "tetracycline",
        "moxifloxacin",
        "quinolone",
        "integrase-inhibitor",
        "mycophenolate",
        "check-label",
        "levothyroxine",
    )
}

# Labels of suggestions and descriptions of actions; `hooks/cards.py` fills them from the drafts that are left.
SOURCE_LABEL = _phrase("source_label.text", "profile")
LABEL_LABS = _phrase("label.labs", "labs")
LABEL_LABS_URGENT = _phrase("label.labs-urgent", "labs")
LABEL_AND_LABS = _phrase("label.and-labs", "order", "labs")
LABEL_LAB_ON = _phrase("label.lab-on", "lab", "date")
LABEL_WITH_NOTE = _phrase("label.with-note", "label", "note")
LABEL_STEP_DOWN = _phrase("label.step-down")
LABEL_BOTH = _phrase("label.check-both")
LABEL_D_ALONE = _phrase("label.vitamin-d-alone")
LAB_DESCRIPTION = _phrase("label.lab-description", "lab")
LAB_DESCRIPTION_ON = _phrase("label.lab-description-on", "lab", "date")
LAB_DESCRIPTION_URGENT = _phrase("label.lab-description-urgent", "lab")
BECAUSE_RESULT = _phrase("because.result", "test", "v", "u", "date")
BECAUSE_REASON = _phrase("because.reason", "reason")
BECAUSE_UNKNOWN = _phrase("because.unknown", "test")
BECAUSE_UNUSABLE = _phrase("because.unusable", "test")

# Blocks (section 14.3).
BLOCKS: dict[str, Phrase] = {
    name: _phrase(f"block.{name}", *fields)
    for name, fields in {
        "B-MG": (),
        "B-DIFFER": (),
        "B-COFACTOR": (),
        "B-MGHELPS": (),
        "B-TWOWAY": (),
        "B-CONCURRENT": (),
        "B-INTAKE": (),
        "B-RESIST": (),
        "B-CAMG": (),
        "B-CV": (),
        "B-CKD": (),
        "B-OBESE": (),
        "B-TARGET": ("target",),
        "B-MAINT": ("maint",),
        "B-D3": (),
        "B-RECHECK": (),
        "B-ACTIVE": (),
        "B-BOTH": (),
        "B-FLOOR": (),
        "B-MGDOSE": (),
    }.items()
}
FOOTER = _phrase("block.footer")
ALSO_NOTED = _phrase("block.also-noted")

# Reasons a result could not be used (K-DATA), at most 45 characters each.
PROBLEMS: dict[str, Phrase] = {
    name: _phrase(f"problem.{name}")
    for name in (
        "unit-missing",
        "unit-unknown",
        "unit-conflict",
        "unit-of-1,25",
        "unreadable",
        "text-unreadable",
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
    "d3-alone": _phrase("provisional.d3-alone"),
    "ambiguous": _phrase("provisional.ambiguous"),
}
SOURCES: dict[str, Phrase] = {
    name: _phrase(f"source.{name}")
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
    name: _phrase(f"analyte.{name}") for name in ("vitamin-d", "magnesium", "calcium", "egfr")
}
BANDS: dict[str, Phrase] = {
    name: _phrase(f"band.{name}")
    for name in ("DEF", "INS", "OK", "NOBAND", "TOX", "SEV", "LOW", "LAT", "NORM", "HIGH", "VHIGH", "open")
}
CALCIUM_FORMS: dict[str, Phrase] = {
    name: _phrase(f"calcium.{name}") for name in ("ionised", "corrected", "computed", "uncorrected")
}
EGFR_HOW: dict[str, Phrase] = {name: _phrase(f"egfr.{name}") for name in ("reported", "computed")}
