"""R16, magnesium as an adjunct, and the wording of the magnesium cards (decision table, sections 13 and 14.1)."""

from __future__ import annotations

from tests.support.for_each import for_each
from tests.support.patients import MG_LOW, MG_ORDER, ago, ask, d3, egfr, mg, order, problem, vitd

INSIDE = mg("0.72", low="0.65")


@for_each(
    ("result", "topic"),
    [(mg("0.9"), "magnesium-adjunct"), (mg("0.8"), "magnesium-latent"), (INSIDE, "magnesium-low")],
    ids=["NORM", "LAT", "LOW inside the range"],
)
def test_who_carries_it(result, topic):
    """R16: the magnesium order alone, without a recheck, on K-MGADJ, K-MGLAT or K-MGLOW."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=[result])
    assert (seen.suggestions(topic), seen.indicator(topic)) == ([[MG_ORDER]], "info")


@for_each("profile", ["endocrine-2011", "nam-2011", "endocrine-2024"])
@for_each("result", [mg("0.9"), mg("0.8"), INSIDE], ids=["NORM", "LAT", "LOW inside the range"])
def test_only_in_magnesium_aware(profile, result):
    """R16: no other profile drafts magnesium for a level that is not clearly low."""
    assert MG_ORDER not in ask({"profile": profile}, vitamin_d=[vitd("8")], magnesium=[result]).drugs


@for_each("profile", ["endocrine-2011", "nam-2011", "endocrine-2024"])
def test_a_clearly_low_magnesium_is_treated_in_every_profile(profile):
    """12.2, row 4: K-MGLOW does not depend on the profile."""
    assert ask({"profile": profile}, magnesium=[mg("0.7")]).suggestions("magnesium-low") == [MG_LOW]


@for_each(
    "parts",
    [
        {"vitamin_d": [vitd("25")]},
        {"vitamin_d": [vitd("40")]},
        {"vitamin_d": [vitd("15", day=ago(366))]},
        {"vitamin_d": []},
        {"vitamin_d": [vitd("15")], "conditions": [problem("D86.9")]},
        {"vitamin_d": [vitd("15")], "medications": [d3("1000", "2026-01-05")]},
        {"vitamin_d": [vitd("15")], "medications": [order("magnesium citrate", "2026-01-05")]},
        {"vitamin_d": [vitd("15")], "kidney": [egfr("59.9")]},
        {"vitamin_d": [vitd("15")], "kidney": []},
        {"vitamin_d": [vitd("15")], "conditions": [problem("G70.00")]},
        {"vitamin_d": [vitd("15")], "patient": {"birthDate": None}},
        {"vitamin_d": [vitd("15")], "medications": [d3("2000", "2025-06-01")]},
        {"vitamin_d": [vitd("15")], "medications": [d3("2000", "2026-02-01")]},
    ],
    ids=["INS", "OK", "STALE", "UNK", "hold", "duplicate", "magnesium ordered", "eGFR", "no eGFR", "myasthenia",
         "age unknown", "resistance", "too soon"],
)  # fmt: skip
@for_each("result", [mg("0.9"), mg("0.8"), INSIDE], ids=["NORM", "LAT", "LOW inside the range"])
def test_when_there_is_none(parts, result):
    """R16: only with D = DEF, K-DDEF with its order, and every adjunct gate open."""
    assert MG_ORDER not in ask(magnesium=[result], **parts).drugs


@for_each("value", ["1.2", "2.1", "0.4"])
def test_never_with_high_or_severe(value):
    """R16: never with HIGH or VHIGH; SEV takes every order away."""
    assert MG_ORDER not in ask(vitamin_d=[vitd("15")], magnesium=[mg(value)]).drugs


@for_each("results", [[], [mg("0.9", day=ago(366))], [mg("0.9", "furlong")]], ids=["UNK", "STALE", "INDET"])
def test_check_first(results):
    """R16: with magnesium unknown, stale or undetermined: no magnesium order, check first."""
    seen = ask(vitamin_d=[vitd("15")], magnesium=results)
    assert MG_ORDER not in seen.drugs
    assert all(suggestion[-1] == "SR:19123-9" for suggestion in seen.suggestions("vitamin-d-deficiency"))


LOW, LATENT = "magnesium-low", "magnesium-latent"
CAUSE = "Look for a cause;"


@for_each(
    ("parts", "topic", "summary"),
    [
        ({"vitamin_d": [vitd("15")], "magnesium": [mg("0.7")]}, LOW,
         f"0.7 mmol/L: low (<0.75 mmol/L). {CAUSE} consider repletion alongside vitamin D."),
        ({"vitamin_d": [vitd("40")], "magnesium": [mg("1.5", "mg/dL")]}, LOW,
         f"1.5 mg/dL: low (<1.82 mg/dL). {CAUSE} consider repletion."),
        ({"magnesium": [mg("0.7")], "conditions": [problem("G70.00")]}, LOW,
         f"0.7 mmol/L: low (<0.75 mmol/L). {CAUSE} no magnesium order is suggested, see detail."),
        ({"magnesium": [mg("0.7")], "kidney": []}, LOW,
         "0.7 mmol/L: low (<0.75 mmol/L). Renal function unknown: check creatinine/eGFR first."),
        ({"magnesium": [mg("0.7")], "kidney": [], "conditions": [problem("G70.00")]}, LOW,
         f"0.7 mmol/L: low (<0.75 mmol/L). {CAUSE} no magnesium order is suggested, see detail."),
        ({"magnesium": [mg("0.7", day=ago(31))]}, LOW,
         f"0.7 mmol/L on {ago(31)}: low (<0.75 mmol/L). {CAUSE} consider repletion."),
        ({"magnesium": [mg("0.7", day=ago(30))]}, LOW, f"0.7 mmol/L: low (<0.75 mmol/L). {CAUSE} consider repletion."),
        ({"vitamin_d": [vitd("25")], "magnesium": [mg("0.8")]}, LATENT,
         "0.8 mmol/L is low-normal (0.75-<0.85 mmol/L): tissue deficiency is not excluded. Review intake."),
        ({"vitamin_d": [vitd("15")], "magnesium": [mg("1.9", "mg/dL")]}, LATENT,
         "1.9 mg/dL is low-normal (1.82-<2.07 mg/dL): magnesium may be given alongside vitamin D."),
        ({"vitamin_d": [vitd("15")], "magnesium": [mg("0.9")]}, "magnesium-adjunct",
         "0.9 mmol/L is in range; optional adjunct to vitamin D (serum can miss tissue deficiency; evidence limited)."),
        ({"magnesium": [mg("1.3")]}, "magnesium-high",
         "1.3 mmol/L is high (>1.05 mmol/L): do not supplement; review magnesium drugs and renal function."),
        ({"magnesium": [mg("2.1")]}, "magnesium-very-high",
         "2.1 mmol/L on 2026-02-20: very high. If not planned IV magnesium: stop sources, assess urgently with ECG."),
        ({"magnesium": [mg("0.4")]}, "magnesium-severe-low",
         "0.4 mmol/L on 2026-02-20 (<0.50 mmol/L): severe hypomagnesaemia. "
         + "Assess urgently: ECG, potassium, calcium, creatinine."),
    ],
    ids=["low, D low", "low", "low, no order", "low, eGFR unknown", "low, eGFR and more", "31 days old", "30 days old",
         "latent", "latent, order", "adjunct", "high", "very high", "severe"],
)  # fmt: skip
def test_summaries(parts, topic, summary):
    """14.1: the first row that holds; the date from 31 days on, always in critical cards."""
    assert ask(**parts).summary(topic) == f"Magnesium {summary}"


STALE_SEV = mg("0.4", day=ago(91))
TACROLIMUS, HIGH = order("tacrolimus", "2026-01-05"), d3("5000", "2026-02-25")


@for_each(
    ("parts", "topic", "words"),
    [
        ({"magnesium": [STALE_SEV], "medications": [HIGH]}, "magnesium-order", ["high-dose vitamin d"]),
        ({"magnesium": [STALE_SEV], "vitamin_d": [vitd("15")]}, "magnesium-order", ["25(oh)d is low"]),
        ({"magnesium": [STALE_SEV], "medications": [TACROLIMUS]}, "magnesium-order", ["tacrolimus"]),
        ({"vitamin_d": [vitd("15")], "medications": [HIGH, TACROLIMUS]}, "high-dose-vitamin-d-without-magnesium",
         ["25(oh)d is low", "tacrolimus"]),
        ({"vitamin_d": [vitd("15")], "medications": [TACROLIMUS]}, "vitamin-d-deficiency", ["tacrolimus"]),
        ({"vitamin_d": [vitd("15")], "medications": [d3("5000", "2025-06-01"), TACROLIMUS]}, "vitamin-d-resistance",
         ["tacrolimus", "can use up magnesium"]),
    ],
    ids=["severe, HD", "severe, D low", "severe, wasting", "HD, D low, wasting", "D low, wasting", "resistance"],
)  # fmt: skip
def test_later_reasons_to_ask_are_told(parts, topic, words):
    """R5: the sentences of the later reasons that also apply go into the detail of the card that asks."""
    detail = ask(**parts).detail(topic).lower()
    assert not [word for word in words if word not in detail]
