"""Where Bronze is kept: the one seam between a DuckDB file and a DuckLake.

A backend opens stores and lets work be written; what the work is (tables, versions, records) is
the same everywhere. Backends differ in who may write at once and in what happens then: a file has
one user at a time, a lake has many and repeats work that met a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import duckdb

Written = TypeVar("Written")


@dataclass(frozen=True, slots=True)
class OpenStore:
    """An open store: its connection and the catalog name it goes by.

    In a ``lake`` rows of bookkeeping are only added and the newest counts, because there every
    deletion conflicts with every insertion into the same table. ``committing`` is held around
    COMMIT and raises where another writer may have taken over. ``known`` remembers what was found
    out about this opening, until something is written. ``rowless`` are tables that never had a row,
    which a lake would look up column by column, and ``fields``, by entity, paths and kinds of values
    that are certainly noted; None where reading them costs nothing. ``ask`` puts a question to the catalog of
    a lake that is written, past DuckDB. ``afterwards`` is closed when the store is.
    """

    connection: duckdb.DuckDBPyConnection
    catalog: str
    lake: bool = False
    committing: Callable[[], AbstractContextManager[None]] = nullcontext
    known: dict[str, set[str]] = field(default_factory=dict, compare=False)
    rowless: set[str] = field(default_factory=set, compare=False)
    fields: dict[str, set[tuple[str, str]]] | None = field(default=None, compare=False)
    ask: Callable[[str], Sequence[tuple[object, ...]]] | None = field(default=None, compare=False)
    afterwards: ExitStack = field(default_factory=ExitStack, compare=False)


class Backend(Protocol):
    """A DuckDB file or a DuckLake; safe to use from several threads."""

    @property
    def name(self) -> str:
        """For messages; never with a password."""
        ...

    @property
    def file(self) -> Path | None:
        """The one file that a single user holds at a time; None of a lake, which has many."""
        ...

    def exists(self) -> bool:
        """False before anything was ever written there.

        Raises:
            BronzeUnavailable: that cannot be found out now.
        """
        ...

    def stamp(self) -> tuple[int, int] | None:
        """Differs after every commit; None where finding out is no cheaper than reading."""
        ...

    def reading(self, *, strict: bool = False) -> AbstractContextManager[OpenStore]:
        """One consistent view for as long as the block lasts.

        A ``strict`` reader, who runs statements of others, can write nothing and reaches no other
        file.

        Raises:
            BronzeBusy, BronzeUnavailable: not to be had within the wait limit.
            BronzeError: it is damaged, or DuckDB failed inside the block.
        """
        ...

    def write(self, realms: Sequence[str], work: Callable[[OpenStore], Written]) -> Written:
        """Do the work while nobody else writes these companies.

        The work begins and ends its own transaction. A lake does it again from the start after
        a conflict or a lost connection, until the wait limit is over.

        Raises:
            BronzeBusy, BronzeUnavailable: not possible within the wait limit; nothing was kept.
            BronzeError: DuckDB failed; nothing was kept.
        """
        ...

    def tables(self, session: OpenStore) -> set[str]:
        """The tables of schema ``bronze``."""
        ...

    def shared(self, *, read_only: bool = False) -> AbstractContextManager[None]:
        """Inside the block this thread's uses share one opening, where opening is what takes time.

        With ``read_only`` only its reads do.
        """
        ...

    def let_go(self) -> None:
        """Before waiting for somebody else: let others to what a ``shared`` block holds."""
        ...

    def waiting_once(self) -> AbstractContextManager[None]:
        """Inside the block whoever holds the store is waited for in vain only once."""
        ...


def first_line(error: Exception) -> str:
    """The informative part of a DuckDB message, without the echoed statement."""
    return str(error).partition("\n\nLINE ")[0].strip().replace("\n", " ").rstrip(".")[:500]
