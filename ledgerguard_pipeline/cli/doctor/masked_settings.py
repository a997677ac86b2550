"""Settings as they may be shown: which are set, and never the value of a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

_MASK = "(set)"


def masked_settings(settings: Settings) -> dict[str, object]:
    """Each variable and its value; secrets only say whether they are set."""
    return {name.upper(): _shown(getattr(settings, name)) for name in type(settings).model_fields}


def _shown(value: object) -> object:
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return _MASK
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, tuple):
        return [str(part) for part in value]
    return str(value)
