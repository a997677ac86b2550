"""The soak's canary: whole and cut-off secrets are found wherever they stand, and nothing else is."""

from __future__ import annotations

import base64
from pathlib import Path

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.soak.books import CLIENT_SECRET, VERIFIER
from ledgerguard_pipeline_tests.soak.canary import issued, leaks


def test_each_secret_is_named_with_its_file_and_never_repeated(tmp_path: Path) -> None:
    with SandboxServer(invoices=1) as sandbox:
        (tokens,) = sandbox.issue_tokens()
        assert issued(sandbox) == 2
        beginning = tokens.access_token.index("..") + 26
        files = {
            "web.log": f"Bearer {tokens.access_token[:beginning]}",
            "home/control.db": base64.b64encode(VERIFIER.encode()).decode(),
            "lake/data.parquet": "x" * ((1 << 24) - 10) + CLIENT_SECRET,
            "build/settings.py": CLIENT_SECRET,
            "home/encryption.key": VERIFIER,
            "quiet.log": "AB11 and nothing that follows",
        }
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="ascii")
        assert leaks(tmp_path, sandbox) == [
            "access token in web.log",
            "client secret in lake/data.parquet",
            "verifier token in home/control.db",
        ]
