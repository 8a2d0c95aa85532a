"""Requests that no client should send, made from the golden requests; each from a seed, so that it can be repeated."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.support.fixtures import FOLDER
from tests.support.wire import chunked
from tests.web.calls import DISCOVERY, URL, paths

CORPUS = Path(__file__).resolve().parent / "corpus"
JSON = ("Content-Type", "application/json")
DOCUMENTED = frozenset({200, 400, 404, 405, 408, 412, 413, 415, 422, 431, 503})
"""Every status there may be without authentication, but for a preflight and a target that is too long."""
DEEPEST = 100_000
LONGEST_TARGET = 65_534
"""Of a longer target the server says 414 before anybody else sees it."""


@dataclass(frozen=True)
class Case:
    """A request. `framing` is how its body is sent: by its length, in chunks, or less of it than is announced."""

    method: str = "POST"
    target: bytes = URL.encode()
    headers: tuple[tuple[str, str], ...] = (JSON,)
    body: bytes = b""
    framing: str = "length"
    version: str = "1.1"
    raw: bytes = b""
    """Instead of all that: bytes that need not be HTTP."""

    @property
    def sent(self) -> bytes:
        """What is sent."""
        if self.raw:
            return self.raw
        framed = {
            "length": (f"Content-Length: {len(self.body)}", self.body),
            "chunked": ("Transfer-Encoding: chunked", chunked(self.body[:7], self.body[7:5000], self.body[5000:])),
            "short": (f"Content-Length: {len(self.body) + 7}", self.body),
            "broken": ("Transfer-Encoding: chunked", b"%x\r\n%s\r\nXYZ" % (len(self.body), self.body)),
            "none": ("X-Nothing: follows", b""),
        }
        size, body = framed[self.framing]
        named = [f"{name}: {value}".encode() for name, value in self.headers]
        lines = [f"HTTP/{self.version}".encode(), b"Host: localhost", b"Connection: close", *named, size.encode()]
        return b"%s %s " % (self.method.encode(), self.target) + b"\r\n".join(lines) + b"\r\n\r\n" + body

    @property
    def allowed(self) -> frozenset[int]:
        """The statuses it may get."""
        if self.raw:
            return DOCUMENTED | {414}  # a change to the bytes of a head may leave a request that is refused otherwise
        more = {204} if self.method == "OPTIONS" else set()
        return DOCUMENTED | more | ({414} if len(self.target) > LONGEST_TARGET else set())

    @property
    def may_be_silent(self) -> bool:
        """Whether the connection may be closed without an answer: what is sent is not a whole request."""
        return bool(self.raw) or self.framing in ("short", "broken")

    def save(self, name: str) -> None:
        """Write it to the corpus."""
        if self.raw:
            (CORPUS / f"{name}.raw").write_bytes(self.raw)
        elif self == replace(Case(), body=self.body):
            (CORPUS / f"{name}.body").write_bytes(self.body)
        else:
            (CORPUS / f"{name}.raw").write_bytes(self.sent)


@cache
def seeds() -> tuple[bytes, ...]:
    """The golden requests."""
    return tuple(file.read_bytes() for file in sorted(FOLDER.glob("*/request.json")))


def made(seed: int, place: int) -> Case:
    """The case number *place* of *seed*."""
    rng = Random(f"{seed}:{place}")  # noqa: S311 - to be repeated, not to be secret
    kind = rng.random()
    if kind < 0.3:
        return Case(body=rng.choice(BYTES)(rng))
    if kind < 0.8:
        return Case(body=_trees(rng))
    return rng.choice(REQUESTS)(rng)


# Bytes.


def _flipped(rng: Random) -> bytes:
    body = bytearray(rng.choice(seeds()))
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        body[rng.randrange(len(body))] = rng.choice((rng.randrange(256), 0, 0x22, 0x5C, 0x7B, 0x5D, 0xFF, 0xED))
    return bytes(body)


def _cut(rng: Random) -> bytes:
    body = rng.choice(seeds())
    return body[: rng.randrange(len(body))]


def _spliced(rng: Random) -> bytes:
    one, other = rng.choice(seeds()), rng.choice(seeds())
    return one[: rng.randrange(len(one))] + other[rng.randrange(len(other)) :]


def _repeated(rng: Random) -> bytes:
    body = rng.choice(seeds())
    first, last = sorted((rng.randrange(len(body)), rng.randrange(len(body))))
    return body[:last] + body[first:last] * rng.choice((1, 2, 5)) + body[last:]


def _inserted(rng: Random) -> bytes:
    body = rng.choice(seeds())
    place = rng.randrange(len(body))
    return body[:place] + rng.choice(INSERTED) + body[place:]


def _encoded(rng: Random) -> bytes:
    text = rng.choice(seeds()).decode()
    return text.encode(rng.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7")))


def _of_nothing(rng: Random) -> bytes:
    return rng.choice((b"", b" ", b"null", b"0", b"[]", b"{}", b'""', b"{", b"[" * 1000, rng.randbytes(200)))


INSERTED = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"{" * 3000,
    b"[" * 30_000,
    b"/* */",
    b",",
    b'"',
    b"'",
    "\u2028\u202e\U0001f600".encode(),
)
BYTES: Sequence[Callable[[Random], bytes]] = (
    _flipped,
    _flipped,
    _cut,
    _spliced,
    _repeated,
    _inserted,
    _encoded,
    _of_nothing,
)

# Trees of JSON. What json.dumps would not write is put in by a name that is replaced afterwards.

NAME = "raw-text-number-"


def deep(levels: int, *, objects: bool = False) -> bytes:
    """Arrays or objects in each other."""
    return b'{"a":' * levels + b"1" + b"}" * levels if objects else b"[" * levels + b"]" * levels


def _raw(rng: Random) -> bytes:
    levels = rng.choice((10, 100, 500, 1000, 1025, 10_000, DEEPEST))
    deepest = deep(levels, objects=rng.random() < 0.5)
    contained = b'{"resourceType":"Observation","contained":[' * min(levels, 2000) + b"]}" * min(levels, 2000)
    extension = b'{"url":"x","extension":[' * min(levels, 2000) + b"]}" * min(levels, 2000)
    number = rng.choice((b"9" * 5000, b"1" + b"0" * 400, b"0." + b"0" * 5000 + b"1", b"1e-99999", b"-0.0", b"1E+400"))
    word = rng.choice((b"NaN", b"Infinity", b"-Infinity", b"1e999", b"01", b"0x10", b"+1", b".5", b"tru", b"undefined"))
    text = rng.choice(
        (
            rb'"\ud800"',
            rb'"\udfff\ud800"',
            rb'"\u0000"',
            b'"\x00"',
            b'"\x1f"',
            b'"\xed\xa0\x80"',
            b'"\xff"',
            rb'"\x41"',
            b'"' + b"a" * rng.choice((1000, 100_000, 1_000_000)) + b'"',
            '"\u202e\u2028<script>| [x](javascript:1)"'.encode(),
        )
    )
    twice = rng.choice(
        (b'{"code":1,"code":"x"}', b'{"resourceType":"Bundle","resourceType":"Patient"}', b'{"":{},"":[]}')
    )
    return rng.choice((deepest, contained, extension, number, word, text, text, twice, twice))


VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**53 + 1,
    2**63,
    -(2**64),
    10**30,
    1e308,
    5e-324,
    "",
    " ",
    "x",
    "0",
    "null",
    "Patient/",
    "#",
    "urn:uuid:0",
    "2026-02-30",
    "0000-00-00T24:00:00Z",
    "9999-12-31T23:59:60+14:00",
    "http://127.0.0.1:9/fhir",
    "\u00e9" * 50,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": None},
    {"resourceType": "Bundle"},
    {"resourceType": "Observation"},
    {"resourceType": "Nothing", "id": 1},
    {"reference": "#x"},
)
TYPES = (
    "Bundle",
    "Patient",
    "Observation",
    "Condition",
    "MedicationRequest",
    "ServiceRequest",
    "OperationOutcome",
    "X",
)


def _trees(rng: Random) -> bytes:
    tree = json.loads(rng.choice(seeds()))
    raws: list[bytes] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        _mutate(rng, tree, raws)
    if rng.random() < 0.1:
        server = rng.choice(("http://127.0.0.1:9/fhir", "https://fhir.invalid", "file:///etc/passwd", "http://[::1", 7))
        tree["fhirServer"] = server
        tree["fhirAuthorization"] = rng.choice((None, {}, [], {"access_token": "a\r\nb"}, {"scope": 1}, "x"))
    body = json.dumps(tree).encode()
    for place, raw in enumerate(raws):
        body = body.replace(f'"{NAME}{place};"'.encode(), raw)
    return body


def _mutate(rng: Random, tree: Any, raws: list[bytes]) -> None:
    """One change somewhere in *tree*, often near a leaf."""
    where, value = rng.choice([found for found in paths(tree) if found[0]])
    parent = tree
    for step in where[:-1]:
        parent = parent[step]
    last: Any = where[-1]
    action = rng.randrange(9)
    if action == 0:
        del parent[last]
    elif action == 1 and isinstance(parent, list):
        parent.extend(copy.deepcopy(value) for _ in range(rng.choice((1, 1, 2, 300))))
    elif action == 1:
        parent[f"{last}{rng.choice(('', ' ', '_', 'x'))}"] = copy.deepcopy(value)
    elif action == 2:
        parent[last] = rng.choice(([value], {"value": value}, [value, value], str(value), {last: value}))
    elif action in (3, 4):
        raws.append(_raw(rng))
        parent[last] = f"{NAME}{len(raws) - 1};"
    elif action == 5:
        resources = [found for _, found in paths(tree) if isinstance(found, dict) and "resourceType" in found]
        resource = rng.choice(resources or [tree])
        resource["resourceType"] = rng.choice(TYPES)
    elif action == 6:
        resources = [found for _, found in paths(tree) if isinstance(found, dict) and "resourceType" in found]
        resource = rng.choice(resources or [tree])
        loop = {"resourceType": "Medication", "id": "m", "ingredient": [{"itemReference": {"reference": "#m"}}]}
        resource["contained"] = [loop, {**loop, "contained": [loop]}, {"resourceType": "Patient", "id": "m"}]
        resource["medicationReference"] = resource["subject"] = {"reference": "#m"}
    elif action == 7:
        others = [found for _, found in paths(json.loads(rng.choice(seeds())))]
        parent[last] = rng.choice(others)
    else:
        parent[last] = copy.deepcopy(rng.choice(VALUES))


# Requests.


def _typed(rng: Random) -> Case:
    kinds = (
        "text/plain",
        "application/json; charset=utf-16",
        "application/fhir+json",
        "application/+json",
        "application/json;",
        "json",
        "",
        ";",
        "application/json, text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json; charset=\u00fc",
        "a" * 5000,
    )
    headers = tuple(("Content-Type", rng.choice(kinds)) for _ in range(rng.choice((0, 1, 1, 1, 2))))
    return Case(headers=headers, body=rng.choice(seeds()))


def _called(rng: Random) -> Case:
    method = rng.choice(
        ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "post", "M-SEARCH", "POST")
    )
    target = rng.choice((URL, DISCOVERY, "/healthz", "/openapi.json", "/", f"{URL}/feedback", "*"))
    body = rng.choice((b"", rng.choice(seeds())))
    return Case(method=method, target=target.encode(), body=body, framing=rng.choice(("length", "none", "chunked")))


def _addressed(rng: Random) -> Case:
    odd = (
        b"/%",
        b"/%zz",
        b"/%ff%fe",
        b"/%00",
        b"//",
        b"/../..",
        b"/cds-services/%2e%2e/healthz",
        b"/cds-services/" + b"a" * rng.choice((100, 8000, 60_000, 70_000)),
        b"/cds-services/" + b"%F0%9F%98%80" * 50,
        b"/cds-services?" + b"a=b&" * rng.choice((1, 1000)),
        b"/cds-services/%0d%0aX:%20y",
        b"/cds-services;x=y",
        b"http://elsewhere.invalid/cds-services",
        URL.encode() + b"/" * rng.choice((1, 5, 3000)),
        URL.encode() + b"?" + bytes(rng.choice(b"%&=+;#abc01") for _ in range(50)),
    )
    return Case(method=rng.choice(("GET", "POST", "OPTIONS")), target=rng.choice(odd), body=rng.choice(seeds()))


def _headed(rng: Random) -> Case:
    names = (
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Content-Encoding",
        "Cookie",
        "Expect",
        "Forwarded",
        "If-None-Match",
        "Origin",
        "Access-Control-Request-Method",
        "Access-Control-Request-Headers",
        "Range",
        "TE",
        "Upgrade",
        "Via",
        "X-Forwarded-For",
        "X_Request_ID",
        "X-Request-ID",
        "Content_Type",
        "Sec-WebSocket-Key",
        "Host",
        "Date",
    )
    values = (
        "",
        "*",
        "gzip",
        "100-continue",
        "http://localhost:8080",
        "null",
        "Bearer x",
        "Bearer " + "e30." * 3000,
        "bytes=0-0,-1",
        "\u00e9\u2028",
        "a" * rng.choice((10, 10_000, 600_000)),
        "websocket",
        "a=b; " * 500,
        "\t\x7f",
        '"',
    )
    several = tuple((rng.choice(names), rng.choice(values)) for _ in range(rng.choice((1, 2, 5, 150))))
    return Case(method=rng.choice(("GET", "POST", "OPTIONS")), headers=(JSON, *several), body=rng.choice(seeds()))


def _framed(rng: Random) -> Case:
    framing = rng.choice(("chunked", "chunked", "short", "broken", "none", "length"))
    body = rng.choice((rng.choice(seeds()), _trees(rng), b""))
    return Case(body=body, framing=framing, version=rng.choice(("1.1", "1.1", "1.0")))


def _large(rng: Random) -> Case:
    if rng.random() < 0.9:
        return _framed(rng)
    size = rng.choice((4 * 1024 * 1024 - 1, 4 * 1024 * 1024, 4 * 1024 * 1024 + 1))
    return Case(body=rng.choice(seeds()).ljust(size), framing=rng.choice(("length", "chunked")))


def _broken(rng: Random) -> Case:
    whole = bytearray(Case(body=b"{}").sent)
    head = whole.index(b"\r\n\r\n")
    kind = rng.randrange(4)
    if kind == 0:
        return Case(raw=rng.randbytes(rng.choice((1, 20, 500))) + b"\r\n\r\n")
    if kind == 1:
        return Case(raw=bytes(whole[: rng.randrange(1, head)]))
    if kind == 2:
        for _ in range(rng.choice((1, 3, 10))):
            whole[rng.randrange(head)] = rng.randrange(256)
        return Case(raw=bytes(whole))
    lines = bytes(whole[:head]).split(b"\r\n")
    rng.shuffle(lines)
    odd = (b" folded", b"Content-Length: -1", b"Content-Length: 1, 2", b"Transfer-Encoding: gzip, x", b": x", b"a b: c")
    return Case(raw=b"\r\n".join([*lines, rng.choice(odd), b"", b"{}"]))


REQUESTS: Sequence[Callable[[Random], Case]] = (_typed, _called, _addressed, _headed, _framed, _large, _broken)
