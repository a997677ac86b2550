"""What each refusal means: one table, read from the top, the first rule that fits decides.

The status decides before the code: whatever code comes with a server error, and whatever status
the gateway passes on in its text (``statusCode=503``), the server failed and nothing was said
about the grant, the company or the request. Codes: Intuit's "Error codes" page; pairings and
texts: answers that users of the API published.

Decision 51 in docs/decisions.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ledgerguard_pipeline.errors import (
    AccessDenied,
    AnswerTooBig,
    AnswerTooSlow,
    ChangesTooOld,
    CompanyUnavailable,
    FeatureUnavailable,
    NoQuery,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    ServiceUnavailable,
    Throttled,
)

SYSTEM_FAILURE = "10000"
"""An application error: worth one retry; the same again means a record Intuit cannot render."""

PROCESSING_ERROR = "4002"

TOO_BIG = "10100"


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal as the rules see it.

    ``status`` is that of the answer, ``claimed`` the one its text names, ``code`` has no leading
    zeros, ``kind`` is the fault's type and ``text`` everything it says, as sent.
    """

    status: int
    claimed: int | None = None
    code: str | None = None
    kind: str = ""
    text: str = ""
    reported: bool = False
    """Whether QuickBooks itself spoke: a body that holds a fault, no page of somebody between."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """Both statuses, where the text names one."""
        return (self.status,) if self.claimed is None else (self.status, self.claimed)


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches if everything it names matches; the rest does not matter.

    ``statuses`` are met by the answer's status or the one in its text.
    """

    error: type[QBOAPIError]
    advice: str
    codes: Collection[str | None] = ()
    statuses: Collection[int] = ()
    words: re.Pattern[str] | None = None
    kinds: Collection[str] = ()
    reported: bool | None = None

    def fits(self, refused: Refused) -> bool:
        """Whether this rule is about that refusal."""
        return (
            (not self.codes or refused.code in self.codes)
            and (not self.statuses or any(each in self.statuses for each in refused.statuses))
            and (not self.kinds or refused.kind.casefold() in self.kinds)
            and (self.words is None or self.words.search(refused.text) is not None)
            and (self.reported is None or refused.reported is self.reported)
        )


def judge(refused: Refused) -> tuple[type[QBOAPIError], str]:
    """The error of a refusal, and what to do about it."""
    return next((rule.error, rule.advice) for rule in _RULES if rule.fits(refused))


def _words(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


_LATER = "Nothing was stored; the next sync tries again."
_OUTAGE = f"The fault is on Intuit's side. {_LATER}"
_AGAIN = "then reconnect with `ledgerguard connect`."
_LACKING = (
    "The company's edition or permissions lack it; leave the type out with LEDGERGUARD_ENTITIES."
)
_NO_ACCESS = (
    "The app has no access to this company: check INTUIT_ENV against the app's keys, " + _AGAIN
)
_STALE_ACCESS = "The access token was refused."
_WRONG = "The request is wrong; repeating it cannot help."
_ENDED = (
    "The company's QuickBooks subscription ended or has a billing problem; its owner has to renew "
    "it. Loading then resumes by itself."
)

_SERVER_ERRORS = range(500, 600)
_ELSEWHERE = (*range(300, 400), 425)
_GOOD = range(200, 300)

_LAPSED = _words(
    r"subscription\b.{0,60}\b(?:lapsed|has ended|ended or cancel)",
    "invalid company status",
)
_PASSING = _words(
    r"\btry (?:it )?(?:again|later)",
    "could not find resource",
    "unexpected internal error",
    "internal server ?error",
    r"temporar(?:y|ily)",
    r"\btime(?:d[ -]?|-| )?out\b",
    "service (?:is )?unavailable",
    "unknown error",
    "no destination found",
)
"""Words of a failure that passes, whatever code they come with."""

_WITHOUT_QUERY = _words(
    "metadata not found for entity",
    "invalid context declaration",
    r"\boperation query\b.{0,20}\bnot supported\b",
    r"\bquery operation\b.{0,20}\bnot supported\b",
)
"""How QuickBooks says that an entity type cannot be queried at all."""

_NOT_ABOUT_ACCESS = (*_GOOD, 400, 402, *range(404, 500))

_FINAL = (
    *("600", "1040", "2010", "2020", "2030", "2050", "2170", "2500", "4000", "4001"),
    *("6140", "6200", "6210", "6240", "6540"),
)
"""Documented refusals of a request as such; their texts quote what was asked, so words in them
prove nothing."""

_RULES: tuple[Rule, ...] = (
    # Throttling names itself, in any status.
    Rule(Throttled, "The call limit is reached; calls for this company pause.", statuses=(429,)),
    Rule(Throttled, "The call limit is reached; calls for this company pause.", codes=("3001",)),
    # The two server errors that Intuit documents as the data's.
    Rule(AnswerTooBig, "The answer is too big: read the range in smaller parts.", (TOO_BIG,)),
    Rule(
        RequestRejected,
        "The company's data was reset: run `ledgerguard sync --full`.",
        ("10200",),
    ),
    # The status before the code.
    Rule(AnswerTooSlow, f"It took Intuit too long. {_LATER}", statuses=(504, 408)),
    Rule(AnswerTooSlow, f"It took Intuit too long. {_LATER}", codes=("6002",)),
    Rule(ServiceUnavailable, _OUTAGE, statuses=_SERVER_ERRORS),
    Rule(ServiceUnavailable, _OUTAGE, statuses=_ELSEWHERE),
    # The subscription.
    Rule(CompanyUnavailable, _ENDED, codes=("6190",)),
    Rule(
        CompanyUnavailable,
        f"{_ENDED} If it did not end, check INTUIT_ENV against the app's keys.",
        codes=("7001",),
        words=_LAPSED,
    ),
    Rule(CompanyUnavailable, _ENDED, words=_LAPSED),
    Rule(
        CompanyUnavailable,
        "The company is locked out; its administrator has to restore it.",
        codes=("140",),
    ),
    # What passes by itself.
    Rule(ServiceUnavailable, f"QuickBooks works on the company. {_LATER}", codes=("150",)),
    Rule(ServiceUnavailable, _OUTAGE, codes=(SYSTEM_FAILURE,)),
    Rule(ServiceUnavailable, f"Somebody edited it just then. {_LATER}", codes=("5010",)),
    Rule(ServiceUnavailable, _OUTAGE, codes=("7001",)),
    Rule(
        ChangesTooOld,
        "Changes reach back 30 days only: run `ledgerguard sync --full`.",
        codes=("500",),
        words=_words(r"\bcdc\b.*older than", r"older than.*\bcdc\b"),
    ),
    # The grant.
    Rule(
        AccessDenied,
        "The token does not belong to this company: reconnect it with `ledgerguard connect`.",
        codes=("100", "110"),
    ),
    Rule(
        AccessDenied,
        "The person who consented lost access: let an administrator reconnect.",
        codes=("120",),
    ),
    Rule(
        AccessDenied,
        f"Company and environment do not match: check INTUIT_ENV, {_AGAIN}",
        codes=("130",),
    ),
    Rule(AccessDenied, _NO_ACCESS, codes=("3100",)),
    Rule(AccessDenied, _STALE_ACCESS, codes=("3200", "3202")),
    # The object, the type, the request.
    Rule(NotFound, "The object is deleted or was made inactive.", codes=("610",)),
    Rule(
        PoisonPage,
        "One record of the page fails it: read smaller parts to find it.",
        codes=(PROCESSING_ERROR,),
    ),
    Rule(FeatureUnavailable, _LACKING, codes=("5020", "5030")),
    Rule(
        NoQuery,
        "QuickBooks serves no query of this entity type.",
        codes=("500", "4000", "4001"),
        words=_WITHOUT_QUERY,
    ),
    Rule(RequestRejected, _WRONG, codes=_FINAL),
    # Codes that say little: the words decide.
    Rule(ServiceUnavailable, _OUTAGE, statuses=_NOT_ABOUT_ACCESS, words=_PASSING),
    Rule(RequestRejected, "Intuit does not support this request.", codes=("500",)),
    # No code at all. A bare 400 comes from a gateway: QuickBooks itself always gives a reason.
    Rule(ServiceUnavailable, _OUTAGE, codes=(None,), statuses=(400,), reported=False),
    Rule(AccessDenied, _STALE_ACCESS, statuses=(401,)),
    Rule(AccessDenied, _NO_ACCESS, statuses=(403,)),
    Rule(ServiceUnavailable, _OUTAGE, statuses=_GOOD, kinds=("systemfault", "service")),
    Rule(ServiceUnavailable, _OUTAGE, statuses=_GOOD, reported=False),
    Rule(RequestRejected, _WRONG),
)
