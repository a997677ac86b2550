"""Which backend an address means."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.backends.base import Backend
from ledgerguard_pipeline.bronze.backends.duckdb_file import BronzeFile, Noticed, open_memory
from ledgerguard_pipeline.bronze.backends.kept_instance import Connect
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.config.bronze_url import Address, LakeAddress


def backend_at(
    address: Address,
    connect: Connect | None,
    clock: Clock,
    wait_seconds: float,
    noticed: Noticed | None,
) -> Backend:
    if isinstance(address, LakeAddress):
        from ledgerguard_pipeline.bronze.backends.ducklake import DuckLake

        return DuckLake(address, clock=clock, wait_seconds=wait_seconds)
    return BronzeFile(
        address,
        connect=connect or open_memory,
        clock=clock,
        lock_wait_seconds=wait_seconds,
        noticed=noticed,
    )
