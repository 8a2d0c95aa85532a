"""Fills prefetch templates with values of the context, escaped (rows 45 to 48)."""

from __future__ import annotations

import re
from urllib.parse import quote

TOKEN = "{{context.patientId}}"  # noqa: S105 - the one token our templates use, no secret
SEPARATORS = re.compile(r"([\\,|$])")
ESCAPED = r"\\\1"
DOTS = frozenset({".", ".."})


def fill(template: str, patient_id: str) -> str:
    r"""The query of *template* for one patient, ready for a URL.

    In a search, `,` `|` `$` and `\` are escaped as FHIR asks, so that an id never becomes two; every character that
    means something in a URL is percent-encoded.

    Raises:
        ValueError: *patient_id* is a step in a path rather than an id.
    """
    if patient_id in DOTS:
        raise ValueError("context.patientId must be the id of a Patient")
    path, mark, query = template.partition("?")
    path = path.replace(TOKEN, quote(patient_id, safe=""))
    if not mark:
        return path
    return f"{path}?{'&'.join(_parameter(part, patient_id) for part in query.split('&'))}"


def _parameter(part: str, patient_id: str) -> str:
    name, _, value = part.partition("=")
    if TOKEN in value:
        return f"{name}={quote(value.replace(TOKEN, SEPARATORS.sub(ESCAPED, patient_id)), safe='')}"
    return f"{name}={quote(value, safe=',')}"
