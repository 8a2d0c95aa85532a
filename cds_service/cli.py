"""cds-service serve | evaluate | check."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cds_service import settings as settings_module
from cds_service.app import build_engine
from cds_service.errors import RequestError, SettingsError, StartupError
from cds_service.fhir.outcome import operation_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cds_service.hooks.service import Answer

FAILED = 2
LAST_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in *arguments* (default: the command line) and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has enough of it
        return 0
    except StartupError as error:
        print(f"cds-service: {error}", file=sys.stderr)
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cds-service", description="Vitamin D and magnesium CDS Hooks service")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve over HTTP")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=8000)
    serve.set_defaults(run=_serve)
    evaluate = commands.add_parser("evaluate", help="answer one request from a file or standard input")
    evaluate.add_argument("request", metavar="REQUEST.json|-")
    evaluate.add_argument("--as-of", type=_day, metavar="YYYY-MM-DD")
    evaluate.add_argument("--profile", metavar="NAME")
    evaluate.add_argument("--ckd-overlay", metavar="NAME")
    evaluate.add_argument("--explain", action="store_true", help="print the trace on standard error")
    evaluate.set_defaults(run=_evaluate)
    check = commands.add_parser("check", help="read settings and guidance and say what is wrong")
    check.set_defaults(run=_check)
    return parser


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or text != day.isoformat():
        message = f"{text!r} is not a date YYYY-MM-DD"
        raise argparse.ArgumentTypeError(message)
    return day


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        message = f"{text!r} is not a port up to {LAST_PORT}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _free_port(host: str, port: int) -> int:
    """*port*, or a free one for 0; refused where it is taken, since the server shares ports and would not notice."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise SettingsError(message) from error


def _serve(options: argparse.Namespace) -> int:
    from granian.constants import Interfaces  # noqa: PLC0415 - only this command needs the server
    from granian.server import Server  # noqa: PLC0415

    settings = settings_module.load()
    port = _free_port(options.host, options.port)
    build_engine(settings)  # a bad guidance file stops here, before any worker starts
    print(f"Serving on http://{options.host}:{port}/cds-services", flush=True)
    Server(
        "cds_service.server:application",
        factory=True,
        address=options.host,
        port=port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.threads,
        log_access=False,
        websockets=False,
    ).serve()
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    given = {
        name: value for name in ("as_of", "profile", "ckd_overlay") if (value := getattr(options, name)) is not None
    }
    engine = build_engine(settings_module.load(**given))
    try:
        body = sys.stdin.buffer.read() if options.request == "-" else Path(options.request).read_bytes()
        answer = engine.answer("vitamin-d-magnesium", body)
    except OSError as error:
        return _failed("not-found", f"{options.request}: {error.strerror}")
    except RequestError as error:
        return _failed(error.code, *error.details)
    if options.explain:
        print("\n".join(explain(answer)), file=sys.stderr)
    print(msgspec.json.format(msgspec.json.encode(answer.response), indent=2).decode())
    return 0


def _failed(code: str, *messages: str) -> int:
    print(json.dumps(operation_outcome(code, *messages), indent=2), file=sys.stderr)
    return FAILED


def explain(answer: Answer) -> list[str]:
    """The trace for people: each prefetch key, then each step of the evaluation."""
    keys = [f"prefetch {key.source.value}: {key.told}{f' ({key.why})' if key.why else ''}" for key in answer.keys]
    return [*keys, *(f"{s.id}: {'yes' if s.fired else 'no'}: {s.because}" for s in answer.evaluation.trace)]


def _check(_: argparse.Namespace) -> int:
    settings = settings_module.load()
    engine = build_engine(settings)
    guidance = engine.guidance
    print(
        f"Settings and guidance are sound: profile {guidance.profile_name}, overlay {settings.ckd_overlay}, "
        f"{len(guidance.cards)} cards, {len(guidance.wording)} texts, {len(guidance.evidence)} sources."
    )
    return 0
