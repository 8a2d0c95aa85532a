"""What happened in one call, as data: for the log, and for a client that asks for the explanation.

The record of prefetch holds keys, states, reasons and times: no value of the patient's record, no id, no token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.clinical.trace import Step
    from cds_service.fhir.orders import Json
    from cds_service.hooks.keys import Key
    from cds_service.hooks.messages import HookRequest
    from cds_service.hooks.prefetch import Gathered


LONGEST_ID = 64
"""A `hookInstance` is the client's own words; more of it is not repeated."""


def record(request: HookRequest, gathered: Gathered) -> Json:
    """What was known of each prefetch key and how, and what became of `fhirAuthorization`."""
    return {
        "hookInstance": request.hook_instance[:LONGEST_ID],
        "prefetch": [_told(key) for key in gathered.keys.values()],
        "authorization": gathered.authorization,
    }


def explanation(request: HookRequest, gathered: Gathered, trace: Iterable[Step]) -> Json:
    """The record, and each step of the evaluation with the fact that decided it."""
    steps = [{"id": step.id, "fired": step.fired, "because": step.because} for step in trace]
    return {**record(request, gathered), "steps": steps}


def _told(key: Key) -> Json:
    told: Json = {"key": key.source.value, "state": key.told}
    if key.why:
        told["why"] = key.why
    if key.pages:
        told["pages"] = key.pages
    if key.milliseconds is not None:
        told["milliseconds"] = key.milliseconds
    return told
