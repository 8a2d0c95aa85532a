"""The services there are: id, hook, prefetch templates. The one source for discovery, prefetch and the docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.clinical.facts import Source
from cds_service.errors import MalformedRequest, UnknownService
from cds_service.fhir.valuesets import LOINC

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cds_service.fhir.orders import Json
    from cds_service.fhir.terminology import Terminology

REQUIRED = frozenset({Source.PATIENT, Source.VITAMIN_D, Source.MAGNESIUM})
"""A required key that is neither prefetched nor reachable is 412 (design contract)."""

OBSERVATION_KEYS: Mapping[Source, frozenset[str]] = {
    Source.VITAMIN_D: frozenset({"vitamin-d"}),
    Source.MAGNESIUM: frozenset({"magnesium"}),
    Source.CHEMISTRY: frozenset({"calcium", "albumin", "phosphate", "pth", "potassium"}),
    Source.KIDNEY: frozenset({"egfr", "creatinine"}),
    Source.VITALS: frozenset({"bmi", "height", "weight"}),
}
"""The analytes each Observation key asks for (decision table, section 3.6)."""

COUNTS = {Source.VITAMIN_D: 50, Source.MAGNESIUM: 50, Source.CHEMISTRY: 300, Source.KIDNEY: 300, Source.VITALS: 200}
"""`_count` of each Observation query: large enough that one page is the rule."""

CALCITRIOL = "62290-2"
"""1,25(OH)2D is asked for only to say that it is no measure of vitamin D status; it is never banded (3.3)."""


@dataclass(frozen=True, slots=True)
class Service:
    """One CDS service. `prefetch` maps each key to its FHIR query."""

    id: str
    hook: str
    title: str
    description: str
    usage_requirements: str
    prefetch: Mapping[Source, str]

    def discovery(self) -> Json:
        """Its entry in the discovery document (rows 12 to 18)."""
        return {
            "hook": self.hook,
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "usageRequirements": self.usage_requirements,
            "prefetch": {key.value: query for key, query in self.prefetch.items()},
        }


@dataclass(frozen=True, slots=True)
class Registry:
    """Every service, by id."""

    services: tuple[Service, ...]

    def find(self, service_id: str) -> Service:
        """The service called *service_id*.

        Raises:
            UnknownService: there is none.
        """
        for service in self.services:
            if service.id == service_id:
                return service
        known = ", ".join(service.id for service in self.services)
        message = f"There is no such service. Known: {known}"
        raise UnknownService(message)

    def discovery(self) -> Json:
        """The discovery document (rows 9 to 20)."""
        return {"services": [service.discovery() for service in self.services]}


def check_hook(service: Service, hook: str) -> None:
    """Refuse a call of another hook than the service's (row 28).

    Raises:
        MalformedRequest: names both hooks.
    """
    if hook != service.hook:
        message = f"{service.id} answers the hook {service.hook}, not {hook[:64]!r}"
        raise MalformedRequest(message)


def build(terms: Terminology) -> Registry:
    """The services, with templates built from the value sets that are read."""
    return Registry((_patient_view(terms),))


def _patient_view(terms: Terminology) -> Service:
    patient = "patient={{context.patientId}}"
    prefetch = {Source.PATIENT: "Patient/{{context.patientId}}"}
    for key, analytes in OBSERVATION_KEYS.items():
        codes = [code.code for code in terms.lab.values() if code.analyte in analytes]
        codes += [CALCITRIOL] if key is Source.VITAMIN_D else []
        codes += sorted(terms.pregnancy_question) if key is Source.VITALS else []
        prefetch[key] = f"Observation?{patient}&code={_code_list(codes)}&_sort=-date&_count={COUNTS[key]}"
    prefetch[Source.CONDITIONS] = f"Condition?{patient}&_count=200"
    prefetch[Source.MEDICATIONS] = f"MedicationRequest?{patient}&status=active,completed,stopped&_count=200"
    prefetch[Source.LAB_ORDERS] = f"ServiceRequest?{patient}&status=active,draft&_count=100"
    return Service(
        id="vitamin-d-magnesium",
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
        prefetch=prefetch,
    )


def _code_list(codes: Iterable[str]) -> str:
    return ",".join(f"{LOINC}|{code}" for code in dict.fromkeys(codes))
