"""Attached files of one company into a folder or bucket: each once, hashed, listed in Bronze.

QuickBooks gives links that live fifteen minutes, for many files in one metered call. A file that
cannot be read costs that file alone and is asked for again by the next run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ledgerguard_pipeline.bronze.attachments import AttachedFile, AttachmentFiles, KeptFile
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import (
    BadInputError,
    BronzeError,
    CompanyUnavailable,
    ConfigurationError,
    IngestionError,
    LedgerGuardError,
    NoQuery,
    NotFound,
    PoisonPage,
    QBOAuthError,
    QuotaExhausted,
    RequestRejected,
    Throttled,
)
from ledgerguard_pipeline.ingestion.attachments.folder import FileFolder, path_of
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.transport.downloads import Downloads, LinkExpired
from ledgerguard_pipeline.values import RealmId

LINKS_AT_ONCE = 25
"""Files whose links come with one call; they have to be read while the links live."""
REFUSED_AT_MOST = 10
"""Refused links that are looked for one by one in a load; after that a refusal is about all it names."""
LINK_SECONDS = 600.0
"""Links older than this are asked for again; Intuit's live 900 seconds."""


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that could not be read, and why."""

    id: str
    file_name: str
    reason: str


@dataclass(slots=True)
class AttachmentLoad:
    """What a load brought. ``attached`` are all files of living attachments, ``kept`` those here."""

    attached: int = 0
    kept: int = 0
    new: int = 0
    bytes: int = 0
    same: int = 0
    """New ones whose bytes were here already, of another attachment."""
    refused: int = 0
    """Of the failed ones, those whose link QuickBooks refuses."""
    failed: list[FailedFile] = field(default_factory=list)


class AttachmentLoads:
    """Downloads what is attached and not here yet."""

    def __init__(
        self,
        client: QBOClient,
        store: BronzeStore,
        folder: FileFolder,
        downloads: Downloads,
        clock: Clock,
        run_id: str | None = None,
        connected: Callable[[RealmId], object] = lambda _: None,
    ) -> None:
        """``connected`` raises where the company is not connected any more."""
        self._client = client
        self._files = AttachmentFiles(store.workspace)
        self._folder = folder
        self._downloads = downloads
        self._clock = clock
        self._run_id = run_id
        self._connected = connected

    def load(self, realm: RealmId) -> AttachmentLoad:
        """Download every missing file of a company.

        Raises:
            BadInputError: somebody disconnected the company meanwhile; no file is put after that.
            IngestionError: the folder or bucket takes no file, or does not say what it holds.
            QBOAPIError, QBOAuthError: QuickBooks gives no links.
            BronzeError: the files could not be listed; the next run finds them in the folder.
        """
        attached, kept = self._files.attached(realm), self._files.kept(realm)
        held = self._folder.held(realm) if kept else {}
        here = {
            each.id
            for each in attached
            if (old := kept.get(each.id)) is not None and old.is_of(each) and old.is_among(held)
        }
        missing = [each for each in attached if each.id not in here]
        found = AttachmentLoad(len(attached), len(here))
        with tempfile.TemporaryDirectory(prefix="ledgerguard-") as scratch:
            for first in range(0, len(missing), LINKS_AT_ONCE):
                some, done = missing[first : first + LINKS_AT_ONCE], list[KeptFile]()
                try:
                    for file in self._some(realm, some, found, Path(scratch)):
                        done.append(file)  # kept if a later one raises
                except BadInputError:
                    done.clear()  # who forgets a company that is gone wants nothing noted of it
                    raise
                finally:
                    self._files.save(realm, done, self._run_id)
        return found

    def _some(
        self,
        realm: RealmId,
        wanted: Sequence[AttachedFile],
        found: AttachmentLoad,
        scratch: Path,
    ) -> Iterator[KeptFile]:
        links = self._links(wanted, found)
        asked_at = self._clock.monotonic()
        for each in wanted:
            if each.id not in links:
                continue  # refused
            old = self._clock.monotonic() - asked_at > LINK_SECONDS
            link = None if old else links[each.id]
            try:
                kept = self._one(realm, each, link, found, scratch / each.id)
            except LedgerGuardError as error:
                if not _of_one_file(error):
                    raise
                found.failed.append(FailedFile(each.id, each.file_name, error.message))
            else:
                found.new += 1
                found.kept += 1
                found.bytes += kept.size
                yield kept

    def _links(self, wanted: Sequence[AttachedFile], found: AttachmentLoad) -> dict[str, str]:
        """The link of each file; an empty one where there is no file, none where it is refused.

        One attachment that QuickBooks cannot render makes an answer about many fail: they are asked
        for in halves until that one is alone.
        """
        try:
            links = self._client.file_links([each.id for each in wanted])
        except NoQuery:
            raise
        except (PoisonPage, RequestRejected) as error:
            if len(wanted) == 1 or found.refused >= REFUSED_AT_MOST:
                found.refused += len(wanted)
                found.failed += [
                    FailedFile(each.id, each.file_name, error.message) for each in wanted
                ]
                return {}
            middle = len(wanted) // 2
            return self._links(wanted[:middle], found) | self._links(wanted[middle:], found)
        return {each.id: links.get(each.id, "") for each in wanted}

    def _one(
        self,
        realm: RealmId,
        wanted: AttachedFile,
        link: str | None,
        found: AttachmentLoad,
        scratch: Path,
    ) -> KeptFile:
        try:
            try:
                size, sha256 = self._fetched(wanted, link, scratch)
            except LinkExpired:
                size, sha256 = self._fetched(wanted, None, scratch)
            # A link lives on after its company was disconnected, and perhaps forgotten with its files.
            self._connected(realm)
            path = path_of(realm, sha256, wanted.file_name)
            if self._folder.has(path, size):
                found.same += 1
            else:
                self._folder.put(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
        return KeptFile(
            wanted.id, wanted.sync_token, wanted.file_name, wanted.content_type, wanted.size,
            size, sha256, path, self._clock.now(),
        )  # fmt: skip

    def _fetched(self, wanted: AttachedFile, link: str | None, scratch: Path) -> tuple[int, str]:
        """Download a file; without a link, one is asked for. An empty link says that there is no file."""
        if link is None:
            link = self._client.file_links([wanted.id]).get(wanted.id)
        if not link:
            raise NotFound("QuickBooks has no file behind this attachment any more.")
        with scratch.open("wb") as file:
            came = self._downloads.fetch(link, file.write, wanted.size)
        return came.size, came.sha256


def _of_one_file(error: LedgerGuardError) -> bool:
    """Whether the next file may well come all the same."""
    return not isinstance(
        error,
        BadInputError
        | BronzeError
        | ConfigurationError
        | IngestionError
        | QBOAuthError
        | Throttled
        | QuotaExhausted
        | CompanyUnavailable,
    )
