"""Alembic migrations; `prepare` runs them."""
