"""Which FHIR servers may be called, and at which address (rows 71, 89, 91).

`fhirServer` is input: any caller could otherwise make this service call anything. A server is called only
where its base URL is allowed, and only at an address that was checked; the address checked is the one connected to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = {"http": 80, "https": 443}
LAST_PORT = 65_535
UNSAFE = re.compile(r"[^\x21-\x7e]|\\")
"""Characters on which URL readers disagree; no base URL needs one."""
AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<host>[a-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
"""Host and port, without user information; stricter than `urlsplit`, which takes what browsers refuse."""
PATTERN = re.compile(r"(?:\*\.)?(?:[a-z0-9-]+\.)*[a-z0-9-]+(?::(?P<port>[0-9]{1,5}))?")
GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only IPv6 addresses that are given out for public hosts."""
TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
"""Among them, those that carry an IPv4 address, which could be a private one."""
METADATA = (ip_network("168.63.129.16/32"),)
"""A metadata service on an address that looks public; the others are link-local or private."""


class ServerRefused(Exception):
    """This FHIR server is not called; the message says why, without its address."""


class Origin(NamedTuple):
    """Scheme, host and port: what a token may be sent to."""

    scheme: str
    host: str
    port: int

    @property
    def literal(self) -> Address | None:
        """The host as an address, where it is one."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    @property
    def loopback(self) -> bool:
        """Whether it is this machine by its very name."""
        return self.host == "localhost" or (self.literal is not None and self.literal.is_loopback)


class Base(NamedTuple):
    """The base URL of a FHIR server; `path` without a slash at its end."""

    origin: Origin
    path: str

    @property
    def authority(self) -> str:
        """Host and port, as the `Host` header has them: a port that the scheme implies is left out."""
        scheme, host, port = self.origin
        shown = f"[{host}]" if ":" in host else host
        return shown if port == PORTS[scheme] else f"{shown}:{port}"

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self.origin.scheme}://{self.authority}{self.path}"


class HostPattern(NamedTuple):
    """Hosts that are called over https: a name, or `*.` and a name for one label in front of it."""

    host: str
    port: int

    def matches(self, origin: Origin) -> bool:
        """Whether *origin* is https on such a host."""
        if origin.scheme != "https" or origin.port != self.port:
            return False
        if not self.host.startswith("*."):
            return origin.host == self.host
        label, dot, rest = origin.host.partition(".")
        return bool(label and dot) and rest == self.host[2:]


def origin_of(url: str) -> Origin:
    """The origin of an absolute http or https URL without user information.

    Raises:
        ValueError: it is no such URL.
    """
    return _origin(_split(url))


def base_of(url: str) -> Base:
    """Read a base URL.

    Raises:
        ValueError: it is not an absolute http or https URL, or it has user information, a query or a fragment.
    """
    parts = _split(url)
    if parts.query or parts.fragment or "?" in url or "#" in url or ".." in parts.path.split("/"):
        raise ValueError("a base URL has no query, no fragment and no '..'")
    return Base(_origin(parts), parts.path.rstrip("/"))


def _split(url: str) -> SplitResult:
    if UNSAFE.search(url):
        raise ValueError("a URL has no spaces, control characters, backslashes or letters beyond ASCII")
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ValueError("it is not a URL") from error


def _origin(parts: SplitResult) -> Origin:
    authority = AUTHORITY.fullmatch(parts.netloc.lower())
    if parts.scheme not in PORTS or authority is None:
        raise ValueError("an absolute http or https URL of a host, and of nothing but a host, is needed")
    return Origin(parts.scheme, authority["six"] or authority["host"], _port(authority["port"], PORTS[parts.scheme]))


def _port(text: str | None, default: int) -> int:
    port = default if text is None else int(text)
    if not 0 < port <= LAST_PORT:
        raise ValueError(f"a port is a number from 1 to {LAST_PORT}")
    return port


@dataclass(frozen=True, slots=True)
class ServerRules:
    """The FHIR servers that may be called. With no base and no pattern it is none, or with `loopback` this machine's.

    `networks` are private networks that names may resolve to; `without_token` lets servers other than loopback be
    called when the request brought no usable token. `loopback` is for a service that has no clients: the callers of one
    that has could otherwise reach every port of its machine.
    """

    bases: frozenset[Base] = frozenset()
    patterns: tuple[HostPattern, ...] = ()
    networks: tuple[Network, ...] = ()
    without_token: bool = False
    loopback: bool = False

    @property
    def named(self) -> bool:
        """Whether somebody who runs the service named the servers, so that what they answer may be told."""
        return bool(self.bases or self.patterns)

    def check(self, url: str, *, token: bool) -> Base:
        """The base of *url*, where it may be called.

        Raises:
            ServerRefused: it may not, or not without a token.
        """
        try:
            base = base_of(url)
        except ValueError as error:
            raise ServerRefused(f"fhirServer cannot be used: {error}") from error
        if not self._allows(base):
            raise ServerRefused("fhirServer is not a server that this service may call (CDS_FHIR_SERVERS)")
        if not (token or self.without_token or base.origin.loopback):
            raise ServerRefused("no usable fhirAuthorization came with fhirServer (CDS_FHIR_WITHOUT_TOKEN)")
        return base

    def _allows(self, base: Base) -> bool:
        if not (self.bases or self.patterns):
            return self.loopback and base.origin.scheme == "http" and base.origin.loopback
        return base in self.bases or any(pattern.matches(base.origin) for pattern in self.patterns)

    def addresses(self, origin: Origin, look_up: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
        """The addresses of *origin* that may be connected to, in the order in which *look_up* has them.

        Raises:
            ServerRefused: its name cannot be resolved, or only to addresses that are not allowed.
            TimeoutError: *look_up* has no time left.
        """
        if origin.literal is not None:
            return (str(origin.literal),)  # only an exact entry, or the default, gets an address this far
        try:
            found = look_up(origin.host)
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise ServerRefused("the name of fhirServer cannot be resolved") from error
        allowed = tuple(address for address in found if self._permits(address, origin))
        if not allowed:
            raise ServerRefused("fhirServer resolves to a private or reserved address (CDS_FHIR_PRIVATE_NETWORKS)")
        return allowed

    def _permits(self, text: str, origin: Origin) -> bool:
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if origin.host == "localhost":
            return address.is_loopback
        if any(address in network for network in self.networks):
            return True
        if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
            return False
        reserved = any(address in network for network in (*TUNNELS, *METADATA))
        return address.is_global and not address.is_multicast and not reserved


def read_rules(
    servers: Iterable[str], networks: Iterable[str], *, without_token: bool = False, loopback: bool = False
) -> ServerRules:
    """Rules from their written form: base URLs and host patterns; networks as `10.0.0.0/8`.

    Raises:
        ValueError: names the entry and what was expected.
    """
    bases, patterns = [], []
    for entry in servers:
        if "://" in entry:
            bases.append(_read_base(entry))
        else:
            patterns.append(_read_pattern(entry))
    return ServerRules(frozenset(bases), tuple(patterns), tuple(map(_read_network, networks)), without_token, loopback)


def _read_base(entry: str) -> Base:
    try:
        base = base_of(entry)
    except ValueError as error:
        raise ValueError(f"{entry!r}: {error}") from error
    if "*" in entry:
        raise ValueError(f"{entry!r}: a host pattern is written without scheme and path, such as *.ehr.example")
    return base


def _read_pattern(entry: str) -> HostPattern:
    found = PATTERN.fullmatch(entry)
    host = entry.partition(":")[0]
    if found is None or host in ("*", "localhost") or host.rpartition(".")[2].isdecimal():
        raise ValueError(
            f"{entry!r}: expected a base URL such as https://ehr.example/fhir/R4, or a host such as ehr.example or "
            f"*.ehr.example"
        )
    try:
        return HostPattern(host, _port(found["port"], PORTS["https"]))
    except ValueError as error:
        raise ValueError(f"{entry!r}: {error}") from error


def _read_network(entry: str) -> Network:
    try:
        return ip_network(entry)
    except ValueError as error:
        raise ValueError(f"{entry!r}: expected a network such as 10.20.0.0/16") from error
