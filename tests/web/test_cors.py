"""CORS (conformance row 179): browser clients, the public sandbox among them, on every route and every error.

The feedback route is the third of the row; it joins with the endpoint itself.
"""

from __future__ import annotations

from flask.testing import FlaskClient

from cds_service import create_app
from cds_service.settings import Settings
from tests.support.for_each import for_each
from tests.web.calls import DISCOVERY, LOCAL, TODAY, URL, Json, golden
from tests.web.conftest import Post

SANDBOX = "https://sandbox.cds-hooks.org"
ALLOWED = [SANDBOX, LOCAL, "http://localhost", "http://localhost:3000", "http://127.0.0.1", "http://127.0.0.1:8080"]
FOREIGN = [
    "https://elsewhere.example",
    "null",
    "file://",
    "http://sandbox.cds-hooks.org",
    "https://sandbox.cds-hooks.org.elsewhere.example",
    "https://sandbox-cds-hooks.org",
    "https://sandbox.cds-hooks.org:8443",
    "https://localhost.elsewhere.example",
    "http://localhost.elsewhere.example",
    "http://localhost:8080.elsewhere.example",
    "http://localhost:8080@elsewhere.example",
    "http://127.0.0.1.elsewhere.example",
    "http://127.0.0.1:80.elsewhere.example",
    "http://127-0-0-1.elsewhere.example",
    "http://elsewhere.example/?http://localhost",
    "elsewherehttp://localhost",
]
ALLOW_ORIGIN = "Access-Control-Allow-Origin"


def _preflight(origin: str, method: str = "POST", **more: str) -> Json:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
        **more,
    }


def _names(value: str) -> set[str]:
    return {name.strip().lower() for name in value.split(",")}


@for_each("origin", ALLOWED)
@for_each(("url", "method"), [(DISCOVERY, "GET"), (URL, "POST"), ("/healthz", "GET")])
def test_preflight(client: FlaskClient, url: str, method: str, origin: str) -> None:
    """Row 179: a preflight is 2xx without a token, and spells out the methods and headers, Authorization among them."""
    response = client.options(url, headers=_preflight(origin, method))

    assert response.status_code in (200, 204)
    assert origin == response.headers[ALLOW_ORIGIN]
    assert {"get", "post", "options"} == _names(response.headers["Access-Control-Allow-Methods"])
    assert {"authorization", "content-type"} == _names(response.headers["Access-Control-Allow-Headers"])


def test_preflight_of_other_headers(client: FlaskClient) -> None:
    """Row 179: a header that is not on the list is not allowed."""
    headers = _preflight(LOCAL) | {"Access-Control-Request-Headers": "x-secret"}

    assert (
        "x-secret" not in client.options(URL, headers=headers).headers.get("Access-Control-Allow-Headers", "").lower()
    )


def test_local_network_access(client: FlaskClient) -> None:
    """Section 4.1: the hosted sandbox may call a service on the clinician's own machine."""
    response = client.options(URL, headers=_preflight(SANDBOX, **{"Access-Control-Request-Private-Network": "true"}))

    assert response.headers["Access-Control-Allow-Private-Network"] == "true"


@for_each("origin", ALLOWED)
def test_answers(post: Post, origin: str) -> None:
    """Row 179: an answer names the origin that asked, and caches are told that it depends on it."""
    response = post(golden(), headers={"Origin": origin})

    assert (200, origin) == (response.status_code, response.headers[ALLOW_ORIGIN])
    assert "origin" in _names(response.headers["Vary"])


@for_each(("method", "url"), [("GET", DISCOVERY), ("POST", URL), ("OPTIONS", URL), ("OPTIONS", DISCOVERY)])
def test_foreign_origins(client: FlaskClient, method: str, url: str) -> None:
    """Row 179: an origin that is not on the list gets no permission, however like one on it it looks."""
    for origin in FOREIGN:
        response = client.open(url, method=method, headers=_preflight(origin))

        assert ALLOW_ORIGIN not in response.headers, origin


@for_each("origin", [LOCAL, FOREIGN[0], None])
def test_no_wildcard_and_no_credentials(post: Post, origin: str | None) -> None:
    """Row 179: never `*`, which does not cover Authorization, and no cookies."""
    response = post(golden(), headers={} if origin is None else {"Origin": origin})

    assert response.headers.get(ALLOW_ORIGIN) != "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


@for_each(
    ("origin", "allowed"),
    [
        ("https://ehr.example", True),
        ("https://ward.trust.example", True),
        ("https://ehr.example.elsewhere.example", False),
        ("https://trust.example.elsewhere.example", False),
        ("https://ward.trust.example.elsewhere.example", False),
        (SANDBOX, False),
        (LOCAL, False),
    ],
)
def test_origins_are_a_setting(origin: str, allowed: bool) -> None:  # noqa: FBT001 - a column of the table
    """Row 179: CDS_CORS_ORIGINS replaces the list: exact origins or regular expressions, each for the whole origin."""
    settings = Settings(as_of=TODAY, cors_origins=("https://ehr.example", r"https://[a-z]+\.trust\.example"))
    response = create_app(settings).test_client().get(DISCOVERY, headers={"Origin": origin})

    assert allowed == (ALLOW_ORIGIN in response.headers)
