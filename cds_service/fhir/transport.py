"""HTTP to a checked address, within a deadline: what `requests` alone does not promise.

A read timeout bounds the silence between two pieces, so a server that sends a byte a second holds a call for ever.
Here every read from the socket, of headers too, gets what is left of the deadline. And the name in a URL is not
resolved again: the connection goes to the address that was checked, while TLS and `Host` keep the name.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cds_service.fhir.deadline import Exchange

PIECE = 64 * 1024
"""Bytes of a body that are read at a time."""

for _name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
    # They log URLs, and a URL of a FHIR server names the patient.
    logging.getLogger(f"urllib3.{_name}").disabled = True


_EXCHANGE: ContextVar[Exchange] = ContextVar("exchange")
"""The call this thread is at: urllib3 gives its connections no other way to know."""


class _TimedReader(io.RawIOBase):
    """Reads a socket, each time no longer than the call has left."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        self._socket = sock
        self._exchange = exchange
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there, or wait for it as long as there is time."""
        self._socket.settimeout(self._exchange.patience())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """A response whose status line, headers and body are read within the deadline."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock, _EXCHANGE.get()))


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _SecureConnection(HTTPSConnection):
    response_class = _TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _CheckedAdapter(HTTPAdapter):
    """Connects to the address of the current exchange; the name of the URL is for TLS."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Use our connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Pool by address and name, so that a connection is never used for another name."""
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            tls |= {"server_hostname": host["host"], "assert_hostname": host["host"]}
        return {**host, "host": _EXCHANGE.get().address}, tls


def new_session(connections: int, ca_file: str | None) -> requests.Session:
    """A session that keeps *connections* open per server and nothing else: no cookies, no proxy, no `.netrc`."""
    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _CheckedAdapter(pool_maxsize=connections)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def body_of(response: requests.Response, most: int) -> bytes | None:
    """The body; `None` where it is larger than *most* bytes, also when it unpacks to more than was sent."""
    content = bytearray()
    for piece in response.raw.stream(PIECE, decode_content=True):
        content += piece
        if len(content) > most:
            return None
    return bytes(content)


def send(
    session: requests.Session, request: requests.Request, exchange: Exchange, connect_timeout: float
) -> requests.Response:
    """Send *request*; the body is still to be read, in this thread.

    Raises:
        requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError: it could not be had.
    """
    patience = exchange.patience()
    token = _EXCHANGE.set(exchange)
    try:
        prepared = session.prepare_request(request)
        # Not `session.send`: it reads `Location` even where it is told not to follow it.
        return session.get_adapter(str(prepared.url)).send(
            prepared, stream=True, timeout=(min(connect_timeout, patience), patience), verify=session.verify
        )
    finally:
        _EXCHANGE.reset(token)
