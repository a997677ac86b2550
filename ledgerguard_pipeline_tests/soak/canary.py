"""Whether any secret of the soak stands in a file it left, in a database it used, or in a log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.canary.forms import forms
from ledgerguard_pipeline_tests.soak.books import CLIENT_SECRET, VERIFIER

_TOKEN = re.compile(rb"(?:AB11|XAB11|\.\.)([\w-]{24})")
_FIXED = {"client secret": CLIENT_SECRET, "verifier token": VERIFIER}
_CHUNK = 1 << 24
_OVERLAP = 512


def leaks(folder: Path, sandbox: SandboxServer) -> list[str]:
    """Names of secrets and the files they stand in; the secrets themselves are not repeated.

    Tokens and codes are looked for by their first two dozen random characters, so that one cut
    off by a log is found too. The test build and the key file are left out.
    """
    heads = _heads(sandbox)
    fixed = {form: name for name, secret in _FIXED.items() for form in forms(secret)}
    found = set()
    for path in _files(folder):
        for part in _parts(path):
            for match in _TOKEN.finditer(part):
                name = heads.get(match.group(1))
                if name is not None:
                    found.add(f"{name} in {path.relative_to(folder)}")
            for form, name in fixed.items():
                if form in part:
                    found.add(f"{name} in {path.relative_to(folder)}")
    return sorted(found)


def issued(sandbox: SandboxServer) -> int:
    """How many tokens and codes there were to find."""
    return len(_heads(sandbox))


def _heads(sandbox: SandboxServer) -> dict[bytes, str]:
    """Every token and code the sandbox ever gave, by what follows its constant beginning."""
    grants = sandbox.world.grants
    heads = {}
    for name, values in (
        ("access token", list(grants._access)),
        ("refresh token", list(grants._refresh)),
        ("code", list(grants._codes)),
    ):
        for value in values:
            match = _TOKEN.search(value.encode())
            if match is not None:
                heads[match.group(1)] = name
    return heads


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if path.is_file() and inside[0] != "build" and not path.name.endswith(".key"):
            yield path


def _parts(path: Path) -> Iterator[bytes]:
    """The file in pieces that overlap, so that nothing hides between two."""
    try:
        with path.open("rb") as stream:
            before = b""
            while piece := stream.read(_CHUNK):
                yield before + piece
                before = piece[-_OVERLAP:]
    except OSError:
        return
