"""The registry of clients: who may call, with which keys, and what each may have (rows 165, 171 to 177).

A TOML file with one `[[client]]` for each; `docs/reference/clients.md` tells every member. A wrong entry stops the
start with the file, the client, the member and what was expected.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cds_service import modes
from cds_service.errors import SettingsError
from cds_service.fhir.servers import PORTS, origin_of, read_rules
from cds_service.trust import presets
from cds_service.trust.keys import ALGORITHMS, KeySet, read_pinned
from cds_service.trust.rates import read_rate

DEFAULT_ALGORITHMS = ("ES384", "RS384")
"""What the specification recommends (row 176)."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Client(BaseModel):
    """One client. Times in seconds. `None` means: as the settings of the service say.

    `keys` are pinned; without them they are fetched from `jku`. Where both are given, `jku` is only what a token may
    name, and nothing is ever fetched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    iss: Text
    tenants: tuple[Text, ...] = ()
    jwks: dict[str, Any] | None = Field(default=None, repr=False)
    jwks_file: Path | None = None
    jku: Text | None = None
    algorithms: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT_ALGORITHMS
    fhir_servers: tuple[Text, ...] | None = None
    origins: tuple[Text, ...] | None = None
    clock_skew: Annotated[int, Field(ge=0, le=600)] = 60
    max_token_age: Annotated[int, Field(ge=1)] = 900
    profile: Text | None = None
    max_cards: Annotated[int, Field(ge=1, le=26)] | None = None
    rate: Text | None = None
    mode: Text | None = None
    topic_modes: dict[str, Text] = Field(default_factory=dict)
    warning: str | None = None
    """What is said about this client whenever the service starts."""

    @field_validator("algorithms")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in ALGORITHMS]
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is not accepted: choose from {', '.join(sorted(ALGORITHMS))}")
        return value

    @field_validator("jku")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        if value is not None and origin_of(value).scheme != "https":
            raise ValueError("keys are fetched over https only (row 164)")
        return value

    @field_validator("fhir_servers")
    @classmethod
    def _servers(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        read_rules(value or (), ())
        return value

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for origin in value or ():
            scheme, host, port = origin_of(origin)
            usual = origin.endswith(f":{PORTS[scheme]}") and port == PORTS[scheme]
            if usual or not re.fullmatch(rf"{scheme}://(?:{re.escape(host)}|\[{re.escape(host)}\])(?::\d+)?", origin):
                raise ValueError(f"{origin!r} is not an origin as browsers send it, such as https://ehr.example")
        return value

    @field_validator("rate")
    @classmethod
    def _rate(cls, value: str | None) -> str | None:
        if value is not None:
            read_rate(value)
        return value

    @field_validator("mode")
    @classmethod
    def _mode(cls, value: str | None) -> str | None:
        if value is not None:
            modes.read(value)
        return value

    @field_validator("topic_modes")
    @classmethod
    def _topic_modes(cls, value: dict[str, str]) -> dict[str, str]:
        for mode in value.values():
            modes.read(mode)
        return value

    @model_validator(mode="after")
    def _some_keys(self) -> Self:
        if self.jwks is not None and self.jwks_file is not None:
            raise ValueError("give jwks or jwks_file, not both")
        if self.jwks is None and self.jwks_file is None and self.jku is None:
            raise ValueError("a client needs keys: jwks, jwks_file or jku")
        if self.jwks is not None:
            read_pinned(self.jwks, self.algorithms)
        return self

    def chosen_modes(self) -> modes.Chosen:
        """What the registry chooses for it: for all topics, and for some."""
        own = {modes.Scope(self.id): modes.read(self.mode)} if self.mode is not None else {}
        return own | {modes.Scope(self.id, topic): modes.read(mode) for topic, mode in self.topic_modes.items()}

    @property
    def pinned(self) -> KeySet | None:
        """The pinned keys, where there are some."""
        return None if self.jwks is None else read_pinned(self.jwks, self.algorithms)


class Clients:
    """Every client, by the `iss` of its tokens."""

    def __init__(self, clients: tuple[Client, ...] = ()) -> None:
        """Hold *clients*; ids and issuers are unique."""
        self._by_iss = {client.iss: client for client in clients}

    def __iter__(self) -> Iterator[Client]:
        """Each client, in the order of the file."""
        return iter(self._by_iss.values())

    def find(self, iss: str) -> Client | None:
        """The client that issues tokens as *iss*, compared letter by letter."""
        return self._by_iss.get(iss)

    @property
    def origins(self) -> tuple[str, ...]:
        """The browser origins of all clients."""
        return tuple(dict.fromkeys(origin for client in self for origin in client.origins or ()))


class _Preset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    preset: Literal["public-sandbox", "local-trial"]


def load(path: Path) -> Clients:
    """Read the registry at *path*.

    Raises:
        SettingsError: the file cannot be read, or an entry is wrong.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"CDS_CLIENTS: {path}: {error}") from error
    entries = table.get("client")
    if set(table) != {"client"} or not isinstance(entries, list) or not entries:
        raise SettingsError(f"CDS_CLIENTS: {path}: expected one or more [[client]] and nothing else")
    clients = tuple(_read(entry, path, place) for place, entry in enumerate(entries, 1))
    for member in ("id", "iss"):
        values = [getattr(client, member) for client in clients]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise SettingsError(f"CDS_CLIENTS: {path}: two clients have the {member} {twice[0]!r}")
    return Clients(clients)


def _read(entry: object, path: Path, place: int) -> Client:
    where = f"CDS_CLIENTS: {path}: client {place}"
    try:
        if isinstance(entry, dict) and "preset" in entry:
            return Client.model_validate(presets.entry(_Preset.model_validate(entry).preset, path.parent))
        client = Client.model_validate(entry)
        if client.jwks_file is None:
            return client
        file = path.parent / client.jwks_file
        return Client.model_validate({**client.model_dump(), "jwks_file": None, "jwks": _keys_in(file)})
    except ValidationError as error:
        named = f" ({entry['id']})" if isinstance(entry, dict) and isinstance(entry.get("id"), str) else ""
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'entry'}: {problem['msg']}" for problem in error.errors()
        )
        raise SettingsError(f"{where}{named}: {problems}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(
            f"{where}: its keys cannot be read from a file (jwks_file, or that of the preset): {error}"
        ) from error


def _keys_in(file: Path) -> dict[str, Any]:
    keys = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(keys, dict):
        raise ValueError(f"{file} holds no JWK Set")  # noqa: TRY004 - of what it holds
    return keys
