"""Each version that users may come from left a home, which the tests beside this one migrate."""

from __future__ import annotations

import re
from pathlib import Path

from ledgerguard_pipeline_tests.hygiene.project import ROOT

HERE = Path(__file__).parent
RELEASES = re.findall(
    r"^## (\d+\.\d+\.\d+)(?! \(unreleased\))",
    (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_each_release_of_the_changelog_left_a_home() -> None:
    assert "0.1.0" in RELEASES
    for release in RELEASES:
        name = release.replace(".", "_")
        assert (HERE / f"home_{name}.tar.xz").exists(), f"no home of {release}: see README.md here"
        assert (HERE / f"books_{name}.json.xz").exists(), release
        assert list(HERE.glob(f"test_*{name}*.py")), f"nothing migrates the home of {release}"
