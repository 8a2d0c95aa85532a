"""The WSGI application: Flask, and a way past it for the calls of services.

Contexts, routing, a session and signals are a tenth of what a call costs, and it needs none of them: its address is
known from the start. So `cds-service serve` has calls go straight to their service. What is done before and after each
request is the same either way, and so are the errors.

With another server all goes through Flask: who puts something of their own before each request may count on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, Request, Response
from flask import request as flask_request
from flask.sessions import SessionInterface, SessionMixin

from cds_service.web import status_codes
from cds_service.web.incoming import CALLED, PAST_FLASK, Incoming, answering, incoming

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

    Each of `begins` is called before a request is worked on, each of `ends` with its response, in their order. A fault
    of one that begins is answered; one of those that end is logged, and takes nobody's cards away. `services` has the
    addresses of services, each with what answers a POST to it.
    """

    session_interface = NoSessions()

    def __init__(self, name: str, **options: Any) -> None:
        """Nothing is served yet."""
        super().__init__(name, **options)
        self.begins: list[Begin] = []
        self.ends: list[End] = []
        self.services: dict[str, Callable[[Incoming], Response]] = {}
        self.before_request(self._flask_begins)
        self.after_request(self._flask_ends)
        self.register_error_handler(Exception, lambda error: status_codes.answer_to(error, incoming()))

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """*func* as it is: all are plain ones, and Flask need not look at each request which is to be awaited."""
        return func

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        request = Incoming(environ)
        if PAST_FLASK in environ and request.method == "POST" and request.path in self.services:
            return self._past_flask(request)(environ, start_response)
        with answering(request):
            return super().wsgi_app(environ, start_response)

    def _past_flask(self, request: Incoming) -> Response:
        request.endpoint = CALLED
        try:
            self._begin(request)
            response = self.services[request.path](request)
        except Exception as error:  # noqa: BLE001 - each has its answer
            response = status_codes.answer_to(error, request)
        self._end(request, response)
        return response

    def _begin(self, request: Incoming) -> None:
        for begin in self.begins:
            begin(request)

    def _end(self, request: Incoming, response: Response) -> None:
        for end in self.ends:
            try:
                end(request, response)
            except Exception as error:  # noqa: BLE001 - whatever it is, the answer is there
                status_codes.log_fault(error)

    def _flask_begins(self) -> None:
        request = incoming()
        request.endpoint = flask_request.endpoint
        self._begin(request)

    def _flask_ends(self, response: Response) -> Response:
        self._end(incoming(), response)
        return response
