"""Vitamin D and magnesium together: a FHIR-native CDS Hooks service.

The whole public surface: `create_app(settings)` is a WSGI application for any server, `evaluate(request, ...)` answers
one request given as a dict, or for the patient of a FHIR Bundle. Beside them their settings, what they return, and the
errors that they raise.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from cds_service.api import Card, Response, evaluate
    from cds_service.app import create_app
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

LATER = {"Card": "api", "Response": "api", "Settings": "settings", "create_app": "app", "evaluate": "api"}
"""What is slow to import is imported when it is asked for: the command begins with other things (`__main__.py`)."""


def __dir__() -> list[str]:
    """What is imported later is there as well."""
    return sorted({*globals(), *LATER})


if not TYPE_CHECKING:  # who checks types is to see a name that is misspelled

    def __getattr__(name: str) -> object:
        """Import what is imported *later* (PEP 562)."""
        if name not in LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{LATER[name]}"), name)
