"""The few HTML pages of the edge: plain, accessible, no script, no secret, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:38rem;margin:12vh auto;padding:0 1.5rem}"
    "h1{font-size:1.5rem;line-height:1.3}"
    "a.button{display:inline-block;padding:.6rem 1.1rem;border-radius:.4rem;background:#1a6b3c;"
    "color:#fff;text-decoration:none}"
    "a.button:focus-visible{outline:3px solid #6aa9ff;outline-offset:2px}"
    "p.small{opacity:.75;font-size:.9rem}"
)

STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""What the content security policy allows: this style sheet and no other."""


def page(title: str, *paragraphs: str, action: tuple[str, str] | None = None) -> str:
    """A whole HTML document; every text is escaped here, ``action`` is (label, local path)."""
    body = "".join(f"<p>{escape(text)}</p>" for text in paragraphs)
    if action is not None:
        label, href = action
        body += f'<p><a class="button" href="{escape(href, quote=True)}">{escape(label)}</a></p>'
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · LedgerGuard</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def connected(company_name: str, realm_id: str) -> str:
    """Shown after a consent that was confirmed by a CompanyInfo call."""
    return page(
        f"{company_name} is connected",
        f"QuickBooks company {realm_id} is connected. You can close this window.",
        "Its first load starts by itself where the pipeline is running; otherwise run "
        "`ledgerguard sync`.",
    )
