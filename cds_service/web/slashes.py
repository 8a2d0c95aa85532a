"""Odd slashes are served, not redirected (conformance row 9): a redirect breaks a browser's preflight."""

from __future__ import annotations

import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

AS_CALLED = "cds_service.path"
"""Where the environment keeps the path as it was called: a client's token names that very URL (row 170)."""
SLASHES = re.compile(r"/{2,}")


class TolerantOfSlashes:
    """WSGI middleware: `/cds-services/` and `/cds-services//id` are what they are meant to be."""

    def __init__(self, application: WSGIApplication) -> None:
        """Wrap *application*."""
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve the path with single slashes and none at its end."""
        path = environ.get("PATH_INFO", "")
        environ[AS_CALLED] = path
        environ["PATH_INFO"] = meant(path)
        return self._application(environ, start_response)


def meant(path: str) -> str:
    """*path* with single slashes and none at its end."""
    return SLASHES.sub("/", path).rstrip("/") or "/" if "//" in path or path.endswith("/") else path
