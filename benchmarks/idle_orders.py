"""What an order that is nobody's business costs, in instructions: no other work on the machine changes them.

    .venv/bin/python -m benchmarks.idle_orders

An order-select for amoxicillin, with the prefetch of a typical chart, is counted above an empty echo: an address of the
same application that reads the same body and answers `{"cards": []}`. Both go through the whole web layer, past Flask,
in one process under callgrind (valgrind). What the calls leave to be written is counted too, all of it in one
transaction: usually it holds what comes in a fifth of a second, which is nearly nothing under callgrind, and how much
would hang on the clock. So would how often the modes are looked at meanwhile, which they are not here.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from flask import Response

from benchmarks.inside import LARGEST_BODY, application, caller
from benchmarks.instructions import between_marks
from benchmarks.payloads import AS_OF, own
from cds_service import kept_modes
from cds_service.feedback import recorder
from cds_service.hooks.order_hooks import SELECT
from cds_service.web.application import WebApplication
from cds_service.web.incoming import Incoming

ECHO = "/echo"
ADDRESSES = (ECHO, f"/cds-services/{SELECT}")
WARM_UP, CALLS = 5, 40
MOST = 1_000_000
"""Instructions above the echo that are allowed (order hooks, part 1)."""


def main(arguments: Sequence[str]) -> int:
    """Count, and tell; a status of 1 where it is more than may be."""
    if arguments == ["--inside"]:
        make_calls()
        return 0
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed")
    echo, order = (total // CALLS for total in between_marks("benchmarks.idle_orders", "--inside"))
    print(f"empty echo: {echo:,} instructions a call")
    print(f"order-select for an unrelated drug: {order:,}")
    print(f"above the echo: {order - echo:,} of {MOST:,}")
    return int(order - echo > MOST)


def make_calls() -> None:
    """The calls that are counted: those of each address between two marks."""
    body = order_of_another_kind()
    recorder.GATHERING = kept_modes.POLL = 3600.0
    with tempfile.TemporaryDirectory() as folder, application(Path(folder), AS_OF) as app:
        add_echo(app)
        keeper = app.extensions["cds_recorder"]
        calls = [caller(app, body, address) for address in ADDRESSES]
        for call in calls * WARM_UP:
            call()
        keeper.flush(3600)
        keeper.flush(3600)  # waits for what the thread does once it has written for the first time
        for call in calls:
            os.getppid()
            for _ in range(CALLS):
                call()
            keeper.flush(3600)
        os.getppid()


def add_echo(app: WebApplication) -> None:
    """An address that reads the body and answers without a card."""

    def echo(request: Incoming) -> Response:
        request.body(LARGEST_BODY)
        return Response(b'{"cards":[]}', mimetype="application/json")

    app.services[ECHO] = echo


def order_of_another_kind() -> bytes:
    """An order-select for amoxicillin, with the prefetch of a typical chart."""
    asked = msgspec.json.decode(own("typical"))
    draft = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{asked['context']['patientId']}"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "308182"}],
            "text": "Amoxicillin 250 MG Oral Capsule",
        },
        "dosageInstruction": [{"timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}}],
    }
    asked["hook"] = "order-select"
    asked["context"]["selections"] = ["MedicationRequest/request-123"]
    asked["context"]["draftOrders"] = {"resourceType": "Bundle", "entry": [{"resource": draft}]}
    return msgspec.json.encode(asked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
