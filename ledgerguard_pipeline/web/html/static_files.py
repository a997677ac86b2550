"""The style sheet and the icon, served from here: pages load nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

STYLE_PATH = "/static/ledgerguard.css"
ICON_PATH = "/static/icon.svg"

_FOLDER = Path(__file__).parent / "static"


def style_router() -> APIRouter:
    """The two files, by name: no path of a request ever reaches the disk."""
    router = APIRouter()

    def style() -> Response:
        """The style sheet of all pages."""
        return Response(_content("ledgerguard.css"), media_type="text/css")

    def icon() -> Response:
        """The icon in the browser's tab."""
        return Response(_content("icon.svg"), media_type="image/svg+xml")

    router.add_api_route(
        STYLE_PATH, style, methods=["GET"], response_model=None,
        response_class=Response,
    )  # fmt: skip
    router.add_api_route(
        ICON_PATH, icon, methods=["GET"], response_model=None,
        response_class=Response,
    )  # fmt: skip
    return router


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
