"""When an asset downstream of QuickBooks should run."""

from typing import Any

import dagster as dg


def any_parent_updated() -> "dg.AutomationCondition[Any]":
    """``AutomationCondition.eager()`` that does not wait for partitions nobody ever makes.

    ``eager()`` runs a partition only once every parent partition it maps to has been materialized.
    A company has no cells in windows before it was connected or in which nothing happened to a
    type, and a company without invoices has no Silver of invoices; so it may wait forever. This
    one runs whenever a parent was updated, for the company concerned; an asset without partitions
    for any company.
    """
    eager = dg.AutomationCondition.eager()
    return eager.without(~dg.AutomationCondition.any_deps_missing())
