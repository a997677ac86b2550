"""What callers hand over: moments and numbers, checked where they come in, and names of keywords."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from ledgerguard_pipeline.errors import BadInputError

P = ParamSpec("P")
R = TypeVar("R")

_HERE = str(Path(__file__).parent) + "/"


class NaiveTimeWarning(UserWarning):
    """A time without an offset was taken as UTC."""


def instant(value: object, what: str) -> datetime:
    """A moment in UTC; ``what`` names the argument in messages.

    A time without an offset is taken as UTC, with a ``NaiveTimeWarning`` at the caller's line;
    a date is its first moment.

    Raises:
        BadInputError: it is no moment.
    """
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            raise BadInputError(
                f"{what}={value[:40]!r} is not a time; write a datetime or ISO 8601, as in "
                "2026-01-31T12:00:00+00:00."
            ) from None
    elif isinstance(value, datetime):
        found = value
    elif isinstance(value, date):
        found = datetime.combine(value, time.min)
    else:
        raise BadInputError(
            f"{what} must be a datetime or ISO 8601 text, not {type(value).__name__}."
        )
    if found.tzinfo is None:
        warnings.warn(
            f"{what}={found.isoformat()} has no UTC offset and is taken as UTC. Hand over an "
            "aware datetime, as in datetime.now(UTC), to say so yourself.",
            NaiveTimeWarning,
            stacklevel=_levels_to_caller(),
        )
        return found.replace(tzinfo=UTC)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise BadInputError(f"{what}={found.isoformat()} has no equivalent in UTC.") from None


def whole_number(value: object, what: str) -> int:
    """A number of things, at least none; ``what`` names the argument in messages.

    Raises:
        BadInputError: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadInputError(
            f"{what} must be a whole number of at least 0, not {str(value)[:40]!r}."
        )
    return value


def also_called(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept further names of keyword arguments, as callers of earlier versions know them.

    ``also_called(entity="entity_type")`` takes ``entity=`` for ``entity_type=``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for name, proper in names.items():
                if name in kwargs:
                    if proper in kwargs:
                        raise TypeError(
                            f"{function.__name__}() got both {proper!r} and {name!r}, which mean "
                            "the same"
                        )
                    kwargs[proper] = kwargs.pop(name)
            return function(*args, **kwargs)

        return call

    return decorate


def _levels_to_caller() -> int:
    """How far up the first line outside this package is, counted as ``warnings.warn`` does."""
    frame, level = sys._getframe(1), 1  # noqa: SLF001  # the documented way to the caller
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame, level = frame.f_back, level + 1
    return level
