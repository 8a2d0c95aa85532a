"""Sums of what is remembered: calls, cards and what was done with them. How they are told is in `tables.py`."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Column, Connection, and_, case, func, select
from sqlalchemy.sql.elements import ColumnElement

from cds_service.clinical.guidance_types import Feedback
from cds_service.hooks.feedback_body import ACCEPTED
from cds_service.store.tables import CALL, CARD, FEEDBACK, QUIET

SMALL = 5
DAY_MS = 86_400_000
ERROR, FAULT = 400, 500
NO_REASON, OTHER_REASON = "no reason given", "another reason"
OK = 200


class SummaryPeriod(NamedTuple):
    """Days, the last one included, in UTC; and one client, or all."""

    first: date
    last: date
    client: str | None = None

    def of(self, at: Column[int], client: Column[str]) -> ColumnElement[bool]:
        """The rows of this period."""
        begin = _ms(self.first)
        condition = and_(at >= begin, at < _ms(self.last + timedelta(days=1)))
        return condition if self.client is None else and_(condition, client == self.client)


@dataclass
class TopicLine:
    """What became of the cards of one topic. `seconds` are the times from showing a card to its feedback."""

    fired: int = 0
    accepted: int = 0
    overridden: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    quieted: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def ignored(self) -> int:
        """Cards of which nothing is known (row 160: nothing is inferred from it)."""
        return max(0, self.fired - self.answered)

    @property
    def median_seconds(self) -> float | None:
        """The median time to a response, of five or more."""
        return round(statistics.median(self.seconds)) if len(self.seconds) >= SMALL else None


@dataclass(frozen=True)
class ClientLine:
    """How the calls of one client went. Times in milliseconds."""

    calls: int
    answered: int
    with_cards: int
    cards: int
    prefetched: int
    fetched: int
    lacking: int
    refused: int
    faults: int
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True)
class Summary:
    """All of it, and the calls and cards of each day; `everybody` are the clients that called in the period at all."""

    period: SummaryPeriod
    topics: Mapping[str, TopicLine]
    clients: Mapping[str, ClientLine]
    days: Mapping[date, tuple[int, int]]
    everybody: tuple[str, ...]


def summarise(connection: Connection, period: SummaryPeriod, feedback: Feedback) -> Summary:
    """Sum up *period*; reasons are named as *feedback* has them."""
    return Summary(
        period,
        _topics(connection, period, feedback),
        _clients_of(connection, period),
        _days(connection, period),
        tuple(_clients(connection, period._replace(client=None))),
    )


def _topics(connection: Connection, period: SummaryPeriod, feedback: Feedback) -> dict[str, TopicLine]:
    lines: defaultdict[str, TopicLine] = defaultdict(TopicLine)
    within = period.of(CARD.c.at, CARD.c.client)
    for topic, count in connection.execute(select(CARD.c.topic, func.count()).where(within).group_by(CARD.c.topic)):
        lines[topic].fired = count
    quieted = select(QUIET.c.topic, func.count()).where(period.of(QUIET.c.at, QUIET.c.client)).group_by(QUIET.c.topic)
    for topic, count in connection.execute(quieted):
        lines[topic].quieted = count
    names = {(reason.system, reason.code): reason.display for reason in feedback.reason.values()}
    answers = (
        select(CARD.c.uuid, CARD.c.topic, CARD.c.at, FEEDBACK.c.received, FEEDBACK.c.outcome, FEEDBACK.c.system)
        .add_columns(FEEDBACK.c.code)
        .join(FEEDBACK, and_(FEEDBACK.c.card == CARD.c.uuid, FEEDBACK.c.client == CARD.c.client))
        .where(within)
        .order_by(FEEDBACK.c.received)
        .execution_options(yield_per=1000)
    )
    seen: set[str] = set()
    done: set[tuple[str, str]] = set()
    for uuid, topic, shown, received, outcome, system, code in connection.execute(answers):
        line = lines[topic]
        if uuid not in seen:
            seen.add(uuid)
            line.answered += 1
            line.seconds.append(max(0, received - shown) / 1000)
        what = ACCEPTED if outcome == ACCEPTED else _reason(system, code, names)
        if (uuid, what) not in done:
            done.add((uuid, what))
            if what == ACCEPTED:
                line.accepted += 1
            else:
                line.overridden[what] += 1
    return dict(sorted(lines.items(), key=lambda pair: (-pair[1].fired, pair[0])))


def _reason(system: str | None, code: str | None, names: Mapping[tuple[str, str], str]) -> str:
    return NO_REASON if code is None else names.get((system or "", code), OTHER_REASON)


def _clients(connection: Connection, period: SummaryPeriod) -> list[str]:
    within = period.of(CALL.c.at, CALL.c.client)
    return list(connection.execute(select(CALL.c.client).where(within).distinct().order_by(CALL.c.client)).scalars())


def _clients_of(connection: Connection, period: SummaryPeriod) -> dict[str, ClientLine]:
    """How the calls of each client went, by going through the calls twice, however many clients there are."""
    within = period.of(CALL.c.at, CALL.c.client)
    served = CALL.c.status == OK

    def number(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    def total(column: Column[int]) -> ColumnElement[int]:
        return func.sum(case((served, column), else_=0))

    query = (
        select(
            CALL.c.client,
            func.count().label("calls"),
            number(served).label("answered"),
            number(and_(served, CALL.c.cards > 0)).label("with_cards"),
            total(CALL.c.cards).label("cards"),
            total(CALL.c.prefetched).label("prefetched"),
            total(CALL.c.fetched).label("fetched"),
            total(CALL.c.lacking).label("lacking"),
            number(and_(CALL.c.status >= ERROR, CALL.c.status < FAULT)).label("refused"),
            number(CALL.c.status >= FAULT).label("faults"),
        )
        .where(within)
        .group_by(CALL.c.client)
        .order_by(CALL.c.client)
    )
    rows = connection.execute(query).mappings().all()
    times = _times(connection, and_(within, served))
    lines = {}
    for row in rows:
        counts = {name: int(value) for name, value in row.items() if name != "client"}
        p50, p95, p99 = (_percentile(times[row["client"]], share) for share in (0.50, 0.95, 0.99))
        lines[row["client"]] = ClientLine(**counts, p50=p50, p95=p95, p99=p99)
    return lines


def _times(connection: Connection, answered: ColumnElement[bool]) -> Mapping[str, list[tuple[float, int]]]:
    """For each client the times of its calls, shortest first, each with how many calls took so long.

    They are kept to a tenth of a millisecond, so that there are far fewer times than calls.
    """
    query = (
        select(CALL.c.client, CALL.c.milliseconds, func.count())
        .where(answered)
        .group_by(CALL.c.client, CALL.c.milliseconds)
        .order_by(CALL.c.client, CALL.c.milliseconds)
    )
    times: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for client, milliseconds, count in connection.execute(query):
        times[client].append((milliseconds, count))
    return times


def _percentile(times: Sequence[tuple[float, int]], share: float) -> float | None:
    """The time that *share* of the calls keep to; `None` of so few that it could point at one."""
    served = sum(count for _, count in times)
    if served < SMALL:
        return None
    place = min(served - 1, int(served * share))
    for milliseconds, count in times:
        place -= count
        if place < 0:
            return milliseconds
    return None


def _days(connection: Connection, period: SummaryPeriod) -> dict[date, tuple[int, int]]:
    day = (CALL.c.at - CALL.c.at % DAY_MS).label("day")
    within = period.of(CALL.c.at, CALL.c.client)
    query = select(day, func.count(), func.sum(CALL.c.cards)).where(within).group_by(day).order_by(day)
    found = {_date(at): (calls, int(cards or 0)) for at, calls, cards in connection.execute(query)}
    length = (period.last - period.first).days + 1
    return {moment: found.get(moment, (0, 0)) for moment in (period.first + timedelta(days=n) for n in range(length))}


def beginning(period: SummaryPeriod) -> int:
    """When *period* begins, in milliseconds since 1970."""
    return _ms(period.first)


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _date(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()
