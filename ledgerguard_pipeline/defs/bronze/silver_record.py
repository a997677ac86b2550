"""Silver's share of a load: it was written with Bronze, so its materialization is recorded with it."""

import dagster as dg

from ledgerguard_pipeline.defs.company_names import CompanyNames
from ledgerguard_pipeline.defs.keys import silver_key
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.results import EntityResult


def silver_materializations(
    result: EntityResult | None, names: CompanyNames
) -> list[dg.AssetMaterialization]:
    """The materialization of an entity's Silver, if the load changed anything.

    ``names`` are those of the companies.

    For companies whose Silver is level with Bronze (``BronzeStore.followed``) only: Silver that
    failed was logged, and the next commit makes up for it.
    """
    if result is None or not result.written + result.deleted:
        return []
    return [
        dg.AssetMaterialization(
            silver_key(entity_type(result.entity)),
            partition=result.realm_id,
            metadata={
                **names.metadata(str(result.realm_id), result.entity),
                "objects written": dg.MetadataValue.int(result.written),
                "objects removed": dg.MetadataValue.int(result.deleted),
            },
        )
    ]
