"""Alembic's migrations of pool stores."""
