"""TLS of the client (conformance rows 1, 33, 91): the connection goes to a checked address, the trust to the name.

A server on loopback has a certificate made here; its name, `ehr.test`, leads to 127.0.0.1.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cds_service.fhir.client import ClientLimits, FhirClient, FhirServer, FhirUnavailable
from cds_service.fhir.deadline import Deadline
from cds_service.settings import Settings
from tests.support.certificates import Authority
from tests.support.recording_server import RecordingServer, redirect, reply, use_names

BEARER = "s3cr3t.Token"
FOUND = {"resourceType": "Bundle"}
HERE = "127.0.0.1"
Connect = Callable[..., FhirServer]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the service is told to trust."""
    return Authority(tmp_path_factory.mktemp("trusted"))


@contextmanager
def _serving(tls: ssl.SSLContext) -> Iterator[tuple[RecordingServer, list[str | None]]]:
    """A FHIR server over TLS, and the names that its clients asked for (SNI)."""
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    with RecordingServer(lambda _: reply(FOUND), tls) as server:
        yield server, names


@pytest.fixture
def connect(authority: Authority) -> Iterator[Connect]:
    """Connects to a server under a name; trusts *authority*, unless told otherwise."""
    clients: list[FhirClient] = []

    def connected(
        server: RecordingServer, host: str = "ehr.test", *, ca_file: Path | None = authority.file, entry: str = ""
    ) -> FhirServer:
        settings = Settings(
            fhir_servers=(entry or server.url(host),), fhir_private_networks=("127.0.0.0/8",), fhir_ca_file=ca_file
        )
        chosen = None if settings.fhir_ca_file is None else str(settings.fhir_ca_file)
        limits = ClientLimits(30, 30, 1_000_000, post_search=False, ca_file=chosen, connections=2)
        clients.append(FhirClient(settings.server_rules(), limits))
        return clients[-1].connect(server.url(host), BEARER, Deadline(30))

    yield connected
    for client in clients:
        client.close()


def test_trusted(monkeypatch: pytest.MonkeyPatch, authority: Authority, connect: Connect) -> None:
    """Rows 1, 33: with `CDS_FHIR_CA_FILE` the call goes through; SNI and `Host` are the name, not the address."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    with _serving(authority.server("ehr.test")) as (server, names):
        fhir = connect(server)
        fhir.ask("Patient/1")
        fhir.ask("Condition?patient=1")

        assert names == ["ehr.test"]
        assert [call.header("Host") for call in server.calls] == [[f"ehr.test:{server.port}"]] * 2
        assert [call.header("Authorization") for call in server.calls] == [[f"Bearer {BEARER}"]] * 2


@pytest.mark.parametrize(
    ("names", "common_name"),
    [
        (("other.test",), "server"),
        (("other.test",), "ehr.test"),
        ((HERE,), "server"),
        (("localhost", HERE), "ehr.test"),
        (("test",), "server"),
        (("*.ehr.test",), "server"),
        (("*.test.example",), "server"),
        (("ehr.test.evil.example",), "server"),
        (("xehr.test",), "server"),
    ],
    ids=str,
)
def test_certificate_of_another_name(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, connect: Connect, names: tuple[str, ...], common_name: str
) -> None:
    """Row 91: a certificate for another name, or for the address alone, is refused; no token was sent."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    with _serving(authority.server(*names, common_name=common_name)) as (server, _):
        with pytest.raises(FhirUnavailable, match="certificate"):
            connect(server).ask("Patient/1")

        assert server.calls == []


def test_usual_authorities_do_not_trust_it(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, connect: Connect
) -> None:
    """Row 91: a certificate that nobody vouches for is refused in words that name the setting; no token was sent."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    with _serving(authority.server("ehr.test")) as (server, _):
        with pytest.raises(FhirUnavailable, match="CDS_FHIR_CA_FILE") as caught:
            connect(server, ca_file=None).ask("Patient/p-secret")

        assert server.calls == []
        assert [part for part in ("ehr.test", HERE, "p-secret", BEARER) if part in str(caught.value)] == []


def test_another_authority(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority, connect: Connect
) -> None:
    """Row 91: an authority of the same name with another key does not vouch for it."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    del authority
    with _serving(Authority(tmp_path).server("ehr.test")) as (server, _):
        with pytest.raises(FhirUnavailable, match="certificate"):
            connect(server).ask("Patient/1")

        assert server.calls == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_environment_does_not_decide_on_trust(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, connect: Connect, variable: str
) -> None:
    """Row 91: only `CDS_FHIR_CA_FILE` says whom to trust, not what other tools are told."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    monkeypatch.setenv(variable, str(authority.file))
    with _serving(authority.server("ehr.test")) as (server, _), pytest.raises(FhirUnavailable, match="certificate"):
        connect(server, ca_file=None).ask("Patient/1")


def test_connection_is_not_shared_between_names(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    """Row 91: two names at one address are two servers: a connection that one was trusted on is not the other's."""
    use_names(monkeypatch, {"ehr.test": [HERE], "other.test": [HERE]})
    with _serving(authority.server("ehr.test")) as (server, names):
        settings = Settings(
            fhir_servers=(server.url("ehr.test"), server.url("other.test")), fhir_private_networks=("127.0.0.0/8",)
        )
        limits = ClientLimits(30, 30, 1_000_000, post_search=False, ca_file=str(authority.file), connections=2)
        client = FhirClient(settings.server_rules(), limits)
        client.connect(server.url("ehr.test"), BEARER, Deadline(30)).ask("Patient/1")
        with pytest.raises(FhirUnavailable, match="certificate"):
            client.connect(server.url("other.test"), BEARER, Deadline(30)).ask("Patient/1")
        client.close()

        assert names == ["ehr.test", "other.test"]
        assert [call.header("Host") for call in server.calls] == [[f"ehr.test:{server.port}"]]


def test_pattern(monkeypatch: pytest.MonkeyPatch, authority: Authority, connect: Connect) -> None:
    """Row 91: a host pattern with a port reaches each of its hosts under the host's own name."""
    use_names(monkeypatch, {"a.ehr.test": [HERE]})
    with _serving(authority.server("*.ehr.test")) as (server, names):
        connect(server, "a.ehr.test", entry=f"*.ehr.test:{server.port}").ask("Patient/1")

        assert names == ["a.ehr.test"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_redirect_to_another_scheme(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, connect: Connect, scheme: str
) -> None:
    """Rows 33, 81: a redirect from https to http is another origin: it is not followed, no token goes in the clear."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    with _serving(authority.server("ehr.test")) as (server, _), RecordingServer() as plain:
        target = {"http": plain.port, "https": server.port + 1}[scheme]
        server.answer = lambda _: redirect(f"{scheme}://ehr.test:{target}/fhir/Patient/1")
        with pytest.raises(FhirUnavailable, match="another server"):
            connect(server).ask("Patient/1")

        assert plain.calls == []
        assert len(server.calls) == 1


def test_plain_http_at_a_tls_port(monkeypatch: pytest.MonkeyPatch, connect: Connect) -> None:
    """Row 33: a server that answers https in the clear gets no token."""
    use_names(monkeypatch, {"ehr.test": [HERE]})
    with RecordingServer() as plain:
        plain.scheme = "https"
        with pytest.raises(FhirUnavailable):
            connect(plain).ask("Patient/1")

        assert plain.calls == []
