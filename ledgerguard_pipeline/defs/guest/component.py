"""The component: QuickBooks in a project of ``dg``, described in YAML.

``{{ env.X }}`` is resolved when definitions load; a variable that is missing then is read from the
environment of whatever runs. A secret resolved so stays in the component, no page of Dagster shows it.
"""

from collections.abc import Callable
from typing import Annotated

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component
from dagster.components.utils.translation import TranslationFnResolver
from pydantic import Field

from ledgerguard_pipeline.config.settings import Cadence
from ledgerguard_pipeline.defs.guest.definitions import FIRST_DAY, quickbooks_definitions
from ledgerguard_pipeline.defs.guest.quickbooks_bronze import QuickBooksBronze
from ledgerguard_pipeline.defs.site import (
    OWNERS,
    PREFIX,
    QuickBooksTable,
    QuickBooksTranslator,
)

Translation = Annotated[
    Callable[[dg.AssetSpec, QuickBooksTable], dg.AssetSpec],
    TranslationFnResolver[QuickBooksTable](
        lambda table: {"table": table, "layer": table.layer, "name": table.name}
    ),
]


class QuickBooksScaffolder(dg.Scaffolder):
    """What ``dg scaffold defs`` writes: the installation by the variables everybody has."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write ``defs.yaml``."""
        scaffold_component(
            request,
            {
                "home": "{{ env.LEDGERGUARD_HOME }}",
                "client_id": "{{ env.INTUIT_CLIENT_ID }}",
                "client_secret": "{{ env.INTUIT_CLIENT_SECRET }}",
                "entities": ["Account", "Customer", "Invoice", "Payment", "Vendor", "Bill"],
            },
        )


@dg.scaffold_with(QuickBooksScaffolder)
class QuickBooksComponent(dg.Component, dg.Resolvable, dg.Model):
    """QuickBooks Online companies as Bronze and Silver assets in DuckDB, kept current."""

    home: str | None = Field(default=None, description="Folder of the installation's state.")
    client_id: str | None = Field(default=None, description="The Intuit app's client id.")
    client_secret: str | None = Field(
        default=None, repr=False, description="The Intuit app's client secret."
    )
    environment: str | None = Field(default=None, description="sandbox or production.")
    redirect_uri: str | None = Field(default=None, description="The app's OAuth callback.")
    base_url: str | None = Field(default=None, description="Replaces every Intuit host.")
    bronze_url: str | None = Field(
        default=None, repr=False, description="Bronze: a file or a DuckLake."
    )
    control_url: str | None = Field(
        default=None, repr=False, description="Database of the control plane."
    )
    redis_url: str | None = Field(
        default=None, repr=False, description="Redis for tokens and limits."
    )
    encryption_keys: str | None = Field(
        default=None, repr=False, description="Key ring for stored tokens, newest first."
    )
    companies: list[str] | None = Field(
        default=None, description="Realm ids; every connected company if left out."
    )
    entities: list[str] | None = Field(
        default=None, description="Entity types, such as Invoice; all if left out."
    )
    prefix: str = Field(
        default=PREFIX, description="Begins names of jobs, schedules, sensors and groups."
    )
    key_prefix: list[str] | None = Field(default=None, description="Begins the asset keys.")
    group: str | None = Field(default=None, description="One group for all assets.")
    owners: list[str] = Field(default=list(OWNERS), description="Owners of all assets.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of all assets.")
    silver: bool = Field(default=True, description="Whether typed tables are kept.")
    reports: bool = Field(default=False, description="Whether Intuit's reports are assets.")
    journal: bool = Field(default=False, description="Whether the journal is one.")
    attachments: bool = Field(default=False, description="Whether attached files are downloaded.")
    schedules: bool = Field(default=True, description="Whether there are schedules and sensors.")
    running: bool = Field(default=True, description="Whether they are switched on at first.")
    cadence: Cadence = Field(default="monthly", description="Length of a partition window.")
    start_date: str = Field(
        default=FIRST_DAY.isoformat(), description="The day from which there are windows."
    )
    translation: Translation | None = Field(
        default=None,
        description="Attributes of single assets, with `table`, `layer`, `name` and `spec`.",
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What ``dg list components`` shows beside the docstring."""
        return dg.ComponentTypeSpec(
            description=cls.__doc__,
            owners=["team:finance-data"],
            tags=["quickbooks", "duckdb", "accounting"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    def get_asset_spec(self, table: QuickBooksTable) -> dg.AssetSpec:
        """The asset of a table; a subclass may rename and describe it, as a translator does."""
        if self.translation is None:
            return table.spec
        return self.translation(table.spec, table)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002  # Dagster's signature
        """The definitions, by ``quickbooks_definitions``."""
        given = {name: getattr(self, name) for name in _INSTALLATION}
        return quickbooks_definitions(
            QuickBooksBronze(**{name: text for name, text in given.items() if text is not None}),
            companies=self.companies,
            entities=self.entities,
            prefix=self.prefix,
            key_prefix=self.key_prefix,
            group=self.group,
            owners=self.owners,
            tags=self.tags,
            translator=_ComponentTranslator(self),
            silver=self.silver,
            reports=self.reports,
            journal=self.journal,
            attachments=self.attachments,
            schedules=self.schedules,
            running=self.running,
            cadence=self.cadence,
            start_date=self.start_date,
        )


_INSTALLATION = (
    "home", "client_id", "client_secret", "environment", "redirect_uri", "base_url", "bronze_url",
    "control_url", "redis_url", "encryption_keys",
)  # fmt: skip


class _ComponentTranslator(QuickBooksTranslator):
    def __init__(self, component: QuickBooksComponent) -> None:
        self._component = component

    def get_asset_spec(self, table: QuickBooksTable) -> dg.AssetSpec:
        return self._component.get_asset_spec(table)
