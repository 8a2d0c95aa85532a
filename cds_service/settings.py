"""Every setting: its environment variable, its default, its meaning."""

from __future__ import annotations

import importlib.util
import os
import re
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import DirectoryPath, Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cds_service import modes
from cds_service.clinical.order_limits import ALWAYS_ON, ROW_IDS
from cds_service.errors import SettingsError
from cds_service.fhir.servers import ServerRules, base_of, read_rules
from cds_service.store.engines import check_url
from cds_service.trust.rates import DEFAULT, read_rate

CONFIG_VARIABLE = "CDS_CONFIG"
"""The environment variable that names a TOML file of settings; the environment wins over the file."""

SHORTEST_SECRET = 16
SECRETS = frozenset({"database_url", "hash_key", "insights_token", "metrics_token"})
"""Settings that are not repeated when they are wrong: they may hold a password."""
EXPORTER = "opentelemetry.exporter.otlp.proto.http"
"""What the extra `opentelemetry` installs."""
NUMBERS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which the library of the numbers shares them between processes."""
SANDBOX = "https://sandbox.cds-hooks.org"


class Settings(BaseSettings):
    """Settings, from `CDS_*` environment variables and the TOML file named by `CDS_CONFIG`."""

    model_config = SettingsConfigDict(env_prefix="CDS_", extra="forbid", frozen=True)

    profile: str = Field(default="magnesium-aware", description="Profile of guidance (profiles.toml).")
    ckd_overlay: str = Field(default="kdoqi-2003", description="Overlay for CKD G3 or worse (profiles.toml).")
    guidance: DirectoryPath | None = Field(
        default=None, description="A folder of local guidance, laid over the shipped one key by key."
    )
    max_cards: int = Field(default=4, ge=1, le=26, description="Cards shown before info cards fold into one line each.")
    order_rows_off: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Rows of the order hooks that never speak; O1, O3 and O4 always do; comma-separated."
    )
    order_select_patient_alone: bool = Field(
        default=False,
        description="Ask for the Patient alone at order-select, and fetch the rest where an order is about it.",
    )
    d3_is_total: bool = Field(
        default=False, description="This site's codes of 25(OH)D3 (vitd-25ohd-d3) carry total 25(OH)D, not only D3."
    )
    timezone: str = Field(default="UTC", description="Time zone that decides which day is today.")
    as_of: date | None = Field(
        default=None, description="Evaluate as of this day instead of today; for trials and tests."
    )
    max_body: int = Field(default=4 * 1024 * 1024, ge=1024, description="Largest request body in bytes; more is 413.")
    max_bodies: int = Field(
        default=32 * 1024 * 1024,
        ge=1024,
        description="Bytes of all bodies that a process holds at a time; beyond them it is 503.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(SANDBOX, r"http://localhost(:\d+)?", r"http://127\.0\.0\.1(:\d+)?"),
        description="Browser origins that may call, exact or as regular expressions; comma-separated.",
    )
    fhir_servers: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="FHIR servers that may be called: exact base URLs, or hosts (https); comma-separated.",
    )
    fhir_private_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Private networks that the name of a FHIR server may lead to; comma-separated."
    )
    fhir_without_token: bool = Field(
        default=False, description="Call FHIR servers other than loopback also without an access token."
    )
    fhir_ca_file: FilePath | None = Field(
        default=None, description="Certificates that FHIR servers are trusted by, instead of the usual ones (PEM)."
    )
    fhir_deadline: float = Field(
        default=1.5, gt=0, le=60, description="Seconds that one request waits for the FHIR server in all."
    )
    fhir_connect_timeout: float = Field(
        default=0.5, gt=0, le=60, description="Seconds to connect to the FHIR server, within the deadline."
    )
    fhir_read_timeout: float = Field(
        default=1.2, gt=0, le=60, description="Longest silence of the FHIR server in seconds, within the deadline."
    )
    fhir_max_bytes: int = Field(
        default=8 * 1024 * 1024, ge=1024, description="Largest answer of the FHIR server in bytes, unpacked."
    )
    fhir_max_pages: int = Field(default=10, ge=1, le=1000, description="Pages read for one prefetch key at most.")
    fhir_max_resources: int = Field(
        default=5000, ge=1, description="Resources of one prefetch key after which no further page is read."
    )
    fhir_post_search: bool = Field(
        default=False, description="Search the FHIR server with POST, so that the URL of a search names no patient."
    )
    strict_fhir: bool = Field(
        default=False, description="Refuse resources that are not valid FHIR R4 with 422 and all that is wrong."
    )
    auth: Literal["off", "jwt"] = Field(
        default="off", description="Who may call: anybody (off), or the clients of CDS_CLIENTS with a token (jwt)."
    )
    clients: FilePath | None = Field(default=None, description="The registry of clients, a TOML file.")
    public_url: str | None = Field(
        default=None, description="The base URL that clients call, also behind a proxy; tokens must name it."
    )
    database_url: str = Field(
        default="sqlite:///cds-service.sqlite3", description="The database: a file of SQLite, or PostgreSQL."
    )
    feedback: bool = Field(
        default=True, description="Keep what clinicians did with cards, and be quiet where they said so."
    )
    mode: str = Field(
        default="on", description="Whether cards are shown: on, silent, off, or share and a number of patients in 100."
    )
    topic_modes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Topics with a mode of their own, such as magnesium-low=silent; comma-separated."
    )
    critical_stays_on: bool = Field(
        default=False, description="Show critical cards also where their topic is silent or shared."
    )
    comparison_days: int = Field(
        default=400, ge=1, le=400, description="Days for which it is kept what silent and shown cards are compared by."
    )
    hash_key: SecretStr | None = Field(
        default=None, description="Key of the digests that stand for patients; made and kept in the database if unset."
    )
    retention_days: int = Field(
        default=365, ge=1, le=3650, description="Days for which calls, cards and feedback are kept."
    )
    insights_token: SecretStr | None = Field(
        default=None, description="What the owner's page asks for; needed for it with CDS_AUTH=jwt."
    )
    metrics_token: SecretStr | None = Field(
        default=None, description="What /metrics asks for; needed for it with CDS_AUTH=jwt."
    )
    otlp_endpoint: str | None = Field(
        default=None, description="Where traces are sent, by OTLP over HTTP (OpenTelemetry); unset: there are none."
    )
    playground: bool | None = Field(
        default=None, description="The page at / on which made-up patients are tried; unset: only with CDS_AUTH=off."
    )
    rate: str = Field(
        default=DEFAULT, description="Calls of one client to one process, where the registry says nothing else."
    )
    max_entries: int = Field(default=20_000, ge=1, description="Entries of one prefetched Bundle; more is 413.")
    max_resources: int = Field(default=50_000, ge=1, description="Prefetched resources in all; more is 413.")
    workers: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Server processes of `cds-service serve`; unset: one for each core it may use, up to four.",
    )
    threads: int = Field(default=16, ge=1, le=64, description="Calls that a process works on at a time.")
    waiting: int = Field(
        default=64, ge=0, le=10_000, description="Calls that wait in a process for their turn; beyond them it is 503."
    )
    request_deadline: float = Field(
        default=10, gt=0, le=600, description="Seconds from the head of a request to its answer."
    )
    body_timeout: float = Field(default=5, gt=0, le=600, description="Seconds in which a body must arrive.")
    idle_timeout: float = Field(
        default=30, ge=1, le=60, description="Seconds after which a connection without a whole request head is closed."
    )
    tls_certificate: FilePath | None = Field(
        default=None, description="Certificate chain of the server (PEM); with it, it serves https and nothing else."
    )
    tls_key: FilePath | None = Field(default=None, description="Its private key (PEM, PKCS #8).")

    @field_validator(
        "cors_origins", "fhir_servers", "fhir_private_networks", "order_rows_off", "topic_modes", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("order_rows_off")
    @classmethod
    def _rows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = [row for row in ROW_IDS if row not in ALWAYS_ON]
        for row in value:
            if row not in known:
                message = f"{row!r} is none of {', '.join(known)}"
                raise ValueError(message)
        return value

    @field_validator("mode")
    @classmethod
    def _mode(cls, value: str) -> str:
        modes.read(value)
        return value

    @field_validator("topic_modes")
    @classmethod
    def _topic_modes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            modes.read(entry.partition("=")[2])
        return value

    @field_validator("cors_origins")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is neither an origin nor a regular expression: {error}") from error
        return value

    @field_validator("fhir_servers")
    @classmethod
    def _servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_rules(value, ())
        return value

    @field_validator("fhir_private_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read_rules((), value)
        return value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str | None) -> str | None:
        if value is None:
            return None
        base = base_of(value)
        if base.origin.scheme != "https" and not base.origin.loopback:
            raise ValueError("https is needed, except on this machine")
        return base.url

    @field_validator("otlp_endpoint")
    @classmethod
    def _traces(cls, value: str | None) -> str | None:
        if value is None:
            return None
        base = base_of(value)
        if not _installed(EXPORTER):
            raise ValueError("traces need the extra: pip install 'vitamin-d-magnesium-cds[opentelemetry]'")
        return base.url

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        return check_url(value)

    @field_validator("hash_key", "insights_token", "metrics_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"at least {SHORTEST_SECRET} characters")
        return value

    @field_validator("rate")
    @classmethod
    def _rate(cls, value: str) -> str:
        if value != DEFAULT:  # what reads it is slow to import
            read_rate(value)
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.auth == "jwt" and (self.clients is None or self.public_url is None):
            raise ValueError("CDS_AUTH=jwt needs CDS_CLIENTS and CDS_PUBLIC_URL")
        shared = [word for word in (self.mode, *self.topic_modes) if modes.Mode.SHARE in word]
        if shared and not self.feedback:
            raise ValueError(f"{shared[0]}: a share needs CDS_FEEDBACK, whose key tells patients apart")
        if self.max_bodies < self.max_body:
            raise ValueError(f"CDS_MAX_BODIES = {self.max_bodies}: it must hold one body, so no less than CDS_MAX_BODY")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("CDS_TLS_CERTIFICATE and CDS_TLS_KEY go together")
        return self

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("a time zone name such as Europe/Berlin") from error
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file."""
        del dotenv_settings, file_secret_settings
        file = os.environ.get(CONFIG_VARIABLE)
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)

    @property
    def has_playground(self) -> bool:
        """Whether the playground is there."""
        return self.auth == "off" if self.playground is None else self.playground

    def chosen_modes(self) -> modes.Chosen:
        """What the settings choose: for the service, and for topics."""
        topics = (entry.partition("=") for entry in self.topic_modes)
        own = {modes.Scope(topic=topic.strip()): modes.read(mode) for topic, _, mode in topics}
        return {modes.SERVICE: modes.read(self.mode), **own}

    @property
    def uses_database(self) -> bool:
        """Whether anything is kept in the database."""
        return self.feedback or self.auth == "jwt"

    def server_rules(self) -> ServerRules:
        """Which FHIR servers may be called."""
        return self.rules_for(self.fhir_servers)

    def rules_for(self, servers: tuple[str, ...]) -> ServerRules:
        """The rules by which *servers* may be called, and no others; of a service without clients this machine's."""
        return read_rules(
            servers,
            self.fhir_private_networks,
            without_token=self.fhir_without_token,
            loopback=self.auth == "off",
        )

    def today(self) -> date:
        """Which day it is: `as_of`, or today in `timezone`."""
        return self.as_of or self.calendar_day()

    def calendar_day(self) -> date:
        """Today in `timezone`, whatever day is evaluated for."""
        return datetime.now(ZoneInfo(self.timezone)).date()


def load(**given: object) -> Settings:
    """Read the settings; *given* ones win.

    Raises:
        SettingsError: a setting is wrong, an unknown variable begins with `CDS_`, or the file cannot be read.
    """
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsError(f"{CONFIG_VARIABLE}: there is no such file: {file}")
    known = {f"CDS_{name}".upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    unknown = sorted(name for name in os.environ if name.upper().startswith("CDS_") and name.upper() not in known)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: known are {', '.join(sorted(known))}")
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(_told(problem["loc"], problem["input"], problem["msg"]) for problem in error.errors())
        raise SettingsError(problems) from error
    except ValueError as error:
        raise SettingsError(f"{CONFIG_VARIABLE}: {file}: {error}") from error


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def _told(where: tuple[int | str, ...], value: object, message: str) -> str:
    """What is wrong with one setting; one that is about several has no place of its own."""
    if not where:
        return message
    shown = "(not shown)" if where[0] in SECRETS else repr(value)
    return f"CDS_{'.'.join(map(str, where)).upper()} = {shown}: {message}"
