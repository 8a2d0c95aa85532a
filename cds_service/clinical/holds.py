"""Holds (section 10): reasons against any vitamin D order, hard ones and soft ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical import phrases
from cds_service.clinical.wording import on

if TYPE_CHECKING:
    from cds_service.clinical.card import Text
    from cds_service.clinical.states import States


@dataclass(frozen=True, slots=True)
class Hold:
    """One hard hold. `by_value`: from a laboratory value rather than a condition."""

    id: str
    reason: Text
    by_value: bool = False


def hard(s: States) -> tuple[Hold, ...]:
    """G-HOLD: every hard hold that applies, in the order of section 10; the first is the `{reason}`."""
    has, normal = s.problems.has, s.calcium.known_normal
    found = [
        _high_calcium(s),
        _named(has("hypercalcaemia"), "hypercalcaemia", phrases.HOLD_HYPERCALCAEMIA),
        Hold("phosphate", phrases.HOLD_PHOSPHATE(), by_value=True) if s.phosphate_high else None,
        _named(has("granulomatous"), "granulomatous", phrases.HOLD_GRANULOMATOUS),
        _named(has("tuberculosis"), "tuberculosis", phrases.HOLD_TUBERCULOSIS),
        _named(has("williams"), "williams", phrases.HOLD_WILLIAMS),
        _named(has("hypervitaminosis-d"), "hypervitaminosis-d", phrases.HOLD_HYPERVITAMINOSIS),
        _named(
            has("primary-hyperparathyroidism") and not normal, "hyperparathyroidism", phrases.HOLD_HYPERPARATHYROIDISM
        ),
        _named(has("lymphoma") and not normal, "lymphoma", phrases.HOLD_LYMPHOMA),
    ]
    return tuple(hold for hold in found if hold is not None)


def soft(s: States) -> tuple[Text, ...]:
    """Soft holds: the suggestion stays and a warning sentence is added (section 10)."""
    has = s.problems.has
    found: list[Text] = []
    if has("vitd-soft-hold", "stones"):
        found.append(phrases.SOFT_STONES())
    if has("vitd-soft-hold", "hyperparathyroidism"):
        found.append(phrases.SOFT_HYPERPARATHYROIDISM())
    if s.calcium.known_normal and has("primary-hyperparathyroidism"):
        found.append(phrases.SOFT_PRIMARY_HYPERPARATHYROIDISM())
    if s.calcium.known_normal and has("lymphoma"):
        found.append(phrases.SOFT_LYMPHOMA())
    return tuple(found)


def _named(holds: bool, hold_id: str, phrase: phrases.Phrase) -> Hold | None:  # noqa: FBT001 - reads as a sentence
    return Hold(hold_id, phrase()) if holds else None


def _high_calcium(s: States) -> Hold | None:
    """Hypercalcaemia by value, at any age of the newest usable calcium."""
    result = s.calcium.result
    if not s.calcium.high or result is None:
        return None
    reason = phrases.HOLD_HIGH_CALCIUM(v=result.shown, u=result.unit, on=on(result, s))
    return Hold("high-calcium", reason, by_value=True)
