"""Whose run it is: known by its tags, and tagged where nobody said it.

Schedules and sensors name the company of a run. What a person launches in the UI, what a backfill
launches and what another project's own job launches names it only in its partition. An instance
with our run queue (``instance/run_queue.py``) tags such a run before it is queued; on any other
one it tags itself when it begins, so that later runs of the company wait for it by the limit on
the tag, and it is found by the company's name.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import dagster as dg
import structlog
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MULTIDIMENSIONAL_PARTITION_PREFIX,
    PARTITION_NAME_TAG,
)

from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.keys import COMPANY_TAG, REALM_TAG
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.values import parse_realm

if TYPE_CHECKING:
    from ledgerguard_pipeline.control.plane import ControlPlane

PARTITION_TAG = f"{MULTIDIMENSIONAL_PARTITION_PREFIX}{REALM}"

_log = structlog.get_logger(__name__)


def company_of(tags: Mapping[str, str]) -> str | None:
    """The company a run is about by its tags; None if it is about several or about none."""
    named = tags.get(REALM_TAG) or tags.get(PARTITION_TAG)
    if named:
        return named
    first, last = (
        tags.get(tag, "").partition("|")[0]
        for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG)
    )
    return first if first and last in (first, "") else None


def tag_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, control: "Callable[[], ControlPlane]"
) -> dict[str, str]:
    """Give a run of ours the tags of its company that it lacks; these.

    The control plane is asked only where a tag is missing, and a run never fails of it.
    """
    if REALM_TAG in run.tags and COMPANY_TAG in run.tags:
        return {}
    named = company_of(run.tags) or run.tags.get(PARTITION_NAME_TAG, "").partition("|")[0]
    if not named:
        return {}
    try:
        company = control().companies.get(parse_realm(named))
    except LedgerGuardError as error:
        _log.warning("run_not_tagged", run_id=run.run_id, reason=error.message)
        return {}
    if company is None:
        return {}
    lacking = {name: text for name, text in company_tags(company).items() if name not in run.tags}
    instance.add_run_tags(run.run_id, lacking)
    return lacking
