"""The forms in which a secret may lie somewhere."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote


def forms(secret: str) -> set[bytes]:
    """As it is, encoded in the usual ways, and cut off."""
    plain = secret.encode()
    return {
        plain,
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(plain).rstrip(b"="),
        plain.hex().encode(),
        # Cut off somewhere, as a log line or a column of limited length would.
        plain[:24],
        plain[-24:],
    }
