"""Speed, calls and memory of this project and its rivals, side by side against the sandbox."""

from __future__ import annotations
