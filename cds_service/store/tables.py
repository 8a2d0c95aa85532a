"""Every table. No row holds a patient's id, name or value; a patient is a keyed digest.

Times are milliseconds since 1970 in UTC; days are those of the engine (`CDS_TIMEZONE`, `CDS_AS_OF`).
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Date, Float, Index, Integer, MetaData, String, Table

METADATA = MetaData()
Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column of its own INTEGER."""

SEEN_TOKEN = Table(
    "seen_token",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("expires", BigInteger, nullable=False, index=True),
)
"""A digest of `iss` and `jti`, and when the token expires, in seconds since 1970: nothing else is kept of a token."""

SECRET = Table(
    "secret",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("value", String(128), nullable=False),
)
"""Secrets that were made because none was set: the key of the patients' digests."""

CALL = Table(
    "call",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("client", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("status", Integer, nullable=False),
    Column("milliseconds", Float, nullable=False),
    Column("cards", Integer, nullable=False),
    Column("prefetched", Integer, nullable=False),
    Column("fetched", Integer, nullable=False),
    Column("lacking", Integer, nullable=False),
)
"""One row a call; the last three count prefetch keys."""

CARD = Table(
    "card",
    METADATA,
    Column("uuid", String(36), primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("day", Date, nullable=False),
    Column("client", String(63), nullable=False),
    Column("patient", String(32), nullable=False),
    Column("service", String(63), nullable=False),
    Column("hook", String(63), nullable=False),
    Column("topic", String(63), nullable=False),
    Column("rule", String(16), nullable=False),
    Column("indicator", String(8), nullable=False),
    Column("level", Integer, nullable=False),
    Column("suggestions", JSON, nullable=False),
)
"""One row a card that was shown; `level` counts the thresholds its result had crossed.

`suggestions` has for the uuid of each the first day that a test in it is for, or null.
"""

QUIET = Table(
    "quiet",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("client", String(63), nullable=False),
    Column("topic", String(63), nullable=False),
)
"""One row a card that was not shown because its topic is quiet."""

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("received", BigInteger, nullable=False, index=True),
    Column("day", Date, nullable=False),
    Column("client", String(63), nullable=False),
    Column("service", String(63), nullable=False),
    Column("card", String(200), nullable=False, index=True),
    Column("outcome", String(16), nullable=False),
    Column("suggestion", String(200)),
    Column("system", String(500)),
    Column("code", String(200)),
    Column("commented", Boolean, nullable=False),
    Column("outcome_at", String(40), nullable=False),
    Column("patient", String(32)),
    Column("topic", String(63)),
    Column("level", Integer),
    Column("indicator", String(8)),
    Column("follow_up", Date),
    Index("feedback_of_patient", "patient", "client"),
)
"""One row a thing that was done with a card; `digest` is of what makes two of them the same. Comments are not kept.

From `patient` on it repeats what the next chart-open of that patient asks for, so that this is found at once however
often the chart was opened; null as long as the card is not known.
"""

MODE = Table(
    "mode",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("client", String(63), nullable=False),
    Column("topic", String(63), nullable=False),
    Column("mode", String(32), nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("why", String(500), nullable=False),
    Column("until", BigInteger),
)
"""One row a change of mode (`store/mode_changes.py`); an empty client or topic is all of them. None is ever deleted."""

CONSIDERED = Table(
    "considered",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("chart", String(32), nullable=False),
    Column("client", String(63), nullable=False),
    Column("patient", String(32), nullable=False),
    Column("topic", String(63), nullable=False),
    Column("indicator", String(8), nullable=False),
    Column("mode", String(8), nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("analyte", String(16), nullable=False),
    Column("band", String(8), nullable=False),
    Column("result_day", String(10), nullable=False),
    Column("ordered", Boolean, nullable=False),
    Index("considered_of_patient", "patient", "client", "analyte"),
)
"""One row a card that was shown or held back, and by which mode. `chart` is a number of one call, drawn for it.

`band`, `result_day` and `ordered` say how the analyte of the topic stood (`course`); empty where it has none.
"""

COURSE = Table(
    "course",
    METADATA,
    Column("patient", String(32), primary_key=True),
    Column("client", String(63), primary_key=True),
    Column("analyte", String(16), primary_key=True),
    Column("result_day", String(10), primary_key=True),
    Column("band", String(8), primary_key=True),
    Column("ordered", Boolean, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
)
"""How an analyte of a patient with such cards went on: each state, and when it was first seen.

A state is the band, the day of the newest usable result, and whether a test of it was under way.
"""
