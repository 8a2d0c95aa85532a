"""What is for the owner alone: open while authentication is off, else with a token of its own, or not there at all."""

from __future__ import annotations

import hmac

from flask import Blueprint, Response, abort, request
from pydantic import SecretStr

from cds_service.settings import Settings


def guard(pages: Blueprint, settings: Settings, secret: SecretStr | None, *, kept: bool = True) -> bool:
    """Ask for *secret* before each of *pages*; whether they are there at all. *kept*: there is something to show.

    It is given as a bearer token, or as the password of a browser's own dialogue.
    """
    token = None if secret is None else secret.get_secret_value()
    there = kept and (settings.auth == "off" or token is not None)

    @pages.before_request
    def _let_in() -> Response | None:
        if not there:
            abort(404)
        if token is None or request.method == "OPTIONS" or _knows(token):
            return None
        realm = f'Basic realm="{pages.name}"'
        return Response(status=401, mimetype="text/plain", headers={"WWW-Authenticate": realm})

    return there


def _knows(token: str) -> bool:
    given = request.authorization
    if given is None:
        return False
    said = given.token if given.type == "bearer" else given.password
    return hmac.compare_digest((said or "").encode(), token.encode())
