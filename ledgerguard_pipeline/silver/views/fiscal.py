"""In which month the fiscal year of each company begins.

As ``bronze/read/company_facts.py`` has it for comparisons: what CompanyInfo says, else what Preferences
say, by name in any case or by number, else January.
"""

from __future__ import annotations

_MONTHS = (
    "['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', "
    "'october', 'november', 'december']"
)


def _number(said: str) -> str:
    return (
        f"coalesce(nullif(list_position({_MONTHS}, lower(trim({said}))), 0), "
        f"CASE WHEN TRY_CAST({said} AS INTEGER) BETWEEN 1 AND 12 THEN TRY_CAST({said} AS INTEGER) END)"
    )


FIRST_MONTHS = f"""
    SELECT company.realm_id, coalesce(
        any_value({_number("info.fiscal_year_start_month")}),
        any_value({_number("preferences.first_month_of_fiscal_year")}), 1) AS first_month
    FROM (SELECT DISTINCT realm_id FROM silver._applied) AS company
        LEFT JOIN silver.company_info AS info ON info.realm_id = company.realm_id
        LEFT JOIN silver.preferences AS preferences ON preferences.realm_id = company.realm_id
    GROUP BY company.realm_id
"""
"""SQL of one row per company, with ``first_month`` from 1 to 12."""
