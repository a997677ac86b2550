"""All blocks, by entity name, in the order of the product's registry of entity types."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.silver.registry import banking, company, lists, purchases, sales, tax
from ledgerguard_pipeline.silver.specs import Block

_ALL = {
    block.entity: block
    for room in (sales, purchases, banking, lists, tax, company)
    for block in room.BLOCKS
}
BLOCKS: Mapping[str, Block] = MappingProxyType(
    {entity.name: _ALL[entity.name] for entity in ENTITIES}
)
