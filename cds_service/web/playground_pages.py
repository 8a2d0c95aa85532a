"""The playground at `/`: a page on which made-up patients are put before the service, and what it needs."""

from __future__ import annotations

import uuid
from datetime import date
from typing import cast

import msgspec
from flask import Blueprint, Flask, Response, abort, current_app, render_template, request

from cds_service.clinical.days import whole_years
from cds_service.errors import MalformedRequest
from cds_service.fhir.bundle import UNREADABLE
from cds_service.fhir.outcome import operation_outcome
from cds_service.guidance import topic_pages
from cds_service.hooks.memory import FeedbackKeeper
from cds_service.hooks.service import Answer
from cds_service.playground import bands, banner, order_form, reasons, therapies, timeline
from cds_service.playground.changes import ANALYTES, Trial
from cds_service.playground.trial import CLIENT, SERVICE, Playground, Tried
from cds_service.web.asked_days import check_day, read_day
from cds_service.web.feedback_calls import kept
from cds_service.web.headers import policy
from cds_service.web.markdown import render
from cds_service.web.media import JSON, check_json
from cds_service.web.pages import Library
from cds_service.web.status_codes import REFUSALS

POLICY = policy(
    "connect-src 'self'", "img-src 'self' data:", "script-src 'self'", "style-src 'self'", "form-action 'none'"
)
LONGEST_WAIT = 1.0
"""Seconds that feedback waits for its card to be written."""


class TrialParts(msgspec.Struct, rename="camel", kw_only=True):
    """Parts of the page for a trial: banner, chart, answer, the answer in a sentence, and what was in force."""

    banner: str
    chart: str
    answer: str
    said: str
    as_of: date
    profile: str
    overlay: str


_DECODER = msgspec.json.Decoder(Trial)


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
    check_json(request.environ)
    try:
        trial = _DECODER.decode(request.get_data(cache=False))
    except UNREADABLE as error:
        raise MalformedRequest(f"This is not what the page asks: {str(error).replace('`', '')}") from error
    if trial.as_of is not None:
        check_day("asOf", trial.as_of)
    tried = _playground().open(trial)
    context = _context(tried)
    parts = TrialParts(
        banner=render_template("playground_banner.html", **context),
        chart=render_template("playground_chart.html", **context),
        answer=render_template("playground_answer.html", **context),
        said=_said(tried),
        as_of=tried.as_of,
        profile=tried.profile,
        overlay=tried.overlay,
    )
    return Response(msgspec.json.encode(parts), mimetype=JSON)


def _feedback() -> Response:
    """Keep what was done with a card here, as of the day it was shown for."""
    day = read_day("asOf", request.args.get("asOf", ""))
    return kept(CLIENT, SERVICE, lambda: day, LONGEST_WAIT)


def _playground() -> Playground:
    return cast("Playground", current_app.extensions["cds_playground"])


def _context(tried: Tried) -> dict[str, object]:
    """What the templates show."""
    answer = tried.answer
    facts, guidance = answer.facts, tried.guidance
    return {
        "banner": banner.read(tried.record, facts, tried.situation, tried.as_of),
        "rulers": {name: bands.ruler(one, tried.dials[name], guidance) for name, one in ANALYTES.items()},
        "results": list(reasons.results(answer.evaluation)),
        "reason": lambda topic: reasons.card(guidance, topic, answer.evaluation),
        "titles": topic_pages.topics(guidance)["chart"],
        "day": lambda day: _spoken(day, tried.as_of),
        "tried": tried,
        "cards": answer.written.cards,
        "analytes": ANALYTES,
        "therapies": therapies,
        "markdown": render,
        "lines": order_form.read,
        "pretty": _pretty,
        "curl": _curl,
        "plots": _plots(tried),
        "age": _age(facts.birth_date, tried.as_of),
        "egfr": _egfr(answer),
        "refusal": _refusal(tried),
        "about": cast("Library", current_app.extensions["cds_pages"]).about,
        "fired": [step for step in answer.evaluation.trace if step.fired],
        "feedback": cast("FeedbackKeeper", current_app.extensions["cds_recorder"]).keeps,
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


def _plots(tried: Tried) -> tuple[timeline.Plot, ...]:
    if tried.error is not None:
        return ()
    unplaced = reasons.unplaced(tried.answer.evaluation)
    return timeline.plots(tried.answer.facts, tried.guidance, tried.as_of, unplaced)


def _spoken(day: date, today: date) -> str:
    """A day as one says it, with its year where that is another one."""
    return f"{day.day} {day:%B}" if day.year == today.year else f"{day.day} {day:%B %Y}"


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
        "status": REFUSALS[type(error)].status,
        "details": error.details,
        "body": operation_outcome(error.code, *error.details),
    }


def _said(tried: Tried) -> str:
    """The answer in one sentence, for who does not see it change."""
    if tried.error is not None:
        return f"The service refuses this: {tried.error.details[0]}"
    cards = tried.answer.written.cards
    if not cards:
        return "No cards."
    told = " ".join(f"{card.indicator.capitalize()}: {card.summary}" for card in cards)
    return f"{len(cards)} {'card' if len(cards) == 1 else 'cards'}. {told}"
