from __future__ import annotations

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.write.schema_drift import SAMPLE, new_fields
from ledgerguard_pipeline_tests.bronze.records import after, load, record

KNOWN = '{"Id":"1","Line":[{"Amount":1.0,"Ref":{"value":"7"}}],"Paid":false,"Gone":null}'


def paths(store: BronzeStore) -> set[tuple[object, ...]]:
    return set(store.sql("SELECT path, kind FROM _fields WHERE entity = 'Invoice'").rows)


def test_the_first_complete_load_is_the_baseline(store: BronzeStore) -> None:
    [first] = store.commit([load(record("1", KNOWN))])
    [second] = store.commit([load(record("2", '{"Id":"2","Memo":"x"}'), watermark=after(1))])
    assert first.new_fields == second.new_fields == ()
    assert paths(store) == {
        ("Id", "string"),
        ("Line", "array"),
        ("Line[]", "object"),
        ("Line[].Amount", "number"),
        ("Line[].Ref", "object"),
        ("Line[].Ref.value", "string"),
        ("Paid", "boolean"),
        ("Memo", "string"),
    }


def test_later_a_new_field_or_kind_is_reported_once(store: BronzeStore) -> None:
    store.commit([load(record("1", KNOWN), watermark=after(1))])
    odd = '{"Id":"1","Line":{"Amount":"1"},"Paid":false,"Extra":{"a":[1]}}'
    [outcome] = store.commit([load(record("1", odd, updated=5))])
    assert set(outcome.new_fields) == {
        "Extra",
        "Extra.a",
        "Extra.a[]",
        "Line:object",
        "Line.Amount",
    }
    assert outcome.written == 1
    [again] = store.commit([load(record("2", odd))])
    assert again.new_fields == ()
    rows = store.sql("SELECT path, load_id FROM _fields WHERE NOT baseline AND path = 'Extra'").rows
    assert rows == [("Extra", "load-1")]


def test_a_field_of_a_single_record_in_a_large_load_is_seen(store: BronzeStore) -> None:
    store.commit([load(record("0", KNOWN), watermark=after(1))])
    rows = [record(str(at), f'{{"Id":"{at}"}}') for at in range(1, 500)]
    rows[333] = record("334", '{"Id":"334","Rare":1}')
    [outcome] = store.commit([load(*rows)])
    assert outcome.new_fields == ("Rare",)


def test_unreadable_and_hostile_payloads_are_passed_over() -> None:
    payloads = [
        b"{broken",
        b"[1]",
        b'{"a":"\\ud800"}',
        b'{"n":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"' + b"k" * 5_000 + b'":1}',
        b'{"ok":{"deep":1}}',
        b'{"huge":{"deep":1e999}}',
    ]
    assert set(new_fields(payloads, frozenset())) >= {
        ("ok", "object"),
        ("ok.deep", "number"),
        ("huge.deep", "number"),
    }
    assert all(len(path) < 200 for path, _ in new_fields(payloads, frozenset()))


def test_nested_fields_are_sampled_across_the_whole_load() -> None:
    payloads = [f'{{"n":{{"k{at}":1}}}}'.encode() for at in range(SAMPLE * 10)]
    found = [path for path, _ in new_fields(payloads, frozenset()) if path.startswith("n.")]
    assert len(found) == SAMPLE
    assert found[-1] == f"n.k{SAMPLE * 10 - 10}"
