"""The pages of the authorize endpoint: company choice with consent, and its refusals."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ledgerguard_pipeline.sandbox.answers.replies import HTML, Answer
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;
 place-items:center;background:#eef1f4;color:#1b2733}
main{background:#fff;border-radius:14px;box-shadow:0 8px 30px #1b273322;padding:2rem;
 max-width:27rem;margin:1rem}
h1{font-size:1.3rem;margin:0 0 .5rem}p{margin:.4rem 0}
fieldset{border:1px solid #cfd7df;border-radius:10px;margin:1rem 0;padding:.6rem 1rem}
legend{padding:0 .4rem;color:#556}label{display:block;padding:.3rem 0;cursor:pointer}
small{color:#667}button{font:inherit;border:0;border-radius:8px;padding:.6rem 1.4rem;
 margin-right:.6rem;cursor:pointer}
.go{background:#1d7f2b;color:#fff}.no{background:#dfe5ea;color:#1b2733}
@media(prefers-color-scheme:dark){body{background:#12181f;color:#e6edf3}
 main{background:#1b232c}.no{background:#303b46;color:#e6edf3}small,legend{color:#9ab}}
"""


def consent_page(companies: Iterable[SandboxCompany], request: dict[str, str]) -> Answer:
    """The form a user decides with; ``request`` is carried along in hidden fields."""
    choices = "".join(
        f'<label><input type="radio" name="realmId" value="{escape(company.realm_id)}"'
        f"{' checked' if position == 0 else ''}> {escape(company.name)} "
        f"<small>{escape(company.realm_id)}</small></label>"
        for position, company in enumerate(companies)
    )
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in request.items()
    )
    return _page(
        200,
        "Connect an app to QuickBooks",
        "<p>An app asks to read the books of one of your companies.</p>"
        f'<form method="post" action="/connect/oauth2">{hidden}'
        f"<fieldset><legend>Company</legend>{choices}</fieldset>"
        '<button class="go" name="decision" value="connect">Connect</button>'
        '<button class="no" name="decision" value="deny">No, thanks</button></form>'
        "<p><small>This is the local sandbox. Nothing leaves this machine.</small></p>",
    )


def complaint_page(text: str) -> Answer:
    """What the user sees where the request itself is wrong and must not be redirected."""
    return _page(400, "Sorry, this connection cannot be made", f"<p>{escape(text)}</p>")


def _page(status: int, title: str, inner: str) -> Answer:
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{inner}</main></body></html>"
    )
    return Answer(status, body.encode(), HTML)
