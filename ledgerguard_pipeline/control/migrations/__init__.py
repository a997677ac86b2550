"""Alembic migrations of the control plane; run by ``control.migrate`` when it opens."""
