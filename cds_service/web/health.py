"""Health: `GET /healthz` says that the process serves, `GET /readyz` whether it may be sent calls, part by part."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal, cast

import msgspec
from flask import Blueprint, Flask, Response, current_app
from msgspec import UNSET, UnsetType

from cds_service import work
from cds_service.clinical.guidance_types import Guidance
from cds_service.hooks.memory import FeedbackKeeper
from cds_service.hooks.service import Engine
from cds_service.kept_modes import Modes
from cds_service.web.callers import Trust

blueprint = Blueprint("health", __name__)

TOKENS = "tokens"
"""The part without which nobody is let in."""
OK, AWAY, NOT_KNOWN = "ok", "cannot be written", "not known yet"
LASTS = 5.0
"""Seconds for which what was found out counts: asked however often, it does not wear out the disk."""


class Health(msgspec.Struct, rename="camel"):
    """The process serves; by which local guidance, if any."""

    status: Literal["ok"]
    local_guidance: str | UnsetType = UNSET


class Readiness(msgspec.Struct):
    """Whether the process may be sent calls, and how each part is that this takes."""

    status: Literal["ready", "not ready"]
    parts: dict[str, str]


class DatabaseTrial:
    """Whether the database can be written, which is what calls need of it; tried now and then, by one at a time."""

    def __init__(self, can_write: Callable[[], bool]) -> None:
        """*can_write* tries it; nothing is tried yet."""
        self._can_write = can_write
        self._trying = threading.Lock()
        self._found, self._until = NOT_KNOWN, float("-inf")

    def found(self) -> str:
        """What the last trial found, where that is not long ago, or another is under way; what a new one finds."""
        if time.monotonic() >= self._until and self._trying.acquire(blocking=False):
            try:
                self._found = self._try()
                self._until = time.monotonic() + LASTS
            finally:
                self._trying.release()
        return self._found

    def _try(self) -> str:
        with work.aside():
            return OK if self._can_write() else AWAY


def init_app(app: Flask, keeper: FeedbackKeeper, who: Trust | None) -> None:
    """Put health on *app*; each part that needs a database has its own, or its own file of one."""
    trials: dict[str, DatabaseTrial] = {}
    if keeper.keeps:
        trials["feedback"] = DatabaseTrial(keeper.can_write)
    if who is not None:
        trials[TOKENS] = DatabaseTrial(who.verifier.seen.can_write)
    app.extensions["cds_trials"] = trials
    app.register_blueprint(blueprint)


def _guidance() -> Guidance:
    return cast("Engine", current_app.extensions["cds_engine"]).guidance


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process is up, and which local guidance it answers by, if any; nothing else is asked."""
    return Response(msgspec.json.encode(Health("ok", _guidance().local_digest or UNSET)), mimetype="application/json")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether this process may be sent calls; 503 where not.

    Guidance is ready, or the process would not have started. Without a database cards are served all the same, and
    feedback is refused; but where tokens are asked for, nobody is let in, so the process is not ready.
    """
    guidance = _guidance()
    trials = cast("dict[str, DatabaseTrial]", current_app.extensions["cds_trials"])
    local = f", local guidance {guidance.local_digest}" if guidance.local_digest else ""
    parts = {"guidance": f"ok: {guidance.profile_name}{local}"}
    parts["mode"] = cast("Modes", current_app.extensions["cds_modes"]).told()
    parts |= {part: trial.found() for part, trial in trials.items()}
    ready = parts.get(TOKENS, OK) == OK
    body = msgspec.json.encode(Readiness("ready" if ready else "not ready", parts))
    return Response(body, status=200 if ready else 503, mimetype="application/json")
