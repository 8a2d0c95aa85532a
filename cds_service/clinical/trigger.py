"""Triggers for ordering 25(OH)D (T-D, section 11): never age, sex or skin colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical import phrases
from cds_service.clinical.bands import M
from cds_service.clinical.therapy import lowers_vitamin_d

if TYPE_CHECKING:
    from cds_service.clinical.card import Text
    from cds_service.clinical.states import States


@dataclass(frozen=True, slots=True)
class Trigger:
    """The trigger that fired: its number in section 11 and its reason."""

    number: int
    reason: Text


def order_trigger(s: States) -> Trigger | None:
    """T-D: the first trigger that holds. Conditions count by code alone, not by text (section 8)."""
    coded = s.problems.coded
    if coded("vitd-deficiency"):
        return Trigger(1, phrases.TRIGGER_DEFICIENCY())
    if s.kidney.ckd_known:
        return Trigger(2, phrases.TRIGGER_CKD())
    if s.person.obese and s.limits.trigger.obesity and s.guidance.profile.obesity_rule:
        return Trigger(3, phrases.TRIGGER_OBESITY())
    if coded("malabsorption"):
        return Trigger(4, phrases.TRIGGER_MALABSORPTION())
    if coded("osteoporosis"):
        return Trigger(5, phrases.TRIGGER_OSTEOPOROSIS())
    if s.m.state is M.SEV or (s.m.state is M.LOW and not s.m.inside_range):
        return Trigger(6, phrases.TRIGGER_MAGNESIUM())
    drug = lowers_vitamin_d(s.therapy, s.limits.therapy)
    return None if drug is None else Trigger(7, phrases.TRIGGER_DRUG(drug=drug.name))
