"""Every folder of the product is a room: one promise, on the map, of a size to be looked over."""

from __future__ import annotations

import ast
import re

from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, ROOT, python_files

MOST = 14
ROOMS = {
    path.parent.relative_to(PACKAGE).as_posix(): path
    for path in python_files(PACKAGE)
    if path.name == "__init__.py" and path.parent != PACKAGE and "migrations" not in path.parts
}


def promise(room: str) -> str:
    tree = ast.parse(ROOMS[room].read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0].replace("``", "`")


def test_every_room_says_what_is_in_it_and_is_on_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.partition("<!-- rooms -->")[2].partition("<!-- end of rooms -->")[0]
    listed = dict(re.findall(r"^\| `([\w/]+)` \| (.+) \|$", table, re.MULTILINE))
    assert listed == {room: promise(room) for room in ROOMS}
    assert "" not in listed.values()


def test_no_room_is_too_full() -> None:
    sizes = {
        room: len([each for each in path.parent.glob("*.py") if each != path])
        for room, path in ROOMS.items()
    }
    assert {room: size for room, size in sizes.items() if size > MOST} == {}
