"""Calls of the order hooks about the common patient: drafts as clients send them, and what is answered."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cds_service.app import build_engine
from cds_service.hooks.order_hooks import SELECT, SIGN
from cds_service.hooks.service import Answer, Engine
from cds_service.settings import Settings
from tests.support.patients import AS_OF, NUMBER, PATIENT_ID, codings, dosed, every, order, request

HOOKS = {SELECT: "order-select", SIGN: "order-sign"}


@cache
def engine(**given: Any) -> Engine:
    """An engine on the day of the common patient."""
    return build_engine(Settings(as_of=AS_OF, **given))


def draft(text: str, draft_id: str | None = "d1", **elements: Any) -> dict[str, Any]:
    """A draft of a drug by its text; elements with None are left out."""
    found = {"id": draft_id, "subject": {"reference": f"Patient/{PATIENT_ID}"}} | elements
    return order(text, **({"status": "draft"} | {name: value for name, value in found.items() if value is not None}))


def d3(iu: str, repeat: Any = None, draft_id: str = "d1", **elements: Any) -> dict[str, Any]:
    """A draft of cholecalciferol, *iu* once a day or as *repeat* says."""
    dosage = dosed(iu, "[iU]", every(1, 1, "d") if repeat is None else repeat)
    return draft("cholecalciferol", draft_id, rxnorm="2418", dosageInstruction=dosage, **elements)


def lab(code: str, draft_id: str = "d1", **elements: Any) -> dict[str, Any]:
    """A draft of a laboratory test."""
    return {
        "resourceType": "ServiceRequest",
        "id": draft_id,
        "status": "draft",
        "intent": "order",
        "code": codings(code),
    } | elements


def bundle(*drafts: Any) -> dict[str, Any]:
    """A Bundle of drafts, without a type, as the public sandbox sends it."""
    return {"resourceType": "Bundle", "entry": [{"resource": one} for one in drafts]}


def body(service: str, drafts: Any, chart: dict[str, Any] | None = None, **parts: Any) -> bytes:
    """A call of *service* with the Bundle *drafts*; `context` adds to the context, `prefetch` replaces it."""
    sent = json.loads(request(**(chart or {})))
    sent["hook"] = HOOKS[service]
    sent["context"] |= {"draftOrders": drafts} | parts.pop("context", {})
    sent |= parts
    return NUMBER.sub(r"\1", json.dumps(sent)).encode()


def ask(service: str, *drafts: Any, chart: dict[str, Any] | None = None, **parts: Any) -> Answer:
    """What *service* answers about *drafts*."""
    return engine().answer(service, body(service, bundle(*drafts), chart, **parts))


def cards(service: str, *drafts: Any, chart: dict[str, Any] | None = None, **parts: Any) -> list[dict[str, Any]]:
    """The cards of that answer."""
    found: list[dict[str, Any]] = ask(service, *drafts, chart=chart, **parts).response["cards"]
    return found


def topics(service: str, *drafts: Any, chart: dict[str, Any] | None = None, **parts: Any) -> list[str]:
    """Their topics."""
    return [card["source"]["topic"]["code"] for card in cards(service, *drafts, chart=chart, **parts)]
