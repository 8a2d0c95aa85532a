"""The documentation says what the program does: names, queries, defaults, commands and answers are compared."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import pytest
from markdown_it import MarkdownIt

from cds_service.app import create_app
from cds_service.cli import main
from cds_service.clinical.facts import Source
from cds_service.clinical.rules import gates
from cds_service.fhir import bundle, client, servers
from cds_service.fhir import page as page_module
from cds_service.fhir.scopes import READ, SEARCH, read_scopes
from cds_service.guidance import loading
from cds_service.hooks import authorization, completion, prefetch_keys, templates
from cds_service.hooks import prefetch as prefetch_module
from cds_service.hooks.patient_view import REQUIRED
from cds_service.hooks.registry import Registry, Service
from cds_service.settings import CONFIG_VARIABLE, Settings, load
from cds_service.trust.clients import Client
from cds_service.trust.refusal import CHECKS
from cds_service.web import metrics
from cds_service.web.markdown import PLACE, anchor
from cds_service.web.status_codes import REFUSALS
from tests.support.fixtures import FOLDER, ROOT, situations
from tests.support.for_each import for_each

DOCS = ROOT / "docs"
README = ROOT / "README.md"
QUICKSTART = DOCS / "tutorial" / "quickstart.md"
SANDBOX = DOCS / "tutorial" / "sandbox.md"
SETTINGS = DOCS / "reference" / "settings"
SERVICES = DOCS / "reference" / "services"
CARDS = DOCS / "reference" / "cards"
RULES = DOCS / "reference" / "decision-rules"
KEYS = SERVICES / "vitamin-d-magnesium.md"
HAPI = DOCS / "how-to" / "connect-hapi.md"
FEEDBACK = DOCS / "reference" / "feedback.md"
CLIENTS = DOCS / "reference" / "clients.md"
DEPENDENCIES = DOCS / "reference" / "dependencies.md"
SECURITY = DOCS / "security.md"
WATCH = DOCS / "how-to" / "watch.md"
EHR = DOCS / "how-to" / "connect-an-ehr.md"

PAGES = [README, *sorted(DOCS.rglob("*.md"))]
TRIED = [README, QUICKSTART, SANDBOX, *sorted(SERVICES.glob("*.md")), HAPI, EHR]
"""Pages whose commands are run and whose answers are compared."""

every_page = for_each("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
every_tried = pytest.mark.parametrize("page", TRIED, ids=lambda page: page.relative_to(ROOT).as_posix())


def read(page: Path) -> str:
    """The text of *page*, or of all pages of a folder."""
    pages = sorted(page.glob("*.md")) if page.is_dir() else [page]
    return "\n".join(one.read_text(encoding="utf-8") for one in pages)


def words(text: str) -> str:
    """*text* with its line breaks as spaces: a sentence may be broken anywhere."""
    return " ".join(text.split())


def sections(page: Path, level: int) -> dict[str, str]:
    """The text under each heading of *level*, up to the next heading of that level or above."""
    found: dict[str, str] = {}
    title = None
    fenced = False
    for line in PLACE.sub("", read(page)).splitlines():
        fenced ^= line.startswith("```")
        heading = None if fenced else re.fullmatch(r"(#+) (.*)", line)
        if heading and len(heading[1]) <= level:
            title = heading[2] if len(heading[1]) == level else None
            if title is not None:
                found[title] = ""
        elif title is not None:
            found[title] += f"{line}\n"
    return found


# Settings.

FIELDS = Settings.model_fields


def as_written(value: object) -> list[str]:
    """A default as the page writes it: each part of it."""
    if value is None:
        return ["unset"]
    if isinstance(value, bool):
        return [f"`{str(value).lower()}`"]
    if isinstance(value, tuple):
        return [f"`{part}`" for part in value]
    return [f"`{value}`"]


@for_each("name", FIELDS)
def test_setting_is_documented(name: str):
    """Each setting has a section: its variable, its default, its meaning and its bounds."""
    section = words(sections(SETTINGS, 2)[f"CDS_{name.upper()}"])
    default, _, meaning = section.removeprefix("Default: ").partition(". ")

    assert section.startswith("Default: ")
    for part in as_written(FIELDS[name].default):
        assert part in default
    assert words(FIELDS[name].description or "-") in meaning
    for bound in FIELDS[name].metadata:
        for limit in (getattr(bound, "ge", None), getattr(bound, "le", None)):
            assert limit is None or re.search(rf"\b{limit}\b", meaning), limit


def test_no_other_setting_is_documented():
    """The page names no setting that is not there; CDS_CONFIG names the file of settings."""
    known = {f"CDS_{name.upper()}" for name in FIELDS} | {CONFIG_VARIABLE}

    assert set(sections(SETTINGS, 2)) == known


@every_page
def test_named_variables_are_settings(page: Path):
    """A variable CDS_... that any page names is a setting."""
    known = {f"CDS_{name.upper()}" for name in FIELDS} | {CONFIG_VARIABLE}

    assert set(re.findall(r"\bCDS_[A-Z0-9_]+", read(page))) <= known


@for_each("name", ["profile", "ckd_overlay"])
def test_choices_of_guidance_are_documented(name: str):
    """The page lists the profiles and the overlays there are."""
    section = sections(SETTINGS, 2)[f"CDS_{name.upper()}"]
    tables = tomllib.loads(read(loading.FOLDER / "profiles.toml"))

    for choice in tables[name.removeprefix("ckd_")]:
        assert f"`{choice}`" in section


def test_example_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The example of a settings file is one."""
    (example,) = (fence for fence in fences(SETTINGS / "index.md") if fence.language == "toml")
    file = tmp_path / "cds.toml"
    file.write_text(example.text, encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(file))
    monkeypatch.delenv("CDS_FEEDBACK")

    assert load().model_dump(exclude_unset=True).keys() == {"profile", "max_cards", "as_of", "cors_origins"}


# Services.


def registry() -> Registry:
    """The services there are."""
    found: Registry = create_app(Settings()).extensions["cds_engine"].registry
    return found


def prefetch() -> Iterator[tuple[Service, Source, str]]:
    """Every prefetch key of every service, with its query."""
    for service in registry().services:
        for key, query in service.prefetch.items():
            yield service, key, query


def test_services_are_documented():
    """Each service has a page that begins with its hook."""
    for service in registry().services:
        assert words(sections(SERVICES / f"{service.id}.md", 1)[service.id]).startswith(f"Hook: `{service.hook}`.")


@for_each("key", Source)
def test_prefetch_key_is_documented(key: Source):
    """Each key has a section: whether it is required, what it is for, and its whole query."""
    queries = {query for _, found, query in prefetch() if found is key}
    section = sections(KEYS, 3)[key.value]
    meaning, *blocks = section.split("```text\n")
    documented = {re.sub(r"\s", "", block.partition("```")[0]) for block in blocks}

    assert queries == documented
    assert meaning.strip().startswith("Required. " if key in REQUIRED else "Optional. ")
    assert len(meaning.split()) >= 5


def test_no_other_prefetch_key_is_documented():
    """The page names no key that no service asks for."""
    assert set(sections(KEYS, 3)) == {key.value for _, key, _ in prefetch()}


def test_status_codes_are_documented():
    """Each status that can be answered has a row, and no other has one."""
    rows = set(re.findall(r"^\| (\d{3}) \|", sections(SERVICES, 2)["Status codes"], re.MULTILINE))

    assert rows == {str(status) for status in (200, 401, 405, 500, *(told.status for told in REFUSALS.values()))}


COMMANDS = [
    "serve",
    "evaluate",
    "check",
    "mode",
    "population",
    "guidance diff",
    "clients test",
    "clients trial-token",
    "feedback export",
    "feedback purge",
    "database show",
    "database back",
]


@for_each("command", COMMANDS)
def test_commands_are_documented(command: str, capsys: pytest.CaptureFixture[str]):
    """Each command and each of its options is named on the page."""
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    section = sections(SERVICES, 1)["Commands"]

    assert f"`cds-service {command}" in section
    for option in options:
        assert re.search(rf"`{option}[ `]", section), option


def test_all_commands_are_known_here(capsys: pytest.CaptureFixture[str]):
    """There is no command but those."""
    found = []
    for group in ([], ["guidance"], ["clients"], ["feedback"], ["database"]):
        with pytest.raises(SystemExit):
            main([*group, "--help"])
        names = re.findall(r"^    ([a-z-]+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
        found += [" ".join([*group, name]) for name in names]

    assert [name for name in found if name not in ("guidance", "clients", "feedback", "database")] == COMMANDS


def test_checks_of_a_token_are_documented():
    """Each check of a token has a row, in the order it is made, with the words of the command line."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", sections(CLIENTS, 2)["What is checked of a token"], re.MULTILINE)

    assert dict(rows) == CHECKS
    assert [name for name, _ in rows] == list(CHECKS)


def test_members_of_a_client_are_documented():
    """Each member that an entry of the registry may have is told, and no other is."""
    rows = re.findall(r"^\| `(\w+)` \| ", read(CLIENTS).partition("## ")[0], re.MULTILINE)

    assert rows == list(Client.model_fields)


def test_packages_are_documented():
    """The page of dependencies lists the packages of the lock, each with a licence."""
    locked = re.findall(r"^([a-z0-9.-]+)==", read(ROOT / "requirements.lock"), re.MULTILINE)
    rows = re.findall(r"^\| ([a-z0-9.-]+) \| (.+) \|$", read(DEPENDENCIES), re.MULTILINE)

    assert [name for name, _ in rows] == sorted({*locked})
    assert all(re.search("MIT|BSD|Apache|MPL|PSF|LGPL|Lesser", licence) for _, licence in rows)


def test_threats_name_tests_that_are_there():
    """Each threat of the security page is answered by a file that exists."""
    rows = re.findall(r"^\|[^|]+\|[^|]+\| (`[^|]+`) \|$", sections(SECURITY, 2)["Threats"], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]

    assert len(rows) >= 20
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "tests" / "web" / name).exists(), name


# Connecting an EHR.

REASONS = (authorization, bundle, client, completion, prefetch_keys, page_module, prefetch_module, servers, templates)
"""Where reasons are worded that a 412, the explanation and the logs give."""


@cache
def texts(module: ModuleType) -> tuple[tuple[str, str], ...]:
    """Every text in the source of *module* and the name it is given to; an ellipsis stands for what is filled in."""
    tree = ast.parse(read(Path(module.__file__ or "")))
    names = {
        node.value: target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            told = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
            found.append((told, names.get(node, "")))
    return tuple(found)


def says(phrase: str, pattern: str) -> bool:
    """Whether *phrase* is *pattern* with something in the place of each ellipsis."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), phrase) is not None


def told_reasons(page: Path, heading: str) -> list[str]:
    """The reasons that a table of *page* lists, as the program words them."""
    return re.findall(r"^\| `([^`]+)`", sections(page, 2)[heading], re.MULTILINE)


@for_each("reason", sorted({*told_reasons(EHR, "Troubleshooting"), *told_reasons(HAPI, "If it does not work")}))
def test_reason_is_given(reason: str):
    """Each reason that a page explains is one that the program gives, in its words."""
    worded = {text for module in REASONS for text, _ in texts(module)} | {prefetch_module.Gathered({}).authorization}

    assert any(says(reason, text) for text in worded if len(text.strip("…")) > 3)


@for_each("module", [client, completion])
def test_reasons_are_explained(module: ModuleType):
    """Whatever the FHIR server may do wrong is explained to the analyst."""
    told = told_reasons(EHR, "Troubleshooting")
    given = {text for text, name in texts(module) if name in {"message", "BROKEN", "LATE", "NOT_FHIR"}}

    assert given
    for reason in given:
        assert any(says(phrase, reason) for phrase in told), reason
    for meaning in client.MEANINGS.values():
        assert any(phrase.endswith(meaning) for phrase in told), meaning


def test_analyst_knows_each_query():
    """The analyst's table has each key in its order; without a required one there is no answer."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", sections(EHR, 2)["The nine queries"], re.MULTILINE)

    assert [key for key, _ in rows] == list(dict.fromkeys(key.value for _, key, _ in prefetch()))
    assert {key for key, lost in rows if "412" in lost} == {key.value for key in REQUIRED}


def test_scopes_to_grant_are_those_needed():
    """The scopes of each version cover every query, each with the keys it is for, and no other resource type."""
    rows = re.findall(
        r"^\| (\w+) \| `(patient/\S+)` \| `(patient/\S+)` \| (`.*`) \|$",
        sections(EHR, 2)["Scopes to grant"],
        re.MULTILINE,
    )
    needed: dict[str, list[str]] = {}
    for key, query in {key: query for _, key, query in prefetch()}.items():
        needed.setdefault(re.split(r"\W", query)[0], []).append(key.value)

    assert {kind: re.findall(r"\w+", named) for kind, _, _, named in rows} == needed
    for kind, first, second, _ in rows:
        for scope in (first, second):
            granted = read_scopes(scope)
            assert [found.type for found in granted.scopes] == [kind]
            assert not granted.lacks(kind, READ if kind == "Patient" else SEARCH)
            assert granted.lacks("Encounter", SEARCH)


# Cards and rules.


@for_each("card", loading.load().cards)
def test_card_is_documented(card: str):
    """Each card has a section with its topic, and with every urgency it has in the situations."""
    entry = loading.load().cards[card]
    section = words(sections(CARDS, 2)[card])

    assert f"`{entry.topic}`" in section
    assert section.startswith(entry.display)
    for situation in situations():
        for shown in situation.expected["cards"]:
            assert shown["topic"] != entry.topic or shown["indicator"] in section, situation.name


def test_no_other_card_is_documented():
    """The page has no section on a card that is not there, and names no topic that is not one."""
    cards = loading.load().cards

    assert {title for title in sections(CARDS, 2) if title.startswith("K-")} == set(cards)
    assert set(re.findall(r"[Tt]opic `([a-z0-9-]+)`", read(CARDS))) == {entry.topic for entry in cards.values()}


@for_each("rule", [f"R{number}" for number in range(1, 20)])
def test_rule_is_documented(rule: str):
    """Each rule R1 to R19 stands under a heading of its own, and names its source."""
    (told,) = (text for title, text in sections(RULES, 3).items() if title.startswith(f"{rule}: "))

    assert "*Source*" in told


def known_gates() -> list[str]:
    """The gates, as the code that decides them spells their names."""
    return sorted(set(re.findall(r'"(G-[A-Za-z()]+)"', read(Path(gates.__file__)))))


@for_each("gate", known_gates())
def test_gate_is_documented(gate: str):
    """Each gate stands under a heading of its own: when it closes, by which source, and the reason texts there are."""
    told = words(sections(RULES / "gates.md", 3)[gate])
    key = gate.replace("(", "-").rstrip(")")
    reasons = [text for name, text in loading.load().wording.items() if re.fullmatch(rf"gate\.{key}(\..+)?", name)]

    assert "losed" in told
    assert "*Source*" in told
    assert gate == "G-ADV" or [reason for reason in reasons if f'"{reason}"' not in told] == []


def test_gates_are_those_of_the_decision_table():
    """There are eleven gates (section 10): none has been lost from the list that is compared."""
    assert known_gates() == [
        "G-AD", "G-ADULT", "G-ADV", "G-CA", "G-DUP(D)", "G-DUP(Mg)", "G-HOLD", "G-KID", "G-MG", "G-PREG", "G-SEV",
    ]  # fmt: skip


@for_each("card", loading.load().cards)
def test_summaries_are_documented(card: str):
    """The section of a card has every summary that it may have, in its words."""
    told = words(sections(CARDS, 2)[card])
    summaries = [text for name, text in loading.load().wording.items() if name.startswith(f"summary.{card}.")]

    assert [text for text in summaries if f"`{text}`" not in told] == []


def test_holds_are_documented():
    """Each hard hold has a row with its words, under an id that is made of its key in the wording."""
    wording = loading.load().wording
    holds = {name.removeprefix("hold."): text for name, text in wording.items() if name.startswith("hold.")}
    rows = re.findall(r'^\| <a id="(H-[A-Z-]+)"></a>\1 \| .+ \| "(.+)" \|', read(RULES / "gates.md"), re.MULTILINE)

    assert dict(rows) == {f"H-{name.upper()}": text for name, text in holds.items() if name != "all"}


# Pages.


@for_each("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_page_says_for_whom_and_what_it_is(page: Path):
    """Each page of the documentation names its readers and its type."""
    front = re.match(r"---\naudience: \S.*\ntype: ([\w-]+)\n---\n\n# \S", read(page))

    assert front is not None
    assert front[1] in {"tutorial", "how-to", "reference", "explanation", "index"}


@every_page
def test_links_lead_somewhere(page: Path):
    """A link to another page or file leads to one that is there, and to a heading of it where it names one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", read(file), re.MULTILINE)
            assert heading in {*map(anchor, headings), *PLACE.findall(read(file))}, target


@every_page
def test_page_names_no_place_of_one_machine(page: Path):
    """No page names a folder that is there on one machine only."""
    assert not re.search(r"(?<![\w.:/])/(?:home|Users|root|work|tmp|usr|opt)/", read(page))


def test_readme_warns_first():
    """The clinical caution stands before everything else, and the ways in are all there."""
    text = read(README)

    assert text.split("\n\n")[1].startswith("> **Not clinically validated.**")
    for needed in ("`python3-venv", "python3-venv", "Apache-2.0", "https://sandbox.cds-hooks.org", "DSTU2"):
        assert needed.strip("`") in text


def test_steps_in_the_sandbox_are_followed():
    """Each of the ten steps has a test that follows it in the browser, and the cards it shows are those expected."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", sections(SANDBOX, 2)["Ten steps"], re.MULTILINE)
    followed = set(re.findall(r"^def test_step_(\d+)_", read(ROOT / "tests/browser/test_sandbox.py"), re.MULTILINE))
    expected = json.loads(read(FOLDER / "vector-v02-deficient-nmol-low-magnesium" / "expected.json"))["cards"]

    assert [step for step, _ in rows] == [str(number) for number in range(1, 11)]
    assert followed == {step for step, _ in rows}
    for card in expected:
        assert f"*{card['summary'].replace('35.0', '35')}*" in rows[2][1]


def test_pictures_are_small_and_shown():
    """Each picture is shown on a page, with words that say what is on it, and is no larger than 200 kB."""
    shown = {
        (page.parent / target).resolve(): words
        for page in PAGES
        for words, target in re.findall(r"!\[([^\]]*)\]\((\S+)\)", read(page))
    }

    for picture in (DOCS / "images").iterdir():
        assert len(shown[picture].split()) >= 5
        assert picture.stat().st_size <= 200_000


# Blocks: commands are run, and what the page says they answer is compared with what they do answer.


@dataclass(frozen=True)
class Fence:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        """Where it is."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page: Path) -> list[Fence]:
    """The fenced blocks of *page*."""
    return [
        Fence(page, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for token in MarkdownIt().parse(read(page))
        if token.type == "fence"
    ]


@every_tried
def test_blocks_say_what_they_are(page: Path):
    """Every block names its language, so that none of them escapes the tests."""
    assert {fence.language for fence in fences(page)} <= {"shell", "json", "text", "toml"}


@every_tried
def test_blocks_are_true(page: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """The commands of a page exist and run, in their order, and answer what the page says they do."""
    session = Session(monkeypatch, capsys)

    for fence in fences(page):
        if fence.language == "shell":
            for command in commands(fence):
                session.run(command, fence)
        elif fence.language == "json":
            wrong = untrue(json.loads(session.output), json.loads(fence.text))
            assert wrong is None, f"{fence}: {wrong}"
            session.failed = False
        elif fence.language == "toml":
            session.edit(fence)
        elif session.output and page.parent != SERVICES:
            session.compare(fence)
    assert not session.failed, f"{page}: a command failed and the page does not say so: {session.output}"


def commands(fence: Fence) -> list[list[str]]:
    """The commands of a shell block, each split into its words; what is quoted may go over several lines."""
    found, begun = [], ""
    for line in fence.text.replace("\\\n", " ").splitlines():
        if not begun and (not line.strip() or line.startswith("#")):
            continue
        begun += f"{line}\n"
        if begun.count("'") % 2 == 0:
            found.append(shlex.split(begun))
            begun = ""
    assert not begun, f"{fence}: a quotation mark is not closed"
    return found


def untrue(answer: Any, shown: Any, path: str = "$") -> str | None:
    """Where *shown* is not *answer* with parts left out: keys of objects, and items of lists from anywhere."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        for key, value in shown.items():
            if key not in answer:
                return f"{path}.{key} is not there"
            wrong = None if key == "uuid" else untrue(answer[key], value, f"{path}.{key}")
            if wrong:
                return wrong
        return None
    if isinstance(shown, list) and isinstance(answer, list):
        rest = iter(answer)
        for place, part in enumerate(shown):
            tried = []
            for item in rest:
                tried.append(untrue(item, part, f"{path}[{place}]"))
                if tried[-1] is None:
                    break
            else:
                return "; ".join(wrong for wrong in tried if wrong) or f"{path}[{place}] is not there"
        return None
    if isinstance(shown, str) and isinstance(answer, str) and says(answer, shown):
        return None
    return None if type(answer) is type(shown) and answer == shown else f"{path} is {answer!r}, not {shown!r}"


@dataclass
class FhirServer:
    """Stands in for HAPI: keeps what a transaction holds, and answers the queries of the service."""

    resources: dict[str, Any] = field(default_factory=dict)

    def transaction(self, body: bytes) -> str:
        """Keep each resource in *body* under its address."""
        entries = json.loads(body)["entry"]
        self.resources |= {entry["request"]["url"]: entry["resource"] for entry in entries}
        created = {"response": {"status": "201 Created"}}
        return json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": [created] * len(entries)})

    def ask(self, query: str) -> bytes:
        """A resource by its address, or those of a type, of a patient, with one of the codes if there are some."""
        kind, mark, parameters = query.partition("?")
        if not mark:
            return json.dumps(self.resources[query]).encode()
        asked = parse_qs(parameters)
        codes = {code.rpartition("|")[2] for code in asked.get("code", [""])[0].split(",")}
        found = [
            {"resource": resource}
            for resource in self.resources.values()
            if resource["resourceType"] == kind
            and resource["subject"]["reference"] == f"Patient/{asked['patient'][0]}"
            and ("code" not in asked or resource["code"]["coding"][0]["code"] in codes)
        ]
        return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": found}).encode()


@dataclass
class Session:
    """Someone who follows a page: the settings of the running service, the files they wrote, the last output."""

    monkeypatch: pytest.MonkeyPatch
    capsys: Any
    fhir: FhirServer = field(default_factory=FhirServer)
    output: str = ""
    failed: bool = False
    client: Any = None
    known: frozenset[str] = field(default_factory=lambda: frozenset(f"CDS_{name.upper()}" for name in FIELDS))

    def __post_init__(self) -> None:
        """Stand in the folder of a checkout, and have a FHIR server asked that stands in."""
        for name in ("docs", "fhir_fixtures"):
            Path(name).symlink_to(ROOT / name)
        self.monkeypatch.setattr(client.FhirServer, "ask", lambda _, query: self.fhir.ask(query))

    def run(self, command: list[str], fence: Fence) -> None:
        """Run one *command*; fail if there is no such thing."""
        assert not self.failed, f"{fence}: the command before failed, and the page does not say so: {self.output}"
        given = {}
        while command and re.fullmatch(r"[A-Z_0-9]+=.*", command[0]):
            name, _, given_value = command.pop(0).partition("=")
            assert name in self.known, f"{fence}: {name} is no setting"
            given[name] = given_value
        program, *arguments = command
        runs = {"make": self._make, "curl": self._curl, ".venv/bin/cds-service": self._command, "git": self._git}
        if program in runs:
            runs[program](arguments, given, fence)
        else:
            assert (program, arguments[:2]) in [("sudo", ["apt", "install"]), ("cd", ["vitamin-d-magnesium"])], (
                f"{fence}: nobody knows the command {program}"
            )

    def _make(self, arguments: list[str], given: dict[str, str], fence: Fence) -> None:
        """The target must be there; `make run` starts the service anew, with the settings given."""
        makefile = read(ROOT / "Makefile")
        for argument in arguments:
            name, is_variable, _ = argument.partition("=")
            pattern = rf"^{name}\s*[?:]?=" if is_variable else rf"^{name}:"
            assert re.search(pattern, makefile, re.MULTILINE), f"{fence}: make knows no {name}"
        if "run" in arguments:
            with self._set(given):
                self.client = create_app(load()).test_client()

    @contextmanager
    def _set(self, given: dict[str, str]) -> Iterator[None]:
        """Settings that stand before one command."""
        with self.monkeypatch.context() as environment:
            for name, value in given.items():
                environment.setenv(name, value)
            yield

    def _curl(self, arguments: list[str], given: dict[str, str], fence: Fence) -> None:
        """Ask the running service, or the FHIR server, what curl would ask it; a page shows a refusal too."""
        assert not given
        body, media_type, address = None, "application/x-www-form-urlencoded", None
        rest = iter(arguments)
        for argument in rest:
            if argument == "--data":
                data = next(rest)
                file = ROOT / data.removeprefix("@")
                assert data.startswith("{") or file.is_file(), f"{fence}: there is no {file}"
                body = file.read_bytes() if data.startswith("@") else data.replace("\n", "").encode()
            elif argument == "-H":
                name, _, media_type = next(rest).partition(": ")
                assert name == "Content-Type"
            elif argument != "-s":
                address = argument
        if address == "http://127.0.0.1:8080/fhir":
            assert media_type == "application/fhir+json"
            self.output = self.fhir.transaction(body or b"")
            return
        assert self.client is not None, f"{fence}: the page has not started the service yet"
        path = str(address).removeprefix("http://localhost:8000")
        assert path.startswith("/"), f"{fence}: {address} is not the address of the service"
        response = self.client.open(
            path, method="GET" if body is None else "POST", data=body, content_type=media_type if body else None
        )
        self.output = response.get_data(as_text=True)
        self.failed = response.status_code != 200

    def _command(self, arguments: list[str], given: dict[str, str], fence: Fence) -> None:
        """Run the command; a page that shows it failing shows its message too."""
        assert arguments[0] in {"evaluate", "check"}, f"{fence}: {arguments[0]} is not run here"
        self.capsys.readouterr()
        with self._set(given):
            self.failed = main(arguments) != 0
        out, err = self.capsys.readouterr()
        self.output = out if out.startswith("{") and not err else err + out

    def _git(self, arguments: list[str], given: dict[str, str], fence: Fence) -> None:
        """A clone changes nothing here."""
        assert not given
        assert arguments[0] == "clone", f"{fence}: git {arguments[0]} is not known here"

    def edit(self, fence: Fence) -> None:
        """Write the file that a TOML block shows: one of the reader's own, which its first line names."""
        file = Path(fence.text.partition("\n")[0].removeprefix("# "))
        assert file.as_posix() == "clients.toml" or file.parent.name == "ours", f"{fence}: whose file is that?"
        file.parent.mkdir(exist_ok=True)
        file.write_text(fence.text, encoding="utf-8")

    def compare(self, fence: Fence) -> None:
        """Each line of a text block is a line of the last output, in order; an ellipsis stands for anything."""
        lines = iter([words(line) for line in self.output.splitlines()])
        for shown in fence.text.strip().splitlines():
            pattern = ".*".join(map(re.escape, shown.split("…")))
            assert any(re.fullmatch(pattern, line) for line in lines), f"{fence}: {shown!r} is not in {self.output}"
        self.failed = False


def test_reasons_and_quiet_days_are_documented():
    """The page of feedback lists each reason and each topic with the days that are in force."""
    feedback = loading.load().feedback
    tables = sections(FEEDBACK, 2)
    reasons = re.findall(r"^\| (.+) \| `(.+)` \| (\d+) \|$", tables["Reasons"], re.MULTILINE)
    topics = dict(
        re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", tables["What goes quiet, and for how long"], re.MULTILINE)
    )

    assert reasons == [(r.display, r.code, str(r.days)) for r in feedback.reason.values()]
    assert topics.keys() == {topic for topic, entry in feedback.topic.items() if not entry.never}
    for topic, row in topics.items():
        entry = feedback.topic[topic]
        offered, accepted, also, _ = row.split(" | ")
        assert offered == ", ".join(f"{n} {entry.days[n]}" if n in entry.days else n for n in entry.reasons)
        assert accepted == str(entry.accepted_days)
        assert re.findall(r"`(.+?)`", also) == list(entry.also)


def test_metrics_are_documented():
    """Each number has a row with its labels, and each value of the labels that are ours has one; no other has any."""
    section = sections(SERVICES, 2)["Metrics"]
    rows = re.findall(r"^\| `(cds_\w+)` \| (.*?) ?\|", section, re.MULTILINE)
    kept = {f"{found.name}_total" if found.type == "counter" else found.name for found in metrics.REGISTRY.collect()}
    values = set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))

    assert {name for name, _ in rows} == kept
    assert dict(rows)["cds_cards_total"] == "`indicator`, `topic`"
    assert values == {*map(str, client.Outcome), *(told.reason for told in REFUSALS.values() if told.reason)}


def test_numbers_to_watch_are_there():
    """Each number that the page on watching names is one that is counted."""
    kept = {found.name for found in metrics.REGISTRY.collect()}

    assert {name.removesuffix("_total") for name in re.findall(r"`(cds_\w+)`", read(WATCH))} <= kept


def test_every_address_is_in_the_description():
    """The OpenAPI document has every address and method that is served, and no other."""
    app = create_app(Settings())
    ids = [service.id for service in app.extensions["cds_engine"].registry.services]
    served = {
        (re.sub(r"<(?:\w+:)?\w+>", name, rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        for name in (ids if "service_id" in rule.rule else ["{name}"])
    }
    paths = app.test_client().get("/openapi.json").get_json()["paths"]

    assert {(path, method) for path, methods in paths.items() for method in methods} == served
