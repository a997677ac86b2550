"""The faults of ``register.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("register.toml")


@dataclass(frozen=True, slots=True)
class Fault:
    """What may happen, what is promised then, and the node ids, below the tests, that hold it."""

    number: int
    fault: str
    promise: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Faults under one heading."""

    title: str
    faults: tuple[Fault, ...]


@cache
def groups() -> tuple[Group, ...]:
    """The whole register, in its order."""
    read = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(
        Group(
            each["title"],
            tuple(Fault(**{**fault, "tests": tuple(fault["tests"])}) for fault in each["fault"]),
        )
        for each in read["group"]
    )


def every_fault() -> tuple[Fault, ...]:
    """The faults of all groups."""
    return tuple(fault for group in groups() for fault in group.faults)


def every_node() -> set[str]:
    """All node ids that any fault names."""
    return {test for fault in every_fault() for test in fault.tests}
