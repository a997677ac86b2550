"""An id, a number and a key that stands twice are read alike by everybody who reads a record."""

from __future__ import annotations

import json
from decimal import Decimal

import duckdb
from msgspec.structs import replace

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.write.schema_drift import new_fields
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.qbo.answers.payload import Origin, members_of, read_rows
from ledgerguard_pipeline.values import Source
from ledgerguard_pipeline_tests.bronze.records import NOON, REALM, load, record, reject, step

TWICE = (
    b'{"Id":"1","Id":"2","SyncToken":"0","SyncToken":"7","TotalAmt":1.10,"TotalAmt":[2.20],'
    b'"PaymentType":"Check","PaymentType":"Cash","AccountRef":{"value":"35"},'
    b'"TxnDate":"2026-11-01","MetaData":{},"Line":[{"Amount":1,"Amount":2}]}'
)


def test_an_id_with_nul_is_quarantined_and_later_loads_go_on(store: BronzeStore) -> None:
    walk = step(done=True)
    bad = [record("5\0"), replace(record("6"), sync_token="\0")]
    torn = reject("7\0", "unreadable", b"{")
    for _ in range(2):
        [outcome] = store.commit([load(record("1"), *bad, rejects=[torn], walk=walk)])
        assert outcome.quarantined == 3
    assert store.counts(REALM) == {"Invoice": 1}
    found = store.sql("SELECT id, reason FROM _quarantine ORDER BY id").rows
    assert found == [
        (r"5\u0000", "an Id with U+0000"),
        ("6", "a SyncToken with U+0000"),
        (r"7\u0000", "unreadable"),
    ]


def test_an_id_with_nul_of_an_answer_reaches_the_quarantine(store: BronzeStore) -> None:
    origin = Origin(Source.QUERY, "tid-1", NOON)
    rows = read_rows(rb'[{"Id":"1\u0000"},{"Id":"2"}]', entity_type("ChangeOrder"), origin)
    [outcome] = store.commit([load(*rows.records, rejects=rows.rejects, entity="ChangeOrder")])
    assert (outcome.written, outcome.quarantined) == (1, 1)


def test_of_a_key_that_stands_twice_the_last_counts_for_everybody(store: BronzeStore) -> None:
    origin = Origin(Source.QUERY, "tid-1", NOON)
    entity = entity_type("Purchase")
    [sent] = read_rows(b"[" + TWICE + b"]", entity, origin).records
    assert (sent.id, sent.sync_token) == ("2", "7")
    assert members_of(TWICE)["TotalAmt"] == b"[2.20]"
    assert ("TotalAmt", "array") in new_fields([TWICE], set())
    assert ("TotalAmt", "number") not in new_fields([TWICE], set())
    assert sent["TotalAmt"] == [Decimal("2.20")]

    store.commit([load(sent, entity="Purchase")])
    [row] = store.frame("Purchase").to_dict("records")
    assert (row["id"], row["TotalAmt"], row["PaymentType"]) == ("2", [Decimal("2.20")], "Cash")
    assert row["Line"] == [{"Amount": Decimal(2)}]
    assert store.sql("SELECT id FROM bronze.expense_current").rows == [("2",)]
    assert json.loads(str(store.sql("SELECT payload FROM purchase").rows[0][0])) == json.loads(
        TWICE
    )


def test_duckdb_reads_a_frame_as_intuit_wrote_it(store: BronzeStore) -> None:
    texts = ["1E+2", "-1.5e3", "99999999999999.99", "0.10", "0E+3"]
    store.commit(
        [load(*(record(str(at), f'{{"TotalAmt":{text}}}') for at, text in enumerate(texts)))]
    )
    frame = store.frame("Invoice")
    for index, text in enumerate(texts):
        one = frame.iloc[index : index + 1]
        with duckdb.connect() as connection:
            connection.register("one", one)
            [(value,)] = connection.execute('SELECT "TotalAmt" FROM one').fetchall()
            [(bound,)] = connection.execute("SELECT ?", [one["TotalAmt"].iloc[0]]).fetchall()
        assert value == bound == Decimal(text)
