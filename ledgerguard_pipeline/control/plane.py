"""The control plane: everything the processes of an installation share besides Bronze."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.bronze_trouble import BronzeTrouble
from ledgerguard_pipeline.control.company_state.capabilities import CapabilityStore
from ledgerguard_pipeline.control.company_state.companies import CompanyStore
from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.control.company_state.daily_history import DailyHistory
from ledgerguard_pipeline.control.company_state.sync_state import SyncStates
from ledgerguard_pipeline.control.company_state.tie_outs import TieOuts
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.leases.sql_store import LeaseStore
from ledgerguard_pipeline.control.protocols import Leases, Limiter, TokenVault
from ledgerguard_pipeline.control.rate_limits.call_guard import CallGuard
from ledgerguard_pipeline.control.rate_limits.call_ledger import CallLedger
from ledgerguard_pipeline.control.rate_limits.monthly_budget import CallBudget
from ledgerguard_pipeline.control.rate_limits.sql_limiter import Budgets, CallLimiter
from ledgerguard_pipeline.control.rate_limits.throttle_log import RefusalLog
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.migrate import migrate
from ledgerguard_pipeline.control.tokens.durability_warnings import DurabilityWarnings
from ledgerguard_pipeline.control.tokens.keyring import Keyring
from ledgerguard_pipeline.control.tokens.location import check_token_home
from ledgerguard_pipeline.control.tokens.sql_store import TokenStore
from ledgerguard_pipeline.control.webhook_queue.queue import EventInbox
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.values import Environment

if TYPE_CHECKING:
    from ledgerguard_pipeline.control.company_state.alert_state import AlertStore
    from ledgerguard_pipeline.control.company_state.check_faults import CheckFaults
    from ledgerguard_pipeline.control.company_state.sync_requests import SyncRequests
    from ledgerguard_pipeline.control.leases.run_heartbeats import RunBeats
    from ledgerguard_pipeline.control.storage.redis_server import RedisServer
    from ledgerguard_pipeline.control.tokens.oauth_states import StateStore
    from ledgerguard_pipeline.control.webhook_queue.deliveries import DeliveryStore


class ControlPlane(Closing):
    """Companies, tokens, OAuth states, leases, the limiter, the call ledger and webhook events.

    Thread-safe; every process opens its own, and one inherited by a fork reconnects by itself.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        environment: Environment,
        budgets: Budgets,
        kept_entities: frozenset[str],
        redis: RedisServer | None = None,
    ) -> None:
        self.database = database
        self.redis = redis
        self.keyring = keyring
        self.environment = environment
        self.clock = database.clock
        self.companies = CompanyStore(database, environment)
        self.tokens: TokenVault
        self.leases: Leases
        self.limiter: Limiter
        if redis is None:
            self.tokens = TokenStore(database, keyring, environment)
            self.leases = LeaseStore(database)
            self.limiter = CallLimiter(database, environment, budgets)
        else:
            from ledgerguard_pipeline.control.leases.redis_store import RedisLeaseStore
            from ledgerguard_pipeline.control.rate_limits.redis_limiter import RedisCallLimiter
            from ledgerguard_pipeline.control.tokens.redis_store import RedisTokenStore

            self.tokens = RedisTokenStore(redis, keyring, environment)
            self.leases = RedisLeaseStore(redis)
            self.limiter = RedisCallLimiter(redis, environment, budgets)
        self.calls = CallLedger(database, environment)
        self.refusals = RefusalLog(database, environment)
        self.budget = CallBudget(self.calls, budgets.per_month, database.clock)
        self.guard = CallGuard(self.limiter, self.calls, self.budget, self.refusals, database.clock)
        self._kept_entities = kept_entities

    # What one command or run needs of these is made, and its module imported, when it is asked for.

    @cached_property
    def states(self) -> StateStore:
        """OAuth consents under way."""
        from ledgerguard_pipeline.control.tokens.oauth_states import StateStore

        return StateStore(self.database, self.environment)

    @cached_property
    def run_beats(self) -> RunBeats:
        """Signs of life of runs."""
        from ledgerguard_pipeline.control.leases.run_heartbeats import RunBeats

        return RunBeats(self.database)

    @cached_property
    def concerns(self) -> DurabilityWarnings:
        """What may lose tokens."""
        return DurabilityWarnings(self.redis, self.clock)

    @cached_property
    def sync_states(self) -> SyncStates:
        """How far each entity of each company is."""
        return SyncStates(self.database, self.environment)

    @cached_property
    def capabilities(self) -> CapabilityStore:
        """What each company's API was seen to accept."""
        return CapabilityStore(self.database, self.environment)

    @cached_property
    def bronze_trouble(self) -> BronzeTrouble:
        """Why Bronze cannot be used, if it cannot."""
        return BronzeTrouble(self.database, self.environment)

    @cached_property
    def check_faults(self) -> CheckFaults:
        """Failing checks of every company."""
        from ledgerguard_pipeline.control.company_state.check_faults import CheckFaults

        return CheckFaults(self.database, self.environment)

    @cached_property
    def tie_outs(self) -> TieOuts:
        """What the last comparison of each company's books found."""
        return TieOuts(self.database, self.environment)

    @cached_property
    def history(self) -> DailyHistory:
        """What happened to each company day by day."""
        return DailyHistory(self.database, self.environment)

    @cached_property
    def sync_requests(self) -> SyncRequests:
        """Syncs that people asked for."""
        from ledgerguard_pipeline.control.company_state.sync_requests import SyncRequests

        return SyncRequests(self.database, self.environment)

    @cached_property
    def alerts(self) -> AlertStore:
        """Alerts already sent."""
        from ledgerguard_pipeline.control.company_state.alert_state import AlertStore

        return AlertStore(self.database, self.environment)

    @cached_property
    def counters(self) -> CounterStore:
        """Counters that only grow."""
        return CounterStore(self.database, self.environment)

    @cached_property
    def inbox(self) -> EventInbox:
        """The queue of webhook events."""
        return EventInbox(self.database, self.environment, self.counters)

    @cached_property
    def deliveries(self) -> DeliveryStore:
        """Webhook deliveries as they came."""
        from ledgerguard_pipeline.control.webhook_queue.deliveries import DeliveryStore

        return DeliveryStore(self.database, self.environment, self.counters, self._kept_entities)

    @classmethod
    def open(
        cls, settings: Settings, *, clock: Clock = SYSTEM_CLOCK, moving_tokens: bool = False
    ) -> ControlPlane:
        """Open, and on first use create, the control plane of these settings.

        ``moving_tokens`` is for whoever moves them between the database and Redis: everybody
        else is kept from using a half of them.

        Raises:
            ConfigurationError: the home or a URL is not usable, or the tokens are elsewhere.
            ControlUnreachable: the PostgreSQL or Redis server does not answer.
            KeyUnavailable: the key ring is damaged or open to others.
            SchemaMismatch: a newer version of this program wrote the database.
            ControlUnavailable: the database cannot be reached or a migration failed.
        """
        _private_folder(settings.ledgerguard_home)
        keyring = Keyring.open(settings)
        address = settings.ledgerguard_redis_url
        with ExitStack() as undo:
            database = Database(control_url(settings), clock=clock)
            undo.callback(database.close)
            database.reach()
            migrate(database)
            redis = None
            if address is not None:
                from ledgerguard_pipeline.control.storage.redis_server import RedisServer

                redis = RedisServer(address.get_secret_value(), clock=clock)
                undo.callback(redis.close)
                redis.reach()
            if not moving_tokens:
                check_token_home(database, redis)
            undo.pop_all()
        budgets = Budgets(
            per_minute=settings.ledgerguard_max_requests_per_minute,
            per_second=settings.ledgerguard_max_requests_per_second,
            batches_per_minute=settings.ledgerguard_max_batches_per_minute,
            concurrent=settings.ledgerguard_max_concurrent_requests,
            per_month=settings.ledgerguard_monthly_call_budget,
        )
        kept = frozenset(entity.name for entity in settings.kept_entities)
        return cls(database, keyring, settings.intuit_env, budgets, kept, redis)

    def now(self) -> datetime:
        """The store's time in UTC, the one every expiry in here is measured by."""
        return self.database.time()

    def close(self) -> None:
        """Close the database connections of this process; the stores cannot be used after."""
        self.database.close()
        if self.redis is not None:
            self.redis.close()


def control_url(settings: Settings) -> str | URL:
    """SQLAlchemy's URL of the database; it may hold a password."""
    configured = settings.ledgerguard_control_url
    if configured is not None:
        return configured.get_secret_value()
    # Not as text: what stands after a question mark in the home's name would be options.
    return URL.create("sqlite", database=str(settings.ledgerguard_home / DATABASE_FILE))


def _private_folder(path: Path) -> None:
    try:
        make_private(path)
    except OSError as error:
        raise ConfigurationError(
            f"LEDGERGUARD_HOME {path} cannot be made ({error.strerror}). Name a folder this user "
            "may write."
        ) from error
