"""The table of tokens that have been used: their digests, and when each expires (seconds since 1970)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, select, text

from cds_service.store.tables import SEEN_TOKEN

PIECE = 1000
"""Expired tokens that are deleted at a time."""
_TAKE = text(
    "INSERT INTO seen_token (digest, expires) VALUES (:digest, :expires) "
    "ON CONFLICT (digest) DO UPDATE SET expires = excluded.expires WHERE seen_token.expires < :now RETURNING digest"
)
"""One statement decides, so that two processes cannot both take a token."""


def take(connection: Connection, expires: Mapping[str, int], now: int) -> set[str]:
    """Note digests, each with when it *expires*; those that were not there, or had expired by *now*."""
    first: set[str] = set()
    for digest in sorted(expires):  # in one order, so that two processes never wait for one another
        row = {"digest": digest, "expires": expires[digest], "now": now}
        first.update(connection.execute(_TAKE, row).scalars())
    return first


def forget_expired(connection: Connection, now: int) -> bool:
    """Delete some of what has expired by *now*; whether there may be more."""
    expired = select(SEEN_TOKEN.c.digest).where(SEEN_TOKEN.c.expires < now).limit(PIECE)
    return connection.execute(delete(SEEN_TOKEN).where(SEEN_TOKEN.c.digest.in_(expired))).rowcount == PIECE
