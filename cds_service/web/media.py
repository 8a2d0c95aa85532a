"""What a request declares its body to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.errors import WrongMediaType

JSON = "application/json"
AS_IT_IS = "identity"


def check_json(head: Mapping[str, Any]) -> None:
    """Refuse a body that is not declared as JSON, as it is, by the *head* of its request.

    Raises:
        WrongMediaType: it is something else, or compressed.
    """
    if head.get("HTTP_CONTENT_ENCODING", AS_IT_IS).strip().lower() != AS_IT_IS:
        raise WrongMediaType("Send the request as it is, without Content-Encoding: compressed bodies are not read here")
    media_type = head.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise WrongMediaType("Send the request as application/json")
