"""Attacks on the check of tokens, from outside (conformance rows 164 to 178): each is a bare 401, none is an error.

The rows of each table begin with the number of their conformance row.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from cds_service import create_app
from cds_service.settings import Settings
from cds_service.trust import replays
from tests.support.fixtures import SERVICE
from tests.support.for_each import Test, for_each
from tests.support.recording_server import RecordingServer, reply
from tests.support.tokens import (
    BASE,
    GONE,
    JWKS_URL,
    PUBLIC,
    Issuer,
    Json,
    Literal,
    encode,
    joined,
    jwk,
    jwks,
    private_key,
    sign,
    write_registry,
    written,
)
from tests.web.calls import DISCOVERY, LOCAL, TODAY, URL, golden

NOW = datetime(2026, 3, 2, 1, tzinfo=ZoneInfo("Pacific/Kiritimati"))
"""Yesterday in UTC."""
FEEDBACK = f"{URL}/feedback"
ROUTES = [("GET", DISCOVERY), ("POST", URL), ("POST", FEEDBACK)]
JTI = "s3cr3t-jti"

HOSPITAL = Issuer(
    "hospital",
    "https://ehr.example.com/issuer",
    {"jku": JWKS_URL},
    jwks(
        jwk("hospital-ec", "ES384"),
        jwk("hospital-rsa", "RS384"),
        jwk("hospital-rsa", "RS384", kid="any-rsa", alg=GONE),
        jwk("hospital-small-curve", "ES256"),
    ),
)
CLINIC = Issuer("clinic", "https://clinic.example.com", {"tenants": ["north", "south"]})
BROWSER = Issuer("browser", "https://browser.example.com", {"origins": ["https://browser.example.com"]})
OLDER = Issuer(
    "older",
    "https://older.example.com",
    {"algorithms": ["RS256", "RS384"]},
    jwks(jwk("older-rsa", "RS384"), jwk("older-rsa", "RS384", kid="older-256", alg="RS256")),
)
PATIENT = Issuer("patient", "https://patient.example.com", {"max_token_age": 86_400, "clock_skew": 0})
FETCHING = Issuer("fetching", "https://fetching.example.com", {"jku": "https://keys.invalid/jwks", "jwks": GONE})
ODD_KIDS = ["a+b/c==", "a b", "\N{GREEK SMALL LETTER ALPHA}\N{HOSPITAL}", "../../etc/passwd", "' OR 1=1 --", "%00"]
ODD = Issuer("odd", "https://odd.example.com", jwks=jwks(*(jwk("odd-ec", "ES384", kid=kid) for kid in ODD_KIDS)))
ALL = (HOSPITAL, CLINIC, BROWSER, OLDER, PATIENT, FETCHING, ODD)

Token = Callable[[], str]
Table = dict[str, Token]


def _claim(name: str, value: Any) -> Token:
    """A token with another value of a claim."""
    return lambda: HOSPITAL.token(**{name: value})


def _member(name: str, value: Any, issuer: Issuer = HOSPITAL) -> Token:
    """A token with another value of a member of its header."""
    return lambda: issuer.token(header={name: value})


def _rows(table: Table) -> Callable[[Test], Test]:
    return for_each("made", table.values(), ids=table.keys())


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """The same moment for every test, in a zone where it is another day than in UTC."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def _client(folder: Path, *issuers: Issuer, **settings: Any) -> FlaskClient:
    registry = write_registry(folder / "clients.toml", *(issuer.entry for issuer in issuers))
    chosen = {"public_url": BASE, "database_url": f"sqlite:///{folder}/db", "as_of": TODAY, **settings}
    return create_app(Settings(auth="jwt", clients=registry, **chosen)).test_client()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """The service, with every test client."""
    return _client(tmp_path_factory.mktemp("attacked"), *ALL)


def _call(
    client: FlaskClient,
    authorization: str | list[str] | None,
    route: tuple[str, str] = ROUTES[0],
    **headers: str,
) -> TestResponse:
    """Call a route, from a browser origin that may call; `X_Name` is the header X-Name."""
    sent = Headers({"Origin": LOCAL, **{name.replace("_", "-"): value for name, value in headers.items()}})
    for value in [authorization] if isinstance(authorization, str) else authorization or []:
        sent.add("Authorization", value)
    method, url = route
    body = json.dumps(golden()).encode() if method == "POST" else None
    return client.open(url, method=method, data=body, content_type=body and "application/json", headers=sent)


def _with(client: FlaskClient, token: str, route: tuple[str, str] = ROUTES[0], **headers: str) -> TestResponse:
    return _call(client, f"Bearer {token}", route, **headers)


def _is_refused(client: FlaskClient, response: TestResponse, origin: str = LOCAL) -> None:
    """Row 169: a bare 401, in nothing other than the one for a call without any token."""
    assert response.status_code == 401
    assert response.get_data() == b""
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Access-Control-Allow-Origin"] == origin
    bare = client.get(DISCOVERY, headers={"Origin": origin})
    told = [header for header in response.headers if header[0] != "X-Request-ID"]
    assert told == [header for header in bare.headers if header[0] != "X-Request-ID"]


# Authorization: what is no token at all.

NO_TOKEN: dict[str, str | list[str] | None] = {
    "166 no header": None,
    "166 empty": "",
    "166 basic": "Basic aG9zcGl0YWw6czNjcjN0",
    "166 bearer undefined": "Bearer undefined",
    "166 bearer alone": "Bearer",
    "166 no scheme": "undefined",
    "166 opaque FHIR token": "Bearer some-opaque-fhir-access-token",
    "166 three words": "Bearer a.b.c",
    "166 not base64": "Bearer !!!!.!!!!.!!!!",
    "166 header is no object": f"Bearer {encode(b'[]')}.{encode(b'{}')}.",
    "166 header is no UTF-8": f"Bearer {encode(bytes([123, 34, 255, 34, 125]))}.{encode(b'{}')}.AAAA",
    "166 header nested deeply": f"Bearer {encode(b'[' * 3000)}.{encode(b'{}')}.AAAA",
}


@for_each("route", ROUTES, ids=lambda route: route[1])
@for_each("authorization", [pytest.param(value, id=name) for name, value in NO_TOKEN.items()])
def test_no_token(client: FlaskClient, authorization: str | None, route: tuple[str, str]) -> None:
    """Row 166: discovery, the service and feedback are closed to whoever brings no token."""
    _is_refused(client, _call(client, authorization, route))


@for_each("name", ["access_token", "token", "jwt", "authorization", "Authorization"])
def test_token_in_the_query(client: FlaskClient, name: str) -> None:
    """Row 166: a token is taken from the header only, never from the URL, where logs would keep it."""
    _is_refused(client, _call(client, None, ("GET", f"{DISCOVERY}?{name}={HOSPITAL.token()}")))


def test_token_with_another_scheme(client: FlaskClient) -> None:
    """Row 166: a sound token behind another scheme, or behind none, is not a bearer token."""
    for scheme in ("Basic ", "Digest ", "JWT ", "DPoP ", "Bearer:", "Bearer=", ""):
        _is_refused(client, _call(client, scheme + HOSPITAL.token()))


def test_two_authorization_headers(client: FlaskClient) -> None:
    """Row 166: with two Authorization headers it is not clear who calls, so nobody is let in."""
    good, other = (f"Bearer {issuer.token()}" for issuer in (HOSPITAL, OLDER))
    for pair in ([good, good], [good, "Bearer undefined"], ["Basic YTpi", good], [good, other]):
        _is_refused(client, _call(client, pair))


@for_each("route", ROUTES, ids=lambda route: route[1])
def test_sound_token(client: FlaskClient, route: tuple[str, str]) -> None:
    """Row 166: a sound token for the URL that is called lets in; feedback then finds fault with what it is sent."""
    response = _with(client, HOSPITAL.token(aud=f"{BASE}{route[1]}"), route)

    assert response.status_code in ({400, 404, 422} if route[1] == FEEDBACK else {200})


@for_each("method", ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH"])
def test_no_way_around(client: FlaskClient, method: str) -> None:
    """Row 166: odd slashes, none at all before it, deeper paths and other methods are no way past the guard."""
    odd = ("/cds-services/", "//cds-services", f"{URL}/", f"/cds-services//{SERVICE}", URL + "/x/y")
    for path in (*odd, "cds-services", URL.removeprefix("/")):
        response = client.open("/", method=method, environ_overrides={"PATH_INFO": path})
        assert response.status_code == 401, path


@for_each("url", [DISCOVERY, URL, FEEDBACK])
@for_each("authorization", [None, "Bearer undefined"])
def test_preflight_is_never_guarded(client: FlaskClient, url: str, authorization: str | None) -> None:
    """Row 179: a browser sends no token with its preflight, so that is answered whoever asks."""
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization,content-type"}
    response = _call(client, authorization, ("OPTIONS", url), **asked)

    assert 200 <= response.status_code < 300
    assert response.headers["Access-Control-Allow-Origin"] == LOCAL


# What is sound, so that what is refused below is refused for its one fault.

ACCEPTED: Table = {
    "176 ES384": HOSPITAL.token,
    "176 RS384": lambda: HOSPITAL.token(algorithm="RS384"),
    "176 RS384 of a client without ES384": lambda: OLDER.token(algorithm="RS384"),
    "176 RS256 where the client has it": lambda: OLDER.token(
        algorithm="RS256", key=private_key(OLDER.rsa, "RS384"), header={"kid": "older-256"}
    ),
    "176 RS384 with a key for any RSA": lambda: HOSPITAL.token(algorithm="RS384", header={"kid": "any-rsa"}),
    "167 own jku": lambda: HOSPITAL.token(header={"jku": JWKS_URL}),
    "167 a header nobody knows": lambda: HOSPITAL.token(header={"x5t": "abc", "cty": "JWT"}),
    "168 sub and nbf": lambda: HOSPITAL.token(sub="client-id", nbf=int(time.time())),
    "168 claims nobody knows": lambda: HOSPITAL.token(scope="x", nested={"a": [1, None]}),
    "168 times with a fraction": lambda: HOSPITAL.token(iat=time.time() - 0.5, exp=time.time() + 99.25),
    "168 tenant of a client without a list": lambda: HOSPITAL.token(tenant="anything"),
    "170 array": lambda: HOSPITAL.token(aud=[PUBLIC]),
    "170 array with others": lambda: HOSPITAL.token(aud=["https://elsewhere.example", PUBLIC]),
    "170 slash more than called": lambda: HOSPITAL.token(aud=f"{PUBLIC}/"),
    "177 expired within the skew": lambda: HOSPITAL.token(iat=int(time.time()) - 300, exp=int(time.time()) - 59),
    "177 issued in the future within the skew": lambda: HOSPITAL.token(iat=int(time.time()) + 59),
    "177 nbf in the future within the skew": lambda: HOSPITAL.token(nbf=int(time.time()) + 59),
    "177 as old as may be": lambda: HOSPITAL.token(exp=int(time.time()) + 900),
    "177 a day for a client that may": lambda: PATIENT.token(exp=int(time.time()) + 86_400),
    "177 tenant of the list": lambda: CLINIC.token(tenant="south"),
    "177 long jti": lambda: HOSPITAL.token(jti="j" * 400),
    **{f"172 kid {kid!r}": _member("kid", kid, ODD) for kid in ODD_KIDS},
}


@_rows(ACCEPTED)
def test_accepted(client: FlaskClient, made: Token) -> None:
    """What a sound token may look like."""
    assert _with(client, made()).status_code == 200


@for_each("scheme", ["bearer", "BEARER"])
def test_case_of_the_scheme(client: FlaskClient, scheme: str) -> None:
    """Row 166: the name of a scheme is the same in any case (RFC 9110)."""
    assert _call(client, f"{scheme} {HOSPITAL.token()}").status_code == 200


# The header.

WRONG_TEXT: dict[str, Any] = {
    "removed": GONE,
    "null": None,
    "empty": "",
    "number": 1,
    "boolean": True,
    "array": ["JWT"],
    "object": {},
}
WRONG_HEADERS: Table = {
    **{
        f"167 {name} {wrong}": _member(name, value)
        for name in ("typ", "alg", "kid")
        for wrong, value in WRONG_TEXT.items()
    },
    **{f"167 jku {wrong}": _member("jku", value) for wrong, value in WRONG_TEXT.items() if wrong != "removed"},
    **{
        f"167 typ {typ}": _member("typ", typ)
        for typ in ("JWS", "JWE", "at+jwt", "dpop+jwt", "JWT ", "application/json")
    },
    "167 crit unknown": lambda: HOSPITAL.token(header={"crit": ["exp"], "exp": 1}),
    "167 crit b64": lambda: HOSPITAL.token(header={"crit": ["b64"], "b64": True}),
    "167 crit empty": lambda: HOSPITAL.token(header={"crit": []}),
    "167 crit null": lambda: HOSPITAL.token(header={"crit": None}),
    "167 crit text": lambda: HOSPITAL.token(header={"crit": "b64", "b64": True}),
    "167 b64 false": lambda: HOSPITAL.token(header={"b64": False}),
    "172 unknown kid": lambda: HOSPITAL.token(header={"kid": "nobody"}),
    "172 kid in another case": lambda: HOSPITAL.token(header={"kid": "HOSPITAL-EC"}),
    "172 kid of another client": lambda: HOSPITAL.token(header={"kid": OLDER.rsa}, algorithm="RS384"),
    **{f"172 kid {kid!r} of another client": _member("kid", kid) for kid in ODD_KIDS},
    **{
        f"172 kid {kid!r}": _member("kid", kid, ODD)
        for kid in ("a+b/c=", "a b/c==", "/dev/null", "../../../etc/passwd", "a+b/c==\x00", "\ud800", "\u0430+b/c==")
    },
}


@_rows(WRONG_HEADERS)
def test_wrong_header(client: FlaskClient, made: Token) -> None:
    """Rows 167, 172: a header that is not complete, not plain or names no key of the client."""
    _is_refused(client, _with(client, made()))


# The payload.

NEEDED = ("iss", "aud", "exp", "iat", "jti")
NO_MOMENT: dict[str, Any] = {
    "text": "soon",
    "boolean": True,
    "huge": Literal("1e400"),
    "infinite": Literal("Infinity"),
    "infinite below": Literal("-Infinity"),
    "not a number": Literal("NaN"),
    "beyond exact numbers": 2**60,
    "many digits": Literal("9" * 4400),
    "negative": -1,
    "negative huge": Literal("-1e400"),
}
NO_CLAIM: dict[str, Any] = {"null": None, "array": [], "object": {}, "boolean": False}
NO_TEXT: dict[str, Any] = {"number": 1, "empty": "", "NaN": Literal("NaN"), "array of numbers": [1]}
WRONG_CLAIMS: Table = {
    **{f"168 {name} removed": _claim(name, GONE) for name in NEEDED},
    **{f"168 {name} {wrong}": _claim(name, value) for name in NEEDED for wrong, value in NO_CLAIM.items()},
    **{
        f"168 {name} {wrong}": _claim(name, value) for name in ("iss", "aud", "jti") for wrong, value in NO_TEXT.items()
    },
    **{
        f"168 {name} {wrong}": _claim(name, value)
        for name in ("exp", "iat", "nbf")
        for wrong, value in NO_MOMENT.items()
    },
    "168 exp digits as text": lambda: HOSPITAL.token(exp=str(int(time.time()) + 300)),
    "168 iat digits as text": lambda: HOSPITAL.token(iat=str(int(time.time()))),
    "168 nbf digits as text": lambda: HOSPITAL.token(nbf="0"),
    "168 nbf null": lambda: HOSPITAL.token(nbf=None),
    "168 iss array with the right one": lambda: HOSPITAL.token(iss=[HOSPITAL.iss]),
    "168 jti longer than may be": lambda: HOSPITAL.token(jti="j" * 600),
    "168 tenant number": lambda: HOSPITAL.token(tenant=1),
    "168 tenant array": lambda: CLINIC.token(tenant=["north"]),
    "168 payload array": lambda: _of_bytes(b"[]"),
    "168 payload text": lambda: _of_bytes(b'"iss"'),
    "168 payload null": lambda: _of_bytes(b"null"),
    "168 payload empty": lambda: _of_bytes(b""),
    "168 payload empty object": lambda: _of_bytes(b"{}"),
    "168 payload no UTF-8": lambda: _of_bytes(b'{"iss": "\xff"}'),
    "168 payload nested deeply": lambda: _of_bytes(b'{"iss": ' + b"[" * 3000),
    "168 token of more than 8 KiB": lambda: HOSPITAL.token(padding="x" * 8192),
    "168 token of a megabyte": lambda: HOSPITAL.token(padding="x" * 1_000_000),
}


def _of_bytes(payload: bytes) -> str:
    return joined(written(HOSPITAL.header()), payload, private_key(HOSPITAL.ec, "ES384"), "ES384")


@_rows(WRONG_CLAIMS)
def test_wrong_claims(client: FlaskClient, made: Token) -> None:
    """Row 168: a payload that is not complete, or in which something is not what it should be."""
    _is_refused(client, _with(client, made()))


# The URL that is called.

NOT_DISCOVERY = {
    "service": f"{PUBLIC}/{SERVICE}",
    "the base": BASE,
    "another host": "https://elsewhere.example/cds-services",
    "host with a suffix": "https://cds.example.org.elsewhere.example/cds-services",
    "host as user": "https://cds.example.org@elsewhere.example/cds-services",
    "another port": "https://cds.example.org:8443/cds-services",
    "path with a prefix": f"{BASE}/fhir/cds-services",
    "query": f"{PUBLIC}?a=b",
    "fragment": f"{PUBLIC}#a",
    "dots": f"{PUBLIC}/x/..",
    "host that is called": "http://localhost/cds-services",
}
WRONG_AUDIENCE: Table = {
    **{f"170 {name}": _claim("aud", url) for name, url in NOT_DISCOVERY.items()},
    "170 array of others": lambda: HOSPITAL.token(aud=list(NOT_DISCOVERY.values())),
    "170 array with a number": lambda: HOSPITAL.token(aud=[PUBLIC, 1]),
    "170 array in an array": lambda: HOSPITAL.token(aud=[[PUBLIC]]),
}


@_rows(WRONG_AUDIENCE)
def test_another_audience(client: FlaskClient, made: Token) -> None:
    """Row 170: a token for any other URL than the one called."""
    _is_refused(client, _with(client, made()))


@for_each("route", ROUTES, ids=lambda route: route[1])
def test_each_route_has_its_own_audience(client: FlaskClient, route: tuple[str, str]) -> None:
    """Row 170: a token for one of the three URLs opens none of the others."""
    for other in {DISCOVERY, URL, FEEDBACK} - {route[1]}:
        _is_refused(client, _with(client, HOSPITAL.token(aud=f"{BASE}{other}"), route))


@for_each("called", [DISCOVERY, f"{DISCOVERY}/"])
@for_each("named", [PUBLIC, f"{PUBLIC}/"])
def test_slash_at_the_end(client: FlaskClient, called: str, named: str) -> None:
    """Row 170: with or without a slash at its end it is the same URL."""
    assert _with(client, HOSPITAL.token(aud=named), ("GET", called)).status_code == 200


FORWARDED = [
    {"Host": "elsewhere.example"},
    {"X_Forwarded_Host": "elsewhere.example"},
    {"X_Forwarded_Proto": "http"},
    {"X_Forwarded_Prefix": "/fhir"},
    {"Forwarded": "host=elsewhere.example;proto=https"},
    {"X_Original_URL": "/healthz"},
]


@for_each("headers", FORWARDED, ids="".join)
def test_host_of_the_request_does_not_matter(client: FlaskClient, headers: dict[str, str]) -> None:
    """Row 170: the URL is the configured one, whatever the request says about its host or its proxy."""
    assert _with(client, HOSPITAL.token(), ROUTES[0], **headers).status_code == 200
    _is_refused(
        client, _with(client, HOSPITAL.token(aud="https://elsewhere.example/cds-services"), ROUTES[0], **headers)
    )
    _is_refused(client, _with(client, HOSPITAL.token(aud=f"{BASE}/fhir/cds-services"), ROUTES[0], **headers))


def test_public_url_with_a_path(tmp_path: Path) -> None:
    """Row 170: behind a proxy that serves the service under a path, tokens name the external URL."""
    client = _client(tmp_path, HOSPITAL, public_url=f"{BASE}/cds/")

    assert _with(client, HOSPITAL.token(aud=f"{BASE}/cds/cds-services")).status_code == 200
    _is_refused(client, _with(client, HOSPITAL.token(aud=PUBLIC)))


# Who signed.


def _parts(token: str) -> tuple[str, str, str]:
    header, payload, signature = token.split(".")
    return header, payload, signature


def _flipped(bit: int) -> str:
    header, payload, signature = _parts(HOSPITAL.token())
    raw = bytearray(base64.urlsafe_b64decode(signature))
    raw[bit // 8] ^= 1 << bit % 8
    return f"{header}.{payload}.{encode(bytes(raw))}"


def _swapped(**claims: Any) -> str:
    header, _, signature = _parts(HOSPITAL.token())
    return f"{header}.{encode(written(HOSPITAL.claims(**claims)))}.{signature}"


def _stolen_header() -> str:
    header, payload, _ = _parts(HOSPITAL.token())
    signature = sign(f"{header}.{payload}".encode(), private_key("attacker", "ES384"), "ES384")
    return f"{header}.{payload}.{encode(signature)}"


def _without_signature(end: str = "") -> str:
    return ".".join(_parts(HOSPITAL.token())[:2]) + end


def _with_zeros() -> str:
    return _without_signature(f".{encode(bytes(96))}")


def _by_attacker(**header: Any) -> str:
    return HOSPITAL.token(key=private_key("attacker", "ES384"), header=header)


ATTACKER = jwk("attacker", "ES384", kid=HOSPITAL.ec)
CERTIFICATE = base64.b64encode(b"certificate of the attacker").decode()
WRONG_SIGNATURES: Table = {
    "177 signature taken away": lambda: _without_signature("."),
    "177 signature and its dot taken away": _without_signature,
    "177 signature of zeros": _with_zeros,
    "177 signature twice": lambda: HOSPITAL.token() + _parts(HOSPITAL.token())[2],
    "177 a part more": lambda: HOSPITAL.token() + ".AAAA",
    "177 first bit flipped": lambda: _flipped(0),
    "177 bit in the middle flipped": lambda: _flipped(384),
    "177 payload of another token": _swapped,
    "177 payload with another tenant": lambda: _swapped(tenant="north"),
    "177 signed by the attacker": _by_attacker,
    "177 header and payload of a sound token": _stolen_header,
    "177 signed by another client": lambda: HOSPITAL.token(key=private_key(CLINIC.ec, "ES384")),
    "177 iss of another client": lambda: CLINIC.token(iss=HOSPITAL.iss),
    "177 signed with SHA-256": lambda: HOSPITAL.token(algorithm="RS256", header={"alg": "RS384"}, key=_rsa()),
    "171 jwk of the attacker": lambda: _by_attacker(jwk=ATTACKER),
    "171 jwk of the attacker, other kid": lambda: _by_attacker(jwk={**ATTACKER, "kid": "mine"}, kid="mine"),
    "171 x5c of the attacker": lambda: _by_attacker(x5c=[CERTIFICATE]),
    "171 jwk, x5c and own jku": lambda: _by_attacker(jwk=ATTACKER, x5c=[CERTIFICATE], jku=JWKS_URL),
    "171 unknown iss": lambda: HOSPITAL.token(iss="https://elsewhere.example"),
    "171 iss in another case": lambda: HOSPITAL.token(iss=HOSPITAL.iss.upper()),
    "171 iss with a slash": lambda: HOSPITAL.token(iss=f"{HOSPITAL.iss}/"),
    "171 id instead of iss": lambda: HOSPITAL.token(iss=HOSPITAL.id),
    "176 RS256 for a client without it": lambda: HOSPITAL.token(algorithm="RS256", key=_rsa(), header=_any_rsa()),
    "176 RS512 for a client without it": lambda: HOSPITAL.token(algorithm="RS512", key=_rsa(), header=_any_rsa()),
    "176 ES256 for a client without it": lambda: HOSPITAL.token(
        algorithm="ES256", key=private_key("hospital-small-curve", "ES256"), header={"kid": "hospital-small-curve"}
    ),
    "176 ES384 with the kid of an RSA key": lambda: HOSPITAL.token(header={"kid": HOSPITAL.rsa}),
    "176 RS384 with the kid of an EC key": lambda: HOSPITAL.token(algorithm="RS384", header={"kid": HOSPITAL.ec}),
    "176 ES384 with the kid of a key for any RSA": lambda: HOSPITAL.token(header={"kid": "any-rsa"}),
    "176 alg other than the key's": lambda: OLDER.token(algorithm="RS256", key=private_key(OLDER.rsa, "RS384")),
    "176 alg other than signed with": lambda: HOSPITAL.token(header={"alg": "RS384"}),
    "176 alg of another key of the client": lambda: OLDER.token(algorithm="RS384", header={"kid": "older-256"}),
    "176 ES384 for a client without it": lambda: OLDER.token(header={"kid": OLDER.rsa}),
    "176 alg in another case": lambda: HOSPITAL.token(header={"alg": "es384"}),
}


def _rsa() -> Any:
    return private_key(HOSPITAL.rsa, "RS384")


def _any_rsa() -> Json:
    return {"kid": "any-rsa"}


@_rows(WRONG_SIGNATURES)
def test_not_signed_by_the_client(client: FlaskClient, made: Token) -> None:
    """Rows 171, 176, 177: only a signature by the client's own key, by an algorithm it may use, counts."""
    _is_refused(client, _with(client, made()))


@for_each("alg", ["none", "None", "NONE", "nOnE", "NonE", " none", "none ", "null", "\uff4eone"])
def test_unsigned(client: FlaskClient, alg: str) -> None:
    """Row 174: a token that says it is unsigned is refused, however it is spelt and whatever follows."""
    for kid in (HOSPITAL.ec, HOSPITAL.rsa, "any-rsa", "nobody"):
        header, payload, _ = _parts(HOSPITAL.token(header={"alg": alg, "kid": kid}))
        for signature in (".", f".{_parts(HOSPITAL.token())[2]}", ""):
            _is_refused(client, _with(client, f"{header}.{payload}{signature}"))


def _public_forms(kid: str, algorithm: str) -> dict[str, bytes]:
    """The public key, as whoever knows it might use it as a secret."""
    public = private_key(kid, algorithm).public_key()
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    document = jwk(kid, algorithm)
    forms = {
        "PEM": public.public_bytes(pem, spki),
        "PEM without its last line end": public.public_bytes(pem, spki).rstrip(),
        "DER": public.public_bytes(der, spki),
        "JWK": json.dumps(document).encode(),
        "JWK without spaces": json.dumps(document, separators=(",", ":")).encode(),
        "empty": b"",
    }
    if algorithm == "RS384":
        forms |= {"PKCS1": public.public_bytes(pem, serialization.PublicFormat.PKCS1), "n": document["n"].encode()}
    return forms


@for_each(("kid", "named"), [(HOSPITAL.ec, "ES384"), (HOSPITAL.rsa, "RS384")])
@for_each("alg", ["HS256", "HS384", "HS512"])
def test_public_key_as_a_secret(client: FlaskClient, alg: str, kid: str, named: str) -> None:
    """Row 175: a public key is no secret: what is signed by HMAC with it is refused, also under another alg."""
    for secret in _public_forms(kid, named).values():
        for header in ({"kid": kid}, {"kid": kid, "alg": named}):
            _is_refused(client, _with(client, HOSPITAL.token(algorithm=alg, key=secret, header=header)))


@for_each("issuer", [HOSPITAL, FETCHING, CLINIC], ids=lambda issuer: issuer.id)
@for_each("signer", ["own key", "key of the attacker"])
def test_foreign_jku(monkeypatch: pytest.MonkeyPatch, client: FlaskClient, issuer: Issuer, signer: str) -> None:
    """Row 171: a jku that is not the client's own is refused, and neither fetched nor looked up."""
    looked_up: list[Any] = []

    def look_up(*asked: Any, **_: Any) -> Any:
        looked_up.append(asked)
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    key = private_key(issuer.ec if signer == "own key" else "attacker", "ES384")
    with RecordingServer(lambda _: reply(jwks(jwk("attacker", "ES384", kid=issuer.ec)))) as server:
        there = server.url()
        for jku in (there, there.replace("127.0.0.1", "localhost"), f"{JWKS_URL}/", f"{JWKS_URL}#{there}", "/jwks"):
            _is_refused(client, _with(client, issuer.token(key=key, header={"jku": jku})))

        assert server.calls == []
        assert looked_up == []


# When, how long, for which tenant and from which browser.

WRONG_TIMES: Table = {
    "177 expired beyond the skew": lambda: HOSPITAL.token(iat=int(time.time()) - 300, exp=int(time.time()) - 61),
    "177 expired long ago": lambda: HOSPITAL.token(iat=int(time.time()) - 90_000, exp=int(time.time()) - 89_700),
    "177 expired, no skew": lambda: PATIENT.token(iat=int(time.time()) - 300, exp=int(time.time()) - 1),
    "177 issued in the future": lambda: HOSPITAL.token(iat=int(time.time()) + 61),
    "177 issued in the future, no skew": lambda: PATIENT.token(iat=int(time.time()) + 1),
    "177 nbf in the future": lambda: HOSPITAL.token(nbf=int(time.time()) + 61),
    "177 times of the local clock": lambda: HOSPITAL.token(
        iat=int(time.time()) + 14 * 3600, exp=int(time.time()) + 14 * 3600 + 300
    ),
    "177 longer valid than may be": lambda: HOSPITAL.token(exp=int(time.time()) + 901),
    "177 issued long ago, still valid": lambda: HOSPITAL.token(iat=int(time.time()) - 601),
    "177 valid for ever": lambda: HOSPITAL.token(exp=2**52),
    "177 longer than a day": lambda: PATIENT.token(exp=int(time.time()) + 86_401),
    "177 no tenant": CLINIC.token,
    "177 tenant null": lambda: CLINIC.token(tenant=None),
    "177 tenant not of the list": lambda: CLINIC.token(tenant="west"),
    "177 tenant in another case": lambda: CLINIC.token(tenant="North"),
    "177 tenant with a space": lambda: CLINIC.token(tenant="north "),
    "177 tenant empty": lambda: CLINIC.token(tenant=""),
    "177 origin not the client's": BROWSER.token,
}


@_rows(WRONG_TIMES)
def test_not_now_not_here(client: FlaskClient, made: Token) -> None:
    """Row 177: a token that is not valid now, is valid too long, or is not for this tenant or browser origin."""
    _is_refused(client, _with(client, made()))


def test_origin_of_the_client(client: FlaskClient) -> None:
    """Row 177: a browser client is let in from its own origin, which CORS then allows, and without a browser."""
    (own,) = BROWSER.members["origins"]
    response = _with(client, BROWSER.token(), Origin=own)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == own
    assert client.get(DISCOVERY, headers={"Authorization": f"Bearer {BROWSER.token()}"}).status_code == 200
    _is_refused(client, _with(client, BROWSER.token(exp=1), Origin=own), own)


# Used once.


def test_replay(client: FlaskClient) -> None:
    """Row 177: a token is used once; so is its jti, in whatever token it comes again."""
    token = HOSPITAL.token(jti=JTI)

    assert _with(client, token).status_code == 200
    for again in (token, HOSPITAL.token(jti=JTI), HOSPITAL.token(jti=JTI, algorithm="RS384")):
        _is_refused(client, _with(client, again))


def test_replay_elsewhere(tmp_path: Path) -> None:
    """Row 177: another process with the same database, and a service that was started anew, know it too."""
    first, second = (_client(tmp_path, HOSPITAL) for _ in range(2))
    token = HOSPITAL.token()

    assert _with(first, token).status_code == 200
    _is_refused(second, _with(second, token))
    third = _client(tmp_path, HOSPITAL)
    _is_refused(third, _with(third, token))


def test_replay_on_another_route(client: FlaskClient) -> None:
    """Row 177: a token for several URLs is still used once, not once for each."""
    token = HOSPITAL.token(aud=[PUBLIC, f"{BASE}{URL}"])

    assert _with(client, token).status_code == 200
    _is_refused(client, _with(client, token, ROUTES[1]))


def test_jti_of_two_clients(client: FlaskClient) -> None:
    """Row 177: two clients may happen on the same jti; each has it for itself."""
    tokens = HOSPITAL.token(jti="one-jti"), PATIENT.token(jti="one-jti"), CLINIC.token(jti="one-jti", tenant="north")

    assert [_with(client, token).status_code for token in tokens] == [200, 200, 200]
    _is_refused(client, _with(client, PATIENT.token(jti="one-jti")))


def test_iss_and_jti_do_not_run_together(tmp_path: Path) -> None:
    """Row 177: a jti that begins with what another iss ends with is not that one's."""
    short, long = Issuer("short", "https://a.example"), Issuer("long", "https://a.example/b")
    client = _client(tmp_path, short, long)

    assert _with(client, long.token(jti="c")).status_code == 200
    assert _with(client, short.token(jti="/bc")).status_code == 200


def test_remembered_until_it_expires(tmp_path: Path, clock: time_machine.Traveller) -> None:
    """Row 177: a used jti is refused as long as its token is valid, the skew included; then it is forgotten."""
    token = HOSPITAL.token(jti=JTI)
    assert _with(_client(tmp_path, HOSPITAL), token).status_code == 200

    clock.shift(359)
    late = _client(tmp_path, HOSPITAL)
    assert _with(late, HOSPITAL.token()).status_code == 200  # whoever is let in may sweep what has expired
    _is_refused(late, _with(late, token))
    _is_refused(late, _with(late, HOSPITAL.token(jti=JTI)))
    clock.shift(60)
    later = _client(tmp_path, HOSPITAL)
    assert _with(later, HOSPITAL.token()).status_code == 200
    assert _with(later, HOSPITAL.token(jti=JTI)).status_code == 200
    _is_refused(later, _with(later, HOSPITAL.token(jti=JTI)))


def test_clock_that_jumps_forth_and_back(
    client: FlaskClient, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 177: a used token is refused again, whoever was let in while the clock was a day ahead."""
    monkeypatch.setattr(replays, "SWEEP", 0.0)
    token = HOSPITAL.token()
    assert _with(client, token).status_code == 200
    clock.shift(86_400)
    assert _with(client, HOSPITAL.token()).status_code == 200
    clock.shift(-86_400)

    _is_refused(client, _with(client, token))


REFUSED_FIRST: dict[str, Callable[[str], str]] = {
    "170 another audience": lambda jti: HOSPITAL.token(jti=jti, aud=f"{PUBLIC}/other"),
    "177 expired": lambda jti: HOSPITAL.token(jti=jti, iat=1, exp=2),
    "177 too long valid": lambda jti: HOSPITAL.token(jti=jti, exp=int(time.time()) + 5000),
    "177 signed by the attacker": lambda jti: HOSPITAL.token(jti=jti, key=private_key("attacker", "ES384")),
    "171 foreign jku": lambda jti: HOSPITAL.token(jti=jti, header={"jku": "https://elsewhere.example"}),
}


@for_each("made", [pytest.param(made, id=name) for name, made in REFUSED_FIRST.items()])
def test_refused_token_is_not_used_up(client: FlaskClient, made: Callable[[str], str]) -> None:
    """Row 177: nobody can use up a jti of a client with a token that is refused."""
    jti = HOSPITAL.claims()["jti"]
    _is_refused(client, _with(client, made(jti)))

    assert _with(client, HOSPITAL.token(jti=jti)).status_code == 200


def test_nothing_of_a_token_is_told(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    """Row 169: neither the answer nor the log has anything of a token that was refused."""
    with caplog.at_level("DEBUG"):
        token = HOSPITAL.token(jti=JTI, aud="https://s3cr3t-aud.example", tenant="s3cr3t-tenant", sub="s3cr3t-sub")
        response = _with(client, token)
    told = f"{response.headers} {response.get_data(as_text=True)} {[vars(record) for record in caplog.records]}"

    _is_refused(client, response)
    assert caplog.records
    assert [part for part in (token, *token.split("."), "s3cr3t", HOSPITAL.iss) if part in told] == []


LOGGED: dict[str, Token] = {
    "token": lambda: "a.b.c",
    "header": lambda: HOSPITAL.token(header={"typ": "JWS"}),
    "claims": lambda: HOSPITAL.token(exp=GONE),
    "iss": lambda: HOSPITAL.token(iss="https://elsewhere.example"),
    "alg": lambda: HOSPITAL.token(header={"alg": "HS256"}),
    "jku": lambda: HOSPITAL.token(header={"jku": "https://elsewhere.example"}),
    "kid": lambda: HOSPITAL.token(header={"kid": "nobody"}),
    "signature": lambda: HOSPITAL.token(key=private_key("attacker", "ES384")),
    "aud": lambda: HOSPITAL.token(aud="https://elsewhere.example"),
    "time": lambda: HOSPITAL.token(iat=1, exp=2),
    "age": lambda: HOSPITAL.token(exp=int(time.time()) + 5000),
    "tenant": lambda: CLINIC.token(tenant="west"),
    "origin": BROWSER.token,
}


@for_each(("check", "made"), [pytest.param(check, made, id=check) for check, made in LOGGED.items()])
def test_log_names_the_check(client: FlaskClient, caplog: pytest.LogCaptureFixture, check: str, made: Token) -> None:
    """Row 169: what the caller is not told, the log tells the operator: which check failed."""
    with caplog.at_level("INFO", "cds_service.audit"):
        response = _with(client, made())
    (line,) = [vars(record)["fields"] for record in caplog.records if record.name == "cds_service.audit"]

    assert response.status_code == 401
    assert (line["status"], line["refused"]) == (401, check)


# The worked example of the specification (CDS Hooks 2.0, "JWT Signing Algorithm").

SPECIFIED_HEADER = (
    "eyJhbGciOiJFUzM4NCIsInR5cCI6IkpXVCIsImtpZCI6ImV4YW1wbGUta2lkIiwiamt1IjoiaHR0cHM6Ly9maGlyLWVoci5leGFtcGxlLmNvbS9q"
    "d2tfdXJpIn0"
)
SPECIFIED_PAYLOAD = (
    "eyJpc3MiOiJodHRwczovL2ZoaXItZWhyLmV4YW1wbGUuY29tLyIsImF1ZCI6Imh0dHBzOi8vY2RzLmV4YW1wbGUub3JnL2Nkcy1zZXJ2aWNlcy9z"
    "b21lLXNlcnZpY2UiLCJleHAiOjE0MjI1Njg4NjAsImlhdCI6MTMxMTI4MDk3MCwianRpIjoiZWUyMmIwMjEtZTFiNy00NjExLWJhNWItOGVlYzZh"
    "MzNhYzFlIiwidGVuYW50IjoiMmRkZDZjM2EtOGU5YS00NGM2LWEzMDUtNTIxMTFhZDMwMmEyIn0"
)
SPECIFIED_SIGNATURE = (
    "d1WfLjGRKlcWB94l9do4cM8REXeYJLL6SGUBO8VHZhfM8mwKYP70EMxJ67War4TQblEpaQrp11wx5p7oPFm2ETYgCicS84vXWEIYTdjooZdooCSD"
    "f2L8-i4awdoUwiEb"
)
SPECIFIED_KEY = {
    "kty": "EC",
    "use": "sig",
    "crv": "P-384",
    "kid": "example-kid",
    "x": "46SDH7Znh821wblCBglA61sNE9ZrHYKKt3qRtRTmSXyOI_FIGBLWrWa0GPUkDCEk",
    "y": "XMcRuuoGW7CXjQdy-F5i3FeBE0x9hPLdeFdSoDd3ELmx404tLX0VRRcqzAsPhXcI",
    "alg": "ES384",
}
ISSUED, EXPIRES = 1311280970, 1422568860
SPECIFIED_ROUTE = ("POST", f"{DISCOVERY}/some-service")


def _specified(folder: Path, age: int = EXPIRES - ISSUED) -> FlaskClient:
    """A service that knows the client of the example; `some-service` is not there, so whoever is let in gets a 404."""
    members = {
        "jku": "https://fhir-ehr.example.com/jwk_uri",
        "tenants": ["2ddd6c3a-8e9a-44c6-a305-52111ad302a2"],
        "max_token_age": age,
    }
    return _client(folder, Issuer("example", "https://fhir-ehr.example.com/", members, jwks(SPECIFIED_KEY)))


def _signed_part(payload: str) -> str:
    return f"{SPECIFIED_HEADER}.{payload}.{SPECIFIED_SIGNATURE}"


@pytest.mark.parametrize("moment", [ISSUED, ISSUED - 59, 1_400_000_000, EXPIRES, EXPIRES + 59])
def test_token_of_the_specification(tmp_path: Path, clock: time_machine.Traveller, moment: int) -> None:
    """Rows 167 to 177: the token that the specification prints is let in, in its time."""
    clock.move_to(moment)

    assert _with(_specified(tmp_path), _signed_part(SPECIFIED_PAYLOAD), SPECIFIED_ROUTE).status_code == 404


def test_token_of_the_specification_at_another_time(tmp_path: Path, clock: time_machine.Traveller) -> None:
    """Row 177: it is refused today, and whenever else it is not valid, and where tokens may not be that old."""
    client = _specified(tmp_path)
    _is_refused(client, _with(client, _signed_part(SPECIFIED_PAYLOAD), SPECIFIED_ROUTE))
    for moment in (ISSUED - 61, EXPIRES + 61):
        clock.move_to(moment)
        _is_refused(client, _with(client, _signed_part(SPECIFIED_PAYLOAD), SPECIFIED_ROUTE))
    clock.move_to(1_400_000_000)
    strict = _specified(tmp_path, EXPIRES - ISSUED - 1)
    _is_refused(strict, _with(strict, _signed_part(SPECIFIED_PAYLOAD), SPECIFIED_ROUTE))
