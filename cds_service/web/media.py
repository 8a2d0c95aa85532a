"""What a request declares its body to be."""

from __future__ import annotations

from flask import request

from cds_service.errors import WrongMediaType

JSON = "application/json"


def check_json() -> None:
    """Refuse a body that is not declared as JSON.

    Raises:
        WrongMediaType: it is not.
    """
    media_type = request.mimetype
    if media_type != JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        message = "Send the request as application/json"
        raise WrongMediaType(message)
