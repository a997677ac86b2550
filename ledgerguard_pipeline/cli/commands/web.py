"""``ledgerguard web``: the edge that connects companies and takes webhooks, on its own."""

from __future__ import annotations

import signal
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ledgerguard_pipeline.cli.output import note


def web(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "localhost",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port; by default the redirect URI's."),
    ] = None,
) -> None:
    """Serve the company page, the OAuth callback, webhooks, metrics and probes until Ctrl-C."""
    from ledgerguard_pipeline.config.addresses import is_loopback
    from ledgerguard_pipeline.config.settings import load_settings

    settings = load_settings()
    settings.require_home()
    settings.credentials()
    from ledgerguard_pipeline.web.security.guard import require_admin_token

    require_admin_token(settings, host)
    from ledgerguard_pipeline.config.process_tuning import prepare_to_serve
    from ledgerguard_pipeline.installation import Installation
    from ledgerguard_pipeline.web.app import create_app
    from ledgerguard_pipeline.web.serving import listen, serve

    redirect = urlsplit(settings.intuit_redirect_uri)
    own = redirect.port if is_loopback(redirect.hostname) else None
    sockets = listen(host, port or own or 8000)
    try:
        with Installation.open(settings) as installation:
            app = create_app(installation, host=host)
            shown = sockets[0].getsockname()[1]
            prepare_to_serve()
            note(f"Connect a company at http://{host}:{shown} (Ctrl-C stops).")
            # The server stops in order on SIGTERM and then raises it again for its caller.
            signal.signal(signal.SIGTERM, lambda *_: None)
            try:
                serve(app, sockets)
            except KeyboardInterrupt:
                note("Stopped.")
    finally:
        for each in sockets:
            each.close()
