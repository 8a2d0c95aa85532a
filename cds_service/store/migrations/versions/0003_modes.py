"""Modes that were chosen, and what silent and shown cards are compared by. Nothing that was there is touched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "mode",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", BIG, nullable=False),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("topic", sa.String(63), nullable=False),
        sa.Column("mode", sa.String(32), nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("why", sa.String(500), nullable=False),
        sa.Column("until", BIG),
    )
    op.create_table(
        "considered",
        sa.Column("id", ID, primary_key=True),
        sa.Column("at", BIG, nullable=False, index=True),
        sa.Column("chart", sa.String(32), nullable=False),
        sa.Column("client", sa.String(63), nullable=False),
        sa.Column("patient", sa.String(32), nullable=False),
        sa.Column("topic", sa.String(63), nullable=False),
        sa.Column("indicator", sa.String(8), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("analyte", sa.String(16), nullable=False),
        sa.Column("band", sa.String(8), nullable=False),
        sa.Column("result_day", sa.String(10), nullable=False),
        sa.Column("ordered", sa.Boolean(), nullable=False),
    )
    op.create_index("considered_of_patient", "considered", ["patient", "client", "analyte"])
    op.create_table(
        "course",
        sa.Column("patient", sa.String(32), primary_key=True),
        sa.Column("client", sa.String(63), primary_key=True),
        sa.Column("analyte", sa.String(16), primary_key=True),
        sa.Column("result_day", sa.String(10), primary_key=True),
        sa.Column("band", sa.String(8), primary_key=True),
        sa.Column("ordered", sa.Boolean(), primary_key=True),
        sa.Column("at", BIG, nullable=False, index=True),
    )


def downgrade() -> None:
    """Drop them: what was chosen and counted is lost, nothing else."""
    for name in ("course", "considered", "mode"):
        op.drop_table(name)
