"""Migrations of the tables of control, by Alembic."""
