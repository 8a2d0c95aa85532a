"""Which FHIR servers may be called, and at which address (conformance rows 33, 71, 89, 91).

`fhirServer` is written by whoever can call this service: here it is written by an attacker. The allow-list is read
through the settings, as an operator writes it.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from cds_service.errors import SettingsError
from cds_service.fhir import resolver
from cds_service.fhir.client import ClientLimits, FhirClient, FhirUnavailable
from cds_service.fhir.deadline import Deadline
from cds_service.fhir.servers import ServerRefused, ServerRules, origin_of
from cds_service.settings import Settings, load
from tests.support.for_each import for_each
from tests.support.recording_server import RecordingServer, use_names, watch_connections

PUBLIC = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1:248:1893:25c8:1946"
LIMITS = ClientLimits(30, 30, 1_000_000, post_search=False, ca_file=None, connections=2)


def _rules(*servers: str, networks: tuple[str, ...] = (), without_token: bool = False) -> ServerRules:
    """The rules an operator gets who writes this."""
    settings = Settings(fhir_servers=servers, fhir_private_networks=networks, fhir_without_token=without_token)
    return settings.server_rules()


def _may(rules: ServerRules, url: str, *, token: bool = True) -> bool:
    """Whether *url* may be called."""
    try:
        rules.check(url, token=token)
    except ServerRefused:
        return False
    return True


def _addresses(rules: ServerRules, host: str = "ehr.example") -> tuple[str, ...]:
    """The addresses of *host* that are connected to; none where it is refused."""
    try:
        return rules.addresses(origin_of(f"https://{host}/fhir"), resolver.addresses)
    except ServerRefused:
        return ()


@for_each(
    "url",
    [
        "http://localhost",
        "http://localhost/",
        "http://localhost:8080/fhir",
        "http://LocalHost:8080/fhir",
        "HTTP://localhost:8080/fhir",
        "http://127.0.0.1:8080/fhir",
        "http://127.45.6.7/fhir",
        "http://[::1]:8080/fhir",
        "http://[0:0:0:0:0:0:0:1]/fhir",
    ],
)
def test_default_is_loopback(url: str) -> None:
    """Rows 33, 89: with no list, loopback over http may be called, with a token or without: a developer's machine."""
    assert _may(_rules(), url)
    assert _may(_rules(), url, token=False)


@for_each(
    "url",
    [
        "https://localhost/fhir",
        "https://ehr.example/fhir",
        "http://ehr.example/fhir",
        f"http://{PUBLIC}/fhir",
        "http://10.0.0.1/fhir",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0:8080/fhir",
        "http://[fd00::1]/fhir",
    ],
)
def test_default_is_nothing_else(url: str) -> None:
    """Row 91: with no list, nothing but loopback over http may be called, whatever token comes along."""
    assert not _may(_rules(), url)


@for_each("url", ["http://localhost:8080/fhir", "http://127.0.0.1/fhir", "http://[::1]/fhir"])
def test_a_list_ends_the_default(url: str) -> None:
    """Row 91: once servers are listed, only they may be called: loopback is no longer among them."""
    assert not _may(_rules("https://ehr.example/fhir"), url)
    assert not _may(_rules("*.ehr.example"), url)


DISGUISES = [
    "http://localhost@evil.example/fhir",
    "http://@localhost/fhir",
    "http://localhost\\.evil.example/fhir",
    "http://localhost/fhir#",
    "http://local\thost/fhir",
    "http://localhost/fhir HTTP/1.1\r\nX-Injected: 1",
    "http://localhost\x00.evil.example/fhir",
    "http://loc%61lhost/fhir",
    "http://localhost./fhir",
    "http://localhost.evil.example/fhir",
    "http://0/fhir",
    "http://0x7f000001/fhir",
    "http://2852039166/latest",
    "http://[::ffff:169.254.169.254]/latest",
    "http://[::ffff:10.0.0.1]/fhir",
    "http://[::127.0.0.1]/fhir",
    "http://[::1/fhir",
    "http://[localhost]/fhir",
    "http://\u24dbocalhost/fhir",
    "http://lo\u0441alhost/fhir",
    "http://localhost\uff0f@evil.example/fhir",
    "http://localhost/\ud800",
    "http://localhost:99999/fhir",
    "http://localhost:80:80/fhir",
    "http://localhost:\uff18\uff10/fhir",
    "http://localhost,evil.example/fhir",
    "http:///fhir",
    "http://",
    "localhost/fhir",
    "/fhir",
    "",
    "ftp://localhost/fhir",
    "file:///etc/passwd",
    "gopher://localhost:6379/_FLUSHALL",
    "unix://localhost/var/run/docker.sock",
    "data:application/json,{}",
    "httpx://localhost/fhir",
]


@for_each("url", DISGUISES, ids=ascii)
def test_disguises(url: str) -> None:
    """Row 91: no spelling that two readers of URLs could take for two servers passes for loopback, or for one listed.

    Row 85: why a server is refused goes to logs and answers, so the URL, which may hold a secret, is not in it.
    """
    assert not _may(_rules(), url)
    assert not _may(
        _rules("https://ehr.example/fhir"), url.replace("localhost", "ehr.example").replace("http:", "https:", 1)
    )
    with pytest.raises(ServerRefused) as caught:
        _rules("https://other.test/base").check(url, token=True)

    said = str(caught.value)
    assert said.strip()
    assert [part for part in ("secret", "evil", "X-Injected", "meta-data") if part in said] == []


@for_each("entry", ["https://ehr.example/fhir/R4", "https://ehr.example/fhir/R4/", "https://EHR.Example:443/fhir/R4"])
@for_each(
    "url",
    [
        "https://ehr.example/fhir/R4",
        "https://ehr.example/fhir/R4/",
        "https://ehr.example:443/fhir/R4",
        "https://EHR.EXAMPLE/fhir/R4",
        "HTTPS://ehr.example/fhir/R4",
    ],
)
def test_base_url(entry: str, url: str) -> None:
    """Row 91: a base URL is the same with a slash at its end, the default port, and any case of scheme and host."""
    assert _may(_rules(entry), url)


@for_each(
    "url",
    [
        "https://ehr.example/fhir",
        "https://ehr.example",
        "https://ehr.example/fhir/r4",
        "https://ehr.example/fhir/R4B",
        "https://ehr.example/fhir/R4/other",
        "https://ehr.example/fhir/%52%34",
        "https://ehr.example/fhir%2FR4",
        "https://ehr.example/fhir/R4;x",
        "https://ehr.example:8443/fhir/R4",
        "http://ehr.example/fhir/R4",
        "https://a.ehr.example/fhir/R4",
        "https://ehr.example.evil.test/fhir/R4",
    ],
)
def test_base_url_is_exact(url: str) -> None:
    """Row 91: a listed base URL allows just itself: no other scheme, host, port or path."""
    assert not _may(_rules("https://ehr.example/fhir/R4"), url)


def test_base_url_over_http() -> None:
    """Row 33: plain http is called where the operator wrote just that base URL; its port is 80."""
    rules = _rules("http://gateway.internal/fhir")

    assert _may(rules, "http://gateway.internal:80/fhir")
    assert not _may(rules, "https://gateway.internal/fhir")


@for_each("path", ["", "/", "/fhir", "/fhir/R4/tenant/"])
def test_host(path: str) -> None:
    """Row 91: a host alone allows every base path on it, over https on port 443."""
    rules = _rules("ehr.example")

    assert _may(rules, f"https://ehr.example{path}")
    assert _may(rules, f"https://EHR.example:443{path}")
    assert not _may(rules, f"http://ehr.example{path}")
    assert not _may(rules, f"http://ehr.example:443{path}")
    assert not _may(rules, f"https://ehr.example:8443{path}")
    assert not _may(rules, f"https://a.ehr.example{path}")


def test_host_with_a_port() -> None:
    """Row 91: a host with a port allows https on that port and no other."""
    rules = _rules("ehr.example:8443")

    assert _may(rules, "https://ehr.example:8443/fhir")
    assert not _may(rules, "https://ehr.example/fhir")
    assert not _may(rules, "http://ehr.example:8443/fhir")


@for_each("host", ["a.ehr.example", "A.EHR.EXAMPLE", "tenant-1.ehr.example"])
def test_pattern(host: str) -> None:
    """Row 91: `*.` stands for one label."""
    assert _may(_rules("*.ehr.example"), f"https://{host}/fhir")
    assert not _may(_rules("*.ehr.example"), f"http://{host}/fhir")
    assert not _may(_rules("*.ehr.example"), f"https://{host}:8443/fhir")
    assert _may(_rules("*.ehr.example:8443"), f"https://{host}:8443/fhir")


@for_each(
    "host",
    [
        "ehr.example",
        ".ehr.example",
        "a.b.ehr.example",
        "a.ehr.example.",
        "a.ehr.example.evil.test",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "%61.ehr.example",
        "\N{MATHEMATICAL BOLD SMALL A}.ehr.example",
    ],
    ids=ascii,
)
def test_pattern_is_one_label(host: str) -> None:
    """Row 91: not for none, not for two, nor for what readers take for different names; nor for an address."""
    assert not _may(_rules("*.ehr.example"), f"https://{host}/fhir")


def test_entries_add_up() -> None:
    """Row 91: several entries, as one comma-separated text, allow what each allows."""
    rules = Settings(fhir_servers="https://a.test/fhir, *.ehr.example ,b.test:8443").server_rules()  # type: ignore[arg-type]

    assert [
        _may(rules, url)
        for url in ("https://a.test/fhir", "https://x.ehr.example", "https://b.test:8443/r4", "https://c.test/fhir")
    ] == [True, True, True, False]


BAD_SERVERS = [
    "*",
    "*.",
    "**.ehr.example",
    "a.*.example",
    "*:443",
    "ehr.example/fhir",
    "https://*.ehr.example/fhir",
    "://ehr.example",
    "https://ehr.example/fhir?x=1",
    "https://ehr.example/../fhir",
    "https://ehr.example:99999/fhir",
    "https://ehr\u00e9.example/fhir",
    "https://[::1/fhir",
    "ehr.example:",
    "ehr.example:0",
    "ehr..example",
    "ehr.example.",
    "ehr\u00e9.example",
    "localhost",
    "10.0.0.1",
    "127.1",
    "[::1]",
    "10.0.0.0/8",
]


@for_each("entry", BAD_SERVERS, ids=ascii)
def test_bad_servers(entry: str) -> None:
    """Row 91: an entry that cannot be meant stops the service, and the message names it among good ones."""
    with pytest.raises(ValidationError) as caught:
        _rules("https://good.test/fhir", entry, "*.good.test")

    (problem,) = caught.value.errors()
    assert repr(entry) in problem["msg"]
    assert "good.test" not in problem["msg"]


@for_each(
    "entry", ["10.0.0.1/8", "10.0.0.0/33", "10.0.0", "10.*", "private", "fd00::/129", "fd00::1/8", "ehr.example", "/8"]
)
def test_bad_networks(entry: str) -> None:
    """Row 91: so does a network that cannot be read, or that has bits behind its mask."""
    with pytest.raises(ValidationError) as caught:
        _rules(networks=("10.0.0.0/8", entry))

    (problem,) = caught.value.errors()
    assert repr(entry) in problem["msg"]
    assert "'10.0.0.0/8'" not in problem["msg"]


@for_each(("variable", "entry"), [("fhir_servers", "ehr.example/fhir"), ("fhir_private_networks", "10.0.0.1/8")])
def test_bad_entries_name_their_setting(variable: str, entry: str) -> None:
    """A message tells the reader what to mend: the setting as well as the entry, and no other setting's value."""
    with pytest.raises(SettingsError) as caught:
        load(**{variable: entry, "profile": "nam-2011"})

    assert f"CDS_{variable.upper()} " in str(caught.value)
    assert repr(entry) in str(caught.value)
    assert "nam-2011" not in str(caught.value)


@for_each("address", [PUBLIC, PUBLIC_6, "1.1.1.1", "2a00:1450:4001::1"])
def test_public_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Row 91: a listed name that leads to a public address is connected to there."""
    use_names(monkeypatch, {"ehr.example": [address]})

    assert _addresses(_rules("ehr.example")) == (address,)


INSIDE = [
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 - an address that an attacker's resolver answers
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.254",
    "168.63.129.16",
    "203.0.113.1",
    "224.0.0.1",
    "::",
    "::1",
    "fe80::1%lo",
    "fd00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:168.63.129.16",
    "64:ff9b::808:808",
    "2002:7f00:1::",
]
"""Addresses that are not of the public Internet, or that carry one which is not."""

DEPRECATED = ["fec0::1", "::127.0.0.1", "::169.254.169.254", "::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1"]
"""Site-local, IPv4-compatible and IPv4-translated addresses: none is of the public Internet."""


@for_each("address", INSIDE)
def test_address_that_is_not_public(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Row 91: a listed name that leads into a private or reserved network is not followed there."""
    use_names(monkeypatch, {"ehr.example": [address]})

    assert _addresses(_rules("ehr.example")) == ()


@for_each("address", DEPRECATED)
def test_address_of_an_old_kind(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Row 91: nor to addresses that only look global since no list of private ones has them."""
    use_names(monkeypatch, {"ehr.example": [address]})

    assert _addresses(_rules("ehr.example")) == ()


@for_each("address", ["10.0.0.1", "127.0.0.1", PUBLIC, "fd00::1", "192.168.1.1"])
def test_localhost_is_loopback(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Row 91: a resolver that says `localhost` is elsewhere is not believed."""
    use_names(monkeypatch, {"localhost": [address, "::1"]})

    assert _addresses(_rules(), "localhost") == (("127.0.0.1", "::1") if address == "127.0.0.1" else ("::1",))


@for_each(
    ("network", "inside", "outside"),
    [
        ("10.20.0.0/16", "10.20.3.4", "10.21.0.1"),
        ("10.20.0.0/16", "::ffff:10.20.3.4", "::ffff:10.21.3.4"),
        ("10.20.3.4", "10.20.3.4", "10.20.3.5"),
        ("192.168.0.0/24", "192.168.0.9", "192.168.1.9"),
        ("127.0.0.0/8", "127.0.0.1", "::1"),
        ("::1", "::1", "127.0.0.1"),
        ("fd12:3456::/32", "fd12:3456::1", "fd12:3457::1"),
        ("fe80::/10", "fe80::1%lo", "fd00::1"),
        ("100.64.0.0/10", "100.64.0.1", "10.0.0.1"),
        ("169.254.169.254", "169.254.169.254", "169.254.169.253"),
        ("64:ff9b::/96", "64:ff9b::808:808", "64:ff9b:1::808:808"),
    ],
)
def test_private_network(monkeypatch: pytest.MonkeyPatch, network: str, inside: str, outside: str) -> None:
    """Row 91: a private network that the operator names may be entered, and no other; public ones stay open."""
    rules = _rules("*.ehr.example", networks=(network,))
    use_names(monkeypatch, {"in.ehr.example": [inside], "out.ehr.example": [outside], "p.ehr.example": [PUBLIC]})

    assert _addresses(rules, "in.ehr.example") == (inside,)
    assert _addresses(rules, "out.ehr.example") == ()
    assert _addresses(rules, "p.ehr.example") == (PUBLIC,)


@for_each("answers", list(itertools.permutations(["10.0.0.1", PUBLIC, "169.254.169.254", PUBLIC_6])))
def test_mixed_answers(monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]) -> None:
    """Row 91: of public and private addresses only the public ones are connected to, in the resolver's order."""
    use_names(monkeypatch, {"ehr.example": answers})

    assert _addresses(_rules("ehr.example")) == tuple(address for address in answers if address in (PUBLIC, PUBLIC_6))


def test_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 73: a name that cannot be resolved is a reason in words, without the name."""
    use_names(monkeypatch, {})

    with pytest.raises(ServerRefused, match="resolved") as caught:
        _rules("ehr.example").addresses(origin_of("https://ehr.example"), resolver.addresses)
    assert "ehr.example" not in str(caught.value)


@contextmanager
def _client(rules: ServerRules) -> Iterator[FhirClient]:
    """A client by *rules*, closed at the end."""
    client = FhirClient(rules, LIMITS)
    try:
        yield client
    finally:
        client.close()


@for_each(
    "label", ["a" * 63, "a" * 64, "a" * 300, "\N{MATHEMATICAL BOLD SMALL X}", "%61", "a,b", "a_b", "-", "*", "xn--a"]
)
def test_odd_label_of_a_pattern(monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    """Row 91: whatever an attacker writes for the `*` of a pattern is refused in words, and is no fault of ours."""
    use_names(monkeypatch, {f"{label}.ehr.test": [PUBLIC]})
    watch_connections(monkeypatch)

    with _client(_rules("*.ehr.test")) as client, pytest.raises((ServerRefused, FhirUnavailable)):
        client.connect(f"https://{label}.ehr.test/fhir", "t", Deadline(30)).ask("Patient/1")


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A FHIR server on loopback."""
    with RecordingServer() as running:
        yield running


def _rebinding(*answers: str) -> Callable[[], list[str]]:
    """A resolver that says something else each time, and the last for ever."""
    left = list(answers)
    return lambda: [left.pop(0) if len(left) > 1 else left[0]]


def test_checked_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    """Row 91: a name that leads elsewhere the second time (rebinding) is not asked a second time."""
    asked = use_names(monkeypatch, {"ehr.test": _rebinding("127.0.0.1", "10.66.0.1")})
    opened = watch_connections(monkeypatch)
    with _client(_rules(server.url("ehr.test"), networks=("127.0.0.1/32",))) as client:
        fhir = client.connect(server.url("ehr.test"), "t", Deadline(30))
        for patient in range(3):
            with pytest.raises(FhirUnavailable, match="404"):
                fhir.ask(f"Nothing/{patient}")

    assert asked == ["ehr.test"]
    assert {address for address, _ in opened} == {"127.0.0.1"}
    assert [call.header("Host") for call in server.calls] == [[f"ehr.test:{server.port}"]] * 3


def test_each_request_checks_anew(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    """Row 91: a name that leads into a private network later on is refused then; an open connection changes nothing."""
    use_names(monkeypatch, {"ehr.test": _rebinding("127.0.0.1", "10.66.0.1")})
    opened = watch_connections(monkeypatch)
    with _client(_rules(server.url("ehr.test"), networks=("127.0.0.1/32",))) as client:
        with pytest.raises(FhirUnavailable, match="404"):
            client.connect(server.url("ehr.test"), "t", Deadline(30)).ask("Nothing/1")
        with pytest.raises(FhirUnavailable, match="private"):
            client.connect(server.url("ehr.test"), "t", Deadline(30)).ask("Nothing/2")

    assert len(server.calls) == 1
    assert {address for address, _ in opened} == {"127.0.0.1"}


def test_only_checked_addresses_are_tried(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    """Row 91: of several addresses those that may not be connected to are passed over, also when others refuse."""
    use_names(monkeypatch, {"ehr.test": ["10.66.0.1", PUBLIC, "169.254.169.254", "127.0.0.1", "::1"]})
    opened = watch_connections(monkeypatch)
    with (
        _client(_rules(server.url("ehr.test"), networks=("127.0.0.1/32",))) as client,
        pytest.raises(FhirUnavailable, match="404"),
    ):
        client.connect(server.url("ehr.test"), "t", Deadline(30)).ask("Nothing/1")

    assert [address for address, _ in opened] == [PUBLIC, "127.0.0.1"]
    assert len(server.calls) == 1


def test_address_that_takes_no_connection(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    """Row 91: an address that lets a connection hang gets its part of the time, and the next is tried in the rest."""
    use_names(monkeypatch, {"ehr.test": ["127.0.0.2", "127.0.0.1"]})
    with (
        socket.create_server(("127.0.0.2", server.port), backlog=0) as full,
        socket.create_connection(full.getsockname()),
        _client(_rules(server.url("ehr.test"), networks=("127.0.0.0/8",))) as client,
        pytest.raises(FhirUnavailable, match="404"),
    ):
        client.connect(server.url("ehr.test"), "t", Deadline(4)).ask("Nothing/1")

    assert len(server.calls) == 1


@for_each("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch, server: RecordingServer, variable: str) -> None:
    """Rows 81, 91: a proxy named by the environment sees neither call nor token: the checked address is asked."""
    with RecordingServer() as proxy, _client(_rules()) as client:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(FhirUnavailable, match="404"):
            client.connect(server.url(), "t", Deadline(30)).ask("Nothing/1")

    assert len(server.calls) == 1
    assert proxy.calls == []


@for_each("entry", ["https://ehr.example/fhir", "ehr.example", "*.example"])
def test_without_a_token(entry: str) -> None:
    """Row 89: a server other than loopback is called without a token only where the operator allows that."""
    url = "https://ehr.example/fhir"

    assert _may(_rules(entry), url, token=True)
    assert not _may(_rules(entry), url, token=False)
    assert _may(_rules(entry, without_token=True), url, token=False)


def test_without_a_token_nothing_more_is_allowed() -> None:
    """Rows 89, 91: calling without a token widens the list by nothing."""
    assert not _may(_rules(without_token=True), "https://ehr.example/fhir", token=False)
    assert not _may(_rules("https://ehr.example/fhir", without_token=True), "http://localhost/fhir", token=False)
