"""Whoever gets a message finds what to do: each kind has its entry, and each link leads there."""

from __future__ import annotations

import ast
import re

import pytest

from ledgerguard_pipeline.alerts.messages import COMPANY_PATH, RUNBOOK, Links, company_news
from ledgerguard_pipeline.alerts.policy import Alert, AlertKind, Notification
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.web.paths import COMPANY_PATH as SERVED_PATH
from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, ROOT, python_files

KINDS = [*ReasonKind, *AlertKind]
REALM = "9341453474484455"


def anchors(document: str) -> dict[str, str]:
    """The text under each heading, by the anchor that is made of the heading."""
    text = (ROOT / document).read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.+)$", text, flags=re.MULTILINE)
    names = [re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in parts[1::2]]
    assert len(set(names)) == len(names), "two headings share an anchor"
    return dict(zip(names, parts[2::2], strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=[kind.value for kind in KINDS])
def test_the_link_of_every_kind_leads_to_an_entry_that_says_what_to_do(
    kind: ReasonKind | AlertKind,
) -> None:
    finding = Alert(kind.value, HealthState.DEGRADED, "Something.", run_id="r1")
    links = Links("https://books.example.com", "https://dagster.example.com")
    sent = company_news(
        REALM,
        "Acme",
        Notification(HealthState.DEGRADED, (finding,), (finding,), ((kind, "x"),), {}),
        links,
    )
    for point in (*sent.new, *sent.still, *sent.over):
        document, _, anchor = point.runbook.partition("#")
        assert document == RUNBOOK
        assert len(anchors(document)[anchor].split()) > 15, anchor


def test_the_runbook_has_no_entry_of_a_kind_that_is_gone() -> None:
    text = (ROOT / RUNBOOK).read_text(encoding="utf-8")
    entries = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert sorted(entries) == sorted(kind.value for kind in KINDS)


def test_links_of_older_messages_still_lead_to_the_entry() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    old = re.findall(r'<a id="(\w+)"></a>\[\w+\]\(runbook\.md#(\w+)\)', text)
    assert [anchor for anchor, _ in old] == [entry for _, entry in old]
    assert {entry for _, entry in old} == {kind.value for kind in KINDS}


def test_every_anchor_of_the_documents_named_in_the_code_exists() -> None:
    named = set()
    for path in python_files(PACKAGE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= set(re.findall(r"(docs/\w+\.md)#([\w-]+)", node.value))
    assert named
    for document, anchor in named:
        assert anchor in anchors(document), f"{document}#{anchor}"


def test_the_link_to_a_company_is_the_page_the_edge_serves() -> None:
    assert COMPANY_PATH == SERVED_PATH
    page = Links.of(load_settings()).page(REALM)
    assert page == f"http://localhost:8000/companies/{REALM}"


def test_links_follow_the_settings() -> None:
    links = Links.of(
        load_settings(
            ledgerguard_public_url="https://books.example.com/",
            ledgerguard_dagster_url="https://dagster.example.com/",
        )
    )
    assert links.page("") == "https://books.example.com/"
    assert links.run("r1") == "https://dagster.example.com/runs/r1"
    assert Links.of(load_settings()).run("r1") is None
