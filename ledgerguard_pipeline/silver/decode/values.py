"""Single values: what of a JSON value fits a column, exactly, and what does not.

These are the rules; the fast way accepts a part of what is accepted here, with the same result.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal

import msgspec

from ledgerguard_pipeline.silver.decode.deep import Unread
from ledgerguard_pipeline.silver.specs import Kind

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T.*)?", re.ASCII)
_MOST = Decimal(10) ** 20
_STEP = Decimal(1).scaleb(-18)
_CONTEXT = Context(prec=60)
_LONGEST_TEXT = 200
_ENCODER = msgspec.json.Encoder(
    decimal_format="number", enc_hook=lambda unread: msgspec.Raw(str(unread).encode())
)

Value = str | bool | int | Decimal | date | datetime | None


class Misfit(Exception):
    """A value that its column cannot hold."""


def fitting(value: object, kind: Kind) -> Value:
    """The value as its column holds it; nothing is rounded.

    Raises:
        Misfit: it cannot be held.
    """
    if value is None:
        return None
    if isinstance(value, Unread):
        raise Misfit
    match kind:
        case Kind.TEXT:
            return _text(value)
        case Kind.BOOL:
            return _flag(value)
        case Kind.INTEGER:
            return _whole(value)
        case Kind.DATE:
            return _day(value)
        case Kind.TIME:
            return _instant(value)
        case Kind.MONEY | Kind.NUMBER:
            return _exact(value)


def shown(value: object, personal: re.Pattern[str] | None = None) -> str:
    """A misfit as text, shortened where it is long and before anything ``personal`` in it."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, Decimal):
        text = str(value)
    else:
        text = _as_json(value)
    if not _is_text(text):
        text = text.encode("utf-8", "backslashreplace").decode()
    secret = personal.search(text) if personal else None
    end = min(_LONGEST_TEXT, secret.start()) if secret else _LONGEST_TEXT
    return text if len(text) <= end else f"{text[:end]}..."


def _as_json(value: object) -> str:
    try:
        return _ENCODER.encode(value).decode()
    except (UnicodeEncodeError, RecursionError):
        # Halves of characters stay the escapes that they were; numbers stand as texts.
        return _cut_off(value)


def _cut_off(value: object) -> str:
    try:
        return json.dumps(value, default=str, separators=(",", ":"))
    except RecursionError:
        return "nested too deeply to be shown"


def _is_text(value: str) -> bool:
    r"""False for half of a character: JSON may say ``"\ud83d"``, no database can hold it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: object) -> str:
    if isinstance(value, str):
        if not _is_text(value):
            raise Misfit
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return str(value)
    raise Misfit


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.casefold() in ("true", "false"):
        return value.casefold() == "true"
    raise Misfit


def _decimal(value: object) -> Decimal:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise Misfit
    return value


def _exact(value: object) -> Decimal:
    found = _decimal(value)
    if found.is_zero():
        return Decimal(0)
    # Comparing and scaling a number with an exponent of millions would write it out.
    if not -19 < found.adjusted() < 20 or found.copy_abs() >= _MOST:
        raise Misfit
    _, digits, exponent = found.as_tuple()
    if isinstance(exponent, int) and exponent < -18 and any(digits[exponent + 18 :]):
        raise Misfit
    return found.quantize(_STEP, context=_CONTEXT)


def _whole(value: object) -> int:
    found = _decimal(value)
    if not found.is_zero() and (found.adjusted() > 18 or found != found.to_integral_value()):
        raise Misfit
    whole = int(found)
    if not -(2**63) <= whole < 2**63:
        raise Misfit
    return whole


def _day(value: object) -> date:
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Misfit
    try:
        return date.fromisoformat(found[1])
    except ValueError:
        raise Misfit from None


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise Misfit
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Misfit from None
    if found.tzinfo is None:
        raise Misfit
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise Misfit from None
