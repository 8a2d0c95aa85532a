"""Logs as lines of JSON on standard error: time, level, what happened, and its fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

LOGGERS = {"cds_service": logging.INFO, "opentelemetry": logging.WARNING}
"""Who is heard, and from which level on; the second where traces cannot be sent."""
OF_THE_START = ("Starting granian", "Listening at", "Spawning worker", "Started worker")
LINE_ENDS = {0x85: r"\u0085", 0x2028: r"\u2028", 0x2029: r"\u2029"}
"""Ends of lines that JSON leaves as they are; some readers of logs part lines at them."""


class JsonLines(logging.Formatter):
    """One JSON object a line; the fields given as `extra={"fields": {...}}` stand beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of *record*; a traceback is never part of it, since its values may be a patient's."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        written = msgspec.json.encode(line).decode()
        return written if written.isascii() else written.translate(LINE_ENDS)


class AfterTheStart(logging.Filter):
    """Leaves out what the HTTP server says while it starts: the last line of a start is the address to open."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether *record* is to be heard."""
        return not record.getMessage().startswith(OF_THE_START)


def of_server(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of the server's own logging *config* is otherwise here."""
    handlers = {name: {**handler, "filters": ["after-the-start"]} for name, handler in config["handlers"].items()}
    return {"handlers": handlers, "filters": {"after-the-start": {"()": AfterTheStart}}}


def set_up() -> None:
    """Write what the service logs to standard error; what no line tells is not found out for each."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - as Python's guide to logging has it
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name, level in LOGGERS.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
