"""A reader who follows a link or opens a file that a document names finds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledgerguard_pipeline_tests.docs.documents import DOCUMENTS, anchors, links, prose
from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, ROOT, name_of, tracked_files

PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.(?:py|md|toml|yaml|lock))`")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
ROOMS = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
PRESENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
TO_BE_MADE = {"deploy/.env"}
NAMES = {path.name for path in tracked_files()}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    for target, anchor in links(path):
        assert target.exists(), f"{path.name} links to {target}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{path.name} links to {target.name}#{anchor}"


@pytest.mark.parametrize("path", PRESENT, ids=name_of)
def test_every_path_named_in_the_text_exists(path: Path) -> None:
    for named in PATH.findall(prose(path)):
        top = named.split("/")[0]
        if "/" not in named:
            assert named in NAMES or (ROOT / named).exists(), f"{path.name} names {named}"
        elif top in FOLDERS and named not in TO_BE_MADE:
            assert (ROOT / named).exists(), f"{path.name} names {named}"
        elif top in ROOMS and named.endswith((".py", "/")):  # others are keys of assets
            assert (PACKAGE / named).exists(), f"{path.name} names {named}"
