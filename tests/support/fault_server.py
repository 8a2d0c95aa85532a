"""A FHIR server on loopback that fails as it is told, and writes down every request.

Told nothing, it is a small faithful server: it knows the published queries, serves one value for each, and pages as
HAPI does. `on` and `on_pages` give a query a script of faults; a fault is a function that gets the call and does with
its connection as it likes. Closing the server ends every call, however it hangs, and leaves no thread or socket.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.support import loopback
from tests.support.loopback import Loopback

Json = dict[str, Any]

BASE = "/fhir"
TOKEN = "{{context.patientId}}"  # noqa: S105 - the token of the templates, no secret
FHIR_JSON = "application/fhir+json;charset=utf-8"
FORM = "application/x-www-form-urlencoded"
DRIP = 0.05
"""Seconds between two bytes of an answer that drips."""
BLOCK = 64 * 1024
NO_LINGER = struct.pack("ii", 1, 0)
"""With it a close is a reset."""


@dataclass(frozen=True)
class Request(loopback.Call):
    """One request as it arrived. `key` is the prefetch key it asks for, or empty; `offset` where its page begins."""

    key: str = ""
    offset: int = 0
    page: bool = False


class Call:
    """A request that waits for its answer."""

    def __init__(self, server: FaultServer, request: Request, connection: socket.socket) -> None:
        self.server = server
        self.request = request
        self.connection = connection
        self.value = server.value(request)
        """What a faithful server answers."""
        self.over = False
        """Whether the connection is of no further use."""

    @property
    def url(self) -> str:
        """The address that was asked."""
        return f"{self.server.origin}{self.request.target}"

    @property
    def following(self) -> str:
        """The address of the page after this one."""
        offset = self.request.offset + max(1, len(self.value.get("entry", ())))
        return self.server.page_url(self.request.key, offset)

    def answer(
        self, body: bytes, *, status: int = 200, content_type: str | None = FHIR_JSON, **headers: str | None
    ) -> None:
        """Answer as HTTP wants it; `Retry_After="0"` is a header, and one that is `None` is left out."""
        self.send(self.head(len(body), status=status, content_type=content_type, **headers) + body)

    def head(
        self, length: int | None, *, status: int = 200, content_type: str | None = FHIR_JSON, **headers: str | None
    ) -> bytes:
        """The status line and the headers of an answer; without *length* it ends when the connection does."""
        bodiless = status == HTTPStatus.NO_CONTENT or length is None
        named = {
            "Content-Type": content_type,
            "Content-Length": None if bodiless else str(length),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self.over = self.over or length is None
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in named.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode()

    def send(self, data: bytes) -> None:
        """Send *data* as it is."""
        self.connection.sendall(data)

    def drip(self, data: bytes) -> None:
        """Send *data* byte by byte, until the client or the server has had enough."""
        self.over = True
        for place in range(len(data)):
            self.send(data[place : place + 1])
            if self.server.closing.wait(DRIP):
                return

    def flood(self, data: bytes, pause: float = 0.0) -> None:
        """Send *data* again and again, until the client or the server has had enough."""
        self.over = True
        while not self.server.closing.wait(pause):
            self.send(data)

    def hold(self) -> None:
        """Keep the connection and say nothing, until the client or the server has had enough."""
        self.over = True
        if not self.connection.recv(1):
            raise ConnectionAbortedError

    def hang_up(self) -> None:
        """Close the connection after what was sent."""
        self.over = True

    def reset(self) -> None:
        """Break the connection off."""
        self.over = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)


Fault = Callable[[Call], None]
Link = Callable[[Call], str]


class FaultServer(Loopback):
    """The server; a context manager that runs it. It serves *values* for *queries*, both by prefetch key.

    `asked` is set with the first request, `given_up` when a client hangs up on a call; `elsewhere` is the base URL of
    another server, for the faults that lead there.
    """

    def __init__(
        self,
        values: Mapping[str, Json],
        queries: Mapping[str, str],
        patient_id: str,
        *,
        page_size: int | None = None,
        elsewhere: str = "",
    ) -> None:
        super().__init__()
        self.elsewhere = elsewhere
        self.requests: list[Request] = []
        self.given_up = threading.Event()
        self._values = values
        self._page_size = page_size
        self._queries = {key: query.replace(TOKEN, patient_id) for key, query in queries.items()}
        self._keys = {_target(query): key for key, query in self._queries.items()}
        self._page_ids = {key: str(uuid.uuid4()) for key in queries}
        self._scripts: dict[tuple[str, bool], list[Fault]] = {}
        self._met = threading.Condition()
        self._under_way = 0

    def meet(self, call: loopback.Call, connection: socket.socket) -> bool:
        """Let the fault of its turn do with the connection as it likes."""
        request, fault = self.take(call)
        met = Call(self, request, connection)
        try:
            fault(met)
        except OSError:
            if not self.closing.is_set():
                self.given_up.set()
            return False
        finally:
            with self._met:
                self._under_way -= 1
                self._met.notify_all()
        return not met.over

    def rest(self) -> None:
        """Wait until each fault has done what it does: some go on once the client has its answer."""
        with self._met:
            assert self._met.wait_for(lambda: not self._under_way, timeout=10)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"{self.origin}{BASE}"

    def on(self, key: str, *faults: Fault) -> None:
        """Meet the searches or reads of *key* with *faults*, in this order; the last one stays."""
        self._scripts[key, False] = list(faults)

    def on_pages(self, key: str, *faults: Fault) -> None:
        """Meet the requests for later pages of *key* with *faults*, in this order; the last one stays."""
        self._scripts[key, True] = list(faults)

    def on_all(self, *faults: Fault) -> None:
        """Meet the searches and reads of each key with *faults*."""
        for key in self._page_ids:
            self.on(key, *faults)

    def heal(self) -> None:
        """Be faithful from now on, and forget the requests."""
        self._scripts.clear()
        self.requests.clear()

    def seen(self, key: str) -> list[Request]:
        """The requests for *key*, those for later pages among them."""
        return [request for request in self.requests if request.key == key]

    def page_url(self, key: str, offset: int) -> str:
        """Where the page of *key* is that begins at *offset*, as HAPI writes it."""
        count = self._page_size or 50
        page = {"_getpages": self._page_ids[key], "_getpagesoffset": offset, "_count": count}
        return f"{self.url}?{urlencode({**page, '_bundletype': 'searchset'})}"

    def value(self, request: Request) -> Json:
        """What a faithful server answers to *request*: the value of its key, or a page of it."""
        if request.key not in self._values:
            return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}
        whole = self._values[request.key]
        if whole["resourceType"] != "Bundle" or not (self._page_size or request.page):
            return whole
        entries, start = whole.get("entry", []), request.offset
        end = start + (self._page_size or len(entries))
        page: Json = {"resourceType": "Bundle", "type": "searchset", "entry": entries[start:end]}
        if end < len(entries):
            return {**page, "link": [{"relation": "next", "url": self.page_url(request.key, end)}]}
        return {**page, "total": len(entries)}

    def take(self, call: loopback.Call) -> tuple[Request, Fault]:
        """Write *call* down with what it asks for, and say how it is met."""
        request = self._understand(call)
        with self._met:
            self._under_way += 1
            self.requests.append(request)
            script = self._scripts.get((request.key, request.page)) or [faithful]
            return request, script.pop(0) if len(script) > 1 else script[0]

    def _understand(self, call: loopback.Call) -> Request:
        named = dict(parse_qsl(call.query))
        keys = {page_id: key for key, page_id in self._page_ids.items()}
        if call.path.rstrip("/") == BASE and named.get("_getpages") in keys:
            return Request(**vars(call), key=keys[named["_getpages"]], offset=int(named["_getpagesoffset"]), page=True)
        path, query = call.path.removeprefix(f"{BASE}/"), call.query
        if call.method == "POST" and path.endswith("/_search") and call.header("Content-Type") == [FORM]:
            path, query = path.removesuffix("/_search"), call.body.decode()
        return Request(**vars(call), key=self._keys.get(_target(f"{path}?{query}"), ""))


def _target(query: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A relative query as the path and the decoded parameters, whatever their order."""
    path, _, parameters = query.partition("?")
    return path, tuple(sorted(parse_qsl(parameters, keep_blank_values=True)))


def faithful(call: Call) -> None:
    """No fault."""
    call.answer(_encoded(call), status=200 if call.request.key else 404)


def _encoded(call: Call) -> bytes:
    return json.dumps(call.value).encode()


def in_turn(*faults: Fault) -> Fault:
    """Each of *faults*, for one request."""

    def fault(call: Call) -> None:
        for one in faults:
            one(call)

    return fault


def silent(call: Call) -> None:
    """Accepts and never answers."""
    call.hold()


def reset(call: Call) -> None:
    """Resets before the answer."""
    call.reset()


def reset_half_way(call: Call) -> None:
    """Resets in the middle of the body."""
    body = _encoded(call)
    call.send(call.head(len(body)) + body[: len(body) // 2])
    call.reset()


def cut_off(call: Call) -> None:
    """Closes before the body is as long as `Content-Length` says."""
    body = _encoded(call)
    call.send(call.head(len(body) + 100) + body)
    call.hang_up()


def cut_off_chunks(call: Call) -> None:
    """Closes before the last chunk."""
    body = _encoded(call)
    call.send(call.head(None, Transfer_Encoding="chunked") + b"%x\r\n%b\r\n" % (len(body), body))
    call.hang_up()


def hang_up(call: Call) -> None:
    """Closes without an answer."""
    call.hang_up()


def dripping_body(call: Call) -> None:
    """A byte of the body every now and then."""
    body = _encoded(call)
    call.send(call.head(len(body)))
    call.drip(body)


def dripping_until_another_is_given_up(call: Call) -> None:
    """No fault: a space every now and then, which means nothing, and the body once another call was given up."""
    call.send(call.head(None))
    while not (call.server.given_up.wait(DRIP) or call.server.closing.is_set()):
        call.send(b" ")
    call.send(_encoded(call))


def dripping_chunks(call: Call) -> None:
    """A byte of a chunked body every now and then."""
    call.send(call.head(None, Transfer_Encoding="chunked"))
    call.drip(b"".join(b"1\r\n%c\r\n" % byte for byte in _encoded(call)))


def dripping_headers(call: Call) -> None:
    """A byte of the headers every now and then."""
    body = _encoded(call)
    call.drip(call.head(len(body)) + body)


def endless_continue(call: Call) -> None:
    """Says 100 Continue for ever."""
    call.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 10, DRIP / 10)


def silent_half_way(call: Call) -> None:
    """Half of the body, and then nothing."""
    body = _encoded(call)
    call.send(call.head(len(body)) + body[: len(body) // 2])
    call.hold()


def truncated(call: Call) -> None:
    """Half of the JSON, with the right length of it."""
    body = _encoded(call)
    call.answer(body[: len(body) // 2])


def gzipped(call: Call) -> None:
    """No fault: the body is compressed."""
    call.answer(gzip.compress(_encoded(call)), Content_Encoding="gzip")


def chunked(call: Call) -> None:
    """No fault: the body comes in chunks of one byte."""
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in _encoded(call))
    call.send(call.head(None, Transfer_Encoding="chunked") + chunks + b"0\r\n\r\n")


def truncated_gzip(call: Call) -> None:
    """Half of the compressed body, with the right length of it."""
    packed = gzip.compress(_encoded(call))
    call.answer(packed[: len(packed) // 2], Content_Encoding="gzip")


def bomb(size: int, layers: int = 1) -> Fault:
    """A small body that unpacks to *size* bytes, packed as often as *layers* says."""

    def fault(call: Call) -> None:
        call.answer(_packed(size, layers), Content_Encoding=", ".join(["gzip"] * layers))

    return fault


@cache
def _packed(size: int, layers: int) -> bytes:
    body = b" " * size
    for _ in range(layers):
        body = gzip.compress(body)
    return body


def endless_body(call: Call) -> None:
    """Spaces for ever."""
    call.send(call.head(None))
    call.flood(b" " * BLOCK)


def padded(size: int) -> Fault:
    """No fault but for *size*: the value, filled up with spaces to so many bytes."""

    def fault(call: Call) -> None:
        call.answer(_encoded(call).ljust(size))

    return fault


def sent(data: bytes) -> Fault:
    """These bytes as they are; the connection stays open."""

    def fault(call: Call) -> None:
        call.send(data)

    return fault


def raw(data: bytes) -> Fault:
    """These bytes in place of an HTTP answer; then the connection is closed."""
    return in_turn(sent(data), hang_up)


def body(data: bytes, content_type: str = FHIR_JSON, encoding: str | None = None) -> Fault:
    """Another body; *encoding* is what `Content-Encoding` says."""

    def fault(call: Call) -> None:
        call.answer(data, content_type=content_type, Content_Encoding=encoding)

    return fault


def value(found: Any) -> Fault:
    """Another value."""
    return body(json.dumps(found).encode())


def edited(change: Callable[[Json], Any]) -> Fault:
    """What *change* makes of a copy of the value."""

    def fault(call: Call) -> None:
        call.answer(json.dumps(change(json.loads(_encoded(call)))).encode())

    return fault


def replaced(old: bytes, new: bytes) -> Fault:
    """The body with other bytes in the place of some that must be there."""

    def fault(call: Call) -> None:
        whole = _encoded(call)
        call.answer(whole.replace(old, new, 1) if old in whole else b"the fault does not fit the value")

    return fault


def status(code: int, retry_after: str | None = None) -> Fault:
    """A status that is no success, or no content; with an OperationOutcome where there may be a body."""

    def fault(call: Call) -> None:
        told = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
        body = b"" if code == HTTPStatus.NO_CONTENT else json.dumps(told).encode()
        call.answer(body, status=code, Retry_After=retry_after)

    return fault


def endless_error(call: Call) -> None:
    """Status 500 with a body that never ends."""
    call.send(call.head(None, status=500))
    call.flood(b" " * BLOCK)


def redirect(link: Link, code: int = 307) -> Fault:
    """A redirect."""

    def fault(call: Call) -> None:
        call.answer(b"", status=code, Location=link(call))

    return fault


def followed_by(link: Link) -> Fault:
    """The value, with a next page at *link*."""

    def fault(call: Call) -> None:
        found = {name: member for name, member in call.value.items() if name != "total"}
        call.answer(json.dumps({**found, "link": [{"relation": "next", "url": link(call)}]}).encode())

    return fault


def itself(call: Call) -> str:
    """The very address that was asked."""
    return call.url


def next_here(call: Call) -> str:
    """The page after this one."""
    return call.following


def next_by_https(call: Call) -> str:
    """The page after this one, on another scheme."""
    return call.following.replace("http:", "https:", 1)


def next_on_localhost(call: Call) -> str:
    """The page after this one, by another name of this machine."""
    return call.following.replace("127.0.0.1", "localhost", 1)


def at_another_port(call: Call) -> str:
    """The same path and query on the server that is elsewhere."""
    return call.server.elsewhere + call.following.removeprefix(call.server.url)


def at_another_host(call: Call) -> str:
    """The same on the server that is elsewhere, by another name."""
    return at_another_port(call).replace("127.0.0.1", "localhost", 1)


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port of 127.0.0.1 where nobody listens, and nobody else will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port of 127.0.0.1 that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - its only form
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
