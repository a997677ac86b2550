"""The checks of ``ledgerguard doctor`` on Intuit: reachable, same time, keys accepted.

The keys are probed by exchanging a made-up authorization code: Intuit answers ``invalid_client``
for wrong keys and ``invalid_grant`` for right ones (RFC 6749, section 5.2), and no grant of any
company is touched.
"""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from ledgerguard_pipeline.cli.doctor.finding import (
    CheckResult,
    CheckState,
    advice,
    broken,
    good,
    misconfigured,
)
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import (
    ConfigurationError,
    CredentialsRejected,
    LedgerGuardError,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.transport.hosts import Hosts

_TIMEOUT = (5.0, 10.0)
_SKEW_ADVICE = 60
_SKEW_BROKEN = 300


def intuit_findings(settings: Settings, clock: Clock) -> list[CheckResult]:
    """Reachability of each host, clock skew, and whether the keys are accepted."""
    try:
        hosts = Hosts.of(settings.intuit_env, settings.intuit_base_url)
    except ConfigurationError as error:
        return [misconfigured("INTUIT_BASE_URL", error.message, "Correct it in .env.")]
    findings, server_time = _reach(hosts)
    if server_time is not None:
        findings.append(clock_finding(server_time, clock.now()))
    reachable = all(finding.state is CheckState.GOOD for finding in findings[:1])
    findings.append(_credentials(settings, hosts, probe=reachable))
    return findings


def clock_finding(server_time: datetime, now: datetime) -> CheckResult:
    """How far this machine's clock is from Intuit's (its ``Date`` header, whole seconds)."""
    skew = (now - server_time).total_seconds()
    text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} Intuit's"
    if abs(skew) < 2:
        return good("clock", "agrees with Intuit's")
    if abs(skew) < _SKEW_ADVICE:
        return good("clock", text)
    step = "Switch on time synchronisation (NTP) on this machine."
    return (advice if abs(skew) < _SKEW_BROKEN else broken)("clock", text, step)


def _reach(hosts: Hosts) -> tuple[list[CheckResult], datetime | None]:
    """Any HTTP answer counts: the question is whether the network lets us through."""
    findings: list[CheckResult] = []
    server_time: datetime | None = None
    origins = dict.fromkeys(_origin(url) for url in (hosts.token, hosts.api, hosts.revoke))
    with requests.Session() as session:
        session.trust_env = False
        for origin in origins:
            try:
                with session.get(
                    origin, timeout=_TIMEOUT, allow_redirects=False, stream=True
                ) as answer:
                    server_time = server_time or _date(answer.headers.get("Date"))
            except requests.RequestException as error:
                findings.append(
                    broken(
                        "network",
                        f"{origin} cannot be reached ({type(error).__name__}).",
                        "Check DNS, firewall and INTUIT_BASE_URL; proxies from the environment "
                        "are not used.",
                    )
                )
            else:
                findings.append(good("network", f"{origin} answers"))
    return findings, server_time


def _credentials(settings: Settings, hosts: Hosts, *, probe: bool) -> CheckResult:
    topic = "credentials"
    try:
        client_id, client_secret = settings.credentials()
    except ConfigurationError as error:
        return misconfigured(topic, error.message, "Fill them in, then run doctor again.")
    if not probe:
        return advice(topic, "set, but not tested: Intuit cannot be reached.", "See network.")
    endpoint = OAuthEndpoint(client_id, client_secret, settings.intuit_redirect_uri, hosts)
    try:
        endpoint.prove_credentials()
    except CredentialsRejected as error:
        return misconfigured(
            topic,
            error.message,
            "Copy the client id and secret again from the app's keys page at Intuit, for the "
            f"{settings.intuit_env} environment.",
        )
    except LedgerGuardError as error:
        return broken(topic, f"could not be tested: {error}", "Try again in a few minutes.")
    return good(topic, "Intuit accepts the client id and secret.")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
