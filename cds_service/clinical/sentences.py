"""R17: which of its sentences apply to this patient, for the trace; the cards say them where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.clinical import drafts, holds

if TYPE_CHECKING:
    from cds_service.clinical.gates import Gates
    from cds_service.clinical.states import States
    from cds_service.clinical.trace import Trace

CONDITIONS = ("malabsorption", "lactation", "stone-history", "liver")


def note(s: States, gates: Gates, trace: Trace) -> None:
    """Note R17 in *trace* with the facts behind its sentences."""
    facts = [concept for concept in CONDITIONS if s.problems.has(concept)]
    sets = ("mg-chelating", "digoxin", "thiazides", "calcium-salts")
    facts += [f"{order.name} ({drug_set})" for drug_set in sets for order in s.therapy.taking(drug_set)]
    facts += [order.name for order in drafts.wasting_drugs(s)]
    facts += [text.key for text in holds.soft(s)]
    closed = "vitamin D order closed" if gates.course else "vitamin D order open"
    trace.note("R17", facts, "{}; {}", ", ".join(facts) or "no fact for its sentences", closed)
