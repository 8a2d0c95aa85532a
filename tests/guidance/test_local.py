"""Local guidance: a folder laid over the shipped files, key by key; what is wrong in it stops the start and is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine

from cds_service import create_app, evaluate, guidance_cli
from cds_service.app import build_engine
from cds_service.cli import main
from cds_service.errors import GuidanceError
from cds_service.guidance import loading
from cds_service.playground.introduced import INTRODUCED
from cds_service.settings import Settings
from tests.docs.test_docs_in_step import DOCS, fences
from tests.support.fixtures import FOLDER, SERVICE
from tests.support.for_each import for_each

REQUEST = FOLDER / "vector-v02-deficient-nmol-low-magnesium" / "request.json"
"""25(OH)D 35 nmol/L and magnesium 0.72 mmol/L: deficient, and low below 0.75."""
DAY = date(2026, 3, 2)
APPROVED = 'source = "our board"\napprover = "Dr Example"\ndate = 2026-01-05\n'
LOWER = f"[mg.low]\nvalue = {{ mmol_L = 0.70, mg_dL = 1.70, mEq_L = 1.40 }}\n{APPROVED}"
SPANISH = DOCS / "how-to" / "guidance-es"


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    """It is 2 March 2026."""
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=False):
        yield


def site(tmp_path: Path, **files: str) -> Path:
    """A folder of local guidance with those files, by their names without `.toml`."""
    folder = tmp_path / "ours"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def cards(folder: Path | None, **given: Any) -> dict[str, dict[str, Any]]:
    """The cards over HTTP by the guidance in *folder*, by topic."""
    client = create_app(Settings(guidance=folder, as_of=DAY, **given)).test_client()
    answer = client.post(f"/cds-services/{SERVICE}", data=REQUEST.read_bytes(), content_type="application/json")
    return {card["source"]["topic"]["code"]: card for card in answer.get_json()["cards"]}


# What is laid over is in force.


def test_limit_of_a_site_is_in_force(tmp_path: Path):
    """With low magnesium below 0.70 instead of 0.75, 0.72 mmol/L is low-normal; texts say the new limit."""
    found = cards(site(tmp_path, limits=LOWER))

    assert "magnesium-low" in cards(None)
    assert "0.70-<0.85 mmol/L" in found["magnesium-latent"]["summary"]


def test_text_of_a_site_takes_its_numbers_from_the_guidance(tmp_path: Path):
    """A text that is laid over is filled in as a shipped one is, with a number that is laid over too."""
    wording = (
        '[then]\n"recheck-and-maintain" = { value = "Again after {repeat.recheck_months} months.", '
        + APPROVED.replace("\n", ", ", 2).replace("\n", " }\n")
    )
    limits = f"[repeat.recheck_months]\nvalue = 4\n{APPROVED}\n[therapy.month3_days]\nvalue = 112\n{APPROVED}"

    found = cards(site(tmp_path, wording=wording, limits=limits))

    assert "Again after 4 months." in found["vitamin-d-deficiency"]["detail"]


DOSE = "200 mg elemental; may cause diarrhoea"
"""What B-MGDOSE says."""


def test_lists_and_tables_are_replaced_whole(tmp_path: Path):
    """A list is replaced as a whole, and so is a table whose place has a `value`."""
    folder = site(
        tmp_path,
        cards=f"[card.K-MGLOW.blocks]\nvalue = []\n{APPROVED}",
        profiles=f"[profile.magnesium-aware.maintenance_iu]\nvalue = {{ low = 1000, high = 2000 }}\n{APPROVED}",
    )

    found = cards(folder)

    assert DOSE in cards(None)["magnesium-low"]["detail"]
    assert DOSE not in found["magnesium-low"]["detail"]
    assert "then 1,000-2,000 IU daily" in found["vitamin-d-deficiency"]["detail"]


def test_client_with_a_profile_of_its_own_has_it_too(tmp_path: Path):
    """Another profile is that of the same site: it is laid over all profiles, and read once, at the start."""
    folder = site(tmp_path, limits=LOWER)
    app = create_app(Settings(guidance=folder, as_of=DAY))
    (folder / "limits.toml").unlink()

    question = {"situation": REQUEST.parent.name, "profile": "nam-2011"}
    answer = app.test_client().post("/playground/answer", json=question).get_json()

    assert "0.70-&lt;0.85 mmol/L" in answer["answer"]


def test_evaluate_takes_it_from_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`evaluate` answers by the local guidance that the setting names."""
    monkeypatch.setenv("CDS_GUIDANCE", str(site(tmp_path, limits=LOWER)))

    answer = evaluate(json.loads(REQUEST.read_bytes()), as_of=DAY)

    assert "magnesium-latent" in {card["source"]["topic"]["code"] for card in answer["cards"]}


def test_a_day_may_be_a_text_and_a_past_day_evaluated(tmp_path: Path):
    """The date may be a text, and an approval after the day that is evaluated for is no approval of the future."""
    folder = site(tmp_path, limits=LOWER.replace("2026-01-05", '"2026-03-02"'))

    client = create_app(Settings(guidance=folder, as_of=date(2026, 1, 1))).test_client()

    assert client.get("/healthz").status_code == 200


def test_notes_and_what_is_hidden_are_left_alone(tmp_path: Path):
    """A folder may hold notes, and what version control or a mount puts there."""
    folder = site(tmp_path, limits=LOWER)
    (folder / "README.md").write_text("Ours.", encoding="utf-8")
    (folder / ".git").mkdir()

    assert "magnesium-latent" in cards(folder)


def test_started_translation_makes_a_spanish_card():
    """The started example of texts in Spanish is sound and marked as not reviewed, and a card comes out of it."""
    text = (SPANISH / "wording.toml").read_text(encoding="utf-8")

    assert cards(SPANISH)["magnesium-low"]["summary"].startswith("Magnesio 0.72 mmol/L: bajo (<0.75 mmol/L).")
    assert text.count("value = ") == 20
    assert text.count('approver = "nobody: not reviewed"') == 20


# The site map.

AT_THE_ORDER = FOLDER / "orders" / "o6-calcitriol-for-deficiency" / "request.json"
OURS = {"cholecalciferol (vitamin D3) 2,000 IU oral": ["2418", "A11CC05"], "magnesium, serum or plasma": ["19123-9"]}
"""What our orders of `drug.d3-daily` and `lab.magnesium` are, and their codes (section 16)."""


def mapped(order: str, codings: str = '{ system = "urn:oid:1.2.3", code = "ORD 7" }', more: str = "") -> str:
    """A site map of one order."""
    return f'[{order}]\nvalue = {{ label = "Our name", codings = [{codings}]{more} }}\n{APPROVED}'


@pytest.mark.parametrize("more", ["", ", first = true"])
def test_codes_of_a_site_stand_in_each_order(tmp_path: Path, more: str):
    """They stand, with the site's label, after our codings or before them, when a chart is opened and at an order."""
    folder = site(tmp_path, orderables=mapped("drug.d3-daily", more=more) + mapped("lab.magnesium", more=more))
    engine = build_engine(Settings(guidance=folder, as_of=DAY))
    answers = [engine.answer_by_hook(request.read_bytes()).response for request in (REQUEST, AT_THE_ORDER)]
    resources = [
        action["resource"]
        for answer in answers
        for card in answer["cards"]
        for suggestion in card.get("suggestions", ())
        for action in suggestion["actions"]
        if "resource" in action
    ]
    concepts = [one.get("medicationCodeableConcept") or one["code"] for one in resources]
    found = {one["text"]: [(c["code"], c.get("display")) for c in one["coding"]] for one in concepts}

    for text, codes in OURS.items():
        theirs = ("ORD 7", "Our name")
        without = [code for code, _ in found[text] if code != "ORD 7"]
        assert found[text].index(theirs) == (0 if more else len(codes)), text
        assert without == codes, text


def test_check_and_diff_show_the_site_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`check` names the orders with codes of the site; `guidance diff` shows the codes and which cards have them."""
    folder = site(tmp_path, orderables=mapped("drug.d3-daily"))
    monkeypatch.setenv("CDS_GUIDANCE", str(folder))

    assert main(["check"]) == 0
    assert "Orders with codes of the site: drug.d3-daily.\n" in capsys.readouterr().out
    assert main(["guidance", "diff"]) == 0
    out = capsys.readouterr().out
    assert '"codings":[{"system":"urn:oid:1.2.3","code":"ORD 7"}]' in out
    assert "\norders/o6-calcitriol-for-deficiency: changed order-active-vitamin-d\n" in out


def test_example_of_the_page_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The example of the page is sound, and what `guidance diff` says of it is what the page shows."""
    blocks = fences(DOCS / "how-to" / "change-the-guidance.md")
    example, shown = (next(one.text for one in blocks if one.language == kind) for kind in ("toml", "text"))

    assert main(["guidance", "diff", str(site(tmp_path, limits=example))]) == 0

    out = capsys.readouterr().out
    assert all(part.strip() in out for part in shown.split("…"))


# What is wrong stops the start.

OUTSIDE = f"[people.adult_age]\nvalue = 60\n{APPROVED}"
ADULT = "[people.adult_age]\nvalue = 21\n"
WRONG = {
    "unknown file": ({"limit": LOWER}, "ours: (file) = 'limit.toml': expected one of attributes.toml"),
    "nothing": ({}, "ours: (file) = None: expected one or more of attributes.toml"),
    "empty file": ({"limits": "# later\n"}, "ours/limits.toml: (file) = 'nothing': expected one override or more"),
    "no TOML": ({"limits": "[people"}, "ours/limits.toml: (file) = "),
    "unknown table": ({"limits": f"[persons.age]\nvalue = 1\n{APPROVED}"}, "ours/limits.toml: persons = "),
    "unknown key": (
        {"limits": f"[people.adult]\nvalue = 1\n{APPROVED}"},
        "expected a key that is shipped: source, adult_age",
    ),
    "bare value": (
        {"limits": "[people]\nadult_age = 21\n"},
        "ours/limits.toml: people.adult_age = 21: expected a table of value, source, approver, date",
    ),
    "no source": (
        {"limits": ADULT + 'approver = "x"\ndate = 2026-01-05\n'},
        "ours/limits.toml: people.adult_age.source = None: expected an entry: it is missing",
    ),
    "no approver": (
        {"limits": ADULT + 'source = "x"\ndate = 2026-01-05\n'},
        "people.adult_age.approver = None: expected an entry",
    ),
    "no date": ({"limits": ADULT + 'source = "x"\napprover = "x"\n'}, "people.adult_age.date = None"),
    "no value": ({"limits": f"[people.adult_age]\n{APPROVED}"}, "people.adult_age.value = None"),
    "no value of a table": ({"limits": f"[mg.low]\n{APPROVED}"}, "mg.low.value = None"),
    "one too many": ({"limits": ADULT + APPROVED + "by = 1\n"}, "people.adult_age.by = 1: expected no more than"),
    "empty approver": (
        {"limits": ADULT + APPROVED.replace("Dr Example", " ")},
        "people.adult_age.approver = ' ': expected a text that is not empty",
    ),
    "no day": (
        {"limits": ADULT + APPROVED.replace("2026-01-05", '"5 January"')},
        "people.adult_age.date = '5 January': expected a day, as 2026-03-02",
    ),
    "a moment": ({"limits": ADULT + APPROVED.replace("2026-01-05", "2026-01-05T08:00:00")}, "expected a day, as"),
    "future": (
        {"limits": ADULT + APPROVED.replace("2026-01-05", "2026-03-03")},
        "ours/limits.toml: people.adult_age.date = 2026-03-03: expected a day that is not after today, 2026-03-02",
    ),
    "wrong type": (
        {"limits": ADULT.replace("21", '"21"') + APPROVED},
        "limits.toml: people.adult_age = '21': expected a whole number; with ",
    ),
    "contradiction": ({"limits": OUTSIDE}, "people.daily_first_age = 50: expected at least 60, which is adult_age"),
    "number in a text": (
        {"wording": f'[gate."G-ADULT"]\nvalue = "age under 18"\n{APPROVED}'},
        "wording.toml: gate.G-ADULT = 'age under 18': expected 18 taken from where it is written",
    ),
    "value not given": (
        {"wording": f'[gate."G-KID"]\nvalue = "for {{n}}"\n{APPROVED}'},
        "gate.G-KID = 'for {n}': expected only these values in braces",
    ),
    "dose above the ceiling": (
        {"orders": f"[drug.d3-daily.dose]\nvalue = 9000\n{APPROVED}"},
        "drug.d3-daily.dose = 9000: expected more than 0 and at most 4000 IU",
    ),
    "site map of an unknown order": ({"orderables": mapped("drug.d3")}, "ours/orderables.toml: drug.d3 = "),
    "site map without an approver": (
        {"orderables": '[drug.d3-daily]\nlabel = "x"\n'},
        "ours/orderables.toml: drug.d3-daily.value = None: expected an entry: it is missing",
    ),
    "site map without codings": (
        {"orderables": mapped("lab.pth", "")},
        "orderables.toml: lab.pth.codings = None: expected one coding or more",
    ),
    "site map without a label": (
        {"orderables": mapped("lab.pth").replace('label = "Our name", ', "")},
        "orderables.toml: lab.pth.label = None: expected what the site calls it",
    ),
    "system that is no URI": (
        {"orderables": mapped("lab.pth", '{ system = "our orders", code = "1" }')},
        "orderables.toml: lab.pth.codings[0].system = 'our orders': expected a URI",
    ),
    "code with spaces around it": (
        {"orderables": mapped("lab.pth", '{ system = "urn:oid:1.2", code = "1 " }')},
        "orderables.toml: lab.pth.codings[0].code = '1 ': expected a code without spaces",
    ),
    "coding with more than a code": (
        {"orderables": mapped("lab.pth", '{ system = "urn:oid:1.2", code = "1", name = "x" }')},
        "orderables.toml: lab.pth.codings[0].name = 'x': expected one of code, system",
    ),
    "coding twice": (
        {"orderables": mapped("lab.pth", ", ".join(2 * ['{ system = "urn:oid:1.2", code = "1" }']))},
        "orderables.toml: lab.pth.codings[1] = '1': expected each coding once",
    ),
    "code of a system that is read": (
        {"orderables": mapped("lab.pth", '{ system = "http://loinc.org", code = "2731-8" }')},
        "orderables.toml: lab.pth.codings[0].system = 'http://loinc.org': expected a system of the site",
    ),
    "table cut short": (
        {"limits": f"[obesity]\nvalue = {{ bmi = 30 }}\n{APPROVED}"},
        "obesity.source = None: expected an entry: it is missing",
    ),
}


@for_each("kind", WRONG)
def test_wrong_override_is_told(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """`cds-service check` fails and says file, key, value and what was expected; the service does not start."""
    files, expected = WRONG[kind]
    folder = site(tmp_path, **files)
    monkeypatch.setenv("CDS_GUIDANCE", str(folder))

    assert main(["check"]) == 2
    assert expected in capsys.readouterr().err
    with pytest.raises(GuidanceError):
        create_app(Settings())


def test_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A folder that is not there is told by the name of the setting."""
    monkeypatch.setenv("CDS_GUIDANCE", "nowhere")

    assert main(["check"]) == 2
    assert "CDS_GUIDANCE = 'nowhere'" in capsys.readouterr().err


# What is told.


def test_check_judges_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`check` says that the shipped and the local guidance are sound, how many keys are laid over, and the digest."""
    folder = site(tmp_path, limits=LOWER)
    monkeypatch.setenv("CDS_GUIDANCE", str(folder))

    assert main(["check"]) == 0
    assert "Local guidance is sound, and so is the shipped one without it: 1 key of" in capsys.readouterr().out


def test_check_judges_the_shipped_one_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What local guidance mends is wrong all the same: the shipped one is judged without it."""
    monkeypatch.setenv("CDS_GUIDANCE", str(site(tmp_path, limits=LOWER)))
    whole = loading.load

    def load(*given: Any, **named: Any) -> Any:
        if "local" not in named:
            raise GuidanceError("limits.toml", "mg.low", 0, "another")
        return whole(*given, **named)

    monkeypatch.setattr(loading, "load", load)

    assert main(["check"]) == 2


def told(folder: Path | None) -> str:
    """The digest of the local guidance, as `/healthz` has it; empty where it has none."""
    found: str = create_app(Settings(guidance=folder)).test_client().get("/healthz").get_json().get("localGuidance", "")
    return found


def test_state_tells_the_digest(tmp_path: Path):
    """Health, readiness, numbers and pages say which local guidance is in force, by one digest of 12 digits."""
    folder = site(tmp_path, limits=LOWER)
    digest = told(folder)
    client = create_app(Settings(guidance=folder, as_of=DAY)).test_client()

    assert len(digest) == 12
    assert client.get("/readyz").get_json()["parts"]["guidance"] == f"ok: magnesium-aware, local guidance {digest}"
    assert f'local="{digest}"' in client.get("/metrics").get_data(as_text=True)
    for page in ("/", "/docs"):
        assert f"Local guidance is in force here, <code>{digest}</code>" in client.get(page).get_data(as_text=True)


def test_without_it_nothing_is_told():
    """Without local guidance no page and no state speaks of any."""
    client = create_app(Settings(as_of=DAY)).test_client()

    assert told(None) == ""
    for page in ("/", "/docs", "/readyz"):
        assert "ocal guidance is in force" not in client.get(page).get_data(as_text=True)


def test_digest_follows_the_files(tmp_path: Path):
    """Another value, approver or file gives another digest; the same files elsewhere give the same."""
    folder = site(tmp_path, limits=LOWER)
    before = told(folder)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "limits.toml").write_text(LOWER, encoding="utf-8")
    (folder / "limits.toml").write_text(LOWER.replace("Dr Example", "Dr Other"), encoding="utf-8")

    assert told(tmp_path / "copy") == before != told(folder)


# The difference.


@pytest.fixture
def few_situations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixtures whose cards are compared are ten or less."""
    shown = tmp_path / "fixtures"
    shown.mkdir()
    for name in {*(one.situation for one in INTRODUCED), "ckd-g3-calcium-unknown", "normal-patient-no-card"}:
        (shown / name).symlink_to(FOLDER / name)
    monkeypatch.setattr(guidance_cli, "folder", lambda _: shown)


@pytest.mark.usefixtures("few_situations")
def test_diff_tells_keys_and_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`guidance diff` shows each key with both values and its approval, and what becomes of the fixtures' cards."""
    assert main(["guidance", "diff", str(site(tmp_path, limits=LOWER))]) == 0

    out = capsys.readouterr().out
    assert out.startswith(
        "limits.toml: mg.low\n"
        '  shipped   {"mmol_L":0.75,"mg_dL":1.82,"mEq_L":1.50}\n'
        '  here      {"mmol_L":0.70,"mg_dL":1.70,"mEq_L":1.40}\n'
        "  source    our board\n"
        "  approver  Dr Example\n"
        "  date      2026-01-05\n\n"
    )
    changed = "gained magnesium-latent; lost magnesium-low; changed vitamin-d-deficiency"
    assert f"vector-v02-deficient-nmol-low-magnesium: {changed}\n" in out
    assert "normal-patient-no-card" not in out


@pytest.mark.usefixtures("few_situations")
def test_diff_of_words_changes_cards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A card that says something else is changed; the folder may be that of the setting."""
    folder = site(tmp_path, cards=f'[card.K-CKD.summary]\nvalue = "CKD: see detail."\n{APPROVED}')
    monkeypatch.setenv("CDS_GUIDANCE", str(folder))

    assert main(["guidance", "diff"]) == 0
    assert ": changed ckd\n" in capsys.readouterr().out


@for_each("arguments", [[], ["nowhere"], ["."]])
def test_diff_of_nothing_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    """Without a folder, with one that is not there, and with one that holds nothing, the status is 2."""
    assert main(["guidance", "diff", *arguments]) == 2
    assert capsys.readouterr().err.startswith("cds-service: ")
