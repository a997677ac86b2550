"""A failure as it is kept: what happened, who has to act, and whether one type or all suffer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledgerguard_pipeline.errors import CompanyWide, FailureKind, LedgerGuardError

_REFERENCE = re.compile(r" \((?:realm|entity|status|fault|intuit_tid) [^()]*\)$")
"""How an error ends that says where it happened (``errors.py``)."""


def cause_of(text: str) -> str:
    """An error's text without where it happened: what fails for one reason has one cause."""
    return _REFERENCE.sub("", text.strip())


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, without secrets.

    ``kind`` is None where an older version noted it. ``company_wide`` failures hit every entity
    type alike. ``name`` is the error's in ``errors.py``, such as ``CompanyUnavailable``.
    """

    text: str
    kind: FailureKind | None = None
    company_wide: bool = False
    name: str = ""

    @classmethod
    def of(cls, error: LedgerGuardError, *, alone: bool = False) -> Failure:
        """What is kept of an error; ``alone`` says that other entity types did not suffer."""
        return cls(
            str(error),
            FailureKind.of(error),
            isinstance(error, CompanyWide) and not alone,
            type(error).__name__,
        )

    @property
    def needs_human(self) -> bool:
        """Whether repeating it is pointless until somebody acts."""
        return self.kind is FailureKind.NEEDS_HUMAN
