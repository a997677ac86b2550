"""The checks of the ledger over all companies, judged in a run and, without Bronze, by the control plane.

A run has every difference at hand, in ``silver.tie_out``. The sensor that corrects what Dagster
shows never opens Bronze: it judges by the last comparison of each company, which the control plane
keeps with the most important of its differences.
"""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg

from ledgerguard_pipeline.control.company_state.tie_outs import WARNINGS, Books
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.bronze.checks import CheckGroup
from ledgerguard_pipeline.defs.bronze.metadata import Metadata
from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.keys import journal_key
from ledgerguard_pipeline.defs.run_context import current_settings
from ledgerguard_pipeline.defs.site import current_site
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass, Level
from ledgerguard_pipeline.values import RealmId

BALANCED = "every_transaction_balances"
TIED_OUT = "equals_the_trial_balance"
STATEMENTS = "equals_the_statements"
DERIVED = "every_document_balances"
EXPLAINED = "documents_explain_the_journal"
LISTED = "equals_the_transaction_list"
OPEN_ITEMS = "equals_the_reports_of_aging"
ACCOUNT_BALANCES = "equals_the_balances_of_accounts"
LEVELS = {
    BALANCED: Level.BALANCED,
    TIED_OUT: Level.TRIAL_BALANCE,
    STATEMENTS: Level.STATEMENTS,
    DERIVED: Level.DERIVED,
    EXPLAINED: Level.POSTINGS,
    LISTED: Level.LISTED,
    OPEN_ITEMS: Level.OPEN_ITEMS,
    ACCOUNT_BALANCES: Level.ACCOUNT_BALANCES,
}
SHOWN = 50
"""Differences listed in one evaluation; how many there are is said in any case."""
DESCRIPTIONS = {
    BALANCED: "Debits and credits of every transaction of the journal are equal, in every company.",
    TIED_OUT: (
        "Every account stands at what Intuit's TrialBalance says, to the last digit, in every "
        "company. Accounts in other currencies, which Intuit revalues, are shown and do not fail."
    ),
    STATEMENTS: (
        "Income and expenses of every month, and assets, liabilities and equity on the last closed "
        "month end, are what Intuit's ProfitAndLoss and BalanceSheet say, in every company."
    ),
    DERIVED: (
        "Debits and credits of every document by Intuit's posting rules are equal, in every company."
    ),
    EXPLAINED: (
        "The legs of every document are those of the journal, by transaction and account, in every "
        "company. What no document holds (pay, tax payments, costs of goods) is shown with its "
        "class and does not fail."
    ),
    LISTED: (
        "Bronze holds the documents that Intuit's TransactionList shows, with the same dates and "
        "totals, in every company. Types that no entity holds are shown and do not fail."
    ),
    OPEN_ITEMS: (
        "What documents leave open is what Intuit's reports of aging show, by customer and vendor, "
        "and adds up to the accounts, in every company."
    ),
    ACCOUNT_BALANCES: (
        "The rows of accounts in Bronze say the balances that the journal adds up to, in every "
        "company. A warning: the ledger itself is compared with the TrialBalance."
    ),
}


def judged(
    check: str, found: Sequence[tuple[str, Difference]], findings: Sequence[str]
) -> dg.AssetCheckResult:
    """A check by the differences of its level, each with its company, and by ``findings``.

    Those are sentences on what kept companies from being compared.
    """
    failing = [pair for pair in found if pair[1].breaks]
    warnings = [pair for pair in found if pair[1].warning]
    shown = sorted(found, key=lambda pair: not (pair[1].breaks or pair[1].warning))[:SHOWN]
    counts = {kind: sum(each.kind is kind for _, each in found) for kind in DifferenceClass}
    return _result(
        check,
        [f"{company}: {each.message}" for company, each in failing],
        findings,
        [f"{company}: {each.message}" for company, each in warnings],
        {
            "differences": dg.MetadataValue.int(len(found)),
            **{kind.value: dg.MetadataValue.int(count) for kind, count in counts.items()},
        },
        [f"{company}: {each.message}" for company, each in shown],
    )


def ledger_checks() -> CheckGroup:
    """What the control plane knows of them, without opening Bronze."""

    def judge(control: ControlPlane) -> list[dg.AssetCheckResult]:
        chosen = current_site().works_on
        remarkable = control.tie_outs.remarkable()
        names = CompanyNames.read(control, current_settings())
        return judged_by_books(
            {realm: books for realm, books in remarkable.items() if chosen(realm)}, names
        )

    return CheckGroup(lambda: [dg.AssetCheckKey(journal_key(), each) for each in LEVELS], judge)


def judged_by_books(
    books: Mapping[RealmId, Books], names: CompanyNames
) -> list[dg.AssetCheckResult]:
    """Every check by the last comparisons of these companies."""
    return [_by_books(check, level.value, books, names) for check, level in LEVELS.items()]


def _by_books(
    check: str, level: str, books: Mapping[RealmId, Books], names: CompanyNames
) -> dg.AssetCheckResult:
    failing: list[str] = []
    findings: list[str] = []
    warnings: list[str] = []
    broken = 0
    for realm, known in books.items():
        company = names.label(realm)
        count = sum(each.unexplained for each in known.levels if each.level == level)
        old = sum(each.count for each in known.classes if each.level == level and each.warns)
        broken += count
        failing += _said(company, known, level, count, {DifferenceClass.UNEXPLAINED.value})
        warnings += _said(company, known, level, old, WARNINGS)
        findings += [
            f"{company}: {each.text}"
            for each in known.findings
            if each.blocks and (not each.levels or level in each.levels)
        ]
    counted: Metadata = {"unexplained": dg.MetadataValue.int(broken)}
    return _result(check, failing, findings, warnings, counted, [*failing, *warnings][:SHOWN])


def _said(company: str, known: Books, level: str, count: int, kinds: Collection[str]) -> list[str]:
    """The differences of a level that are kept; where all of them are others', how many there are."""
    if not count:
        return []
    listed = [
        f"{company}: {each.message}"
        for each in known.differences
        if each.level == level and each.kind in kinds
    ]
    noun = "difference" if count == 1 else "differences"
    return listed or [f"{company}: {count} {noun}, which `ledgerguard tieout` lists."]


def _result(
    check: str,
    failing: Sequence[str],
    findings: Sequence[str],
    warnings: Sequence[str],
    counted: Metadata,
    listed: Sequence[str],
) -> dg.AssetCheckResult:
    said = failing or findings or warnings
    return dg.AssetCheckResult(
        asset_key=journal_key(),
        check_name=check,
        passed=not said,
        # Nothing is wrong with books that could not be compared, by a guess, or by an old row.
        severity=dg.AssetCheckSeverity.ERROR if failing else dg.AssetCheckSeverity.WARN,
        description=said[0] if said else None,
        metadata={
            **counted,
            **({"findings": dg.MetadataValue.md("\n".join(findings))} if findings else {}),
            **({"listed": dg.MetadataValue.md("\n".join(listed))} if listed else {}),
        },
    )
