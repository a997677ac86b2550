"""Runs the migrations on the connection, and inside the transaction, the caller holds."""

from __future__ import annotations

from alembic import context

from ledgerguard_pipeline.control.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
