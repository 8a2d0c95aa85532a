"""`GET /openapi.json`: every endpoint, what it takes, and every status it may answer with."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import cast

import msgspec
from flask import Blueprint, Response, current_app

from cds_service.fhir.orders import Json
from cds_service.fhir.outcome import Refusal
from cds_service.hooks.answers import Cards
from cds_service.hooks.feedback_body import FeedbackBody
from cds_service.hooks.messages import EXPLAIN
from cds_service.hooks.registry import Discovery, Registry, Service
from cds_service.playground.changes import Trial
from cds_service.playground.order_trial import OrderTrial
from cds_service.web.health import Health, Readiness
from cds_service.web.incoming import incoming
from cds_service.web.media import JSON
from cds_service.web.order_pages import OrderParts
from cds_service.web.playground_pages import TrialParts
from cds_service.web.plots import PLOTS

BODIES = (Refusal, Cards, Discovery, FeedbackBody, Trial, TrialParts, OrderTrial, OrderParts, Health, Readiness)
"""What is sent and answered: each has the schema of its type, under its name."""
SCHEMAS = "#/components/schemas/"
TEXT: Json = {"type": "string", "minLength": 1}
TABLES = ("topics", "reasons", "clients", "days")
INSIGHTS: Json = {
    "type": "object",
    "required": ["period", *TABLES],
    "properties": {
        "period": {"type": "object", "required": ["from", "to", "client"]},
        **{name: {"type": "array", "items": {"type": "object"}} for name in TABLES},
    },
}

blueprint = Blueprint("openapi", __name__)

MEANINGS: Mapping[int, str] = {
    400: "Not JSON, or not a CDS Hooks request; or two `Host` headers, or none",
    401: "The caller is not let in; nothing more is said",
    404: "Not here: feedback is not kept, or the page is closed",
    405: "The address answers other methods, which `Allow` names",
    408: "The body did not arrive in time",
    412: "A required prefetch key is missing and cannot be fetched, or is unusable",
    413: "The body, a Bundle or the whole of the resources is larger than is read",
    415: "The body is not declared as JSON, or it is compressed",
    422: "A resource is another patient's, or (CDS_STRICT_FHIR) not valid FHIR R4",
    429: "The client calls more often than it may; `Retry-After` says when it may again",
    500: "A fault of the service",
    501: "The body has another `Transfer-Encoding` than `chunked`",
    503: "More to do than is taken on, or no database; `Retry-After` says when to call again",
}
EVERYWHERE = (400, 500, 501)
GUARDED = (401, 408, 413, 429, 503)
CALLED = (412, 415, 422)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The description of this service. It is made once: anybody may ask for it, as often as they like."""
    made: dict[str, bytes] = current_app.extensions.setdefault("cds_openapi", {})
    if not made:
        guarded = cast("bool", current_app.extensions["cds_guarded"])
        made["document"] = msgspec.json.encode(document(incoming().engine.registry, guarded=guarded))
    return Response(made["document"], mimetype="application/json")


def document(registry: Registry, *, guarded: bool) -> Json:
    """The OpenAPI 3.1 document; *guarded*: callers need a token."""
    _, schemas = msgspec.json.schema_components(BODIES, ref_template=f"{SCHEMAS}{{name}}")
    paths = {
        "/cds-services": {"get": _operation("The discovery document", _of(Discovery), GUARDED, guarded=guarded)},
        **{f"/cds-services/{service.id}": {"post": _call(service, guarded=guarded)} for service in registry.services},
        **{
            f"/cds-services/{service.id}/feedback": {"post": _feedback(service, guarded=guarded)}
            for service in registry.services
        },
        "/": {"get": _page("The playground", "text/html", 404)},
        "/playground/answer": {"post": _trial()},
        "/playground/feedback": {"post": _trial_feedback()},
        "/playground/orders": {"get": _page("The order screen of the playground", "text/html", 404)},
        "/playground/orders/answer": {"post": _order_trial()},
        "/docs": {"get": _page("The documentation", "text/html")},
        "/docs/example-report": {"get": _page("A population report on the made-up patients", "text/html")},
        "/docs/{name}": {"get": _named(_page("A page of the documentation", "text/html", 404), "name")},
        "/about": {"get": _about("The list of pages behind the cards")},
        "/about/source-attributes": {"get": _about("The source attributes (45 CFR 170.315(b)(11)(iv)(A))")},
        "/about/{name}": {"get": _named(_about("What stands behind the cards of one topic"), "name")},
        "/static/{name}": {"get": _named(_page("A style sheet or script", "text/css", 404), "name")},
        "/insights": {"get": _insights("text/html", TEXT)},
        "/insights.json": {"get": _insights(JSON, INSIGHTS)},
        "/insights.csv": {"get": _insights("text/csv", TEXT)},
        "/insights/{name}.svg": {"get": _plot()},
        "/healthz": {"get": _operation("Whether the process serves", _of(Health), ())},
        "/metrics": {"get": _metrics()},
        "/readyz": {"get": _operation("Whether the process may be sent calls", _of(Readiness), (408, 413, 503))},
        "/openapi.json": {"get": _operation("This document", {"type": "object"}, (408, 413, 503))},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vitamin D and magnesium, read together",
            "version": version("vitamin-d-magnesium-cds"),
            "description": "A CDS Hooks 2.0 service. Decision support awaiting clinical review.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "clientToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "metricsToken": {"type": "http", "scheme": "bearer", "description": "CDS_METRICS_TOKEN"},
                "ownerToken": {"type": "http", "scheme": "bearer", "description": "CDS_INSIGHTS_TOKEN"},
            },
        },
    }


def _of(body: type[msgspec.Struct]) -> Json:
    """The schema of *body*."""
    return {"$ref": f"{SCHEMAS}{body.__name__}"}


def _operation(summary: str, answer: Json, statuses: tuple[int, ...], *, guarded: bool = False) -> Json:
    responses = {"200": {"description": summary, "content": {"application/json": {"schema": answer}}}}
    responses |= {str(status): _refusal(status) for status in sorted({*statuses, 405, *EVERYWHERE})}
    operation: Json = {"summary": summary, "responses": responses}
    if guarded:
        operation["security"] = [{"clientToken": []}]
    return operation


def _refusal(status: int) -> Json:
    if status == 401:  # noqa: PLR2004 - row 169: the one without a body
        return {"description": MEANINGS[status]}
    schema = _of(Refusal)
    return {"description": MEANINGS[status], "content": {"application/json": {"schema": schema}}}


def _call(service: Service, *, guarded: bool) -> Json:
    operation = _operation(
        f"Call the service {service.id}",
        _of(Cards),
        GUARDED + CALLED,
        guarded=guarded,
    )
    operation["description"] = service.description
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _request(service)}}}
    return operation


def _feedback(service: Service, *, guarded: bool) -> Json:
    operation = _operation(
        f"Say what was done with cards of {service.id}", {"type": "object"}, (*GUARDED, 404, 415), guarded=guarded
    )
    operation["description"] = "Answered once it is on the disk: all of it, or nothing. A repeat changes nothing."
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _of(FeedbackBody)}}}
    return operation


def _page(summary: str, media_type: str, *statuses: int) -> Json:
    operation = _operation(summary, TEXT, (*statuses, 408, 413, 503))
    operation["responses"]["200"]["content"] = {media_type: {"schema": TEXT}}
    return operation


def _about(summary: str) -> Json:
    """A page as HTML, and the same as JSON, by `Accept`; by another profile where one is asked for."""
    operation = _page(summary, "text/html", 404)
    operation["responses"]["200"]["content"][JSON] = {"schema": {"type": "object"}}
    profile = {"name": "profile", "in": "query", "schema": TEXT, "description": "A profile of guidance; else its own"}
    return {**operation, "parameters": [profile]}


def _metrics() -> Json:
    operation = _page("Numbers for Prometheus", "text/plain", 401, 404)
    operation["security"] = [{}, {"metricsToken": []}]
    return operation


def _named(operation: Json, name: str) -> Json:
    named: Json = {"name": name, "in": "path", "required": True, "schema": TEXT}
    return {**operation, "parameters": [named, *operation.get("parameters", ())]}


def _trial() -> Json:
    operation = _operation("A made-up patient before the service", _of(TrialParts), (404, 408, 412, 413, 415, 422, 503))
    operation["description"] = "For the playground alone: parts of its page, for a situation or a pasted text."
    operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _of(Trial)}}}
    return operation


def _order_trial() -> Json:
    operation = _operation("A made-up patient's order", _of(OrderParts), (404, 408, 413, 415, 503))
    operation["description"] = "For the playground alone: parts of its order screen, for an order and what was taken."
    operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _of(OrderTrial)}}}
    return operation


def _trial_feedback() -> Json:
    operation = _operation("What was done with a card of the playground", {"type": "object"}, (404, 408, 413, 415, 503))
    operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _of(FeedbackBody)}}}
    day = {"name": "asOf", "in": "query", "required": True, "schema": {"type": "string", "format": "date"}}
    return {**operation, "parameters": [{**day, "description": "The day the card was shown for"}]}


def _insights(media_type: str, schema: Json) -> Json:
    """The owner's numbers, there only where feedback is kept."""
    summary = "What the service does, and what clinicians do with it"
    operation = _operation(summary, schema, (401, 404, 408, 413, 503))
    operation["responses"]["200"]["content"] = {media_type: {"schema": schema}}
    operation["security"] = [{}, {"ownerToken": []}]
    day: Json = {"type": "string", "anyOf": [{"format": "date"}, {"maxLength": 0}]}
    days = [
        {"name": name, "in": "query", "schema": day, "description": f"The {which} day"}
        for name, which in (("from", "first"), ("to", "last"))
    ]
    client = {"name": "client", "in": "query", "schema": {"type": "string"}, "description": "One client; else all"}
    operation["parameters"] = [*days, client]
    return operation


def _plot() -> Json:
    operation = _insights("image/svg+xml", TEXT)
    name = {"name": "name", "in": "path", "required": True, "schema": {"enum": list(PLOTS)}}
    narrow = {"name": "narrow", "in": "query", "schema": {"type": "string"}, "description": "Drawn for a telephone"}
    operation["parameters"] = [name, narrow, *operation["parameters"]]
    return operation


def _request(service: Service) -> Json:
    word = {"type": "string", "pattern": r"\S"}
    keys = {
        key.value: {"description": f"`{query.partition('?')[0]}`, or null"} for key, query in service.prefetch.items()
    }
    return {
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "properties": {
            "hook": {"const": service.hook},
            "hookInstance": word,
            "context": {
                "type": "object",
                "required": ["patientId", "userId"],
                "properties": {"patientId": {"type": "string", "pattern": r"^[^/]*[^/\s][^/]*$"}, "userId": word},
            },
            "prefetch": {"type": ["object", "null"], "properties": keys},
            "fhirServer": {"type": "string", "format": "uri"},
            "fhirAuthorization": {"type": ["object", "null"]},
            "extension": {"type": "object", "properties": {EXPLAIN: {"type": "boolean"}}},
        },
    }
