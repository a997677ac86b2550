"""``ledgerguard connect``: consent in the browser, received and confirmed on this machine."""

from __future__ import annotations

import os
import queue
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from ledgerguard_pipeline.cli.installed import check_bronze
from ledgerguard_pipeline.cli.options import Json
from ledgerguard_pipeline.cli.output import note, say, write_json
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import ConfigurationError, ConsentError, LedgerGuardError
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from datetime import datetime

    from ledgerguard_pipeline.config.settings import Settings
    from ledgerguard_pipeline.control.company_state.companies import Company
    from ledgerguard_pipeline.installation import Installation

_POLL_SECONDS = 0.5


def connect(
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the consent page in a browser.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds to wait for the consent.")
    ] = 300.0,
    as_json: Json = False,
) -> None:
    """Connect a QuickBooks company: print the consent link, then wait for the answer."""
    from ledgerguard_pipeline.cli.home_lock import settings_here
    from ledgerguard_pipeline.running_up import running_in

    settings = settings_here()
    settings.credentials()
    from ledgerguard_pipeline.installation import Installation

    running = running_in(settings.ledgerguard_home.absolute())
    if running is not None and running.lives and "web" in running.ports:
        # Its web edge listens where Intuit sends people, so it takes the answer.
        from ledgerguard_pipeline.web.paths import CONNECT_PATH

        link = f"http://localhost:{running.ports['web']}{CONNECT_PATH}"
        with Installation.open(settings) as installation:
            check_bronze(installation)
            before = _connections(installation)
            _show(link, open_browser=browser, as_json=as_json)
            company = _wait_for_page(installation, before, timeout)
        _confirm(company, as_json=as_json, loads=True)
        return
    host, port = callback_address(settings)
    from ledgerguard_pipeline.web.app import create_waiting_app
    from ledgerguard_pipeline.web.serving import listen, serving

    with Installation.open(settings) as installation:
        # Everything that can be wrong here is found before a link is shown.
        check_bronze(installation)
        sockets = listen(host, port)
        try:
            answers: queue.SimpleQueue[Company | LedgerGuardError] = queue.SimpleQueue()
            app = create_waiting_app(installation, answers.put)
            link = installation.connector.begin()
            with serving(app, sockets):
                _show(link, open_browser=browser, as_json=as_json)
                company = _wait(answers, timeout)
        finally:
            for each in sockets:
                each.close()
    _confirm(company, as_json=as_json)


def callback_address(settings: Settings) -> tuple[str, int]:
    """Where this machine has to listen so that the redirect URI reaches it.

    Raises:
        ConfigurationError: the redirect URI leads to another machine or needs TLS.
    """
    from ledgerguard_pipeline.config.addresses import is_loopback

    parts = urlsplit(settings.intuit_redirect_uri)
    host = parts.hostname or ""
    if parts.scheme != "http" or not is_loopback(host):
        raise ConfigurationError(
            f"INTUIT_REDIRECT_URI leads to {parts.scheme}://{parts.netloc}, which this command "
            "cannot serve; run `ledgerguard web` behind it and open /api/v1/auth/connect there."
        )
    return host, parts.port or 80


def _show(url: str, *, open_browser: bool, as_json: bool) -> None:
    if as_json:  # stdout is for the one document in the end
        note(url)
    else:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        note("Open this link, choose the company and allow access. Waiting for the answer ...")
    if open_browser and _graphical():
        webbrowser.open(url)


def _graphical() -> bool:
    """False where only a text browser could start, which would take over the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _wait(answers: queue.SimpleQueue[Company | LedgerGuardError], seconds: float) -> Company:
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise _too_late(seconds) from None
    if isinstance(answer, LedgerGuardError):
        raise answer
    return answer


def _connections(installation: Installation) -> dict[str, datetime]:
    """When each connected company was connected last."""
    from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus

    return {
        each.realm_id: each.connected_at
        for each in installation.control.companies.list(ConnectionStatus.CONNECTED)
    }


def _wait_for_page(
    installation: Installation,
    before: dict[str, datetime],
    seconds: float,
    clock: Clock = SYSTEM_CLOCK,
) -> Company:
    """The company that the running web edge connects meanwhile; what it refuses its page says."""
    deadline = clock.monotonic() + seconds
    while clock.monotonic() < deadline:
        for realm, since in _connections(installation).items():
            if before.get(realm) != since:
                return installation.control.companies.require(RealmId(realm))
        clock.sleep(_POLL_SECONDS)
    raise _too_late(seconds)


def _too_late(seconds: float) -> ConsentError:
    return ConsentError(
        f"No consent arrived within {seconds:.0f} seconds and nothing was stored; run "
        "`ledgerguard connect` again when you are ready (--timeout waits longer)."
    )


def _confirm(company: Company, *, as_json: bool, loads: bool = False) -> None:
    if as_json:
        write_json(
            {
                "realm_id": company.realm_id,
                "name": company.name,
                "environment": company.environment,
                "is_connected": True,
            }
        )
        return
    say(f"Connected {company.name} ({company.realm_id}, {company.environment}).")
    if loads:
        say(
            "`ledgerguard up` loads its books from now on; `ledgerguard status` shows how far it is."
        )
        return
    say("Next: `ledgerguard sync` loads its books, `ledgerguard up` keeps them current.")
