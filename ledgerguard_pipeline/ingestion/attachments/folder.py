"""Where attached files are kept: a folder or a bucket, under names that their bytes decide.

Decisions 83 and 115 in docs/decisions.md.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from ledgerguard_pipeline.config.attachments_url import Bucket, parse_attachments_url
from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.errors import ConfigurationError, IngestionError
from ledgerguard_pipeline.values import RealmId

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

MAY_VANISH = (
    "No place is named for attached files: control plane and Bronze are on servers, so the home of whoever "
    "downloads them may be no other's, or vanish. Set LEDGERGUARD_ATTACHMENTS_URL to s3://bucket/prefix or to "
    "a folder that all machines and pods see, on a single machine to `attachments` in LEDGERGUARD_HOME."
)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


class FileFolder(Protocol):
    """A folder of files that are never changed."""

    name: str

    def has(self, path: str, size: int) -> bool:
        """Whether this file is there with so many bytes."""

    def put(self, file: Path, path: str) -> None:
        """Move a finished file there, whole or not at all.

        Raises:
            IngestionError: it cannot be written.
        """

    def address(self, path: str) -> str:
        """Where other programs find this file: a path, or an address of the object store."""

    def held(self, realm: RealmId) -> dict[str, int]:
        """The files of a company that are there: size in bytes by path, in one listing.

        Raises:
            IngestionError: they cannot be listed.
        """

    def delete(self, realm: RealmId) -> None:
        """Delete the files of a company; none is there any more when this returns.

        Raises:
            IngestionError: one cannot be deleted.
        """


def path_of(realm: str, sha256: str, file_name: str) -> str:
    """``<company>/<hash>.<ending>``: one file for the same bytes, however often they are attached."""
    found = _SUFFIX.search(file_name)
    return f"{realm}/{sha256}{found.group(0).lower() if found else ''}"


def open_folder(settings: Settings) -> FileFolder:
    """The folder or bucket these settings name; ``attachments`` in the home if they name none."""
    if settings.ledgerguard_attachments_url is None:
        return LocalFolder(settings.ledgerguard_home.absolute() / "attachments")
    found = parse_attachments_url(settings.ledgerguard_attachments_url)
    if isinstance(found, Bucket):
        return BucketFolder(found, settings)
    return LocalFolder(found)


def open_folder_for_downloads(settings: Settings) -> FileFolder:
    """The same, unless what is downloaded may vanish with the pod or stay on one of many machines.

    Raises:
        ConfigurationError: only a home is named, while all else of the installation is on servers.
    """
    if settings.attachments_may_vanish:
        raise ConfigurationError(MAY_VANISH)
    return open_folder(settings)


class LocalFolder:
    """Files for their owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)

    def has(self, path: str, size: int) -> bool:
        """Whether this file is there with so many bytes."""
        try:
            return (self._folder / path).stat().st_size == size
        except OSError:
            return False

    def put(self, file: Path, path: str) -> None:
        """Move a finished file there, whole or not at all.

        Raises:
            IngestionError: it cannot be written.
        """
        target = self._folder / path
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            make_private(self._folder)
            make_private(target.parent)
            with file.open("rb") as source, _private(draft) as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
            draft.replace(target)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise IngestionError(
                f"An attached file cannot be written to {self._folder} ({error.strerror}). Make "
                "room or name another folder in LEDGERGUARD_ATTACHMENTS_URL."
            ) from error

    def address(self, path: str) -> str:
        """Where other programs find this file."""
        return str(self._folder / path)

    def held(self, realm: RealmId) -> dict[str, int]:
        """The files of a company that are there; one that is being written is not.

        Raises:
            IngestionError: the folder cannot be listed.
        """
        try:
            with os.scandir(self._folder / realm) as found:
                return {
                    f"{realm}/{each.name}": each.stat().st_size
                    for each in found
                    if each.is_file() and not each.name.startswith(".")
                }
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise IngestionError(
                f"Attached files in {self._folder / realm} cannot be listed ({error.strerror}). "
                "Change the rights on that folder and try again.",
                realm_id=realm,
            ) from error

    def delete(self, realm: RealmId) -> None:
        """Delete the folder of a company.

        Raises:
            IngestionError: it cannot be deleted.
        """
        try:
            shutil.rmtree(self._folder / realm)
        except FileNotFoundError:
            return
        except OSError as error:
            raise IngestionError(
                f"Attached files cannot be deleted from {self._folder / realm} "
                f"({error.strerror}). Change the rights on that folder and try again.",
                realm_id=realm,
            ) from error


class BucketFolder:
    """Objects of a bucket; keys and endpoint are the settings ``AWS_...``."""

    def __init__(self, bucket: Bucket, settings: Settings) -> None:
        self._root = "/".join(each for each in (bucket.name, bucket.prefix) if each)
        self._access = settings.object_store
        self._system: FileSystem | None = None
        self.name = f"s3://{self._root}"

    def has(self, path: str, size: int) -> bool:
        """Whether this object is there with so many bytes."""
        try:
            found = self._opened().get_file_info(f"{self._root}/{path}")
        except OSError as error:
            raise self._failed(error) from None
        return bool(found.size == size)

    def put(self, file: Path, path: str) -> None:
        """Upload a finished file; an object appears whole or not at all.

        Raises:
            IngestionError: the store does not take it.
        """
        try:
            with (
                file.open("rb") as source,
                self._opened().open_output_stream(f"{self._root}/{path}") as target,
            ):
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise self._failed(error) from None

    def address(self, path: str) -> str:
        """Where other programs find this object."""
        return f"{self.name}/{path}"

    def held(self, realm: RealmId) -> dict[str, int]:
        """The objects of a company that are there.

        Raises:
            IngestionError: the store does not list them.
        """
        from pyarrow.fs import FileSelector, FileType

        folder = FileSelector(f"{self._root}/{realm}", allow_not_found=True)
        try:
            found = self._opened().get_file_info(folder)
        except OSError as error:
            raise self._failed(error) from None
        return {
            f"{realm}/{each.base_name}": each.size for each in found if each.type is FileType.File
        }

    def delete(self, realm: RealmId) -> None:
        """Delete all objects of a company.

        Raises:
            IngestionError: the store does not let go of them.
        """
        if not self.held(realm):
            return
        try:
            self._opened().delete_dir(f"{self._root}/{realm}")
        except OSError as error:
            raise self._failed(error) from None

    def _opened(self) -> FileSystem:
        if self._system is None:
            from pyarrow.fs import S3FileSystem

            access = self._access
            self._system = S3FileSystem(
                access_key=access.key_id,
                secret_key=access.secret,
                session_token=access.session_token,
                region=access.region,
                endpoint_override=access.endpoint,
                background_writes=False,
            )
        return self._system

    def _failed(self, error: OSError) -> IngestionError:
        return IngestionError(
            f"The object store does not serve attached files in {self.name} "
            f"({type(error).__name__}). Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
            "AWS_REGION, AWS_ENDPOINT_URL and the rights on the bucket."
        )


def _private(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")
