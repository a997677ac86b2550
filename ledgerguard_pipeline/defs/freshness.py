"""How fresh each asset has to be, as Dagster shows it: by what the schedules promise.

Dagster judges an asset by its last materialization, whichever company that was about. So its badge
says whether anything keeps the asset current at all; whether every company is current says the
check ``recently_synced``. Both warn and fail at the same ages as the health of a company; but how many
companies there are is not known when definitions are loaded, so a badge takes them for swept.

Decision 81 in docs/decisions.md.
"""

from datetime import timedelta

import dagster as dg

from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.health.entity_status import promised_seconds
from ledgerguard_pipeline.health.facts import LATE_AFTER, unhealthy_after

NIGHTLY_SECONDS = 86_400.0


def entity_policy(entity: EntityType) -> dg.FreshnessPolicy | None:
    """Of the Bronze asset of an entity type; None where no schedule reads it."""
    minutes = current_site().sweep_minutes
    return None if minutes is None else freshness_policy(promised_seconds(entity, minutes))


def nightly_policy() -> dg.FreshnessPolicy | None:
    """Of what a schedule looks at every night; None where no schedule does."""
    return None if current_site().sweep_minutes is None else freshness_policy(NIGHTLY_SECONDS)


def freshness_policy(promised: float) -> dg.FreshnessPolicy:
    """What a promise of so many seconds means: late after two of them, as everywhere else."""
    return dg.FreshnessPolicy.time_window(
        warn_window=timedelta(seconds=LATE_AFTER * promised),
        fail_window=timedelta(seconds=unhealthy_after(promised)),
    )
