"""The short pages of the edge: a heading, a few sentences, perhaps one thing to do."""

from __future__ import annotations

from ledgerguard_pipeline.web.html.rendering import render


def page(title: str, *paragraphs: str, action: tuple[str, str] | None = None) -> str:
    """A whole HTML document; ``action`` is (label, local path)."""
    return render("message.html", {"title": title, "paragraphs": paragraphs, "action": action})


def connected(company_name: str, realm_id: str, *, action: tuple[str, str] | None = None) -> str:
    """Shown after a consent that was confirmed by a CompanyInfo call."""
    return page(
        f"{company_name} is connected",
        f"QuickBooks company {realm_id} is connected. You can close this window.",
        "Where the pipeline runs, its books are loaded and kept current by themselves; elsewhere "
        "run `ledgerguard sync`.",
        action=action,
    )
