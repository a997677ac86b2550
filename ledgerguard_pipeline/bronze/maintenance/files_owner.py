"""Whose the files of a lake are: those of the one lake that is maintained over them.

A catalog that was restored beside the first one, to try a restore or as a test system, names the same
files. What the maintenance of one merges it deletes a day later, and what the other wrote since
belongs, for it, to nobody. So a note beside the files says for which lake they are maintained.

Decision 109 in docs/decisions.md.
"""

from __future__ import annotations

from ledgerguard_pipeline.bronze import lake_catalog
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.errors import BadInputError

NOTE = "maintained_for.csv"
"""No file of rows, so no maintenance deletes it."""


def own_files(lake: OpenStore, name: str, *, take_over: bool) -> None:
    """Make sure that the files are maintained for the lake of this ``name`` and for no other one.

    Raises:
        BadInputError: they are another's, and are not to be taken over.
    """
    connection = lake.connection
    ((data,),) = connection.execute(lake_catalog.READ_DATA_PATH).fetchall()
    note = f"{data}{NOTE}"
    read = "SELECT lake FROM read_csv(?, header = true, columns = {'lake': 'VARCHAR'})"
    # With a wildcard: of a plain name an object store is not asked whether there is one.
    found = connection.execute("SELECT file FROM glob(?)", [f"{data}{NOTE[:-1]}*"]).fetchall()
    owner = connection.execute(read, [note]).fetchall()[0][0] if found else None
    if owner == name:
        return
    if owner is not None and not take_over:
        raise BadInputError(
            f"The files in {data} are maintained for another lake ({owner}), and this one is {name}. "
            "Each would delete files of the other, so nothing was done. Give this lake a copy of the "
            "files; or, if it is the same under a new name or the other is gone, run "
            "`ledgerguard bronze maintain --take-over` once."
        )
    connection.execute(f"COPY (SELECT {_text(name)} AS lake) TO {_text(note)} (FORMAT csv, HEADER)")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
