"""Evaluate one request without a server."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from cds_service import settings as settings_module
from cds_service.app import build_engine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from cds_service.hooks.service import Engine


def evaluate(request: Mapping[str, Any], *, as_of: date | None = None, profile: str | None = None) -> dict[str, Any]:
    """The CDS Hooks response to *request*, a `patient-view` request given as a dict.

    *as_of* is the day to evaluate for (default: today in the configured time zone), *profile* the guidance in force.
    A decimal whose zeros matter (`14.20`) is best given as `decimal.Decimal`.

    Raises:
        RequestError: the request is malformed, lacks required prefetch, or is about another patient.
        StartupError: a setting or a guidance file is wrong.
    """
    given = {name: value for name, value in (("as_of", as_of), ("profile", profile)) if value is not None}
    engine = _engine(settings_module.load(**given))
    body = encode(request)
    return engine.answer("vitamin-d-magnesium", body).response


def encode(request: Mapping[str, Any]) -> bytes:
    """*request* as JSON; decimals stay numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(request)


@lru_cache(maxsize=8)
def _engine(settings: settings_module.Settings) -> Engine:
    return build_engine(settings)
