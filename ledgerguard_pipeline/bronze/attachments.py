"""Which attached files are kept, and which are still to be downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from ledgerguard_pipeline.bronze import attachment_table as table
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.bronze.write.insert_rows import insert_rows
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.values import RealmId


class _Attachable(msgspec.Struct):
    """The members that say which file it is; a note has no file."""

    FileName: str | None = None
    ContentType: str | None = None
    Size: int | float | str | None = None


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file as QuickBooks describes it; ``size`` is in bytes, None where nothing is said."""

    id: str
    sync_token: str | None
    file_name: str
    content_type: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file as it was downloaded; ``path`` is within the folder or bucket."""

    id: str
    sync_token: str | None
    file_name: str
    content_type: str | None
    stated_size: int | None
    size: int
    sha256: str
    path: str
    fetched_at: datetime

    def is_of(self, attached: AttachedFile) -> bool:
        """Whether this is that file; what is written about it may have changed since."""
        return (self.file_name, self.stated_size) == (attached.file_name, attached.size)

    def is_among(self, held: Mapping[str, int]) -> bool:
        """Whether it still lies where it was put: sizes by path of what folder or bucket hold."""
        return held.get(self.path) == self.size


class AttachmentFiles:
    """The files of every company of a store; opened per use, as everything of Bronze."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def attached(self, realm: RealmId | str) -> list[AttachedFile]:
        """The files of living attachments, by id; notes without a file are left out."""
        with self._workspace.read() as view:
            if view is None or not view.has("attachable"):
                return []
            rows = view.connection.execute(table.CURRENT, [str(realm)]).fetchall()
        found = []
        for id, sync_token, payload in rows:
            try:
                described = msgspec.json.decode(payload, type=_Attachable)
            except msgspec.MsgspecError:
                continue
            if described.FileName:
                found.append(
                    AttachedFile(
                        str(id),
                        sync_token,
                        described.FileName,
                        described.ContentType,
                        _whole(described.Size),
                    )
                )
        return found

    def kept(self, realm: RealmId | str) -> dict[str, KeptFile]:
        """The newest file of each attachment that was ever downloaded, by the attachment's id."""
        with self._workspace.read() as view:
            if view is None or not view.has(table.NAME):
                return {}
            cursor = view.connection.execute(table.LISTED, [str(realm)])
            rows = [dict(zip(table.COLUMNS, row, strict=True)) for row in cursor.fetchall()]
        return {
            row["id"]: KeptFile(
                row["id"],
                row["sync_token"],
                row["file_name"],
                row["content_type"],
                row["stated_size"],
                row["size"],
                row["sha256"],
                row["path"],
                row["fetched_at"],
            )
            for row in rows
        }

    def save(
        self, realm: RealmId | str, files: Sequence[KeptFile], run_id: str | None = None
    ) -> None:
        """Note files that are in the folder or bucket, in one transaction.

        Raises:
            BronzeBusy, BronzeUnavailable, BronzeError: nothing was noted.
        """
        if not files:
            return
        at = self._workspace.clock.now()
        ids = [each.id for each in files]

        def work(session: OpenStore) -> bool:
            rows = [
                (
                    str(realm),
                    each.id,
                    each.sync_token,
                    each.file_name,
                    each.content_type,
                    each.stated_size,
                    each.size,
                    each.sha256,
                    each.path,
                    run_id,
                    each.fetched_at,
                    at,
                )
                for each in files
            ]
            insert_rows(session.connection, table.NAME, tuple(table.COLUMNS), rows)
            return True

        def landed(session: OpenStore) -> bool | None:
            return True if self._count(session, realm, ids, at) else None

        self._workspace.write(realm, work, landed)
        with self._workspace.read() as view:
            found = None if view is None else view.connection.execute(
                table.FIND, [str(realm), ids, at]
            ).fetchone()  # fmt: skip
        if not found or found[0] != len(files):
            raise BronzeError(
                "DuckDB acknowledged a commit whose files are not listed; check the disk, then "
                "download them again."
            )

    @staticmethod
    def _count(session: OpenStore, realm: RealmId | str, ids: Sequence[str], at: datetime) -> int:
        row = session.connection.execute(table.FIND, [str(realm), list(ids), at]).fetchone()
        return 0 if row is None else int(row[0])


def _whole(size: float | str | None) -> int | None:
    try:
        return None if size is None else int(float(size))
    except (ValueError, OverflowError):
        return None
