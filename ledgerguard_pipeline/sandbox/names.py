"""Names and words of the sandbox's trade, the awkward ones first."""

# ruff: noqa: RUF001  # look-alike characters are the point

from __future__ import annotations

AWKWARD_NAMES: tuple[str, ...] = (
    "O'Reilly & Søns",
    "D’Angelo’s Pizzeria",
    "مؤسسة النور للتجارة",
    "שלום ושות׳ בע״מ",
    "株式会社さくら",
    "🍕 Pizza Palace 🚀",
    'The "Quoted" Company',
    "Back\\slash / Forward",
    "Żółć i Łódź s.c.",
    "Cafe\u0301 Zoë (combining)",
    "'; DROP TABLE Customer; --",
    "NULL",
    "Zero\u200bWidth Ltd",
    "👨‍👩‍👧‍👦 Family Dental",
    "1E+2",
    "<b>Bold</b> &amp; Sons",
    "Ελληνικά Τρόφιμα",
    "ООО «Ромашка»",
    "100% Wool, Inc.",
    "Voided Warranty Repairs",
)
"""Apostrophes, quotes, RTL, CJK, emoji with joiners, combining marks, look-alikes of values."""

FIRST: tuple[str, ...] = (
    "Amelia", "Bogdan", "Chiara", "Dmitri", "Esi", "Farid", "Greta", "Hiro", "Inés", "Jakub",
    "Keiko", "Lars", "Maeve", "Noor", "Oskar", "Priya", "Quentin", "Rosa", "Siobhán", "Tomás",
)
LAST: tuple[str, ...] = (
    "Adeyemi", "Brandt", "Castellanos", "Dvořák", "Eriksson", "Fischer", "García", "Hughes",
    "Ishikawa", "Jansen", "Kowalski", "Lindqvist", "Moreau", "Núñez", "O'Brien", "Petrov",
    "Quinn", "Rossi", "Schröder", "Takahashi",
)
TRADES: tuple[str, ...] = (
    "Bakery", "Bicycle Repair", "Brewing", "Cabinet Makers", "Dental Care", "Electric",
    "Florists", "Freight", "Garden Centre", "Glassworks", "Hardware", "Kitchens", "Landscaping",
    "Music School", "Optics", "Plumbing", "Print Shop", "Roofing", "Veterinary Clinic",
    "Window Cleaning",
)
STREETS: tuple[str, ...] = (
    "Alder Way", "Bay St.", "Cypress Hill Ave.", "Dolores Blvd", "El Camino Real", "Fern Ct.",
    "Garnet Ln.", "Harbor Dr.", "Ivy Rd.", "Juniper Pl.",
)
CITIES: tuple[tuple[str, str, str], ...] = (
    ("Bayshore", "CA", "94326"), ("Half Moon Bay", "CA", "94213"), ("Middlefield", "CA", "94303"),
    ("Portland", "OR", "97201"), ("Spokane", "WA", "99201"), ("Tucson", "AZ", "85701"),
)
WORK: tuple[str, ...] = (
    "Spring clean-up and mulching", "Irrigation repair, labour", "Retaining wall, per metre",
    "Tree pruning: façade side", "Monthly grounds care", 'Stone path "Riviera"',
    "Soil delivery (2 m³)", "Hedge trim\nfront and back", "Design consultation",
    "Pump & filter service", "Lawn aeration ½ acre", "Emergency call-out 🌩",
)
"""What invoice lines describe."""
