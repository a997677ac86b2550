"""The modules of tests that take longest; whole runs begin with them.

Each worker takes one module after the other. A long one that is taken last keeps a single worker
busy while the others have nothing left to do. The report of a run says which they are now:
``pytest --junit-xml=report.xml`` and ``python -m ledgerguard_pipeline_tests.slowest report.xml``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

SLOWEST = (
    "defs/instance/test_a_killed_daemon_loses_and_doubles_nothing",
    "deploy/test_celery_brings_every_company_home",
    "defs/bronze/test_materializing_fills_bronze",
    "tieout/test_planted_faults_are_named_by_their_level",
    "tieout/test_documents_are_those_that_quickbooks_lists",
    "tieout/test_one_proof_runs_every_level",
    "cli/local/test_an_installed_wheel_needs_no_checkout",
    "ingestion/readers/test_sync_under_fire",
    "ingestion/readers/test_all_custom_fields_are_kept",
    "ingestion/company_sync/test_sync_equals_the_truth",
    "ingestion/readers/test_no_order_of_rows_is_taken_for_granted",
    "ingestion/readers/test_nothing_is_deleted_by_silence",
    "silver/test_a_killed_process_leaves_silver_to_be_made_up_for",
    "ingestion/readers/test_a_page_that_is_too_big_is_asked_for_smaller",
    "bronze/backends/test_a_lake_has_many_writers",
    "ingestion/events/test_events_become_rows",
    "ingestion/readers/test_every_row_is_read_in_one_form",
    "cli/commands/test_sync_status_and_companies_agree",
    "ingestion/readers/test_what_a_company_does_not_offer_is_no_failure",
    "cli/commands/test_books_are_compared_by_a_command",
    "tieout/test_the_journal_is_kept_current",
    "cli/commands/test_connect_takes_only_a_real_consent",
    "bench/test_the_event_benchmark_runs",
    "ingestion/events/test_a_week_of_lossy_webhooks_ends_in_the_truth",
    "defs/monitoring/test_a_check_belongs_to_its_company",
    "cli/stores/test_moving_bronze_into_a_lake",
    "control/rate_limits/test_the_budgets_hold_across_processes",
    "ingestion/company_sync/test_a_killed_sync_goes_on",
    "upgrade/test_what_0_1_0_did_wrong_is_healed",
    "docs/test_the_examples_of_the_library_run",
    "canary/test_no_secret_is_left_anywhere",
    "silver/test_silver_works_on_a_lake",
    "defs/fleet/test_a_sweep_is_one_quiet_run",
    "cli/test_bronze_that_cannot_be_opened_is_not_healthy",
    "ingestion/test_one_company_never_delays_the_others",
    "tieout/test_documents_explain_the_journal",
    "tieout/test_each_document_posts_by_its_rule",
    "ingestion/events/test_a_killed_event_run_loses_and_doubles_nothing",
    "ingestion/test_health_knows_which_failures_need_a_person",
    "silver/test_clean_books_raise_no_alarm_and_every_fault_is_named",
    "ingestion/readers/test_reconcile_repairs_what_differs",
    "defs/scheduling/test_webhook_events_start_runs",
    "ingestion/readers/test_types_at_the_edge_are_read",
    "ingestion/test_a_held_bronze_file_is_waited_for_once",
    "auth/test_one_refresh_per_expiry",
    "browser/test_the_page_is_for_everybody",
    "defs/silver/test_silvers_checks_are_true_after_every_load",
    "auth/test_keys_are_rotated_under_load",
    "defs/bronze/test_a_failure_stays_alone",
    "defs/guest/test_a_guest_loads_its_companies",
    "tieout/test_what_is_newer_than_the_last_sync_is_explained",
    "defs/bronze/test_reconciling_reports_what_it_found",
    "tieout/test_the_journal_says_what_quickbooks_says",
    "browser/test_a_person_connects_and_disconnects",
    "crashes/test_every_crash_point_is_survived",
)
"""Longest first, below this folder; all others come after them in random order."""

AT_LEAST_SECONDS = 15.0
_PACKAGE = __name__.partition(".")[0]
_RANKS = {f"{_PACKAGE}/{name}.py": rank for rank, name in enumerate(SLOWEST)}


def rank(node: str) -> int:
    """Where a test comes in a whole run, by the module of its node id."""
    return _RANKS.get(node.partition("::")[0], len(SLOWEST))


def modules(report: Path) -> list[tuple[float, str]]:
    """Seconds and module, longest first, of those that took ``AT_LEAST_SECONDS`` in a JUnit report."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314  # pytest wrote it
        # A class is the last part of this name, where there is one.
        parts = [part for part in case.attrib["classname"].split(".") if part[0].islower()]
        seconds["/".join(parts[1:])] += float(case.attrib["time"])
    found = ((took, name) for name, took in seconds.items() if took >= AT_LEAST_SECONDS)
    return sorted(found, reverse=True)


if __name__ == "__main__":
    for took, name in modules(Path(sys.argv[1])):
        sys.stdout.write(f'    "{name}",  # {took:.0f} s\n')
