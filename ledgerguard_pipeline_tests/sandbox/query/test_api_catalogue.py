from __future__ import annotations

from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.sandbox.entity_types import TYPES
from ledgerguard_pipeline.sandbox.query.properties import QUERYABLES, queryable


def test_the_sandbox_serves_exactly_the_entities_the_product_reads() -> None:
    served = {entity.name for entity in QUERYABLES}
    assert served == {entity.name for entity in ENTITIES}
    assert served == set(TYPES)


def test_both_sides_agree_on_soft_deletes_cdc_and_answer_keys() -> None:
    for entity in ENTITIES:
        found = queryable(entity.name)
        assert found is not None
        assert found.soft_delete == entity.soft_delete, entity.name
        assert found.cdc == entity.cdc, entity.name
        assert found.answer_key in entity.json_keys, entity.name
