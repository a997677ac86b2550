"""Every query of the Grafana dashboard and of the Prometheus rules parses and names real metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]  # ships none
from prometheus_client.parser import text_string_to_metric_families

from ledgerguard_pipeline.observability.company_metrics import (
    STATES,
    BooksFigure,
    BudgetFigure,
    CompanyFigure,
)
from ledgerguard_pipeline.observability.metrics import (
    CallFigure,
    Figures,
    Latency,
    RowFigure,
    exposition,
)
from ledgerguard_pipeline_tests.hygiene.project import ROOT

DEPLOY = ROOT / "deploy"
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "ledgerguard.json").read_text("utf-8"))
GROUPS = yaml.safe_load((DEPLOY / "prometheus" / "ledgerguard.rules.yaml").read_text("utf-8"))[
    "groups"
]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
PANELS = [each for each in BOARD["panels"] if each["type"] != "row"]
COMPANY = CompanyFigure(
    "1", "healthy", 1.0, 0, 0, {"access": 1.0, "refresh": 1.0, "grant": 1.0}, 1, 1, 1, 0, 0.0,
    quota_exhausted=False, quarantined=0, queue_age_seconds=0.0, parked_events=0, name="Acme",
    books=BooksFigure("tied_out", 1.0, 0, 0.0, 0),
)  # fmt: skip


def exported() -> dict[str, dict[str, set[str]]]:
    """Every series the product exports, with the values of its labels."""
    text = exposition(
        Figures(
            deliveries={"queued": 1.0, "bad_signature": 1.0}, old_tokens={"old": 1.0},
            events={"parked": 1, "done": 1}, queue_depth=1, queue_age_seconds=1.0,
            latency=Latency({1.0: 1.0}, 1.0), latency_bounds=(1.0,), connected={"1": True},
            calls=[CallFigure("1", "Invoice", 200, 1, 1)], refreshes={"1": 1},
            rows=[RowFigure("1", "Invoice", {"written": 1, "deleted": 1})],
            companies=[COMPANY], budget=BudgetFigure(1, 2, 1),
        )
    ).decode()  # fmt: skip
    found: dict[str, dict[str, set[str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


EXPORTED = exported()


def queries() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")
    for rule in RULES:
        yield rule["alert"], rule["expr"]


QUERIES = list(queries())


def selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of a parsed query."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("vector_selector", "expr", "lhs", "rhs", "param"):
        child = getattr(node, name, None)
        if child is not None:
            yield from selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from selectors(child)


def as_they_are(node: object) -> Iterator[str]:
    """Names of series that nothing makes one of, so that each scraped edge has its own."""
    if isinstance(node, promql_parser.AggregateExpr):
        if str(node.op) not in {"max", "topk"}:
            yield from as_they_are(node.expr)
        return
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name)
    children = ["vector_selector", "expr", "lhs", "rhs"]
    if isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "and":
        children.remove("rhs")  # the answer has the series of the left side, however many are there
    for name in children:
        child = getattr(node, name, None)
        if child is not None:
            yield from as_they_are(child)
    for child in getattr(node, "args", None) or ():
        yield from as_they_are(child)


@pytest.mark.parametrize(
    "query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES]
)
def test_a_query_parses_and_asks_for_what_the_product_exports(query: str) -> None:
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for selector in found:
        labels = EXPORTED.get(str(selector.name))
        assert labels is not None, f"{selector.name} is not exported"
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels, f"{selector.name} has no label {matcher.name}"
            if matcher.value != "$company":
                pattern = re.compile(str(matcher.value))
                assert any(map(pattern.fullmatch, labels[matcher.name])), matcher.value


@pytest.mark.parametrize(
    "query", [query for _, query in QUERIES], ids=[name for name, _ in QUERIES]
)
def test_a_query_is_answered_once_however_many_web_edges_are_scraped(query: str) -> None:
    """Every edge exports the figures of the whole installation, so none may be added up or joined twice."""
    one = promql_parser.parse(query)
    if isinstance(one, promql_parser.Call) and one.func.name == "absent":
        return
    assert list(as_they_are(one)) == []
    assert "ledgerguard_company_info" not in query or "topk by (realm) (1," in query


def test_no_panel_covers_another_and_all_ask_the_chosen_source() -> None:
    assert len({each["id"] for each in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({each["title"] for each in PANELS}) == len(PANELS)
    assert {each["datasource"]["uid"] for each in PANELS} == {"${source}"}
    variables = {each["name"]: each for each in BOARD["templating"]["list"]}
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variables["company"]["definition"])
    assert asked
    assert asked[2] in EXPORTED[asked[1]]


def test_every_rule_says_how_bad_it_is_what_it_is_about_and_what_to_do() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    anchors = {
        title.strip().lower().replace(" ", "-")
        for title in re.findall(r"^##+ (.+)$", runbook, re.MULTILINE)
    }
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert re.fullmatch(r"LedgerGuard[A-Z]\w+", rule["alert"])
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "5m"))
        assert rule["labels"]["severity"] in {"warning", "critical"}
        notes = rule["annotations"]
        assert {"summary", "description", "runbook"} == set(notes)
        page, _, anchor = notes["runbook"].partition("#")
        assert (ROOT / page).exists()
        assert anchor in anchors, anchor
        for label in re.findall(r"\$labels\.(\w+)", notes["summary"] + notes["description"]):
            assert f"({label})" in rule["expr"] or label == "realm"


def test_every_state_of_health_is_on_the_dashboard_or_counts_as_in_order() -> None:
    (timeline,) = [each for each in PANELS if each["type"] == "state-timeline"]
    shown = {state for state in STATES if f'"{state}"' in timeline["targets"][0]["expr"]}
    assert shown == {"degraded", "unhealthy"}
    assert "first load" in timeline["description"]
