"""Intuit writes the type of a party as Customer and as CUSTOMER; tables have it in one spelling, so it joins."""

from __future__ import annotations

import pyarrow as pa

from ledgerguard_pipeline.silver.decode.chunk import decode
from ledgerguard_pipeline.silver.decode.one_by_one import decode_one_by_one
from ledgerguard_pipeline.silver.decode.rows import Decoded
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.tieout.postings.store import PostingStore
from ledgerguard_pipeline_tests.silver.books import REALM, Books

DEPOSIT = tables_of("Deposit")
SENT = (
    "CUSTOMER",
    "Customer",
    "customer",
    "VENDOR",
    "EMPLOYEE",
    "OTHERNAME",
    "cu\u017ftomer",
    None,
)
STORED = [
    "Customer",
    "Customer",
    "Customer",
    "Vendor",
    "Employee",
    "OTHERNAME",
    "cu\u017ftomer",
    None,
]


def payload(kind: str | None) -> str:
    named = "" if kind is None else f',"type":"{kind}"'
    return (
        '{"Line":[{"Amount":1,"DetailType":"DepositLineDetail","DepositLineDetail":'
        f'{{"Entity":{{"value":"7"{named}}},"AccountRef":{{"value":"1"}}}}}}]}}'
    )


def types(decoded: Decoded) -> list[object]:
    rows = decoded.table("deposit_line")
    assert rows is not None
    return [each["entity_type"] for each in rows.sort_by("row").to_pylist()]


def test_both_ways_of_decoding_spell_them_alike() -> None:
    payloads = [payload(kind) for kind in SENT * 3]
    into = Decoded()
    decode_one_by_one(DEPOSIT, list(enumerate(payloads)), into)
    assert types(decode(DEPOSIT, pa.array(payloads))) == types(into) == STORED * 3


def test_legs_of_deposits_join_the_parties(books: Books) -> None:
    books.write("Customer", {"7": {"DisplayName": "Ann"}})
    books.write("Account", {"1": {"Name": "A/R", "AccountType": "Accounts Receivable"}})
    books.write("Deposit", {"20": payload("CUSTOMER")})
    PostingStore(books.store).bring_up_to_date(REALM)
    assert books.store.sql(
        "SELECT name FROM silver.postings JOIN silver.dim_party USING (realm_id, party_type, party_id)"
    ).rows == [("Ann",)]
