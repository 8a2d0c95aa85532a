"""Feedback repeats what the next chart-open asks of its card; a card holds its suggestions itself.

What was said of a patient's cards was found through all cards of the patient: the longer a chart was used, the slower.
"""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CARD = sa.table("card", *map(sa.column, ("uuid", "client", "patient", "topic", "level", "indicator")))
CARD_SUGGESTIONS = sa.table("card", sa.column("uuid"), sa.column("suggestions", sa.JSON()))
FEEDBACK = sa.table(
    "feedback",
    *map(sa.column, ("card", "client", "suggestion", "patient", "topic", "level", "indicator")),
    sa.column("follow_up", sa.Date()),
)
SUGGESTION = sa.table("suggestion", sa.column("uuid"), sa.column("card"), sa.column("follow_up", sa.Date()))


def upgrade() -> None:
    """Move what is there."""
    for column in (
        sa.Column("patient", sa.String(32)),
        sa.Column("topic", sa.String(63)),
        sa.Column("level", sa.Integer()),
        sa.Column("indicator", sa.String(8)),
        sa.Column("follow_up", sa.Date()),
    ):
        op.add_column("feedback", column)
    _tell_feedback()
    op.create_index("feedback_of_patient", "feedback", ["patient", "client"])
    op.add_column("card", sa.Column("suggestions", sa.JSON(), nullable=False, server_default="{}"))
    _tell_cards()
    op.drop_index("card_of_patient", "card")
    op.drop_table("suggestion")


def _tell_feedback() -> None:
    of_card = sa.and_(CARD.c.uuid == FEEDBACK.c.card, CARD.c.client == FEEDBACK.c.client)
    values = {
        name: sa.select(CARD.c[name]).where(of_card).scalar_subquery()
        for name in ("patient", "topic", "level", "indicator")
    }
    of_suggestion = sa.and_(SUGGESTION.c.uuid == FEEDBACK.c.suggestion, SUGGESTION.c.card == CARD.c.uuid, of_card)
    values["follow_up"] = sa.select(SUGGESTION.c.follow_up).where(of_suggestion).scalar_subquery()
    op.execute(sa.update(FEEDBACK).values(values))


def _tell_cards() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.select(SUGGESTION).order_by(SUGGESTION.c.card)).all()
    for card, suggestions in groupby(rows, key=lambda row: row.card):
        days = {row.uuid: row.follow_up and str(row.follow_up) for row in suggestions}
        told = sa.update(CARD_SUGGESTIONS).where(CARD_SUGGESTIONS.c.uuid == card).values(suggestions=days)
        connection.execute(told)


def downgrade() -> None:
    """Restore the tables; suggestions of earlier cards are not brought back."""
    op.create_table(
        "suggestion",
        sa.Column("uuid", sa.String(36), primary_key=True),
        sa.Column("card", sa.String(36), nullable=False, index=True),
        sa.Column("follow_up", sa.Date()),
    )
    op.create_index("card_of_patient", "card", ["client", "patient"])
    op.drop_column("card", "suggestions")
    op.drop_index("feedback_of_patient", "feedback")
    for name in ("follow_up", "indicator", "level", "topic", "patient"):
        op.drop_column("feedback", name)
