"""The head of a request as RSGI has it: what is wrong with it, and the WSGI environment (PEP 3333) made of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Protocol
from wsgiref.types import WSGIEnvironment

from cds_service.errors import MalformedRequest, UnclearHost, UnknownCoding
from cds_service.web.incoming import PAST_FLASK, RECEIVED

UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
WITHOUT_HOST = "HTTP/1.0"
"""The version in which a request may be without a `Host`."""
LENGTH_DIGITS = 18
"""Digits of a length, zeros before it included. A length of thousands of digits is more than Python reads."""


class Head(Protocol):
    """The head of a request."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]


def check(environment: WSGIEnvironment) -> None:
    """Refuse what this server and a proxy in front of it could understand differently.

    Raises:
        MalformedRequest: the length of the body has more digits than any length needs.
        UnclearHost: there are two `Host` headers, or none.
        UnknownCoding: the body is coded for the transfer other than in chunks.
    """
    host = environment.get("HTTP_HOST", "").strip()
    if "," in host or (not host and environment["SERVER_PROTOCOL"] != WITHOUT_HOST):
        raise UnclearHost("Send one Host header, with the name of this service")
    coding = environment.get("HTTP_TRANSFER_ENCODING", "chunked")
    if coding.strip().lower() != "chunked":
        raise UnknownCoding("Send the body as it is, or in chunks: no other Transfer-Encoding is known here")
    if len(environment.get("CONTENT_LENGTH", "")) > LENGTH_DIGITS:
        raise MalformedRequest("The Content-Length has too many digits: send the length without zeros before it")


def environment_of(head: Head) -> WSGIEnvironment:
    """The environment of a request, without its body; several headers of one name are joined by commas."""
    host, _, port = head.server.rpartition(":")
    environment: WSGIEnvironment = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": head.path.encode().decode("latin-1"),
        "QUERY_STRING": head.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": WITHOUT_HOST if head.http_version == "1" else f"HTTP/{head.http_version}",
        "REMOTE_ADDR": head.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": head.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        RECEIVED: time.perf_counter(),
        PAST_FLASK: True,
    }
    for name, value in head.headers.items():
        if "_" in name:
            continue  # It would pass for the header with a hyphen, which a proxy may have set.
        key = name.upper().replace("-", "_")
        key = key if key in UNPREFIXED else f"HTTP_{key}"
        environment[key] = f"{environment[key]},{value}" if key in environment else value
    return environment
