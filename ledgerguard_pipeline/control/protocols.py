"""What every store of tokens, every store of leases and every limiter promises.

Each is kept by the control plane's database or by Redis; whoever uses one is written against
these, and one suite of tests for each holds every implementation to them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ledgerguard_pipeline.control.leases.sql_store import Lease
from ledgerguard_pipeline.control.rate_limits.permits import Budgets, Permit
from ledgerguard_pipeline.control.tokens.sql_store import (
    RefreshAttempt,
    SealedRow,
    TokenLife,
    Tokens,
)
from ledgerguard_pipeline.values import RealmId


class TokenVault(Protocol):
    """The sealed tokens of each company; replaced only by compare-and-swap.

    Every method may raise ``ControlUnavailable``: the store gave no usable answer in time.
    """

    def load(self, realm: RealmId) -> Tokens | None:
        """The stored grant, or None. Raises ``KeyUnavailable`` where it does not open."""
        ...

    def replace(self, realm: RealmId, grant: Tokens, expected_version: int | None) -> Tokens:
        """Store ``grant`` durably if the stored version is still the expected one (None: none).

        Raises ``LostRace`` where it is not; then nothing was written.
        """
        ...

    def version(self, realm: RealmId) -> int | None:
        """The stored version, or None; needs no key."""
        ...

    def lives(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, TokenLife]:
        """The life of every stored grant, or of those of some companies; needs no key."""
        ...

    def forget(self, realm: RealmId) -> None:
        """Remove the grant and any note of an attempt."""
        ...

    def note_attempt(self, realm: RealmId, current: Tokens) -> RefreshAttempt:
        """Write down, durably and before the call, that this refresh token is being used."""
        ...

    def attempt(self, realm: RealmId) -> RefreshAttempt | None:
        """The refresh whose outcome is not on record, if any."""
        ...

    def note_reason(self, realm: RealmId, attempt: RefreshAttempt, reason: str) -> None:
        """Write down why an attempt came to nothing; a later one for other tokens stays."""
        ...

    def attempts(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, RefreshAttempt]:
        """Every refresh whose outcome is not on record, or those of some companies."""
        ...

    def clear_attempt(self, realm: RealmId) -> None:
        """Drop the note."""
        ...

    def sealed(self) -> list[SealedRow]:
        """Every stored grant of every environment, with the keys its tokens need; opens none."""
        ...

    def rotate(self, row: SealedRow) -> bool:
        """Seal one stored grant again with the newest key; False if it is so already, or gone."""
        ...

    def retire(
        self, key_ids: Collection[str], drop: Callable[[Collection[str]], None]
    ) -> frozenset[str]:
        """Call ``drop`` with those of the keys that protect no stored token, and return them."""
        ...


class Leases(Protocol):
    """Exclusive rights that end by themselves, on the store's clock, with fencing numbers."""

    def acquire(self, name: str, owner: str, ttl_seconds: float) -> Lease | None:
        """The lease, or None while somebody holds it (``owner`` itself included)."""
        ...

    def renew(self, lease: Lease, ttl_seconds: float) -> Lease:
        """Hold on; raises ``LostRace`` where somebody else has taken it since."""
        ...

    def release(self, lease: Lease) -> bool:
        """Give the lease back; False if it was somebody else's by now (theirs stays)."""
        ...

    def held(self, names: Collection[str]) -> frozenset[str]:
        """Those of the leases that somebody holds now; asked at once."""
        ...

    def holding(
        self, name: str, *, ttl_seconds: float, wait_seconds: float
    ) -> AbstractContextManager[Lease]:
        """Hold the lease during the block; raises ``ControlUnavailable`` after the wait."""
        ...


class Limiter(Protocol):
    """Intuit's budgets per company, held by all processes of an installation together."""

    budgets: Budgets

    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> AbstractContextManager[Permit]:
        """Wait until one call of the company may start; raises ``Throttled`` at the deadline."""
        ...

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Let no call of the company start for ``seconds``; never shortens a longer one."""
        ...

    def cooling_seconds(self, realm: RealmId) -> float:
        """How long the company's cool-down still lasts; zero if there is none."""
        ...

    def cooling(self, companies: Sequence[RealmId]) -> dict[RealmId, float]:
        """Those of the companies that are cooling down, with the seconds left; asked at once."""
        ...
