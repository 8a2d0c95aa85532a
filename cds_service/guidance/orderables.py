"""The site map, `orderables.toml`: what each order of ours is in the catalogue of a site; checked at the start."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from cds_service.clinical.guidance_types import Orderable, SiteCoding
from cds_service.errors import GuidanceError

FILE = "orderables.toml"
SYSTEM = re.compile(r"https?://[^\s/]+\S*|urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+|urn:uuid:[0-9a-f-]{36}")
CODE = re.compile(r"\S+(?: \S+)*")


def check(found: Mapping[str, Orderable], orders: Container[str]) -> None:
    """Every entry is of one of the *orders*, empty or whole, and its codings can stand in FHIR.

    Raises:
        GuidanceError: one is not.
    """
    for key, orderable in found.items():
        if key not in orders:
            raise GuidanceError(FILE, key, "...", "the key of an order of orders.toml")
        if orderable != Orderable():
            _check_one(key, orderable)


def _check_one(key: str, orderable: Orderable) -> None:
    if not orderable.codings:
        raise GuidanceError(FILE, f"{key}.codings", None, "one coding or more, each with system and code")
    if not orderable.label:
        raise GuidanceError(FILE, f"{key}.label", None, "what the site calls it")
    for place, coding in enumerate(orderable.codings):
        _check_coding(f"{key}.codings[{place}]", coding)
        if coding in orderable.codings[:place]:
            raise GuidanceError(FILE, f"{key}.codings[{place}]", coding.code, "each coding once")


def _check_coding(key: str, coding: SiteCoding) -> None:
    if SYSTEM.fullmatch(coding.system) is None:
        raise GuidanceError(
            FILE, f"{key}.system", coding.system, "a URI: https://..., http://..., urn:oid:... or urn:uuid:..."
        )
    if CODE.fullmatch(coding.code) is None:
        raise GuidanceError(FILE, f"{key}.code", coding.code, "a code without spaces around it or doubled in it")
