"""Logs as lines of JSON on standard error: time, level, what happened, and its fields."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

LOGGERS = {"cds_service": logging.INFO, "opentelemetry": logging.WARNING}
"""Who is heard, and from which level on; the second where traces cannot be sent."""
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
        return msgspec.json.encode(line).decode().translate(LINE_ENDS)


def set_up() -> None:
    """Write what the service logs to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name, level in LOGGERS.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
