"""Where the time of a call goes, and what Observations cost: measured inside one process, without a server.

    .venv/bin/python -m benchmarks.inside REQUEST.json 2026-03-02

It is set up as a process of `cds-service serve` is: feedback in a database, numbers for /metrics, a line of log for
each call (on standard error). It prints what it measured as JSON; `make bench` runs it on the core of the server.
"""

from __future__ import annotations

import cProfile
import gc
import io
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from flask import Flask

from benchmarks.payloads import AS_OF, SERVICE, with_observations
from cds_service import create_app, logs
from cds_service.hooks.memory import FORGETFUL
from cds_service.hooks.record import Call
from cds_service.hooks.service import Engine
from cds_service.serving.server import ALLOCATIONS_BEFORE_COLLECTION
from cds_service.settings import NUMBERS_FOLDER, Settings
from cds_service.web.application import WebApplication
from cds_service.web.incoming import PAST_FLASK

ROUNDS, CALLS, WARM_UP = 5, 60, 30
OBSERVATIONS = (1, 10, 100, 1_000, 10_000)
POINT_SECONDS = 0.2
"""CPU that goes into measuring one number of Observations, in each round."""
LARGEST_BODY = 64 * 1024 * 1024
RINGS = ("clinical", "fhir", "hooks", "feedback", "store", "trust", "playground", "web", "serving")
LIBRARIES = ("flask", "werkzeug", "sqlalchemy", "prometheus_client")


class Inside(msgspec.Struct):
    """What was measured; all times are seconds of CPU for one call."""

    stages: dict[str, float] = {}
    """Decode, prefetch, logic and cards, as `/metrics` has them, of an engine without feedback."""
    engine: float = 0
    """A call of the engine, with feedback."""
    application: float = 0
    """A call through the WSGI interface, in the thread that answers."""
    background: float = 0
    """What such a call leaves to be written by another thread."""
    rings: dict[str, float] = {}
    """The share of each ring and library in a call, by the profiler."""
    line: list[tuple[int, int, float]] = []
    """Observations, bytes of the request, and what it costs."""


def main(arguments: Sequence[str]) -> None:
    """Measure, and print it."""
    body, as_of = Path(arguments[0]).read_bytes(), date.fromisoformat(arguments[1])
    with tempfile.TemporaryDirectory() as folder:
        with application(Path(folder), as_of) as app:
            stages, engine, whole = parts(app, body)
            rings = by_ring(caller(app, body))
        with application(Path(folder), as_of) as app:
            background = left_to_others(app, caller(app, body))
        with application(Path(folder), AS_OF) as app:
            found = Inside(stages, engine, whole, background, rings, line(app))
    sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")


@contextmanager
def application(folder: Path, as_of: date) -> Iterator[WebApplication]:
    """The application with its files in *folder*, a line of log for a call, and what the server tells the collector."""
    os.environ[NUMBERS_FOLDER] = str(folder)  # before anything counts
    logs.set_up()
    app = create_app(
        Settings(
            as_of=as_of,
            database_url=f"sqlite:///{folder}/inside.sqlite3",
            max_body=LARGEST_BODY,
            max_bodies=LARGEST_BODY,
        )
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS_BEFORE_COLLECTION, 20, 20)
    try:
        yield app
    finally:
        app.extensions["cds_close"]()


def parts(app: Flask, body: bytes) -> tuple[dict[str, float], float, float]:
    """CPU of the stages, of the engine and of the application, each the median of calls made in turns.

    The stages are timed by the service itself, by the clock on the wall. On a machine that others use too only their
    shares mean something: they are taken of the CPU of the engine.
    """
    engine: Engine = app.extensions["cds_engine"]
    forgetful, whole = replace(engine, memory=FORGETFUL), caller(app, body)
    stages: dict[str, list[float]] = defaultdict(list)
    bare: list[float] = []
    engines: list[float] = []
    wholes: list[float] = []
    for turn in range(WARM_UP + ROUNDS * CALLS):
        call = Call()
        found = (
            seconds(partial(forgetful.answer, SERVICE, body, call)),
            seconds(partial(engine.answer, SERVICE, body)),
            seconds(whole),
        )
        if turn < WARM_UP:
            continue
        for kept, took in zip((bare, engines, wholes), found, strict=True):
            kept.append(took)
        for name, took in call.stages.items():
            stages[name].append(took)
    median = statistics.median
    medians = {name: median(took) for name, took in stages.items()}
    scale = median(bare) / sum(medians.values())
    return {name: took * scale for name, took in medians.items()}, median(engines), median(wholes)


def caller(app: Flask, body: bytes, address: str = f"/cds-services/{SERVICE}") -> Callable[[], None]:
    """One POST to *address* through the WSGI interface."""
    fixed = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": address,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
        PAST_FLASK: True,
    }

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        del headers, exc_info
        if not status.startswith("200"):
            raise RuntimeError(status)

    def call() -> None:
        answer: Any = app({**fixed, "wsgi.input": io.BytesIO(body)}, start_response)  # type: ignore[arg-type]
        b"".join(answer)

    return call


def seconds(call: Callable[[], object]) -> float:
    """CPU of this thread for one call."""
    begun = time.thread_time()
    call()
    return time.thread_time() - begun


def left_to_others(app: Flask, call: Callable[[], None]) -> float:
    """CPU of all other threads for one call, until all is written that it left to be written."""
    for _ in range(WARM_UP):
        call()
    whole, own = time.process_time(), time.thread_time()
    for _ in range(ROUNDS * CALLS):
        call()
    own = time.thread_time() - own
    app.extensions["cds_close"]()
    return (time.process_time() - whole - own) / (ROUNDS * CALLS)


def by_ring(call: Callable[[], None]) -> dict[str, float]:
    """The share of each ring. What is written in C counts for whoever called it, such as msgspec for `fhir`."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(CALLS):
        call()
    profiler.disable()
    found: dict[str, float] = defaultdict(float)
    for (file, _, _), (_, _, own, _, callers) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if file != "~":
            found[ring(file)] += own
        for (caller_file, _, _), (_, _, spent, _) in callers.items() if file == "~" else ():
            found[ring(caller_file)] += spent
    total = sum(found.values())
    return {name: took / total for name, took in sorted(found.items(), key=lambda pair: -pair[1])}


def ring(file: str) -> str:
    """The ring or the library that a file is of."""
    folders = Path(file).parts
    if "cds_service" in folders:
        inner = folders[folders.index("cds_service") + 1]
        return inner if inner in RINGS else "other of ours"
    return next((library for library in LIBRARIES if library in folders), "standard library and others")


def line(app: Flask) -> list[tuple[int, int, float]]:
    """CPU of a call for each number of Observations: the median of rounds that visit each number in turn."""
    bodies = {number: with_observations(number) for number in OBSERVATIONS}
    found: dict[int, list[float]] = defaultdict(list)
    for turn in range(ROUNDS + 1):
        for number, body in bodies.items():
            took = cpu_of_one(caller(app, body))
            if turn > 0:  # the first was for warming up
                found[number].append(took)
    return [(number, len(bodies[number]), statistics.median(took)) for number, took in found.items()]


def cpu_of_one(call: Callable[[], None]) -> float:
    """CPU of one call, over as many as fit."""
    begun = time.process_time()
    calls = 0
    while calls == 0 or time.process_time() - begun < POINT_SECONDS:
        call()
        calls += 1
    return (time.process_time() - begun) / calls


if __name__ == "__main__":
    main(sys.argv[1:])
