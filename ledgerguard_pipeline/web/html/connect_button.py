"""The button that leads to Intuit's consent: a plain one, or Intuit's own pictures of it.

Intuit wants its own pictures, unchanged, and nothing drawn after them. They are not ours to hand on,
so whoever downloaded them from Intuit names them in ``LEDGERGUARD_CONNECT_BUTTON``.

Decision 88 in docs/decisions.md; "Naming and logo guidelines" in Intuit's developer documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from ledgerguard_pipeline.config.settings import BUTTON_TYPES, Settings
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.web.paths import CONNECT_PATH

PICTURE_PATH = "/static/connect-button"
HOVER_PATH = "/static/connect-button-hover"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it is served."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class ConnectButton:
    """What templates need of the button: where it leads, and the addresses of its pictures."""

    path: str = CONNECT_PATH
    base: Picture | None = None
    over: Picture | None = None

    @classmethod
    def of(cls, settings: Settings) -> ConnectButton:
        """The button these settings name.

        Intuit's files come in pairs, ``..._default.svg`` and ``..._hover.svg``; the second is shown
        under the pointer if it lies beside the first.

        Raises:
            ConfigurationError: the picture cannot be read.
        """
        file = settings.ledgerguard_connect_button
        if file is None:
            return cls()
        hover = file.with_name(file.name.replace("default", "hover"))
        pair = hover != file and hover.is_file()
        return cls(base=_read(file), over=_read(hover) if pair else None)

    @property
    def picture(self) -> str | None:
        """The address of the picture; None where the button is plain."""
        return None if self.base is None else PICTURE_PATH

    @property
    def hover(self) -> str | None:
        """The address of the picture under the pointer, if there is one."""
        return None if self.over is None else HOVER_PATH


def button_router(button: ConnectButton) -> APIRouter:
    """The pictures, byte for byte."""
    router = APIRouter()
    for path, picture in ((PICTURE_PATH, button.base), (HOVER_PATH, button.over)):
        if picture is not None:
            router.add_api_route(
                path, _serving(picture), methods=["GET"], response_model=None,
                response_class=Response,
            )  # fmt: skip
    return router


def _serving(picture: Picture) -> Callable[[], Response]:
    def serve() -> Response:
        """A picture of the button."""
        return Response(picture.content, media_type=picture.media_type)

    return serve


def _read(file: Path) -> Picture:
    try:
        return Picture(file.read_bytes(), BUTTON_TYPES[file.suffix.lower()])
    except OSError as error:
        raise ConfigurationError(
            f"LEDGERGUARD_CONNECT_BUTTON names {file}, which cannot be read ({error.strerror}). "
            "Name the picture you downloaded from Intuit, or unset it for a plain button."
        ) from error
