"""The registry of clients: what is wrong in it stops the start, in words; presets do what they say."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from cds_service import create_app
from cds_service.app import warnings
from cds_service.errors import SettingsError, StartupError
from cds_service.settings import Settings
from cds_service.trust import clients, trial_client
from tests.support.for_each import for_each
from tests.support.tokens import BASE, GONE, PUBLIC, Issuer, Json, jwk, jwks, private_jwk, write_registry
from tests.web.calls import DISCOVERY, TODAY

KEY = jwk("registered", "ES384")
SOUND = Issuer("hospital", "https://ehr.example.com", jwks=jwks(KEY))
NOW = datetime(2026, 3, 2, 1, tzinfo=ZoneInfo("Pacific/Kiritimati"))


def _load(folder: Path, *entries: Json) -> clients.Clients:
    return clients.load(write_registry(folder / "clients.toml", *entries))


def _entry(**members: Any) -> Json:
    return {name: value for name, value in {**SOUND.entry, **members}.items() if value is not GONE}


def test_sound(tmp_path: Path) -> None:
    """Rows 171, 173: a client with its keys pinned is found by its iss, letter by letter, with the usual limits."""
    registry = _load(tmp_path, SOUND.entry)
    found = registry.find(SOUND.iss)

    assert found is not None
    assert (found.id, found.algorithms, found.clock_skew) == ("hospital", ("ES384", "RS384"), 60)
    assert registry.find(f"{SOUND.iss}/") is None


WRONG: dict[str, tuple[str, Json]] = {
    "no id": ("id", {"id": GONE}),
    "id in capitals": ("id", {"id": "Hospital"}),
    "id too long": ("id", {"id": "a" * 64}),
    "no iss": ("iss", {"iss": GONE}),
    "iss empty": ("iss", {"iss": ""}),
    "tenants text": ("tenants", {"tenants": "north"}),
    "jku http": ("jku", {"jku": "http://ehr.example.com/jwks"}),
    "jku with a user": ("jku", {"jku": "https://a@ehr.example.com/jwks"}),
    "jku relative": ("jku", {"jku": "/jwks"}),
    "jku port": ("jku", {"jku": "https://ehr.example.com:99999/"}),
    "jwks text": ("jwks", {"jwks": "keys"}),
    "no keys at all": ("jwks", {"jwks": GONE}),
    "jwks and jwks_file": ("jwks_file", {"jwks_file": "keys.json"}),
    "jwks_file not there": ("jwks_file", {"jwks": GONE, "jwks_file": "nowhere.json"}),
    "jwks_file no JSON": ("jwks_file", {"jwks": GONE, "jwks_file": "clients.toml"}),
    "algorithms empty": ("algorithms", {"algorithms": []}),
    "algorithm none": ("algorithms", {"algorithms": ["none"]}),
    "algorithm HS256": ("algorithms", {"algorithms": ["ES384", "HS256"]}),
    "fhir_servers": ("fhir_servers", {"fhir_servers": ["*"]}),
    "origin with a path": ("origins", {"origins": ["https://ehr.example.com/app"]}),
    "origin star": ("origins", {"origins": ["*"]}),
    "origin pattern": ("origins", {"origins": ["https://.*"]}),
    "skew too long": ("clock_skew", {"clock_skew": 601}),
    "age zero": ("max_token_age", {"max_token_age": 0}),
    "age text": ("max_token_age", {"max_token_age": "a day"}),
    "cards zero": ("max_cards", {"max_cards": 0}),
    "cards too many": ("max_cards", {"max_cards": 27}),
    "rate": ("rate", {"rate": "often"}),
    "a member that is not known": ("max_tokens_age", {"max_tokens_age": 1}),
}
WRONG_KEYS: dict[str, tuple[str, Any]] = {
    "no keys": ("keys", {}),
    "private key": ("key 1 .*private", jwks(private_jwk("registered"))),
    "symmetric key": ("key 1 .*private or symmetric", jwks({"kty": "oct", "kid": "a", "k": "c2VjcmV0"})),
    "kid twice": ("key 2 .*kid is not unique", jwks(KEY, {**jwk("another", "ES384"), "kid": "registered"})),
    "no kid": ("key 1 .*kid", jwks(jwk("registered", "ES384", kid=GONE))),
    "for encryption": ("key 1 .*signatures", jwks({**KEY, "use": "enc"})),
    "small RSA": ("key 1 .*2048", jwks(jwk("small", "RS384"))),
    "alg HS384": ("key 1 .*alg", jwks({**KEY, "alg": "HS384"})),
    "alg of another kind": ("key 1 .*alg", jwks({**KEY, "alg": "RS384"})),
    "unknown curve": ("key 1 .*crv", jwks({**KEY, "crv": "secp256k1"})),
    "point not on the curve": ("key 1 .*cannot be read", jwks({**KEY, "y": KEY["x"]})),
    "second key": ("key 2 ", jwks(KEY, {**KEY, "kid": "b", "use": "enc"})),
    "keys for no algorithm of the client": ("ES384 or RS384", jwks(jwk("small-curve", "ES256"))),
}


def _refused(folder: Path, *entries: Json) -> str:
    with pytest.raises(SettingsError) as caught:
        _load(folder, *entries)
    return str(caught.value)


@for_each(("member", "changed"), [pytest.param(*value, id=name) for name, value in WRONG.items()])
def test_wrong_member(tmp_path: Path, member: str, changed: Json) -> None:
    """What is wrong is named: the file, which client, and the member."""
    message = _refused(tmp_path, _entry(id="first", iss="https://first.example.com"), _entry(**changed))

    assert message.startswith(f"CDS_CLIENTS: {tmp_path / 'clients.toml'}: client 2")
    assert member in message.partition(": client 2")[2]


@for_each("where", ["jwks", "jwks_file"])
@for_each(("told", "document"), [pytest.param(*value, id=name) for name, value in WRONG_KEYS.items()])
def test_wrong_keys(tmp_path: Path, told: str, document: Json, where: str) -> None:
    """Rows 172 to 176: wrong keys, in the registry or in a file, are named; nothing of a secret is repeated."""
    (tmp_path / "keys.json").write_text(json.dumps(document), encoding="utf-8")
    changed = {"jwks": document} if where == "jwks" else {"jwks": GONE, "jwks_file": "keys.json"}
    with pytest.raises(SettingsError, match=rf"client 1 \(hospital\): .*{told}") as caught:
        _load(tmp_path, _entry(**changed))

    assert str(tmp_path / "clients.toml") in str(caught.value)
    assert private_jwk("registered")["d"] not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_file_of_keys_is_null(tmp_path: Path) -> None:
    """Row 173: a client whose pinned keys cannot be read is refused; its keys are not fetched instead."""
    (tmp_path / "keys.json").write_text("null", encoding="utf-8")
    changed = {"jwks": GONE, "jwks_file": "keys.json", "jku": "https://ehr.example.com/jwks"}

    assert "jwks_file" in _refused(tmp_path, _entry(**changed))


@for_each(("member", "value"), [("id", "hospital"), ("iss", SOUND.iss)])
def test_two_clients_alike(tmp_path: Path, member: str, value: str) -> None:
    """Row 171: ids and issuers are unique; the message names which is not."""
    other = {"id": "other", "iss": "https://other.example.com", member: value}
    message = _refused(tmp_path, SOUND.entry, _entry(**other))

    assert str(tmp_path / "clients.toml") in message
    assert f"{member} {value!r}" in message


@for_each(
    "text",
    [
        "",
        "client = []",
        "client = { id = 'a' }",
        "[[client]]",
        "[[clients]]\nid = 'a'",
        "version = 1\n[[client]]\npreset = 'public-sandbox'",
        "[[client]\n",
        "[[client]]\npreset = 'sandbox'",
        "[[client]]\npreset = 'public-sandbox'\nid = 'mine'",
        "[[client]]\npreset = 'public-sandbox'\nmax_token_age = 1",
        "[[client]]\npreset = 'public-sandbox'\n[[client]]\npreset = 'public-sandbox'",
    ],
)
def test_wrong_file(tmp_path: Path, text: str) -> None:
    """A file that is no registry stops the start; the message names it."""
    file = tmp_path / "clients.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="CDS_CLIENTS") as caught:
        clients.load(file)

    assert str(file) in str(caught.value)


@for_each("content", [b"\xff\xfe", b"[[client]]\nid = '\xff'"])
def test_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    """A file that is not UTF-8, or is not there, stops the start with its name."""
    file = tmp_path / "clients.toml"
    with pytest.raises(SettingsError, match=r"CDS_CLIENTS: .*clients[.]toml"):
        clients.load(file)
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"CDS_CLIENTS: .*clients[.]toml"):
        clients.load(file)


def test_profile_that_is_not_there(tmp_path: Path) -> None:
    """A profile of a client that is not there stops the start, not its first call."""
    file = write_registry(tmp_path / "clients.toml", _entry(profile="nowhere"))
    settings: Json = {"public_url": BASE, "database_url": f"sqlite:///{tmp_path}/db"}
    with pytest.raises(StartupError, match="nowhere"):
        create_app(Settings(auth="jwt", clients=file, **settings))


def test_file_of_keys_lies_beside_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 173: jwks_file is found from the folder of the registry, wherever the service is started."""
    (tmp_path / "keys.json").write_text(json.dumps(SOUND.keys), encoding="utf-8")
    monkeypatch.chdir("/")
    found = _load(tmp_path, _entry(jwks=GONE, jwks_file="keys.json")).find(SOUND.iss)

    assert found is not None
    assert found.pinned is not None
    assert found.pinned.find("registered", "ES384") is not None


def _preset(folder: Path, name: str) -> Settings:
    file = write_registry(folder / "clients.toml", {"preset": name})
    settings: Json = {"public_url": BASE, "database_url": f"sqlite:///{folder}/db", "as_of": TODAY}
    return Settings(auth="jwt", clients=file, **settings)


def test_public_sandbox(tmp_path: Path) -> None:
    """The preset public-sandbox loads, with pinned keys, and whoever starts the service is warned."""
    settings = _preset(tmp_path, "public-sandbox")
    (client,) = clients.load(tmp_path / "clients.toml")
    (warning,) = warnings(settings)

    assert client.iss == "https://sandbox.cds-hooks.org"
    assert client.pinned is not None
    assert client.algorithms == ("ES384",)
    assert "public-sandbox" in warning
    assert "anybody can call" in warning
    assert create_app(settings).test_client().get(DISCOVERY).status_code == 401


def test_no_warning_without_a_preset(tmp_path: Path) -> None:
    """A client with keys of its own gives nothing to warn of."""
    file = write_registry(tmp_path / "clients.toml", SOUND.entry)

    assert warnings(Settings(auth="jwt", clients=file, public_url=BASE)) == []


@pytest.fixture
def trial_call(tmp_path: Path) -> Callable[[str], int]:
    """Calls discovery of a service with the preset local-trial."""
    client = create_app(_preset(tmp_path, "local-trial")).test_client()
    return lambda token: client.get(DISCOVERY, headers={"Authorization": f"Bearer {token}"}).status_code


def test_local_trial(tmp_path: Path, trial_call: Callable[[str], int]) -> None:
    """The preset local-trial makes a key that only its owner can read; a token by it is let in, for a day at most."""
    file = tmp_path / trial_client.KEY_FILE
    made = file.read_bytes()
    with time_machine.travel(NOW, tick=False):
        assert trial_call(trial_client.token(tmp_path, PUBLIC, 300)) == 200
        assert trial_call(trial_client.token(tmp_path, PUBLIC, 86_400)) == 200
        assert trial_call(trial_client.token(tmp_path, PUBLIC, 86_401)) == 401
        assert trial_call(trial_client.token(tmp_path, f"{PUBLIC}/other", 300)) == 401

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == made
    assert [found.name for found in tmp_path.iterdir() if found.name.startswith(trial_client.KEY_FILE)] == [
        trial_client.KEY_FILE
    ]


def test_key_of_another_trial(tmp_path: Path, trial_call: Callable[[str], int]) -> None:
    """A token of the trial client by the key of another folder is refused."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    assert trial_call(trial_client.token(elsewhere, PUBLIC, 300)) == 401


def test_broken_key_of_the_trial(tmp_path: Path) -> None:
    """A key file that is none stops the start; the message names the registry and the client."""
    (tmp_path / trial_client.KEY_FILE).write_text("no key", encoding="utf-8")
    message = _refused(tmp_path, {"preset": "local-trial"})

    assert str(tmp_path / "clients.toml") in message
    assert "client 1" in message
