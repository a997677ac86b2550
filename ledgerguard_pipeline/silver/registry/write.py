"""The words in which the registry is written; each makes one column or a few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ledgerguard_pipeline.silver.specs import Column, Kind, snake

Columns = tuple[Column, ...]

_ADDRESS = (
    ("Id", "Intuit's id of the address."),
    ("Line1", "First line."),
    ("Line2", "Second line."),
    ("Line3", "Third line."),
    ("Line4", "Fourth line."),
    ("Line5", "Fifth line."),
    ("City", "City."),
    ("CountrySubDivisionCode", "State or province."),
    ("PostalCode", "Postal code."),
    ("Country", "Country."),
    ("Lat", "Latitude, as sent."),
    ("Long", "Longitude, as sent."),
)


def _one(kind: Kind, paths: str, meaning: str, name: str | None) -> Columns:
    alternatives = tuple(paths.split("|"))
    found = name or snake(alternatives[0].rpartition(".")[2])
    return (Column(found, alternatives, kind, meaning),)


def text(
    path: str, meaning: str, name: str | None = None, *, spelled: Iterable[str] = ()
) -> Columns:
    """A text, as sent, but for words that are ``spelled`` in one way however they were sent."""
    (column,) = _one(Kind.TEXT, path, meaning, name)
    return (replace(column, spelled=tuple(spelled)),)


def date(path: str, meaning: str, name: str | None = None) -> Columns:
    """A calendar date."""
    return _one(Kind.DATE, path, meaning, name)


def time(path: str, meaning: str, name: str | None = None) -> Columns:
    """An instant."""
    return _one(Kind.TIME, path, meaning, name)


def flag(path: str, meaning: str, name: str | None = None) -> Columns:
    """True or false."""
    return _one(Kind.BOOL, path, meaning, name)


def whole(path: str, meaning: str, name: str | None = None) -> Columns:
    """A whole number."""
    return _one(Kind.INTEGER, path, meaning, name)


def money(path: str, meaning: str, name: str | None = None) -> Columns:
    """An amount of money, every digit of it."""
    return _one(Kind.MONEY, path, meaning, name)


def number(path: str, meaning: str, name: str | None = None) -> Columns:
    """A quantity, price, percentage or rate, every digit of it."""
    return _one(Kind.NUMBER, path, meaning, name)


def one_of(path: str, meaning: str, known: frozenset[str], name: str | None = None) -> Columns:
    """A text that must be there and be one of these."""
    (column,) = _one(Kind.TEXT, path, meaning, name)
    return (Column(column.name, column.paths, column.kind, meaning, known),)


def ref(
    paths: str,
    meaning: str,
    name: str | None = None,
    *,
    typed: bool = False,
    types: Iterable[str] = (),
) -> Columns:
    """A reference: ``x_id`` to join by, ``x_name`` as printed, ``x_type`` where it has one.

    ``types`` are the types that a ``typed`` one may name, as they are spelled in ``x_type``: Intuit
    sends CUSTOMER in a deposit and Customer in an entry.

    Names change without a sign when the other object is renamed; ids do not.
    """
    alternatives = paths.split("|")
    stem = name or snake(alternatives[0].rpartition(".")[2]).removesuffix("_ref")
    what = meaning.rstrip(".")

    def part(member: str) -> tuple[str, ...]:
        return tuple(f"{path}.{member}" for path in alternatives)

    found = (
        Column(f"{stem}_id", part("value"), Kind.TEXT, f"{what}: id.", reference=True),
        Column(f"{stem}_name", part("name"), Kind.TEXT, f"{what}: name as printed."),
    )
    if typed:
        kind = Column(
            f"{stem}_type",
            part("type"),
            Kind.TEXT,
            f"{what}: type of object.",
            spelled=tuple(types),
        )
        return (kind, *found)
    return found


def address(path: str, meaning: str, name: str | None = None) -> Columns:
    """A postal address."""
    stem = name or snake(path.rpartition(".")[2])
    what = meaning.rstrip(".")
    return tuple(
        Column(f"{stem}_{snake(member)}", (f"{path}.{member}",), Kind.TEXT, f"{what}: {said}")
        for member, said in _ADDRESS
    )


def columns(*parts: Columns) -> Columns:
    """All of them, in this order."""
    return tuple(column for part in parts for column in part)
