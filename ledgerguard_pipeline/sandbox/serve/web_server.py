"""uvicorn, ended at once: as it comes it looks ten times a second whether to end, and then waits."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.serve.server import TRANSPORT, SandboxApp

_DATE_SECONDS = 1.0
"""How often the date in the headers is written anew."""
_LOOK_SECONDS = 0.005
_GRACE_SECONDS = 1.0
"""For answers that are under way when the server ends."""


class _Protocol(HttpToolsProtocol):
    """Shows each request its connection, so that an injected fault can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # ours


class WebServer(uvicorn.Server):
    """The server of a world, not yet running; quiet, because what it answers is in its own log."""

    def __init__(self, world: World) -> None:
        config = uvicorn.Config(
            SandboxApp(world),
            http=_Protocol,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=120,
        )
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Stop answering, from any thread; one that has not begun ends as soon as it has."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._ended.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C and SIGTERM."""
        super().handle_exit(sig, frame)
        self.end()

    async def main_loop(self) -> None:
        """Until the end."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            try:
                await asyncio.wait_for(self._ended.wait(), _DATE_SECONDS)
            except TimeoutError:
                continue

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port and every connection; answers under way get a moment to finish."""
        for server in self.servers:
            server.close()
        for each in sockets or ():
            each.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + _GRACE_SECONDS
        while (state.connections or state.tasks) and not self.force_exit:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        for task in state.tasks:
            task.cancel()
