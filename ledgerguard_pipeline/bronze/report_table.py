"""``bronze._reports``: every report as Intuit sent it, so that each claim can be shown again."""

from __future__ import annotations

NAME = "_reports"
KEPT = 3
"""Whole answers kept of each report, parameters and window; cut ones are all kept."""
NAMED_BY = "silver.tie_out"
"""The table whose ``report_id`` says which answer a difference was found in."""

COLUMNS: dict[str, str] = {
    "report_id": "VARCHAR",
    "realm_id": "VARCHAR",
    "report": "VARCHAR",
    "params": "VARCHAR",
    "window_start": "DATE",
    "window_end": "DATE",
    "basis": "VARCHAR",
    "fetched_at": "TIMESTAMPTZ",
    "report_time": "VARCHAR",
    "request_id": "VARCHAR",
    "payload": "VARCHAR",
    "payload_sha256": "VARCHAR",
    "cells": "BIGINT",
    "cut": "BOOLEAN",
    "cut_reason": "VARCHAR",
    "run_id": "VARCHAR",
    "loaded_at": "TIMESTAMPTZ",
}
"""``params`` are what was sent, as JSON with sorted keys; ``payload`` is the answer byte for byte."""

DEFINITION = ", ".join(f"{name} {type_}" for name, type_ in COLUMNS.items())
_HEADER = ", ".join(name for name in COLUMNS if name != "payload")

LATEST = f"SELECT max(loaded_at) FROM {NAME} WHERE realm_id = ?"
FIND = f"SELECT count(*) FROM {NAME} WHERE report_id IN (SELECT unnest(?))"
_DAY = 86_400
_CHANGED_UNTIL = """TRY_CAST(regexp_extract(params, '"end_moddate":"([^"]*)"', 1) AS DATE)"""
_QUESTION = f"""CASE
    WHEN abs(epoch(fetched_at) - epoch({_CHANGED_UNTIL})) < {2 * _DAY}
        THEN regexp_replace(params, '"(start_mod|end_mod|end_)date":"[^"]*"', '', 'g')
    WHEN window_end <> last_day(window_end) AND abs(epoch(fetched_at) - epoch(window_end)) < {2 * _DAY}
        THEN regexp_replace(params, '"(end|report)_date":"[^"]*"', '', 'g')
    ELSE params END"""
"""What was asked, without the day it was asked on: how the books stand today, or what changed lately,
is one question every day. Month ends and other days stay questions of their own (decision 117)."""


def superseded(realm: str, named_by: str | None) -> str:
    """Ids of answers of which ``?`` newer ones to the same question are kept.

    ``realm`` is a condition. Those that the table ``named_by`` names stay.
    """
    named = f" AND report_id NOT IN (SELECT report_id FROM {named_by} WHERE report_id IS NOT NULL)"
    return (
        f"SELECT report_id FROM (SELECT report_id FROM {NAME} WHERE {realm} AND NOT cut "
        f"QUALIFY row_number() OVER (PARTITION BY realm_id, report, {_QUESTION} "
        f"ORDER BY loaded_at DESC) > ?) WHERE true{named if named_by else ''}"
    )


FORGET = f"DELETE FROM {NAME} WHERE report_id IN (SELECT unnest(?))"
LIST = (
    f"SELECT {_HEADER} FROM {NAME} WHERE realm_id = $realm AND ($report IS NULL OR report = $report) "
    "ORDER BY loaded_at DESC, report_id"
)
RENAME_DIGEST = f"ALTER TABLE {NAME} RENAME COLUMN sha256 TO payload_sha256"
READ = f"SELECT payload FROM {NAME} WHERE realm_id = ? AND report_id = ?"
