"""Alembic's migrations; services.database.migrate applies them."""
