"""Modes as an EHR and an operator meet them: what is answered, what is noted, who changes it, what is lost with it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cds_service import cli, kept_modes
from cds_service.app import create_app
from cds_service.errors import SettingsError
from cds_service.settings import Settings
from cds_service.store.database import Database
from cds_service.store.mode_changes import ModeChange, add_changes
from cds_service.store.tables import CARD, CONSIDERED, COURSE, MODE, QUIET
from tests.feedback.hospital import Hospital, Json, card, chart, hospital, overridden, rows, topics
from tests.support.patients import AS_OF, mg, vitd
from tests.support.tokens import BASE, Issuer, write_registry
from tests.web.calls import URL

D, LOW, SEVERE = "vitamin-d-deficiency", "magnesium-low", "magnesium-severe-low"
BOTH: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.70")]}
SEVERELY: Json = {"vitamin_d": [vitd("14")], "magnesium": [mg("0.45")]}
ISSUER = Issuer("hospital", "https://hospital.example.com/issuer")
BY = ("--by", "M. Example", "--why", "a test")


def look(service: Hospital) -> None:
    """Have the process look now instead of in a second."""
    service.app.extensions["cds_modes"].look()


def mode(service: Hospital, *words: str, expected: int = 0, **settings: Any) -> None:
    """Change the mode by the command, and have the process follow."""
    chosen = Settings(feedback=True, database_url=service.url, as_of=AS_OF, **settings)
    with patch("cds_service.settings.load", lambda: chosen):
        assert cli.main(["mode", *words]) == expected
    look(service)


def part(service: Hospital) -> str:
    """What `/readyz` says of the mode."""
    told: str = service.client.get("/readyz").get_json()["parts"]["mode"]
    return told


@contextmanager
def in_mode(url: str, chosen: str, **settings: Any) -> Iterator[Hospital]:
    """The service in a mode by its settings."""
    with hospital(url, mode=chosen, **settings) as found:
        yield found


def test_silent(database_url: str) -> None:
    """Silent answers no card, errors as ever, and notes what would have been shown; nothing is noted as shown."""
    with in_mode(database_url, "silent") as service:
        assert service.call(chart(**BOTH)).get_json() == {"cards": []}
        assert service.call({"hook": "patient-view"}).status_code == 400
        assert service.post(f"{URL}-not", {}).status_code == 404
        numbers = service.client.get("/metrics").get_data(as_text=True)

        assert part(service) == "silent"
        assert 'cds_mode{client="",mode="silent",topic=""} 1.0' in numbers
        assert f'cds_silent_cards_total{{indicator="warning",topic="{LOW}"}}' in numbers
    noted = {
        (row["topic"], row["indicator"], row["mode"], row["shown"], row["band"])
        for row in rows(database_url, CONSIDERED)
    }
    assert noted == {(LOW, "warning", "silent", False, "LOW"), (D, "warning", "silent", False, "DEF")}
    assert rows(database_url, CARD) == []
    assert {row["result_day"] for row in rows(database_url, COURSE)} == {"2026-02-20"}


def test_off(tmp_path: Path) -> None:
    """Off answers 200 and no card whatever is sent, and notes nothing; discovery and an unknown id are as ever."""
    with in_mode(f"sqlite:///{tmp_path}/cds.sqlite3", "off", topic_modes=(f"{LOW}=on",)) as service:
        for body in (b"", b"{", b"no JSON", chart(**BOTH)):
            response = service.post(URL, body, content_type="text/plain")
            assert (response.status_code, response.get_json()) == (200, {"cards": []})
        assert service.post(f"{URL}-not", b"").status_code == 404
        discovery = service.client.get("/cds-services").get_json()
        assert service.flush()
        assert rows(service.url, CONSIDERED) == []
        mode(service, "on", *BY)
        assert service.client.get("/cds-services").get_json() == discovery
        assert topics(service.open(chart(**BOTH))) == [LOW, D]


def test_quiet_topic_that_is_off_is_not_noted(tmp_path: Path) -> None:
    """A dismissed topic is noted as quiet while it is on or silent; once it is off nothing is noted."""
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service:
        assert service.tell(overridden(card(service.open(chart(**BOTH)), LOW), "treated")).status_code == 200
        for chosen in ("on", "silent", "off"):
            mode(service, chosen, "--topic", LOW, *BY, "--yes")
            assert topics(service.open(chart(**BOTH))) == [D]
        assert [row["topic"] for row in rows(service.url, QUIET)] == [LOW, LOW]


def test_off_asks_for_a_token(tmp_path: Path) -> None:
    """A caller without a token is 401 also where everything is off."""
    registry = write_registry(tmp_path / "clients.toml", ISSUER.entry)
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    with in_mode(url, "off", auth="jwt", clients=registry, public_url=BASE) as service:
        assert service.post(URL, chart(**BOTH)).status_code == 401


def test_topic_and_critical_cards(tmp_path: Path) -> None:
    """A topic can be silent beside others that are on; a critical card stays where the site says so."""
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    with hospital(url, topic_modes=(f"{D}=silent",)) as service:
        assert topics(service.open(chart(**BOTH))) == [LOW]
    with in_mode(url, "silent", critical_stays_on=True) as service:
        assert topics(service.open(chart(**SEVERELY))) == [SEVERE]
        assert service.open(chart(**BOTH)) == []


def test_share_is_stable(database_url: str) -> None:
    """Of forty patients some see cards and some do not, and each the same at every chart, process and start."""
    patients = [f"patient-{n}" for n in range(40)]
    found = []
    for _ in range(2):
        with in_mode(database_url, "share 50") as service:
            found.append([bool(service.open(chart(patient=name, **BOTH))) for name in patients])
    with in_mode(database_url, "share 80") as service:
        more = [bool(service.open(chart(patient=name, **BOTH))) for name in patients]

    assert found[0] == found[1]
    assert 5 < sum(found[0]) < 35
    assert all(after for before, after in zip(found[0], more, strict=True) if before)


def test_command_changes_it_at_once(
    database_url: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A change holds for processes that run, names who made it and why, is in the log, and has an end or is cleared."""
    caplog.set_level(logging.INFO)
    with hospital(database_url) as service:
        mode(service, "silent", "--topic", D, *BY, "--yes")
        assert topics(service.open(chart(**BOTH))) == [LOW]
        (record,) = [one for one in caplog.records if one.name == kept_modes.LOG.name]
        assert record.fields == {  # type: ignore[attr-defined]
            "scope": f"topic {D}", "was": "as registry and settings say", "now": "silent",
            "by": "M. Example", "why": "a test",
        }  # fmt: skip
        mode(service, "off", *BY, "--everywhere", "--yes")
        assert part(service) == "off"
        assert service.post(URL, b"").get_json() == {"cards": []}
        mode(service, "clear", *BY)
        assert topics(service.open(chart(**BOTH))) == [LOW, D]
        mode(service, "silent", *BY, "--yes", "--until", "2999-01-01T00:00+00:00")
        assert service.open(chart(**BOTH)) == []
        with patch("time.time", lambda: 33e9):
            look(service)
        assert part(service) == "on"
    assert "anyone: silent" in capsys.readouterr().out
    assert len(rows(database_url, MODE)) == 5


def test_after_its_end_what_was_before_counts(
    database_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trial with an end in the midst of silence ends in silence, not with what the settings say.

    Everything switched off until an hour comes back as it was then, topics too; the log says that an end has come.
    """
    end = ("--until", "2999-01-01T00:00+00:00")
    with hospital(database_url) as service:
        mode(service, "silent", *BY, "--yes")
        mode(service, "on", "--topic", D, *BY)
        mode(service, "on", *BY, *end)
        assert topics(service.open(chart(**BOTH))) == [LOW, D]
        mode(service, "off", "--everywhere", *BY, "--yes", *end)
        assert part(service) == "off"
        changes = service.client.get("/insights.json").get_json()["mode"]["changes"]
        assert [(change["for"], change["mode"]) for change in changes] == [
            ("service", "off"),
            (f"topic {D}", "cleared"),
        ]
        caplog.clear()
        with patch("time.time", lambda: 33e9):
            look(service)
        assert part(service) == f"silent ({D} on)"
        assert topics(service.open(chart(**BOTH))) == [D]
        told = [vars(record)["fields"] for record in caplog.records if record.name == kept_modes.LOG.name]
        said = [(fields["scope"], fields["now"], fields["why"]) for fields in told]
        assert said == [("service", "silent", "its end has come"), (f"topic {D}", "on", "its end has come")]
        mode(service, "clear", *BY)
        assert part(service) == "on"
    assert "in force for anyone: on" in capsys.readouterr().out


def test_change_that_the_database_lost_before_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a backup from before a change is put in, the log does not say that its end has come, though it has one."""
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service:
        mode(service, "silent", *BY, "--yes", "--until", "2999-01-01T00:00+00:00")
        service.reset()
        caplog.clear()
        look(service)
        (told,) = [vars(record)["fields"] for record in caplog.records if record.name == kept_modes.LOG.name]

    assert (told["was"], told["why"]) == ("silent", "the database does not have it any more")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("silent", *BY), "say --yes"),
        (("off", "--topic", LOW, *BY), "say --yes"),
        (("share", "50", *BY), "say --yes"),
        (("silent", "--topic", "intermittent-d2"), "--by"),
        (("silent", "--topic", "magnesium", *BY), "there is no topic"),
        (("silent", "--client", "riverside", *BY), "there is no client"),
        (("quiet", *BY), "is no mode"),
    ],
)
def test_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str) -> None:
    """What silences critical cards wants --yes, and what names nobody, or nothing that is there, is refused."""
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service:
        mode(service, *words, expected=2)
        assert said in capsys.readouterr().err
        assert rows(service.url, MODE) == []
        mode(service, "silent", *BY, critical_stays_on=True)


def test_command_asks_of_a_share_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who takes critical cards from the patients that a share shows them to is asked; who adds patients is not."""
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3") as service:
        mode(service, "share", "50", *BY, "--yes")
        for words in (("silent",), ("off",), ("share", "20"), ("off", "--topic", SEVERE)):
            mode(service, *words, *BY, expected=2)
            assert "say --yes" in capsys.readouterr().err
        mode(service, "share", "80", *BY)
        mode(service, "on", *BY)


@pytest.mark.parametrize("settings", [{"topic_modes": ("magnesium=silent",)}, {"mode": "share 50", "feedback": False}])
def test_start_is_refused(tmp_path: Path, settings: Json) -> None:
    """A topic that is none, and a share without a key to choose by, stop the start."""
    with pytest.raises((SettingsError, ValueError), match=r"magnesium-low|CDS_FEEDBACK"):
        create_app(Settings(**{"feedback": True, "database_url": f"sqlite:///{tmp_path}/cds.sqlite3", **settings}))


def test_mode_that_means_nothing(tmp_path: Path) -> None:
    """What stands in the database and means nothing is silent, critical cards excepted where the site says so."""
    with hospital(f"sqlite:///{tmp_path}/cds.sqlite3", critical_stays_on=True) as service:
        database = Database(service.url)
        with database.writing() as connection:
            add_changes(connection, [ModeChange(1, "", "", "loud", "somebody", "")])
        database.close()
        look(service)
        assert service.open(chart(**BOTH)) == []
        assert topics(service.open(chart(**SEVERELY))) == [SEVERE]


def test_database_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last known mode holds for ten minutes, with an alarm in log and numbers; then nothing new is shown."""
    folder = tmp_path / "data"
    folder.mkdir()
    with hospital(f"sqlite:///{folder}/cds.sqlite3", critical_stays_on=True) as service:
        mode(service, "on", "--topic", D, *BY)
        shutil.rmtree(folder)
        look(service)
        assert topics(service.post(URL, chart(**BOTH)).get_json()["cards"]) == [LOW, D]
        assert part(service) == "on; as last known; the modes cannot be read"
        assert "cds_mode_database_away 1.0" in service.client.get("/metrics").get_data(as_text=True)

        monkeypatch.setattr(kept_modes, "GRACE", 0.0)
        look(service)
        assert service.post(URL, chart(**BOTH)).get_json() == {"cards": []}
        assert topics(service.post(URL, chart(**SEVERELY)).get_json()["cards"]) == [SEVERE]
        assert part(service).startswith("silent; nothing new is shown")

        monkeypatch.undo()
        folder.mkdir()
        look(service)
        assert topics(service.open(chart(**BOTH))) == [LOW, D]
    alarms = [one.message for one in caplog.records if one.name == kept_modes.LOG.name and one.levelno == logging.ERROR]
    assert len(alarms) == 2


def test_end_that_comes_while_the_database_is_away(tmp_path: Path) -> None:
    """A trial ends on time also where the database cannot be read: with the silence that counted before it."""
    folder = tmp_path / "data"
    folder.mkdir()
    with hospital(f"sqlite:///{folder}/cds.sqlite3") as service:
        mode(service, "silent", *BY, "--yes")
        mode(service, "on", *BY, "--until", "2999-01-01T00:00+00:00")
        shutil.rmtree(folder)
        with patch("time.time", lambda: 33e9):
            look(service)
        assert part(service) == "silent; as last known; the modes cannot be read"


def test_registry(tmp_path: Path) -> None:
    """A client has its mode by the registry, and its topics too; a mode that means nothing stops the start."""
    entry = {**ISSUER.entry, "mode": "silent", "topic_modes": {LOW: "on"}}
    settings: Json = {"auth": "jwt", "public_url": BASE}
    url = f"sqlite:///{tmp_path}/cds.sqlite3"
    with hospital(url, clients=write_registry(tmp_path / "clients.toml", entry), **settings) as service:
        headers = {"Authorization": f"Bearer {ISSUER.token(aud=f'{BASE}{URL}')}"}
        assert topics(service.open(chart(**BOTH), headers=headers)) == [LOW]
        assert part(service) == f"on; client hospital: silent ({LOW} on)"
    with pytest.raises(SettingsError, match="is no mode"):
        create_app(Settings(**settings, clients=write_registry(tmp_path / "wrong.toml", {**entry, "mode": "quiet"})))
