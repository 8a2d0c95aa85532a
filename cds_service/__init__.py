"""Vitamin D and magnesium together: a FHIR-native CDS Hooks service.

The whole public surface: `create_app(settings)` is a WSGI application for any server, `evaluate(request, ...)` answers
one request given as a dict.
"""

from __future__ import annotations

from cds_service.api import evaluate
from cds_service.app import create_app

__all__ = ["create_app", "evaluate"]
