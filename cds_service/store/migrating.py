"""The way back over migrations, and how many rows are there: for whoever operates the service, never for a call."""

from __future__ import annotations

from sqlalchemy import Engine, MetaData, func, select

from cds_service.store.database import HEAD, migrating

MIGRATIONS_KNOWN = tuple(f"{number:04}" for number in range(1, int(HEAD) + 1))


def step_back(engine: Engine, revision: str) -> None:
    """Undo the migrations after *revision*; what they brought is lost.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be used.
    """
    with migrating(engine, None) as (command, config):
        command.downgrade(config, revision)


def counted(engine: Engine) -> dict[str, int]:
    """How many rows each table has that is there, by its name."""
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table.name != "alembic_version"
        }
