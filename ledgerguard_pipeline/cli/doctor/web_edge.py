"""The checks of ``ledgerguard doctor`` on the web edge: who may ask, where it listens, webhooks."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

from ledgerguard_pipeline.cli.doctor.finding import CheckResult, advice, broken, good, misconfigured
from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.config.settings import SHORTEST_ADMIN_TOKEN, Settings
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.running_up import SANDBOX_FOLDER, Running, running_in

WEB_PORT = 8000
"""Where the web edge listens unless the redirect URI names another port of this machine."""

HEALTH_PATH, READY_PATH = "/healthz", "/readyz"
"""Of the web edge, which is not imported for their sake."""

_SECONDS = 3.0


def admin_token(settings: Settings) -> CheckResult:
    """Beyond loopback nothing but webhook, callback and probes opens without the token."""
    topic = "admin token"
    token = settings.ledgerguard_admin_token
    public = settings.ledgerguard_public_url or settings.intuit_redirect_uri
    host = urlsplit(public).hostname
    if token is not None and len(token.get_secret_value()) < SHORTEST_ADMIN_TOKEN:
        return advice(
            topic, "is short enough to guess.",
            f"Set LEDGERGUARD_ADMIN_TOKEN to {SHORTEST_ADMIN_TOKEN} random characters or more.",
        )  # fmt: skip
    if token is not None:
        return good(topic, "is set.")
    if is_loopback(host):
        return good(topic, "not needed: the web edge serves this machine only.")
    return misconfigured(
        topic,
        f"is not set, but people reach the web edge as {host}: it serves no page there and "
        "refuses to listen beyond loopback.",
        f"Set LEDGERGUARD_ADMIN_TOKEN to {SHORTEST_ADMIN_TOKEN} random characters or more.",
    )


def web_port(settings: Settings) -> CheckResult:
    """Intuit sends people back to the redirect URI: the web edge has to be what answers there."""
    topic, parts = "web edge", urlsplit(settings.intuit_redirect_uri)
    if not is_loopback(parts.hostname):
        return good(
            topic,
            f"behind a proxy at {parts.hostname}; it must pass {parts.path or '/'} on to the web "
            f"edge (port {WEB_PORT} unless `ledgerguard web --port` says otherwise).",
        )
    if parts.port is None:
        return misconfigured(
            topic,
            f"the redirect URI names no port, so Intuit sends people to port "
            f"{443 if parts.scheme == 'https' else 80}, but the web edge listens on {WEB_PORT}.",
            f"Set INTUIT_REDIRECT_URI to http://localhost:{WEB_PORT}{parts.path} here and at "
            "Intuit.",
        )
    host, port = parts.hostname or "localhost", parts.port
    answer = _health(host, port)
    if answer is None:
        return good(topic, f"is not running; port {port} is free for it.")
    other = _other_up(settings, port)
    if answer and (other is not None or _is_anothers(settings, host, port)):
        named = f": the sandbox of `ledgerguard up`, {other}" if other is not None else ""
        return broken(
            topic,
            f"that of another installation answers on port {port}, where Intuit sends people{named}.",
            "Stop that one, or choose another port in INTUIT_REDIRECT_URI, here and at Intuit.",
        )
    if answer:
        return good(topic, f"answers on port {parts.port}.")
    return broken(
        topic,
        f"another program answers on port {parts.port}, where Intuit sends people.",
        "Stop that program, or choose another port in INTUIT_REDIRECT_URI, here and at Intuit.",
    )


def _other_up(settings: Settings, port: int) -> Running | None:
    """The ``up`` with a sandbox whose web edge has this port, unless the settings are its own."""
    home = settings.ledgerguard_home.absolute() / SANDBOX_FOLDER
    running = running_in(home)
    return running if running is not None and running.ports.get("web") == port else None


def _is_anothers(settings: Settings, host: str, port: int) -> bool:
    """Whether the web edge that answers says that it works with other keys than these."""
    from ledgerguard_pipeline.control.tokens.keyring import Keyring

    try:
        named = json.loads(_asked(host, port, READY_PATH) or b"{}").get("installation")
        ring = Keyring.open(settings)
        return named is not None and named not in (ring.names() if ring.key_ids else ())
    except (LedgerGuardError, ValueError, AttributeError):
        return False  # it is not ready, or the check of the keys says what is wrong


def _health(host: str, port: int) -> bool | None:
    """True if the web edge answers, False if something else does, None if nothing."""
    body = _asked(host, port, HEALTH_PATH)
    return None if body is None else b'"ok"' in body


def _asked(host: str, port: int, path: str) -> bytes | None:
    """What answers there with 200, empty for any other answer; None if nothing listens."""
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.connect()
    except OSError:
        return None
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            return answer.read(1000) if answer.status == 200 else b""
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


def webhooks(settings: Settings) -> CheckResult:
    """Without a verifier token no delivery is accepted."""
    topic, token = "webhooks", settings.intuit_webhook_verifier_token
    count = 0
    if token is not None:
        count = len([part for part in token.get_secret_value().split(",") if part.strip()])
    if count == 0:
        return advice(
            topic,
            "no verifier token is set, so deliveries are refused; changes arrive by schedule only.",
            "Copy the verifier token of the app's webhooks page at Intuit into "
            "INTUIT_WEBHOOK_VERIFIER_TOKEN.",
        )
    if count == 1:
        return good(topic, "the verifier token is set.")
    return advice(
        topic,
        f"{count} verifier tokens are accepted.",
        "When the metric ledgerguard_webhook_old_token_total stops growing, remove the old one.",
    )
