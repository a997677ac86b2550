"""Logging: structlog for this product's events, everything else routed through the same line.

JSON lines where nobody watches, coloured text on a terminal, always on stderr: stdout belongs to
results. No secret reaches any handler, not even one that Dagster or uvicorn adds later, because
records are cleaned where they are made; tracebacks never show local variables.
"""

from __future__ import annotations

import logging
import re
import sys
import textwrap
import traceback
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ledgerguard_pipeline.observability.redaction import redact, redact_value, register_secret

__all__ = ["RedactingFilter", "configure_logging", "guard_handlers", "register_secret"]

_HANDLER: Final = "ledgerguard"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")

CHATTY = ("requests_oauthlib", "oauthlib", "urllib3", "httpx", "httpcore", "asyncio")
"""Loggers kept at INFO: at DEBUG some print whole token requests and answers."""


class RedactingFilter(logging.Filter):
    """Cleans a record in place and lets it pass; safe to apply twice.

    Message arguments stay apart from the message where possible, because some formatters
    (uvicorn's access log) read them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        _clean(record)
        return True


def configure_logging(level: str | int = "INFO", *, json: bool | None = None) -> None:
    """Set up logging for this process; may be called again, the last call counts.

    Args:
        level: the lowest level written, by name or number.
        json: JSON lines or text; by default JSON unless stderr is a terminal.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()] if isinstance(level, str) else level
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # The plain traceback: structlog's rich and dict ones print local variables.
        structlog.processors.format_exc_info,
        redact_event,
    ]
    if as_json:
        rendering: list[Processor] = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        rendering = [
            _one_line,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_Stderr())
    handler.name = _HANDLER
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    for old in [item for item in root.handlers if item.name == _HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.INFO))
    if not isinstance(logging.getLogRecordFactory(), _CleanRecords):
        logging.setLogRecordFactory(_CleanRecords())
    guard_handlers()


def guard_handlers() -> None:
    """Put a ``RedactingFilter`` on every handler there is, whoever made it."""
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        if not any(isinstance(item, RedactingFilter) for item in handler.filters):
            handler.addFilter(RedactingFilter())


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor for structlog: mask secrets in every value, nested ones too."""
    return {
        key: value if key.startswith("_") else redact_value(value, key)
        for key, value in event.items()
    }


class _CleanRecords:
    """A record factory: cleans at birth, so handlers added later are served as well."""

    def __init__(self) -> None:
        self._make = logging.getLogRecordFactory()

    def __call__(self, *args: object, **keywords: object) -> logging.LogRecord:
        record = self._make(*args, **keywords)
        _clean(record)
        return record


class _Stderr:
    """stderr as it is at the moment of writing: tests and progress bars replace it."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _clean(record: logging.LogRecord) -> None:
    if isinstance(record.msg, dict):
        return  # an event of structlog, cleaned by redact_event
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        # logging would print the raw arguments to stderr.
        record.msg, record.args = redact(f"{record.msg} [arguments do not fit the message]"), ()
    else:
        clean = redact(message)
        if clean != message:
            _replace(record, clean)
    if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
        # Formatters print exc_text where it is set; an exception's message may hold anything.
        lines = traceback.format_exception(*record.exc_info)
        record.exc_text = redact("".join(lines)).rstrip("\n")


def _replace(record: logging.LogRecord, clean: str) -> None:
    if isinstance(record.args, tuple):
        arguments = tuple(redact_value(item) for item in record.args)
        try:
            if str(record.msg) % arguments == clean:
                record.args = arguments
                return
        except (TypeError, ValueError):
            pass
    record.msg, record.args = clean, ()


def _one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Encode line breaks and control characters: nobody forges a line through a value."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = (
                textwrap.indent(value, "    ")
                if key in ("exception", "stack")
                else _CONTROL.sub(
                    lambda found: found.group().encode("unicode_escape").decode(), value
                )
            )
    return event
