"""msgspec 0.22 ends the process where two threads are the first to decode a type with others in it.

``msgspec.json.decode(..., type=X)`` prepares the type at its first call. Threads that share this work
find it half done, and the process dies. A decoder made with its module is ready before any thread is.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import msgspec

import ledgerguard_pipeline

ROOT = Path(ledgerguard_pipeline.__file__).parent
CALL = re.compile(r"json\.decode\([^()]*(?:\([^()]*\))?[^()]*, type=(?:list\[)?(\w+)\]?")
ONE_THREAD = ("sandbox/serve/client.py",)
"""Used by commands and tests, one thread each."""


def holds_others(kind: object) -> bool:
    """Whether preparing the type prepares another one, in Python, where threads change places."""
    return (
        inspect.isclass(kind)
        and issubclass(kind, msgspec.Struct)
        and any(
            "StructType" in repr(msgspec.inspect.type_info(each.type))
            for each in msgspec.structs.fields(kind)
        )
    )


def test_types_with_others_in_them_have_a_decoder_of_their_module() -> None:
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        where = file.relative_to(ROOT).as_posix()
        names = CALL.findall(file.read_text(encoding="utf-8"))
        if where in ONE_THREAD or not names:
            continue
        module = importlib.import_module(
            "ledgerguard_pipeline." + where.removesuffix(".py").replace("/", ".")
        )
        found += [f"{where}: {name}" for name in names if holds_others(getattr(module, name, None))]
    assert found == []
