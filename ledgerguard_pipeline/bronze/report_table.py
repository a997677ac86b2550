"""``bronze._reports``: every report as Intuit sent it, so that each claim can be shown again."""

from __future__ import annotations

NAME = "_reports"
KEPT = 3
"""Whole answers kept of each report, parameters and window; cut ones are all kept."""

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
SUPERSEDED = (
    f"SELECT report_id FROM {NAME} WHERE realm_id = ? AND NOT cut "
    "QUALIFY row_number() OVER (PARTITION BY report, params ORDER BY loaded_at DESC) > ?"
)
SUPERSEDED_OF_ALL = (
    f"SELECT report_id FROM {NAME} WHERE NOT cut "
    "QUALIFY row_number() OVER (PARTITION BY realm_id, report, params ORDER BY loaded_at DESC) > ?"
)
FORGET = f"DELETE FROM {NAME} WHERE report_id IN (SELECT unnest(?))"
LIST = (
    f"SELECT {_HEADER} FROM {NAME} WHERE realm_id = $realm AND ($report IS NULL OR report = $report) "
    "ORDER BY loaded_at DESC, report_id"
)
RENAME_DIGEST = f"ALTER TABLE {NAME} RENAME COLUMN sha256 TO payload_sha256"
READ = f"SELECT payload FROM {NAME} WHERE realm_id = ? AND report_id = ?"
