"""What no webhook announces: changes that appear long after their own time, deletions that are none."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from ledgerguard_pipeline_tests.soak.books import CALM_TYPES, LUCK, REALMS, Role

if TYPE_CHECKING:
    from ledgerguard_pipeline_tests.soak.actions import Actions

_LATE_SECONDS = 100
"""How long after its own time a change is shown: within the five minutes that are read again."""


def show_late(
    actions: Actions, realm: str, rng: Random, entities: tuple[str, ...] = CALM_TYPES
) -> None:
    """A change becomes visible long after its time, and after a sync that had read up to now."""
    entity, id = actions.books.one(realm, rng, entities)
    actions.sync_at_last(realm, entity)
    actions.sandbox.set_webhooks(loss=1.0)
    at = int(actions.sandbox.world.now()) - _LATE_SECONDS
    actions.books.edit(realm, "update", entity, id, at=at, note=f"Late {rng.randrange(1_000_000)}")
    actions.sandbox.set_webhooks(loss=LUCK["loss"])


def bury_alive(
    actions: Actions, realm: str, rng: Random, entities: tuple[str, ...] = CALM_TYPES
) -> None:
    """From now on change data capture calls an object deleted that is alive."""
    entity, id = actions.books.one(realm, rng, entities)
    about = frozenset({f"{realm}/{entity}/{id}"})
    actions.sandbox.set(false_tombstones=[(entity, id)])
    actions.journal.note("edit", f"{entity} {id} of {realm} is reported as deleted", about)


def before_the_last_sweep(actions: Actions, seed: int) -> None:
    """One of each, for the last sweep: nothing reads these objects again before they are judged.

    What happens earlier may be mended by a walk through everything that somebody asked for.
    """
    rng = Random(f"{seed}/last")
    realm = REALMS[Role.RECONNECTED]
    late, buried = rng.sample(CALM_TYPES, 2)
    # Changes of all types are asked for at once, from where the type begins that is furthest behind.
    actions.sync_at_last(realm)
    show_late(actions, realm, rng, (late,))
    bury_alive(actions, realm, rng, (buried,))
