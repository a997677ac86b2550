"""The published reports of Intuit this reader is held to; XML ones in the JSON of the same schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from ledgerguard_pipeline.reports.shape import Report, read_shape

FOLDER = Path(__file__).parent / "samples"
_SPACE = "{http://schema.intuit.com/finance/v3}"
_LISTS = {"Option", "Column", "MetaData", "Row", "ColData"}


def bytes_of(name: str) -> bytes:
    """A sample as JSON."""
    path = next(FOLDER.glob(f"{name}.*"))
    if path.suffix == ".json":
        return path.read_bytes()
    root = ET.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314  # a file of this folder
    return json.dumps(_node(root)).encode()


def sample(name: str) -> Report:
    return read_shape(bytes_of(name))


def _node(element: ET.Element) -> Any:
    children = list(element)
    if not children and not element.attrib:
        return element.text or ""
    found: dict[str, Any] = dict(element.attrib)
    for child in children:
        tag = child.tag.removeprefix(_SPACE)
        if tag in _LISTS:
            found.setdefault(tag, []).append(_node(child))
        else:
            found[tag] = _node(child)
    return found
