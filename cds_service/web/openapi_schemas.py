"""The JSON schemas of the bodies that `/openapi.json` describes."""

from __future__ import annotations

from typing import Any

from cds_service.hooks.messages import EXPLAIN

Json = dict[str, Any]

OUTCOME: Json = {
    "type": "object",
    "description": "A FHIR R4 OperationOutcome; each issue says what to mend.",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code", "diagnostics"],
                "properties": {
                    "severity": {"const": "error"},
                    "code": {"type": "string"},
                    "diagnostics": {"type": "string", "minLength": 1},
                },
            },
        },
    },
}
TEXT: Json = {"type": "string", "minLength": 1}
CODING: Json = {
    "type": "object",
    "required": ["code"],
    "properties": {"system": TEXT, "code": TEXT, "display": TEXT},
}
ACTION: Json = {
    "type": "object",
    "required": ["type", "description", "resource"],
    "properties": {
        "type": {"const": "create"},
        "description": TEXT,
        "resource": {
            "type": "object",
            "description": "A draft of an order: a MedicationRequest or ServiceRequest of FHIR R4.",
            "required": ["resourceType", "id", "status", "intent", "subject"],
            "properties": {
                "resourceType": {"enum": ["MedicationRequest", "ServiceRequest"]},
                "status": {"const": "draft"},
                "intent": {"const": "proposal"},
            },
        },
    },
}
SUGGESTION: Json = {
    "type": "object",
    "required": ["label", "uuid", "actions"],
    "properties": {
        "label": TEXT,
        "uuid": {"type": "string", "format": "uuid"},
        "isRecommended": {"type": "boolean"},
        "actions": {"type": "array", "minItems": 1, "items": ACTION},
    },
}
CARD: Json = {
    "type": "object",
    "required": ["uuid", "summary", "indicator", "source", "overrideReasons"],
    "properties": {
        "uuid": {"type": "string", "format": "uuid"},
        "summary": {"type": "string", "minLength": 1, "maxLength": 139},
        "detail": {"type": "string", "description": "GitHub-flavoured markdown."},
        "indicator": {"enum": ["info", "warning", "critical"]},
        "source": {
            "type": "object",
            "required": ["label", "topic"],
            "properties": {"label": TEXT, "url": {"type": "string", "format": "uri"}, "topic": CODING},
        },
        "suggestions": {"type": "array", "minItems": 1, "items": SUGGESTION},
        "selectionBehavior": {"enum": ["any", "at-most-one"]},
        "overrideReasons": {"type": "array", "minItems": 1, "items": CODING},
        "links": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "url", "type"],
                "properties": {
                    "label": TEXT,
                    "url": {"type": "string", "format": "uri"},
                    "type": {"const": "absolute"},
                },
            },
        },
    },
}
CARDS: Json = {
    "type": "object",
    "required": ["cards"],
    "properties": {
        "cards": {"type": "array", "items": CARD},
        "extension": {"type": "object", "description": f"Where the request asked for it: `{EXPLAIN}`."},
    },
}
SERVICES: Json = {
    "type": "object",
    "required": ["services"],
    "properties": {
        "services": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["hook", "id", "title", "description", "prefetch"],
                "properties": {
                    "hook": TEXT,
                    "id": TEXT,
                    "title": TEXT,
                    "description": TEXT,
                    "usageRequirements": TEXT,
                    "prefetch": {"type": "object", "additionalProperties": TEXT},
                },
            },
        }
    },
}
FEEDBACK: Json = {
    "type": "object",
    "required": ["feedback"],
    "properties": {
        "feedback": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["card", "outcome", "outcomeTimestamp"],
                "properties": {
                    "card": {"type": "string", "format": "uuid"},
                    "outcome": {"enum": ["accepted", "overridden"]},
                    "outcomeTimestamp": {"type": "string", "format": "date-time", "description": "In UTC."},
                    "acceptedSuggestions": {
                        "type": ["array", "null"],
                        "description": "Needed, and not empty, where the outcome is `accepted`.",
                        "items": {
                            "type": "object",
                            "required": ["id"],
                            "properties": {"id": {"type": "string", "format": "uuid"}},
                        },
                    },
                    "overrideReason": {
                        "type": ["object", "null"],
                        "description": "A reason, a comment or both.",
                        "properties": {"reason": CODING, "userComment": {"type": "string", "maxLength": 10000}},
                    },
                },
            },
        }
    },
}
WORD: Json = {"type": ["string", "null"]}
NUMBER: Json = {"type": ["string", "null"], "description": "A number as text; for a result also `none`."}
TRIAL: Json = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "situation": {**WORD, "description": "The name of a folder of `fhir_fixtures`."},
        "text": {**WORD, "description": "Instead: a CDS Hooks request, or a FHIR Bundle of one Patient."},
        **dict.fromkeys(("profile", "overlay", "therapy", "magnesiumTherapy"), WORD),
        **dict.fromkeys(("vitaminD", "magnesium", "age", "egfr"), NUMBER),
        "asOf": {**WORD, "format": "date"},
        "visit": {"type": "string", "maxLength": 64},
        "settled": {"type": "boolean", "description": "Remember the cards, so that feedback on them counts."},
    },
}
PARTS = ("chart", "answer", "said", "asOf", "profile", "overlay")
TRIED: Json = {
    "type": "object",
    "required": list(PARTS),
    "properties": {name: {"type": "string"} for name in PARTS},
}
INSIGHTS: Json = {
    "type": "object",
    "required": ["period", "topics", "reasons", "clients", "days"],
    "properties": {
        "period": {"type": "object", "required": ["from", "to", "client"]},
        **{name: {"type": "array", "items": {"type": "object"}} for name in ("topics", "reasons", "clients", "days")},
    },
}
READINESS: Json = {
    "type": "object",
    "required": ["status", "parts"],
    "properties": {"status": {"const": "ready"}, "parts": {"type": "object", "additionalProperties": TEXT}},
}
HEALTH: Json = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
