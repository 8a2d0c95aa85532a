"""The order screen at `/playground/orders`: an order is written, its cards are shown, suggestions are taken."""

from __future__ import annotations

from typing import cast

import msgspec
from flask import Blueprint, Flask, Response, abort, current_app, render_template, request

from cds_service.errors import MalformedRequest
from cds_service.fhir.bundle import UNREADABLE
from cds_service.playground import order_form, order_trial
from cds_service.playground.order_trial import OrderForm, OrderTrial, Written
from cds_service.playground.trial import Playground
from cds_service.web.headers import policy
from cds_service.web.markdown import render
from cds_service.web.media import JSON, check_json

ADDRESS = "/playground/orders"
POLICY = policy("connect-src 'self'", "img-src data:", "script-src 'self'", "style-src 'self'", "form-action 'none'")


class OrderParts(msgspec.Struct):
    """What the page shows anew: the drafts and cards, the answer in a sentence, and what its form says."""

    answer: str
    said: str
    form: OrderForm


_DECODER = msgspec.json.Decoder(OrderTrial)


def init_app(app: Flask, playground: Playground | None) -> None:
    """Put the screen on *app*; without a playground it is not there."""
    blueprint = Blueprint("orders", __name__, url_prefix=ADDRESS)

    @blueprint.before_request
    def _there() -> None:
        if playground is None:
            abort(404)

    blueprint.add_url_rule("", view_func=page)
    blueprint.add_url_rule("/answer", methods=["POST"], view_func=answer)
    app.register_blueprint(blueprint)


def page() -> Response:
    """The screen, with an order on it and the card about it."""
    playground = _playground()
    written = order_trial.write(playground, OrderTrial())
    shown = render_template(
        "order.html",
        patients=order_trial.patients(playground),
        drugs=order_trial.DRUGS,
        tests=order_trial.TESTS,
        intervals=order_trial.INTERVALS,
        **_context(written),
    )
    return Response(shown, mimetype="text/html", headers={"Content-Security-Policy": POLICY})


def answer() -> Response:
    """The parts of the screen for another order, or after a suggestion was taken."""
    check_json(request.environ)
    try:
        trial = _DECODER.decode(request.get_data(cache=False))
    except UNREADABLE as error:
        raise MalformedRequest(f"This is not what the page asks: {str(error).replace('`', '')}") from error
    written = order_trial.write(_playground(), trial)
    parts = OrderParts(render_template("order_answer.html", **_context(written)), _said(written), written.form)
    return Response(msgspec.json.encode(parts), mimetype=JSON)


def _playground() -> Playground:
    return cast("Playground", current_app.extensions["cds_playground"])


def _context(written: Written) -> dict[str, object]:
    """What the templates show."""
    return {
        "written": written,
        "cards": written.answer.written.cards,
        "lines": order_form.read,
        "markdown": render,
        "fired": [step for step in written.answer.evaluation.trace if step.fired],
        "pretty": _pretty,
    }


def _pretty(value: object) -> str:
    encoded = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return msgspec.json.format(encoded, indent=2).decode()


def _said(written: Written) -> str:
    """What is drafted and what is said of it, for who does not see it change."""
    cards = written.answer.written.cards
    drafts = "; ".join(lines[0].text for lines in map(order_form.read, written.drafts)) or "nothing"
    told = " ".join(f"{card.indicator.capitalize()}: {card.summary}" for card in cards) or "No cards."
    return f"Drafted: {drafts}. {told}"
