"""The WSGI application: Flask, and a way past it for the calls of services.

Contexts, routing, a session and signals are a tenth of what a call costs, and it needs none of them: its address is
known from the start. So a call goes straight to its service. What is done before and after each request is the same
either way, and so are the errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Request, Response
from flask import request as flask_request
from flask.sessions import SessionInterface, SessionMixin

from cds_service.web import status_codes
from cds_service.web.incoming import CALLED, Incoming, answering, incoming

Begin: TypeAlias = Callable[[Incoming], None]
End: TypeAlias = Callable[[Incoming, Response], None]


class NoSessions(SessionInterface):
    """Nobody has a session here: no cookie is read or set, and an empty one that takes nothing stands for all."""

    def __init__(self) -> None:
        """Flask would look for a key and make an empty one at every request."""
        self._none = self.null_session_class()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """The empty one."""
        del app, request
        return self._none


class WebApplication(Flask):
    """Flask for everything but the calls of services.

    Each of `begins` is called before a request is worked on, each of `ends` with its response, in their order; `calls`
    has the addresses of services, each with what answers a POST to it.
    """

    session_interface = NoSessions()

    def __init__(self, name: str, **options: Any) -> None:
        """Nothing is served yet."""
        super().__init__(name, **options)
        self.begins: list[Begin] = []
        self.ends: list[End] = []
        self.calls: dict[str, Callable[[Incoming], Response]] = {}
        self.before_request(self._flask_begins)
        self.after_request(self._flask_ends)
        self.register_error_handler(Exception, lambda error: status_codes.answer(error, incoming()))

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """*func* as it is: all are plain ones, and Flask need not look at each request which is to be awaited."""
        return func

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = Incoming(environ)
        call = self.calls.get(request.path) if request.method == "POST" else None
        if call is None:
            with answering(request):
                return super().wsgi_app(environ, start_response)
        request.endpoint = CALLED
        return self._called(request, call)(environ, start_response)

    def _called(self, request: Incoming, call: Callable[[Incoming], Response]) -> Response:
        try:
            self._begin(request)
            response = call(request)
        except Exception as error:  # noqa: BLE001 - each has its answer
            response = status_codes.answer(error, request)
        return self._end(request, response)

    def _begin(self, request: Incoming) -> None:
        for begin in self.begins:
            begin(request)

    def _end(self, request: Incoming, response: Response) -> Response:
        try:
            for end in self.ends:
                end(request, response)
        except Exception as error:  # noqa: BLE001 - as above
            return status_codes.answer(error, request)
        return response

    def _flask_begins(self) -> None:
        request = incoming()
        request.endpoint = flask_request.endpoint
        self._begin(request)

    def _flask_ends(self, response: Response) -> Response:
        return self._end(incoming(), response)
