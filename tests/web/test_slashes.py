"""Stray slashes (conformance row 9, section 4.1): served directly, since a redirect breaks a browser's preflight."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fixtures import SERVICE
from tests.support.for_each import for_each
from tests.web.calls import LOCAL, URL, golden, meaning

DISCOVERIES = ["/cds-services", "/cds-services/", "/cds-services//", "//cds-services", "///cds-services///"]
SERVICES = [
    f"/cds-services/{SERVICE}",
    f"/cds-services/{SERVICE}/",
    f"/cds-services//{SERVICE}",
    f"//cds-services//{SERVICE}//",
    f"/cds-services///{SERVICE}",
]
PREFLIGHT = {
    "Origin": LOCAL,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def _open(client: FlaskClient, method: str, path: str, **more: Any) -> TestResponse:
    """Ask for just that path: the client itself would read a leading double slash as a host."""
    return client.open("/", method=method, environ_overrides={"PATH_INFO": path}, **more)


@for_each("path", DISCOVERIES)
def test_discovery(client: FlaskClient, path: str) -> None:
    """Row 9: discovery is served with a trailing, a doubled or a leading slash, without a redirect."""
    response = _open(client, "GET", path)

    assert response.status_code == 200
    assert client.get("/cds-services").get_data() == response.get_data()


@for_each("path", SERVICES)
def test_service(client: FlaskClient, path: str) -> None:
    """Section 4.1: the sandbox joins a pasted URL that ends in a slash to `//id`; the service answers there."""
    assert meaning(client.post(URL, json=golden())) == meaning(_open(client, "POST", path, json=golden()))


@for_each("path", [*DISCOVERIES, *SERVICES])
def test_preflight(client: FlaskClient, path: str) -> None:
    """Row 9, row 179: a preflight is answered in place too: 2xx, never a redirect."""
    response = _open(client, "OPTIONS", path, headers=PREFLIGHT)

    assert response.status_code in (200, 204)
    assert response.headers["Access-Control-Allow-Origin"] == LOCAL


@for_each("path", ["//elsewhere.example/", "//elsewhere.example/%2e%2e", "/\\elsewhere.example/"])
def test_no_open_redirect(client: FlaskClient, path: str) -> None:
    """Row 9: a path that looks like another host is not found, and no `Location` leads there."""
    response = _open(client, "GET", path)

    assert response.status_code == 404
    assert "Location" not in response.headers
