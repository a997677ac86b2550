"""The benchmark of Bronze's size at its smallest: the file holds every invoice, and its size is given."""

from __future__ import annotations

from benchmarks.bronze_size import size


def test_the_file_holds_every_invoice() -> None:
    finding = size(60)
    figures = {figure.what: figure for figure in finding.figures}
    assert figures["rows"].reached
    assert figures["rows"].measured == figures["of these, with bytes of their own"].measured == "60"
    assert float(figures["bytes of the file per byte of payload"].measured) > 0
