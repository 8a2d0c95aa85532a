"""A pasted Bundle as the whole record of a made-up patient: what it does not hold is not on file."""

from __future__ import annotations

from cds_service.clinical.facts import Source
from cds_service.fhir.terminology import Terminology
from cds_service.hooks import patient_bundle
from cds_service.playground.resources import Json, bundle

READ_STATUS = {
    Source.MEDICATIONS: frozenset({"active", "completed", "stopped"}),
    Source.LAB_ORDERS: frozenset({"active", "draft"}),
}
"""What the queries of the discovery document ask for."""


def to_request(exported: Json, terms: Terminology) -> Json:
    """The `patient-view` request for the patient of the Bundle *exported*.

    Raises:
        MalformedRequest: it does not hold one Patient.
    """
    found = patient_bundle.sort(exported, terms)
    prefetch = {source.value: bundle(_asked(source, resources)) for source, resources in found.keys.items()}
    return found.request(prefetch, "playground")


def _asked(source: Source, resources: list[Json]) -> list[Json]:
    if source not in READ_STATUS:
        return resources
    return [resource for resource in resources if str(resource.get("status")) in READ_STATUS[source]]
