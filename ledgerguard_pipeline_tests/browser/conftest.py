"""One Chromium and one running edge for all tests of a module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.serving import listen, serving

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--no-first-run",
)  # fmt: skip
DESKTOP = (1280, 900)


@dataclass(frozen=True)
class Edge:
    """The product's own server with a sandbox behind it."""

    url: str
    installation: Installation
    sandbox: SandboxServer


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def edge(home: Path, sandbox: SandboxServer) -> Iterator[Edge]:
    """A new installation without a company."""
    with ExitStack() as stack:
        sockets = listen("localhost", 0)
        for each in sockets:
            stack.callback(each.close)
        url = f"http://localhost:{sockets[0].getsockname()[1]}"
        settings = load_settings(
            ledgerguard_home=home,
            intuit_client_id=sandbox.client_id,
            intuit_client_secret=sandbox.client_secret,
            intuit_base_url=sandbox.base_url,
            intuit_redirect_uri=f"{url}/api/v1/auth/callback",
        )
        installation = stack.enter_context(Installation.open(settings))
        stack.enter_context(serving(create_app(installation), sockets))
        yield Edge(url, installation, sandbox)


class Window:
    """Opens pages and notes everything a browser complains about."""

    def __init__(self, browser: Browser, folder: Path | None) -> None:
        self._browser = browser
        self._folder = folder
        self._stack = ExitStack()
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def open(
        self,
        url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        dark: bool = False,
        scripts: bool = True,
    ) -> Page:
        """A page in a profile of its own."""
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        self._stack.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("response", self._answered)
        page.goto(url)
        return page

    def shoot(self, page: Page, name: str) -> None:
        """Keep a picture of the whole page, where somebody wants to look at it."""
        if self._folder is not None:
            page.screenshot(path=self._folder / f"{name}.png", full_page=True)

    def _said(self, message: ConsoleMessage) -> None:
        # Chromium notes every answer that is a 4xx, also where a page is meant to be one.
        if not message.text.startswith("Failed to load resource: the server responded"):
            self.complaints.append(message.text)

    def _failed(self, request: Request) -> None:
        # A page that is left, or closed, no longer waits for its icon.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"{request.failure} {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500 or (
            response.status >= 400 and not response.request.is_navigation_request()
        ):
            self.complaints.append(f"{response.status} {response.url}")

    def close(self) -> None:
        """Close every profile."""
        self._stack.close()


@pytest.fixture
def window(chromium: Browser) -> Iterator[Window]:
    """``SCREENSHOTS`` names a folder that keeps pictures."""
    wanted = os.environ.get("SCREENSHOTS")
    folder = Path(wanted) if wanted else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    opened = Window(chromium, folder)
    yield opened
    opened.close()
    assert opened.complaints == []
