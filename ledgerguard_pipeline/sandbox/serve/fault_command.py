"""``sandbox fault``: let a running sandbox misbehave as Intuit does, to see what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from textwrap import fill
from typing import Annotated

import typer

from ledgerguard_pipeline.sandbox import PORT
from ledgerguard_pipeline.sandbox.api.faults import FaultKind
from ledgerguard_pipeline.sandbox.entity_types import TYPES
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
from ledgerguard_pipeline.sandbox.serve.help_pages import complain

Order = tuple[SandboxHandle, str, str | None, int | None]
"""Where, which entity type, which object, how often if that was said."""

_CALLS = 5
"""Calls that a fault hits where nobody says how many: as many as the product tries."""
_MEET = "Meet it by Sync now on the company page, or by `ledgerguard sync"


def _outage(order: Order) -> str:
    order[0].inject(FaultKind.ERROR_503_HTML, probability=1.0)
    return (
        f"Every call is answered with 503 Service Unavailable until `sandbox fault off`. {_MEET}`."
    )


def _throttle(order: Order) -> str:
    handle, _, _, chosen = order
    count = chosen or 1
    handle.inject(FaultKind.THROTTLE_JSON, next=count)
    which = "The next call is" if count == 1 else f"The next {count} calls are"
    return f"{which} answered with 429, and calls then pause for a minute. {_MEET}`."


def _cut_json(order: Order) -> str:
    handle, _, _, chosen = order
    count = chosen or _CALLS
    handle.inject(FaultKind.CUT_JSON, next=count)
    return f"The next {count} answers end in the middle of their JSON. {_MEET}`."


def _poison(order: Order) -> str:
    handle, entity, id, _ = order
    realm = str(handle.companies()[0]["realm"])
    known = handle.truth(entity, realm).rows
    chosen = id or next(iter(known), None)
    if chosen is None or chosen not in known:
        raise ValueError(f"there is no {entity} {id or 'at all'}")
    handle.set(poison=[[entity, chosen]])
    return (
        f"Every page with {entity} {chosen} fails with 4002 until `sandbox fault off`. Meet it by "
        f"`ledgerguard sync --full --entity {entity}`, which also heals afterwards."
    )


def _empty(order: Order) -> str:
    handle, entity, _, _ = order
    handle.set(silence={"entities": [entity]})
    return (
        f"Answers leave out every {entity}, without a fault, until `sandbox fault off`. Meet it by "
        f"`ledgerguard sync --reconcile --entity {entity}`; `--full` instead looks again afterwards."
    )


def _edits(order: Order) -> str:
    handle, entity, _, _ = order
    handle.set(hazard={"entities": [entity], "update": 2, "insert": 1, "delete": 1})
    return (
        f"While pages of {entity} are read, others create, change and delete some, until "
        f"`sandbox fault off`. Meet it by `ledgerguard sync --full --entity {entity}`; compare with "
        f"`ledgerguard sync --reconcile --entity {entity}`."
    )


def _revoke(order: Order) -> str:
    order[0].disconnect()
    return (
        f"The company's grant is revoked, as by a user inside QuickBooks. {_MEET}`; Connect again on "
        "the page ends it."
    )


def _off(order: Order) -> str:
    handle = order[0]
    handle.clear_faults()
    handle.set(poison=[], silence=None, hazard=None)
    return "The sandbox behaves again. A revoked grant stays revoked until somebody connects."


SCENES: dict[str, Callable[[Order], str]] = {
    "outage": _outage,
    "throttle": _throttle,
    "cut-json": _cut_json,
    "poison": _poison,
    "empty": _empty,
    "edits": _edits,
    "revoke": _revoke,
    "off": _off,
}
_MEANING = {
    "outage": "503 to every call",
    "throttle": "429 to the next calls",
    "cut-json": "answers end in the middle",
    "poison": "a record spoils every page it is on",
    "empty": "objects are left out, without a fault",
    "edits": "others edit while pages are read",
    "revoke": "a user disconnects the app",
    "off": "the sandbox behaves again",
}
_HELP = (
    f"{', '.join(f'{name} ({meaning})' for name, meaning in _MEANING.items())}; "
    "or one of the single answers that are listed where it is left out."
)


def fault(
    kind: Annotated[str | None, typer.Argument(help=_HELP)] = None,
    entity: Annotated[
        str, typer.Argument(help="Entity type for poison, empty and edits.")
    ] = "Invoice",
    id: Annotated[
        str | None, typer.Argument(help="Id of the object for poison; any one if left out.")
    ] = None,
    *,
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=1,
            help=f"How many calls it hits; by default 1 for throttle, else {_CALLS}.",
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the sandbox on this machine.")
    ] = PORT,
) -> None:
    """Make a running sandbox misbehave as Intuit does, and see what happens."""
    if kind is None:
        typer.echo(_listed())
        return
    handle = SandboxHandle(f"http://127.0.0.1:{port}", "", "", [])
    try:
        _require(entity)
        said = (
            SCENES[kind]((handle, entity, id, count))
            if kind in SCENES
            else _raw(handle, kind, count or _CALLS)
        )
    except OSError:
        complain(f"No sandbox answers on port {port}; start one with `ledgerguard up`.", 1)
    except ValueError as error:
        complain(f"{error}.", 2)
    typer.echo(said)


def _require(entity: str) -> None:
    if entity not in TYPES:
        near = get_close_matches(entity, TYPES, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"the sandbox has no entity {entity[:40]}{meant}")


def _listed() -> str:
    lines = [f"  {name:<10}{meaning}" for name, meaning in _MEANING.items()]
    single = ", ".join(each.value for each in FaultKind)
    more = fill(f"Or one kind of answer, to the next calls: {single}.", width=78)
    return "\n".join(["sandbox fault KIND lets the running sandbox misbehave:", *lines, "", more])


def _raw(handle: SandboxHandle, kind: str, count: int) -> str:
    known = [each.value for each in FaultKind]
    if kind not in known:
        near = get_close_matches(kind, [*SCENES, *known], n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no fault {kind}.{meant} `ledgerguard sandbox fault` lists them")
    handle.inject(kind, next=count)
    return f"The next {count} calls meet {kind}."
