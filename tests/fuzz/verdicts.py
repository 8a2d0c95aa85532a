"""What is wrong with the answer to a case, in words."""

from __future__ import annotations

import http.client
import json
from typing import Any

from tests.fuzz.cases import Case
from tests.support.wire import Answer, Wire

OWN = frozenset({400, 408, 413, 414, 431})
"""The statuses of which the server in front answers some itself, for a head that cannot be read: without a body."""


def verdict(port: int, case: Case) -> tuple[str, str]:
    """Send *case*: what is wrong with the answer (nothing: empty), and its status in words."""
    try:
        with Wire(port) as wire:
            wire.send(case.sent)
            if case.may_be_silent:
                wire.end()  # nothing more comes; after a whole request it would look as if the client had gone
            answer = wire.answer(case.method)
    except TimeoutError:
        return "it hangs", "hangs"
    except (http.client.HTTPException, OSError) as error:
        return f"{type(error).__name__}: {error}", "broken"
    if answer is None:
        large = len(case.sent) > 100_000  # refused before it was all sent, and the answer may be lost on the way
        return ("" if case.may_be_silent or large else "no answer"), "silence"
    return judged(case, answer), str(answer.status)


def judged(case: Case, answer: Answer) -> str:
    """What is wrong with *answer*; nothing: empty."""
    harmless = case.raw and answer.status == 200  # a change to the bytes of a head may leave a sound request
    if answer.status not in case.allowed and not harmless:
        return f"status {answer.status}: {answer.body[:200]!r}"
    if case.method == "HEAD" or answer.status == 204:
        return "a body" if answer.body else ""
    if answer.status == 200:
        return "" if _is_json(answer) or _is_page(answer) else f"no JSON: {answer.body[:200]!r}"
    if not answer.body and answer.status in OWN and "server" not in answer.headers:
        return ""
    return "" if is_outcome(answer.body) and _is_json(answer) else f"no OperationOutcome: {answer.body[:200]!r}"


def _is_page(answer: Answer) -> bool:
    """The playground, which stands at `/`."""
    page = answer.headers.get("content-type", "").startswith("text/html")
    return page and answer.body.startswith(b"<!doctype html>") and answer.body.rstrip().endswith(b"</html>")


def _is_json(answer: Answer) -> bool:
    if not answer.body:
        return True  # a preflight
    return answer.headers.get("content-type") == "application/json" and json.loads(answer.body) is not None


def is_outcome(body: bytes) -> bool:
    """Whether *body* is an OperationOutcome of errors, each with a sentence."""
    found: Any = json.loads(body)
    return (
        found["resourceType"] == "OperationOutcome"
        and bool(found["issue"])
        and all(issue["severity"] == "error" and issue["diagnostics"].strip() for issue in found["issue"])
    )
