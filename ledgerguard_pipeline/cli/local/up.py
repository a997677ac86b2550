"""``ledgerguard up``: everything that keeps the books current, started and stopped together."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from ledgerguard_pipeline.cli.home_lock import refuse_second, taken
from ledgerguard_pipeline.cli.local.child_processes import (
    Children,
    StopRequested,
    StopSignal,
    python,
)
from ledgerguard_pipeline.cli.local.ports import (
    free_port,
    require_free,
    wait_until_answering,
    wait_until_listening,
)
from ledgerguard_pipeline.cli.local.sandbox import WEBHOOK_TOKEN_VARIABLE, serve_command
from ledgerguard_pipeline.cli.output import note, own_command, say
from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.config.process_tuning import LONG_LIVED
from ledgerguard_pipeline.errors import (
    LedgerGuardError,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.sandbox import PORT as SANDBOX_PORT

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

BOOKS_FILE = "sandbox.books"
"""In the home: the sandbox goes on where it stopped. Without it, it begins with new books."""

_DEFINITIONS = "ledgerguard_pipeline.definitions"
_START_SECONDS = 120.0
_WORKSPACE = """\
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: {name}
"""


def up(
    sandbox: Annotated[
        bool | None,
        typer.Option(
            "--sandbox/--no-sandbox",
            help="Use the made-up company; by default if no credentials are set.",
        ),
    ] = None,
    web_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Port of the company page; by default the redirect URI's, or 8000.",
        ),
    ] = None,
    dagster_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of Dagster's page.")
    ] = 3000,
    sandbox_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the sandbox.")
    ] = SANDBOX_PORT,
    invoices: Annotated[int, typer.Option(min=0, help="Invoices of a new made-up company.")] = 500,
) -> None:
    """Run the web server and Dagster (and the sandbox, if no credentials are set) until Ctrl-C."""
    from ledgerguard_pipeline.config.settings import load_settings
    from ledgerguard_pipeline.config.unknown_variables import unknown_variables

    settings = load_settings()
    settings.require_home()
    for each in unknown_variables():
        note(str(each))
    use_sandbox = sandbox if sandbox is not None else not settings.intuit_client_id
    if not use_sandbox:
        settings.credentials()
    web = web_port or _redirect_port(settings)
    ports = {"web": web, "dagster": dagster_port}
    if use_sandbox:
        ports["sandbox"] = sandbox_port
    refuse_second(_home(settings, sandbox=use_sandbox))
    require_free(ports)
    if not use_sandbox:
        _refuse_wrong_keys(settings)
    with StopSignal() as stop_signal:
        try:
            if use_sandbox:
                _run_with_sandbox(settings, stop_signal, ports, invoices)
            else:
                _run(settings, stop_signal, ports)
        except StopRequested:
            note("Stopped.")


def _refuse_wrong_keys(settings: Settings) -> None:
    """Ask Intuit before anything is started; an Intuit that cannot be asked stops nothing.

    Raises:
        CredentialsRejected: it refuses the app's id or secret.
    """
    from ledgerguard_pipeline.installation import Installation

    try:
        Installation.open(settings).oauth.prove_credentials()
    except TokenEndpointUnavailable as error:
        note(f"Whether Intuit accepts the app's keys could not be asked. {error.message}")


def _home(settings: Settings, *, sandbox: bool) -> Path:
    from ledgerguard_pipeline.running_up import sandbox_home

    return sandbox_home(settings) if sandbox else settings.ledgerguard_home.absolute()


def _redirect_port(settings: Settings) -> int:
    from ledgerguard_pipeline.config.addresses import is_loopback

    parts = urlsplit(settings.intuit_redirect_uri)
    return parts.port or 8000 if is_loopback(parts.hostname) else 8000


def _run(settings: Settings, stop_signal: StopSignal, ports: dict[str, int]) -> None:
    home = _home(settings, sandbox=False)
    # Before the folder of logs makes it, open to others.
    make_private(home)
    variables = {"LEDGERGUARD_HOME": str(home), **_links(settings, ports)}
    with (
        taken(home, ports, None) as lock,
        Children(home / "logs", stop_signal, inherited=(lock,)) as children,
    ):
        _start_product(children, ports, variables, home)
        _announce(ports, webhooks=settings.intuit_webhook_verifier_token is not None)
        if (elsewhere := _redirected_elsewhere(settings, ports["web"])) is not None:
            note(elsewhere)
        children.watch()


def _run_with_sandbox(
    settings: Settings, stop_signal: StopSignal, ports: dict[str, int], invoices: int
) -> None:
    from ledgerguard_pipeline.cli.embedded_sandbox import (
        ENVIRONMENT_FILE,
        Embedded,
        outer_environment,
    )
    from ledgerguard_pipeline.sandbox.api.world import CLIENT_ID, CLIENT_SECRET

    url = f"http://127.0.0.1:{ports['sandbox']}"
    home = _home(settings, sandbox=True)
    embedded = Embedded(
        home, CLIENT_ID, CLIENT_SECRET, url, ports["web"], secrets.token_urlsafe(32)
    )
    variables = {**embedded.variables(settings), **_links(settings, ports)}
    make_private(home)
    file = home / ENVIRONMENT_FILE
    with (
        taken(home, ports, file) as lock,
        Children(
            home / "logs",
            stop_signal,
            environment=outer_environment(),
            folder=home,
            inherited=(lock,),
        ) as children,
    ):
        embedded.write_environment_file(variables)
        command = serve_command(
            ports["sandbox"],
            invoices=invoices,
            webhook_url=embedded.webhook_url,
            books=home / BOOKS_FILE,
        )
        signing = {WEBHOOK_TOKEN_VARIABLE: embedded.verifier_token}
        fresh = not (home / BOOKS_FILE).exists()
        children.start("sandbox", command, {**variables, **signing})
        _wait(children, f"{url}/_sandbox/health", "sandbox")

        def connect() -> None:
            if fresh or not _known(ports["web"]):
                _connect(url, ports["web"])
                # While Dagster starts; its sensor sees later that there is nothing left to load.
                load = python("-m", "ledgerguard_pipeline.cli", "sync")
                children.start("first load", load, variables, ends=True)

        _start_product(children, ports, variables, home, connect)
        _announce(ports, webhooks=True)
        own = _with_its_home(own_command())
        say(f"  Edit its books:  {own} sandbox edit create Invoice")
        say(f"  Break it:        {own} sandbox fault outage")
        say(f"  Other commands:  {own} status, in another terminal of this folder")
        say(f"  In any folder:   set -a; . {file}; set +a; {own_command(anywhere=True)} status")
        children.watch()


def _with_its_home(command: str) -> str:
    """The command as another terminal needs it, which has no variable of this one."""
    given = os.environ.get("LEDGERGUARD_HOME")
    return f"LEDGERGUARD_HOME={shlex.quote(given)} {command}" if given else command


def _redirected_elsewhere(settings: Settings, web: int) -> str | None:
    """What to change where Intuit sends people back to another port of this machine."""
    from ledgerguard_pipeline.config.addresses import is_loopback

    parts = urlsplit(settings.intuit_redirect_uri)
    if not is_loopback(parts.hostname) or (parts.port or 80) == web:
        return None
    uri = parts._replace(netloc=f"{parts.hostname}:{web}").geturl()
    return (
        f"Nobody can connect a company like this: Intuit sends people back to "
        f"{settings.intuit_redirect_uri}, and the page listens on port {web}. Set "
        f"INTUIT_REDIRECT_URI={uri} and add that to the app's redirect URIs at Intuit."
    )


def _known(web_port: int) -> bool:
    """Whether an earlier run left a company that is connected, or disconnected on purpose."""
    import requests

    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://localhost:{web_port}/api/v1/companies", timeout=30)
    listed = answer.json().get("companies", []) if answer.ok else []
    return any(each["status"] != "needs_reauth" for each in listed)


def _links(settings: Settings, ports: dict[str, int]) -> dict[str, str]:
    """Where pages and alerts point to, unless somebody said how these servers are reached."""
    if settings.ledgerguard_dagster_url is not None:
        return {}
    return {"LEDGERGUARD_DAGSTER_URL": f"http://localhost:{ports['dagster']}"}


def _start_product(
    children: Children,
    ports: dict[str, int],
    variables: dict[str, str],
    home: Path,
    connect: Callable[[], None] = lambda: None,
) -> None:
    """The web edge; then the code location once, and Dagster's web server and daemon on it.

    ``connect`` is called as soon as the web edge answers.
    """
    variables = {**LONG_LIVED, **variables}
    command = python("-m", "ledgerguard_pipeline.cli", "web", "--port", str(ports["web"]))
    children.start("web", command, variables)
    from ledgerguard_pipeline.defs.instance.home import EVENT_BATCHES, prepare_dagster_home
    from ledgerguard_pipeline.defs.keys import CODE_LOCATION

    dagster_home = prepare_dagster_home(home)
    variables = {**EVENT_BATCHES, **variables, "DAGSTER_HOME": str(dagster_home)}
    code_port = free_port()
    workspace = dagster_home / "up-workspace.yaml"
    workspace.write_text(_WORKSPACE.format(port=code_port, name=CODE_LOCATION), encoding="utf-8")
    _wait(children, f"http://localhost:{ports['web']}/healthz", "web")
    connect()
    children.start("code", _code_server(code_port), variables)
    wait_until_listening(code_port, "code", seconds=_START_SECONDS, still_running=children.check)
    shown = ("-w", str(workspace))
    children.start(
        "dagster",
        python("-m", "dagster_webserver", "-p", str(ports["dagster"]), *shown),
        variables,
    )
    children.start("daemon", python("-m", "dagster._daemon", "run", *shown), variables)
    _wait(children, f"http://127.0.0.1:{ports['dagster']}/server_info", "dagster")


def _code_server(port: int) -> list[str]:
    return python(
        *("-m", "dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(port)),
        *("-m", _DEFINITIONS, "--use-python-environment-entry-point"),
    )


def _wait(children: Children, url: str, what: str) -> None:
    note(f"Starting {what} ...")
    wait_until_answering(url, what, seconds=_START_SECONDS, still_running=children.check)


def _connect(sandbox_url: str, web_port: int) -> None:
    """Give the UI a company to click on: the same consent a person would give."""
    import requests

    from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle

    handle = SandboxHandle(sandbox_url, "", "", [])
    with requests.Session() as session:
        session.trust_env = False
        link = session.get(
            f"http://localhost:{web_port}/api/v1/auth/connect", allow_redirects=False, timeout=30
        )
        answer = session.get(handle.consent(link.headers["Location"]), timeout=60)
    if answer.status_code != 200:
        raise LedgerGuardError(
            f"The sandbox company could not be connected (HTTP {answer.status_code}); the log of "
            "the web server says why."
        )
    note("Connected the sandbox company.")


def _announce(ports: dict[str, int], *, webhooks: bool) -> None:
    say("")
    page = f"http://localhost:{ports['web']}"
    if "sandbox" in ports:
        say(f"  Open this:       {page} shows the company and its rows")
    else:
        say(f"  Open this:       {page} and press Connect to QuickBooks")
    say(
        f"  Dagster:         http://localhost:{ports['dagster']} shows runs; press Assets for tables"
    )
    if webhooks:
        say(f"  Webhooks:        http://localhost:{ports['web']}/api/v1/webhooks/qbo")
    else:
        say("  Webhooks:        off; set INTUIT_WEBHOOK_VERIFIER_TOKEN to receive them")
    if "sandbox" in ports:
        say(f"  Sandbox:         http://localhost:{ports['sandbox']}")
    say("  Ctrl-C stops everything.")
