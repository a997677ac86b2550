"""Where attached files are kept: a folder, or a bucket with a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ledgerguard_pipeline.config.user_paths import user_path


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of an object store; ``prefix`` has no slash at either end and may be empty."""

    name: str
    prefix: str


def parse_attachments_url(text: str) -> Path | Bucket:
    """``s3://bucket/prefix``, ``file:///a/folder`` or the path of a folder.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(text)
    if parts.scheme == "s3":
        if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("it must look like s3://bucket/prefix; keys are settings of their own")
        return Bucket(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file" and not parts.netloc:
        return Path(parts.path)
    if "://" in text:
        raise ValueError("it must be a folder or s3://bucket/prefix")
    return user_path(text).absolute()
