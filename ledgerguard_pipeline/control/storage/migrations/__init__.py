"""Alembic migrations of the control plane; run by ``control.storage.migrate`` when it opens."""
