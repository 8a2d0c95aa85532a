"""Vitamin D and magnesium together: a FHIR-native CDS Hooks service.

The whole public surface: `create_app(settings)` is a WSGI application for any server, `evaluate(request, ...)` answers
one request given as a dict, or for the patient of a FHIR Bundle. Beside them their settings, what they return, and the
errors that they raise.
"""

from __future__ import annotations

from importlib.metadata import version

from cds_service.api import Card, Response, evaluate
from cds_service.app import create_app
from cds_service.errors import (
    CdsError,
    GuidanceError,
    InvalidFhir,
    MalformedRequest,
    PrefetchUnavailable,
    RequestError,
    SettingsError,
    StartupError,
    TooManyResources,
    WrongPatient,
)
from cds_service.settings import Settings

__version__ = version("vitamin-d-magnesium-cds")
__all__ = [
    "Card",
    "CdsError",
    "GuidanceError",
    "InvalidFhir",
    "MalformedRequest",
    "PrefetchUnavailable",
    "RequestError",
    "Response",
    "Settings",
    "SettingsError",
    "StartupError",
    "TooManyResources",
    "WrongPatient",
    "__version__",
    "create_app",
    "evaluate",
]
