"""The first tables: used tokens, secrets, calls, cards, suggestions, quiet cards, feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "seen_token",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("expires", BIG, nullable=False, index=True),
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(128), nullable=False),
    )
    op.create_table(
        "call",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", BIG, nullable=False, index=True),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.Float(), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("prefetched", sa.Integer(), nullable=False),
        sa.Column("fetched", sa.Integer(), nullable=False),
        sa.Column("lacking", sa.Integer(), nullable=False),
    )
    op.create_table(
        "card",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("at", BIG, nullable=False, index=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("patient", sa.String(32), nullable=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("hook", sa.String(63), nullable=False),
        sa.Column("topic", sa.String(63), nullable=False),
        sa.Column("rule", sa.String(16), nullable=False),
        sa.Column("indicator", sa.String(8), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
    )
    op.create_index("card_of_patient", "card", ["client", "patient"])
    op.create_table(
        "suggestion",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("card", sa.String(36), nullable=False, index=True),
        sa.Column("follow_up", sa.Date()),
    )
    op.create_table(
        "quiet",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", BIG, nullable=False, index=True),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("topic", sa.String(63), nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("received", BIG, nullable=False, index=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("service", sa.String(63), nullable=False),
        sa.Column("card", sa.String(200), nullable=False, index=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("suggestion", sa.String(200)),
        sa.Column("system", sa.String(500)),
        sa.Column("code", sa.String(200)),
        sa.Column("commented", sa.Boolean(), nullable=False),
        sa.Column("outcome_at", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("feedback", "quiet", "suggestion", "card", "call", "secret", "seen_token"):
        op.drop_table(name)
