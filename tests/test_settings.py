"""Settings: from the environment, from a TOML file, and what is said of wrong ones."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import time_machine
from pydantic import SecretStr, ValidationError

from cds_service import settings
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from tests.support.for_each import for_each

FOLDER = str(Path(__file__).parent)
NEARLY_MIDNIGHT = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
DEFAULT_ORIGINS = (
    "https://sandbox.cds-hooks.org",
    r"http://localhost(:\d+)?",
    r"http://127\.0\.0\.1(:\d+)?",
)

DEFAULTS = {
    "profile": "magnesium-aware",
    "ckd_overlay": "kdoqi-2003",
    "guidance": None,
    "max_cards": 4,
    "order_rows_off": (),
    "order_select_patient_alone": False,
    "d3_is_total": False,
    "timezone": "UTC",
    "as_of": None,
    "max_body": 4 * 1024 * 1024,
    "max_bodies": 32 * 1024 * 1024,
    "cors_origins": DEFAULT_ORIGINS,
    "fhir_servers": (),
    "fhir_private_networks": (),
    "fhir_without_token": False,
    "fhir_ca_file": None,
    "fhir_deadline": 1.5,
    "fhir_connect_timeout": 0.5,
    "fhir_read_timeout": 1.2,
    "fhir_max_bytes": 8 * 1024 * 1024,
    "fhir_max_pages": 10,
    "fhir_max_resources": 5000,
    "fhir_post_search": False,
    "strict_fhir": False,
    "auth": "off",
    "clients": None,
    "public_url": None,
    "database_url": "sqlite:///cds-service.sqlite3",
    "feedback": True,
    "mode": "on",
    "topic_modes": (),
    "critical_stays_on": False,
    "comparison_days": 400,
    "hash_key": None,
    "retention_days": 365,
    "insights_token": None,
    "metrics_token": None,
    "otlp_endpoint": None,
    "playground": None,
    "rate": "3000/minute",
    "max_entries": 20_000,
    "max_resources": 50_000,
    "workers": None,
    "threads": 16,
    "waiting": 64,
    "request_deadline": 10,
    "body_timeout": 5,
    "idle_timeout": 30,
    "tls_certificate": None,
    "tls_key": None,
}
"""The defaults; the first seven are those of the design contract."""

SET = [
    ("profile", "nam-2011", '"nam-2011"', "nam-2011"),
    ("ckd_overlay", "nkf-2018", '"nkf-2018"', "nkf-2018"),
    ("guidance", FOLDER, f"'{FOLDER}'", Path(FOLDER)),
    ("max_cards", "7", "7", 7),
    ("order_rows_off", "O7, O13", '["O7", "O13"]', ("O7", "O13")),
    ("order_select_patient_alone", "true", "true", True),
    ("d3_is_total", "true", "true", True),
    ("timezone", "Pacific/Kiritimati", '"Pacific/Kiritimati"', "Pacific/Kiritimati"),
    ("as_of", "2026-03-02", "2026-03-02", date(2026, 3, 2)),
    ("max_body", "65536", "65536", 65536),
    ("max_bodies", "8388608", "8388608", 8388608),
    (
        "cors_origins",
        r"https://ehr.example, https://.*\.example",
        r"['https://ehr.example', 'https://.*\.example']",
        ("https://ehr.example", r"https://.*\.example"),
    ),
    (
        "fhir_servers",
        "https://ehr.example/fhir, *.ehr.example",
        "['https://ehr.example/fhir', '*.ehr.example']",
        ("https://ehr.example/fhir", "*.ehr.example"),
    ),
    ("fhir_private_networks", "10.0.0.0/8, fd00::/8", "['10.0.0.0/8', 'fd00::/8']", ("10.0.0.0/8", "fd00::/8")),
    ("fhir_without_token", "true", "true", True),
    ("fhir_ca_file", __file__, f"'{__file__}'", Path(__file__)),
    ("fhir_deadline", "0.8", "0.8", 0.8),
    ("fhir_connect_timeout", "0.3", "0.3", 0.3),
    ("fhir_read_timeout", "0.4", "0.4", 0.4),
    ("fhir_max_bytes", "65536", "65536", 65536),
    ("fhir_max_pages", "3", "3", 3),
    ("fhir_max_resources", "100", "100", 100),
    ("fhir_post_search", "true", "true", True),
    ("strict_fhir", "true", "true", True),
    ("auth", "off", '"off"', "off"),
    ("clients", __file__, f"'{__file__}'", Path(__file__)),
    ("public_url", "https://cds.example.org/a/", '"https://cds.example.org/a/"', "https://cds.example.org/a"),
    ("database_url", "postgresql://cds@db/cds", '"postgresql://cds@db/cds"', "postgresql://cds@db/cds"),
    ("feedback", "false", "false", False),
    ("mode", "silent", '"silent"', "silent"),
    ("topic_modes", "ckd=silent, pregnancy=off", '["ckd=silent", "pregnancy=off"]', ("ckd=silent", "pregnancy=off")),
    ("critical_stays_on", "true", "true", True),
    ("comparison_days", "90", "90", 90),
    ("hash_key", "a-key-of-16-or-more", '"a-key-of-16-or-more"', SecretStr("a-key-of-16-or-more")),
    ("retention_days", "90", "90", 90),
    ("insights_token", "a-token-of-16-or-more", '"a-token-of-16-or-more"', SecretStr("a-token-of-16-or-more")),
    ("metrics_token", "a-token-of-16-or-more", '"a-token-of-16-or-more"', SecretStr("a-token-of-16-or-more")),
    ("otlp_endpoint", "http://collector:4318/", '"http://collector:4318/"', "http://collector:4318"),
    ("playground", "false", "false", False),
    ("rate", "5/second", '"5/second"', "5/second"),
    ("max_entries", "10", "10", 10),
    ("max_resources", "20", "20", 20),
    ("workers", "3", "3", 3),
    ("threads", "8", "8", 8),
    ("waiting", "0", "0", 0),
    ("request_deadline", "2.5", "2.5", 2.5),
    ("body_timeout", "1.5", "1.5", 1.5),
    ("idle_timeout", "5", "5", 5),
]
PAIR = [(name, __file__, f"'{__file__}'", Path(__file__)) for name in ("tls_certificate", "tls_key")]
"""Two settings of which neither stands alone."""
EACH = [*SET, *PAIR]
"""Each setting: its text in the environment, in TOML, and what it means."""

WRONG = [
    ("max_cards", "0"),
    ("max_cards", "27"),
    ("max_cards", "four"),
    ("max_cards", "4.5"),
    ("order_rows_off", "O1"),
    ("order_rows_off", "O9"),
    ("order_select_patient_alone", "perhaps"),
    ("d3_is_total", "perhaps"),
    ("timezone", "Mars/Olympus"),
    ("timezone", "../etc/passwd"),
    ("timezone", "Europe"),
    ("timezone", ""),
    ("as_of", "2026-02-30"),
    ("as_of", "02.03.2026"),
    ("as_of", "2026-03-02T10:00:00"),
    ("max_body", "1023"),
    ("max_body", "4 MiB"),
    ("max_bodies", "1023"),
    ("max_bodies", "4000000"),
    ("cors_origins", "https://ehr.example, https://(.example"),
    ("fhir_servers", "ehr.example/fhir"),
    ("fhir_servers", "https://user@ehr.example/fhir"),
    ("fhir_servers", "https://*.ehr.example/fhir"),
    ("fhir_servers", "*"),
    ("fhir_private_networks", "10.0.0.1/8"),
    ("fhir_private_networks", "intranet"),
    ("fhir_ca_file", "no-such-file.pem"),
    ("fhir_deadline", "0"),
    ("fhir_deadline", "61"),
    ("fhir_connect_timeout", "0"),
    ("fhir_read_timeout", "-1"),
    ("fhir_max_bytes", "1023"),
    ("fhir_max_pages", "0"),
    ("fhir_max_resources", "0"),
    ("fhir_post_search", "perhaps"),
    ("strict_fhir", "perhaps"),
    ("auth", "on"),
    ("clients", "no-such-file.toml"),
    ("public_url", "cds.example.org"),
    ("public_url", "http://cds.example.org"),
    ("public_url", "https://cds.example.org/?a=b"),
    ("database_url", "cds.sqlite3"),
    ("database_url", "mysql://db/cds"),
    ("mode", "quiet"),
    ("mode", "share"),
    ("topic_modes", "ckd"),
    ("critical_stays_on", "perhaps"),
    ("comparison_days", "401"),
    ("hash_key", "short"),
    ("retention_days", "0"),
    ("insights_token", "short"),
    ("metrics_token", "short"),
    ("otlp_endpoint", "collector:4318"),
    ("otlp_endpoint", "http://collector:4318/?key=1"),
    ("playground", "sometimes"),
    ("rate", "often"),
    ("max_entries", "0"),
    ("max_resources", "0"),
    ("waiting", "-1"),
    ("request_deadline", "0"),
    ("body_timeout", "601"),
    ("idle_timeout", "61"),
    ("tls_certificate", "no-such-file.pem"),
    ("tls_key", "no-such-file.pem"),
    ("workers", "0"),
    ("workers", "65"),
    ("threads", "0"),
    ("threads", "65"),
]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even what the other tests have set for them."""
    monkeypatch.delenv("CDS_FEEDBACK")


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> Path:
    """Write *text* to a TOML file and name it in CDS_CONFIG."""
    file = folder / "cds.toml"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setenv("CDS_CONFIG", str(file))
    return file


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return f"CDS_{name.upper()}"


# What they are.


def test_defaults():
    """With nothing set, each setting has its default."""
    assert settings.load().model_dump() == DEFAULTS


def test_each_setting_is_tested_here():
    """The tables of this file hold every setting there is."""
    assert Settings.model_fields.keys() == DEFAULTS.keys() == {name for name, *_ in EACH}


def test_settings_do_not_change():
    """Settings are read once and stay as they are."""
    with pytest.raises(ValidationError, match="frozen"):
        settings.load().max_cards = 9


# Where they come from.


@for_each(("name", "text", "toml", "value"), SET)
def test_from_the_environment_or_a_file(
    name: str, text: str, toml: str, value: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):  # fmt: skip
    """A variable `CDS_<NAME>` sets one setting and leaves the others; so does the file that CDS_CONFIG names."""
    with monkeypatch.context() as patch:
        patch.setenv(variable(name), text)
        assert settings.load().model_dump() == {**DEFAULTS, name: value}
    configure(monkeypatch, tmp_path, f"{name} = {toml}\n")

    assert settings.load().model_dump() == {**DEFAULTS, name: value}


def test_all_from_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """One file can hold them all."""
    configure(monkeypatch, tmp_path, "".join(f"{name} = {toml}\n" for name, _, toml, _ in EACH))

    assert settings.load().model_dump() == {name: value for name, _, _, value in EACH}


@for_each("name", ["tls_certificate", "tls_key"])
def test_half_of_a_pair(name: str, monkeypatch: pytest.MonkeyPatch):
    """A certificate without its key, or a key without its certificate, stops the start; both are named."""
    monkeypatch.setenv(variable(name), __file__)

    with pytest.raises(SettingsError, match="CDS_TLS_CERTIFICATE and CDS_TLS_KEY"):
        settings.load()


@for_each("given", [(), ("clients",), ("public_url",)])
def test_jwt_needs_clients_and_a_public_url(given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    """Tokens cannot be checked without a registry, nor without knowing which URL they must name."""
    monkeypatch.setenv("CDS_AUTH", "jwt")
    for name in given:
        monkeypatch.setenv(variable(name), {"clients": __file__, "public_url": "https://cds.example.org"}[name])

    with pytest.raises(SettingsError, match="CDS_AUTH=jwt needs CDS_CLIENTS and CDS_PUBLIC_URL"):
        settings.load()


def test_traces_need_their_extra(monkeypatch: pytest.MonkeyPatch):
    """Where the extra is not installed, CDS_OTLP_ENDPOINT stops the start and says what to install."""
    monkeypatch.setitem(sys.modules, settings.EXPORTER, None)
    monkeypatch.setenv("CDS_OTLP_ENDPOINT", "http://collector:4318")

    with pytest.raises(SettingsError, match=r"CDS_OTLP_ENDPOINT.*vitamin-d-magnesium-cds\[opentelemetry\]"):
        settings.load()


def test_environment_wins_over_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The environment wins over the file, setting by setting."""
    configure(monkeypatch, tmp_path, 'profile = "nam-2011"\nmax_cards = 7\n')
    monkeypatch.setenv("CDS_PROFILE", "endocrine-2011")

    loaded = settings.load()

    assert (loaded.profile, loaded.max_cards) == ("endocrine-2011", 7)


def test_arguments_win_over_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What the program is given wins over the environment and the file."""
    configure(monkeypatch, tmp_path, 'profile = "nam-2011"\nmax_cards = 7\n')
    monkeypatch.setenv("CDS_PROFILE", "endocrine-2011")

    loaded = settings.load(profile="endocrine-2024")

    assert (loaded.profile, loaded.max_cards) == ("endocrine-2024", 7)


def test_no_file_is_read_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A file that lies about is not read."""
    for name in ("cds.toml", "config.toml", ".env"):
        (tmp_path / name).write_text('profile = "nam-2011"\nCDS_PROFILE=nam-2011\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert settings.load().model_dump() == DEFAULTS


# What is said of wrong ones.


@for_each(("name", "text"), WRONG)
def test_wrong_value(name: str, text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A wrong value is refused, in the environment and in the file; the message names the variable and the value."""
    with monkeypatch.context() as patch:
        patch.setenv(variable(name), text)
        with pytest.raises(SettingsError, match=variable(name)) as refused:
            settings.load()
    assert (text in str(refused.value)) is (name not in settings.SECRETS)
    toml = f"'{text}'" if name != "cors_origins" else f"[{', '.join(repr(part) for part in text.split(', '))}]"
    configure(monkeypatch, tmp_path, f"{name} = {toml}\n")

    with pytest.raises(SettingsError, match=variable(name)):
        settings.load()


def test_every_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch):
    """Several wrong settings are told in one go."""
    monkeypatch.setenv("CDS_MAX_CARDS", "0")
    monkeypatch.setenv("CDS_AS_OF", "yesterday")

    with pytest.raises(SettingsError, match=r"CDS_MAX_CARDS") as refused:
        settings.load()

    assert "CDS_AS_OF" in str(refused.value)


@for_each("name", ["CDS_MAX_CARD", "CDS_PROFIL", "cds_nonsense"])
def test_unknown_variable(name: str, monkeypatch: pytest.MonkeyPatch):
    """A variable that begins with CDS_ and is no setting is refused: it is a slip. The known ones are listed."""
    monkeypatch.setenv(name, "1")

    with pytest.raises(SettingsError, match=name) as refused:
        settings.load()

    for known in (*map(variable, DEFAULTS), "CDS_CONFIG"):
        assert known in str(refused.value)


@for_each(
    ("text", "key"),
    [
        ("max_card = 3\n", "MAX_CARD"),
        ("[settings]\nmax_cards = 3\n", "SETTINGS"),
        ("CDS_MAX_CARDS = 3\n", "CDS_MAX_CARDS"),
    ],
)
def test_unknown_key_in_a_file(text: str, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A key of the file that is no setting is refused by name."""
    configure(monkeypatch, tmp_path, text)

    with pytest.raises(SettingsError) as refused:
        settings.load()

    assert key in str(refused.value).upper()


def test_missing_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """CDS_CONFIG must name a file that is there."""
    for path in (tmp_path / "no-such-file.toml", tmp_path):
        monkeypatch.setenv("CDS_CONFIG", str(path))

        with pytest.raises(SettingsError, match="CDS_CONFIG: there is no such file"):
            settings.load()


@for_each("content", [b"max_cards = \n", b"max_cards 3\n", b"\xff\xfem\x00", b'profile = "\xb5"\n'])
def test_file_that_is_no_toml(content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A file that is not TOML is refused; the message says that it is CDS_CONFIG's."""
    configure(monkeypatch, tmp_path, "").write_bytes(content)

    with pytest.raises(SettingsError, match="CDS_CONFIG: "):
        settings.load()


# Which day is today.


@for_each(
    ("zone", "day"),
    [
        ("UTC", date(2026, 3, 2)),
        ("Pacific/Kiritimati", date(2026, 3, 3)),
        ("Europe/Berlin", date(2026, 3, 3)),
        ("America/New_York", date(2026, 3, 2)),
        ("Pacific/Pago_Pago", date(2026, 3, 2)),
    ],
)
def test_today_is_that_of_the_time_zone(zone: str, day: date):
    """Half an hour before midnight UTC it is already tomorrow in Kiritimati."""
    with time_machine.travel(NEARLY_MIDNIGHT, tick=False):
        assert settings.load(timezone=zone).today() == day


def test_today_moves_on(monkeypatch: pytest.MonkeyPatch):
    """Today is asked anew each time: a service that runs over midnight changes the day."""
    monkeypatch.setenv("CDS_TIMEZONE", "UTC")
    loaded = settings.load()

    with time_machine.travel(NEARLY_MIDNIGHT, tick=False) as clock:
        assert loaded.today() == date(2026, 3, 2)
        clock.shift(3600)
        assert loaded.today() == date(2026, 3, 3)


def test_as_of_stands_for_today():
    """With as_of set, today is that day in every time zone."""
    with time_machine.travel(NEARLY_MIDNIGHT, tick=False):
        loaded = settings.load(as_of=date(2025, 1, 31), timezone="Pacific/Kiritimati")

        assert loaded.today() == date(2025, 1, 31)
