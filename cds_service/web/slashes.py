"""Odd slashes are served, not redirected (conformance row 9): a redirect breaks a browser's preflight.

A server may hand on a path without its first slash, which Flask would add: who may call is asked by the same path.
"""

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
        """Serve the path with one slash before it, single ones in it and none at its end."""
        path = environ.get("PATH_INFO", "")
        environ[AS_CALLED] = path
        environ["PATH_INFO"] = meant(path)
        return self._application(environ, start_response)


def meant(path: str) -> str:
    """*path* with one slash before it, single ones in it and none at its end."""
    if path.startswith("/") and "//" not in path and not path.endswith("/"):
        return path
    return SLASHES.sub("/", f"/{path}").rstrip("/") or "/"
