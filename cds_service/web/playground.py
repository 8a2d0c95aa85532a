"""The playground at `/`: a page on which made-up patients are put before the service, and what it needs."""

from __future__ import annotations

import uuid
from datetime import date
from typing import TYPE_CHECKING, cast

import msgspec
from flask import Blueprint, Response, abort, current_app, render_template, request

from cds_service.clinical.days import whole_years
from cds_service.errors import MalformedRequest, UnknownService
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.outcome import operation_outcome
from cds_service.hooks.feedback import read_feedback
from cds_service.playground import drafts, therapies, timeline
from cds_service.playground.changes import ANALYTES, Changes
from cds_service.playground.trial import CLIENT, SERVICE, Trial
from cds_service.web.days import check_day, read_day
from cds_service.web.errors import STATUS
from cds_service.web.headers import policy
from cds_service.web.markdown import render
from cds_service.web.media import JSON, check_json

if TYPE_CHECKING:
    from flask import Flask

    from cds_service.feedback.recorder import Recorder
    from cds_service.hooks.service import Answer
    from cds_service.playground.trial import Playground, Tried
    from cds_service.web.pages import Library

POLICY = policy(
    "connect-src 'self'", "img-src 'self' data:", "script-src 'self'", "style-src 'self'", "form-action 'none'"
)
LONGEST_VISIT = 64
LONGEST_WAIT = 1.0
"""Seconds that feedback waits for its card to be written."""


class Ask(msgspec.Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """What the page asks: names are those of its form."""

    situation: str | None = None
    text: str | None = None
    profile: str | None = None
    overlay: str | None = None
    as_of: date | None = None
    visit: str = ""
    settled: bool = False
    vitamin_d: str | None = None
    magnesium: str | None = None
    age: str | None = None
    egfr: str | None = None
    therapy: str | None = None
    magnesium_therapy: str | None = None

    def trial(self) -> Trial:
        """It as what is to be tried.

        Raises:
            MalformedRequest: a day or the visit is none.
        """
        if self.as_of is not None:
            check_day("asOf", self.as_of)
        if len(self.visit) > LONGEST_VISIT:
            raise MalformedRequest(f"visit has more than {LONGEST_VISIT} characters")
        return Trial(
            situation=self.situation,
            text=self.text,
            profile=self.profile,
            overlay=self.overlay,
            as_of=self.as_of,
            visit=self.visit,
            settled=self.settled,
            changes=Changes(
                vitamin_d=self.vitamin_d,
                magnesium=self.magnesium,
                age=self.age,
                egfr=self.egfr,
                therapy=self.therapy,
                magnesium_therapy=self.magnesium_therapy,
            ),
        )


_DECODER = msgspec.json.Decoder(Ask)


def init_app(app: Flask, playground: Playground | None) -> None:
    """Put the playground on *app*; without one, its addresses are not there."""
    blueprint = Blueprint("playground", __name__)
    blueprint.add_url_rule("/", view_func=_page)
    blueprint.add_url_rule("/playground/answer", methods=["POST"], view_func=_answer)
    blueprint.add_url_rule("/playground/feedback", methods=["POST"], view_func=_feedback)

    @blueprint.before_request
    def _there() -> None:
        if playground is None:
            abort(404)

    app.extensions["cds_playground"] = playground
    app.register_blueprint(blueprint)


def _page() -> Response:
    """The page, with the first patient's cards on it."""
    playground = _playground()
    visit = uuid.uuid4().hex
    tried = playground.open(Trial(visit=visit, settled=True))
    shown = render_template("playground.html", playground=playground, visit=visit, **_context(tried))
    return Response(shown, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def _answer() -> Response:
    """The parts of the page for another trial."""
    check_json()
    try:
        ask = _DECODER.decode(request.get_data(cache=False))
    except UNREADABLE as error:
        message = f"This is not what the page asks: {str(error).replace('`', '')}"
        raise MalformedRequest(message) from error
    tried = _playground().open(ask.trial())
    context = _context(tried)
    parts = {
        "chart": render_template("playground_chart.html", **context),
        "answer": render_template("playground_answer.html", **context),
        "said": _said(tried),
        "asOf": str(tried.as_of),
        "profile": tried.profile,
        "overlay": tried.overlay,
    }
    return Response(msgspec.json.encode(parts), mimetype=JSON)


def _feedback() -> Response:
    """Keep what was done with a card here, as of the day it was shown for."""
    recorder = _recorder()
    if recorder is None:
        message = "Feedback is not kept here (CDS_FEEDBACK)"
        raise UnknownService(message)
    check_json()
    day = read_day("asOf", request.args.get("asOf", ""))
    items = read_feedback(request.get_data(cache=False))
    recorder.flush(LONGEST_WAIT)  # the card may have been shown just now
    if items:
        recorder.save(CLIENT, SERVICE, items, day)
    return Response(b"{}", mimetype=JSON)


def _playground() -> Playground:
    return cast("Playground", current_app.extensions["cds_playground"])


def _recorder() -> Recorder | None:
    return cast("Recorder | None", current_app.extensions["cds_recorder"])


def _context(tried: Tried) -> dict[str, object]:
    """What the templates show."""
    answer = tried.answer
    facts = answer.facts
    return {
        "tried": tried,
        "cards": answer.response.get("cards", []),
        "analytes": ANALYTES,
        "therapies": therapies,
        "markdown": render,
        "lines": drafts.read,
        "pretty": _pretty,
        "curl": _curl,
        "plots": timeline.plots(facts, tried.guidance, tried.as_of) if tried.error is None else (),
        "age": _age(facts.birth_date, tried.as_of),
        "egfr": _egfr(answer),
        "refusal": _refusal(tried),
        "about": cast("Library", current_app.extensions["cds_pages"]).about,
        "fired": [step for step in answer.evaluation.trace if step.fired],
        "feedback": _recorder() is not None,
        "guarded": current_app.extensions["cds_guarded"],
        "usual": (tried.profile, tried.overlay) == _playground().usual and tried.as_of == _playground().today(),
    }


def _pretty(value: object) -> str:
    encoded = value if isinstance(value, bytes) else msgspec.json.encode(value)
    try:
        return msgspec.json.format(encoded, indent=2).decode()
    except UNREADABLE:
        return encoded.decode(errors="replace")


def _curl(body: bytes) -> str:
    """A command that sends *body*, on one line, to this service; the quoted mark keeps a shell out of it."""
    address = f"{request.url_root}cds-services/{SERVICE}"
    line = body.decode(errors="replace").replace("\n", " ").replace("\r", " ")
    return f"curl -s -H 'Content-Type: application/json' --data-binary @- {address} <<'JSON'\n{line}\nJSON"


def _age(born: date | None, today: date) -> int | None:
    return None if born is None or born > today else whole_years(born, today)


def _egfr(answer: Answer) -> str:
    dated = [result for result in answer.facts.egfr if result.day is not None]
    return min(dated, key=lambda result: result.recency).shown if dated else ""


def _refusal(tried: Tried) -> dict[str, object] | None:
    error = tried.error
    if error is None:
        return None
    return {
        "status": STATUS[type(error)],
        "details": error.details,
        "body": operation_outcome(error.code, *error.details),
    }


def _said(tried: Tried) -> str:
    """The answer in one sentence, for who does not see it change."""
    if tried.error is not None:
        return f"The service refuses this: {tried.error.details[0]}"
    cards = tried.answer.response.get("cards", [])
    if not cards:
        return "No cards."
    told = " ".join(f"{card['indicator'].capitalize()}: {card['summary']}" for card in cards)
    return f"{len(cards)} {'card' if len(cards) == 1 else 'cards'}. {told}"
