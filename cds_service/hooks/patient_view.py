"""The service that answers when a chart is opened: what 25(OH)D and magnesium say together, and which orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from cds_service.clinical.cards.drafts import ACTIVE_D_LAB
from cds_service.clinical.evaluate import Evaluation, evaluate
from cds_service.clinical.facts import Source
from cds_service.clinical.guidance_types import Guidance
from cds_service.fhir.terminology import Terminology
from cds_service.fhir.valuesets import LOINC
from cds_service.hooks.registry import OBSERVATION_KEYS, Question, Service

ID = "vitamin-d-magnesium"
REQUIRED = frozenset({Source.PATIENT, Source.VITAMIN_D, Source.MAGNESIUM})
"""A required key that is neither prefetched nor reachable is 412."""
COUNTS = {Source.VITAMIN_D: 50, Source.MAGNESIUM: 50, Source.CHEMISTRY: 300, Source.KIDNEY: 300, Source.VITALS: 200}
"""`_count` of each Observation query: large enough that one page is the rule."""


def build(terms: Terminology, guidance: Guidance) -> Service:
    """The service, with templates built from the value sets that are read."""
    return Service(
        id=ID,
        hook="patient-view",
        title="Vitamin D and magnesium",
        description=(
            "Reads the patient's 25(OH)D and magnesium results when a chart opens and answers with what was found, "
            "drafts of orders and the references. Aims to treat vitamin D and magnesium together, since low magnesium "
            "can blunt vitamin D treatment. Decision support awaiting clinical review."
        ),
        usage_requirements=(
            "For health professionals. Needs the Patient and the 25(OH)D and magnesium Observations (FHIR R4), by "
            "prefetch; calcium and other chemistry, kidney results, body size, conditions, medications and laboratory "
            "orders make order suggestions possible: what is not available closes them."
        ),
        prefetch=queries(terms, guidance.labs[ACTIVE_D_LAB].code),
        required=REQUIRED,
        read_context=nothing_more,
        evaluate=by_the_decision_table,
    )


def queries(terms: Terminology, calcitriol: str) -> Mapping[Source, str]:
    """The query of each key.

    1,25(OH)2D, by its code *calcitriol*, is asked for only to say that it is no measure of vitamin D status; it is
    never banded (3.3).
    """
    patient = "patient={{context.patientId}}"
    prefetch = {Source.PATIENT: "Patient/{{context.patientId}}"}
    for key, analytes in OBSERVATION_KEYS.items():
        codes = [code.code for code in terms.lab.values() if code.analyte in analytes]
        codes += [calcitriol] if key is Source.VITAMIN_D else []
        codes += sorted(terms.pregnancy_question) if key is Source.VITALS else []
        prefetch[key] = f"Observation?{patient}&code={_code_list(codes)}&_sort=-date&_count={COUNTS[key]}"
    prefetch[Source.CONDITIONS] = f"Condition?{patient}&_count=200"
    prefetch[Source.MEDICATIONS] = f"MedicationRequest?{patient}&status=active,completed,stopped&_count=200"
    prefetch[Source.LAB_ORDERS] = f"ServiceRequest?{patient}&status=active,draft&_count=100"
    return prefetch


def _code_list(codes: Iterable[str]) -> str:
    return ",".join(f"{LOINC}|{code}" for code in dict.fromkeys(codes))


def nothing_more(context: msgspec.Raw) -> None:
    """A chart that is opened tells no more than whose it is, and who opens it."""
    del context


def by_the_decision_table(question: Question) -> Evaluation:
    """The evaluation of everything that is known of the patient."""
    return evaluate(question.facts, question.guidance, question.today, question.max_cards, question.said)
