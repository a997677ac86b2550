"""Keyword arguments that go by more than one name, as callers of earlier versions know them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def also_called(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept further names of keyword arguments: ``also_called(entity="entity_type")``."""

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
