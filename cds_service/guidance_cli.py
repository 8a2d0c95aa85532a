"""cds-service guidance diff."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cds_service import settings as settings_module
from cds_service.app import build_engine
from cds_service.errors import RequestError, SettingsError
from cds_service.guidance.overrides import Local, Override
from cds_service.hooks.service import Engine
from cds_service.playground import situations
from cds_service.playground.situations import Situation
from cds_service.settings import Settings
from cds_service.shipped import folder

NEW_EACH_TIME = frozenset({"uuid", "id"})
"""Members of a card that differ in two answers to one request."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands to *parser*."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    diff = commands.add_parser("diff", help="show what local guidance changes: keys, and cards of the fixtures")
    diff.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="default: that of CDS_GUIDANCE")
    diff.set_defaults(run=_diff)


def _diff(options: argparse.Namespace) -> int:
    given = {} if options.folder is None else {"guidance": options.folder}
    settings = settings_module.load(**given)
    if settings.guidance is None:
        raise SettingsError("name the folder of local guidance, or set CDS_GUIDANCE")
    engine = build_engine(settings)
    local = engine.local
    for override in local.overrides:
        print("\n".join(_told(override)), end="\n\n")
    fixtures = _fixtures()
    changes = list(_changes(settings, fixtures))
    for name, change in changes:
        print(f"{name}: {change}")
    print(f"{counted(local)} of {settings.guidance}, digest {local.digest}.", end=" ")
    print(f"{len(changes)} of {_number(len(fixtures), 'fixture')} change.")
    return 0


def counted(local: Local) -> str:
    """How many keys are laid over, in words."""
    return _number(len(local.overrides), "key")


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _told(override: Override) -> Iterator[str]:
    yield f"{override.file}: {override.key}"
    yield f"  shipped   {_written(override.shipped)}"
    yield f"  here      {_written(override.value)}"
    yield f"  source    {override.source}"
    yield f"  approver  {override.approver}"
    yield f"  date      {override.date}"


def _written(value: object) -> str:
    """*value* on one line; numbers as they are written in the file."""
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the topics of one request."""

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.gained or self.lost or self.changed)

    def __str__(self) -> str:
        named = (("gained", self.gained), ("lost", self.lost), ("changed", self.changed))
        return "; ".join(f"{word} {', '.join(topics)}" for word, topics in named if topics)


def _fixtures() -> Mapping[str, Situation]:
    """Each fixture by its place: charts that are opened, then orders that are written."""
    place = folder("fhir_fixtures")
    orders = {f"orders/{situation.name}": situation for situation in situations.at_orders(place)}
    return {situation.name: situation for situation in situations.load(place).all()} | orders


def _changes(settings: Settings, fixtures: Mapping[str, Situation]) -> Iterator[tuple[str, Change]]:
    """Each of the *fixtures* whose cards differ, evaluated on its own day by its profile or that of *settings*."""

    @cache
    def built(profile: str, overlay: str, *, local: bool) -> Engine:
        update: dict[str, object] = {"profile": profile, "ckd_overlay": overlay}
        return build_engine(settings.model_copy(update=update if local else {**update, "guidance": None}))

    for name, situation in fixtures.items():
        chosen = (situation.profile or settings.profile, situation.overlay or settings.ckd_overlay)
        shipped, here = (_cards(built(*chosen, local=local), situation) for local in (False, True))
        change = Change(
            gained=tuple(topic for topic in here if topic not in shipped),
            lost=tuple(topic for topic in shipped if topic not in here),
            changed=tuple(topic for topic in here if topic in shipped and here[topic] != shipped[topic]),
        )
        if change:
            yield name, change


def _cards(engine: Engine, situation: Situation) -> Mapping[str, Any]:
    """The cards of *situation* by their topics; an error that it is answered with stands for one."""
    try:
        answer = replace(engine, today=lambda: situation.as_of).answer_by_hook(situation.body)
    except RequestError as error:
        return {error.code: error.details}
    return {card["source"]["topic"]["code"]: _lasting(card) for card in answer.response["cards"]}


def _lasting(value: Any) -> Any:
    """*value* without what is new in each answer."""
    if isinstance(value, dict):
        return {name: _lasting(item) for name, item in value.items() if name not in NEW_EACH_TIME}
    return [_lasting(item) for item in value] if isinstance(value, list) else value
