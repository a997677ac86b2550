"""A delivery without its 200 is repeated with the same bytes, and nothing newer passes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess, SandboxServer, listen
from ledgerguard_pipeline_tests.sandbox.caller import calling, tiny_company
from ledgerguard_pipeline_tests.sandbox.webhooks.receiver import SILENT, TOKEN, Receiver

LADDER = [10, 20, 30, 300, 1_200, 7_200, 14_400, 21_600]
"""qbo-api.md 8.2, in seconds."""


@contextmanager
def _sending(receiver: Receiver, **switches: object) -> Iterator[SandboxServer]:
    """A connected tiny company whose webhooks need no waiting."""
    with calling(tiny_company(invoices=3)) as caller:
        caller.server.send_webhooks(receiver.url, TOKEN, time_scale=0, **switches)
        yield caller.server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as ready:
        yield ready


def test_refused_deliveries_climb_intuits_ladder_with_the_same_bytes(receiver: Receiver) -> None:
    receiver.script([500, 503, 401, 400, 302, 204, 404, 500, 500, 500])
    with _sending(receiver) as sandbox:
        sandbox.edit("update", "Customer", "1")
        state = sandbox.settle_webhooks()
        (delivery,) = sandbox.deliveries()
    assert [attempt.waited for attempt in delivery.attempts] == [0, *LADDER, 21_600, 21_600]
    assert [attempt.reply.status for attempt in delivery.attempts] == [
        *(500, 503, 401, 400, 302, 204, 404, 500, 500, 500, 200),
    ]
    assert len({posted.body for posted in receiver.posted}) == 1
    assert len({posted.headers["intuit-t-id"] for posted in receiver.posted}) == 1
    assert all(posted.genuine for posted in receiver.posted)
    assert delivery.acknowledged
    assert (state.delivered, state.unacknowledged) == (1, 0)


def test_the_steps_take_their_time_on_the_scale(receiver: Receiver) -> None:
    receiver.script([500, 500, 500])
    with _sending(receiver) as sandbox:
        sandbox.set_webhooks(time_scale=0.002)
        sandbox.edit("update", "Customer", "1")
        sandbox.settle_webhooks()
        (delivery,) = sandbox.deliveries()
    gaps = [after.at - before.at for before, after in pairwise(delivery.attempts)]
    assert [gap >= 0.002 * step for gap, step in zip(gaps, LADDER, strict=False)] == [True] * 3


def test_nothing_newer_is_sent_before_the_refused_one_is_acknowledged(receiver: Receiver) -> None:
    with _sending(receiver, held=True) as sandbox:
        receiver.script([500])
        sandbox.edit("update", "Customer", "1")
        sandbox.flush_webhooks()
        sandbox.edit("update", "Customer", "2")
        sandbox.edit("update", "Customer", "3")
        receiver.script([500])
        state = sandbox.flush_webhooks()
        assert (state.waiting, state.unacknowledged) == (2, 1)
        assert len({posted.body for posted in receiver.posted}) == 1
        sandbox.set_webhooks(held=False)
        sandbox.settle_webhooks()
    assert [len(posted.json) for posted in receiver.posted] == [1, 1, 1, 2]


def test_without_head_of_line_blocking_newer_ones_pass(receiver: Receiver) -> None:
    with _sending(receiver, held=True, head_of_line=False) as sandbox:
        receiver.script([500])
        sandbox.edit("update", "Customer", "1")
        sandbox.flush_webhooks()
        sandbox.edit("update", "Customer", "2")
        receiver.script([500])
        state = sandbox.flush_webhooks()
        assert (state.waiting, state.unacknowledged, state.acknowledged) == (0, 1, 1)
        assert [delivery.acknowledged for delivery in sandbox.deliveries()] == [False, True]


def test_an_answer_that_does_not_come_in_time_is_none(receiver: Receiver) -> None:
    receiver.script([SILENT])
    with _sending(receiver, answer_seconds=0.3) as sandbox:
        sandbox.edit("update", "Customer", "1")
        sandbox.settle_webhooks()
        (delivery,) = sandbox.deliveries()
    first, second = delivery.attempts
    assert (first.reply.status, second.reply.status) == (0, 200)
    assert "no answer within 0.3 s" in first.reply.problem


def test_three_seconds_are_the_limit_unless_set_otherwise(receiver: Receiver) -> None:
    with _sending(receiver) as sandbox:
        assert sandbox.webhook_switches()["answer_seconds"] == 3.0


def test_a_receiver_that_is_down_gets_everything_once_it_is_up(receiver: Receiver) -> None:
    with listen() as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    with _sending(receiver, held=True) as sandbox:
        sandbox.set_webhooks(url=dead)
        sandbox.edit("update", "Customer", "1")
        assert sandbox.flush_webhooks().unacknowledged == 1
        sandbox.set_webhooks(url=receiver.url, held=False, time_scale=1)
        assert sandbox.settle_webhooks().unacknowledged == 0
    assert len(receiver.posted) == 1


def test_a_new_verifier_token_signs_repetitions_too(receiver: Receiver) -> None:
    receiver.script([401])
    with _sending(receiver, held=True) as sandbox:
        sandbox.set_webhooks(token="the previous token")
        sandbox.edit("update", "Customer", "1")
        sandbox.flush_webhooks()
        sandbox.set_webhooks(token=TOKEN)
        sandbox.flush_webhooks()
    assert [posted.genuine for posted in receiver.posted] == [False, True]


def _fates(receiver: Receiver, **switches: object) -> list[str]:
    """Event ids in the order of arrival, after 200 edits of one object."""
    first, edits = len(receiver.posted), 200
    with _sending(receiver, held=True, **switches) as sandbox:
        for _ in range(edits):
            sandbox.edit("update", "Customer", "1", at=1_790_000_100)
        sandbox.flush_webhooks()
        state = sandbox.webhooks()
    ids = [id for posted in receiver.posted[first:] for id in posted.event_ids()]
    assert state.events == edits
    assert len(ids) == edits - state.lost + state.duplicated == state.delivered
    return ids


def test_the_same_seed_loses_doubles_and_swaps_the_same_events(receiver: Receiver) -> None:
    switches: dict[str, object] = {"loss": 0.1, "duplicate": 0.1, "reorder": 0.1, "most_events": 7}
    first = _fates(receiver, **switches)
    assert _fates(receiver, **switches) == first
    assert _fates(receiver, **switches, seed=2) != first


def test_loss_duplication_and_reordering_are_as_frequent_as_asked(receiver: Receiver) -> None:
    everything = _fates(receiver)
    order = {id: index for index, id in enumerate(everything)}
    kept = _fates(receiver, loss=0.25)
    assert kept == sorted(kept, key=order.__getitem__)
    assert 30 <= 200 - len(kept) <= 70
    doubled = Counter(_fates(receiver, duplicate=0.25))
    assert doubled.keys() == order.keys()
    assert set(doubled.values()) == {1, 2}
    assert 30 <= sum(doubled.values()) - 200 <= 70
    swapped = _fates(receiver, reorder=0.25)
    assert sorted(swapped) == sorted(everything)
    late = sum(order[before] > order[after] for before, after in pairwise(swapped))
    assert 20 <= late <= 70


def test_a_delayed_event_arrives_later_and_the_others_do_not_wait(receiver: Receiver) -> None:
    with _sending(receiver) as sandbox:
        sandbox.set_webhooks(time_scale=1, delay_seconds=3_600, gather_seconds=0)
        sandbox.edit("update", "Customer", "1")
        sandbox.set_webhooks(delay_seconds=0)
        sandbox.edit("update", "Customer", "2")
        state = sandbox.settle_webhooks(0.5)
        assert (state.waiting, state.acknowledged) == (1, 1)
        assert sandbox.flush_webhooks().waiting == 0
    assert [[each["intuitentityid"] for each in posted.json] for posted in receiver.posted] == [
        ["2"],
        ["1"],
    ]


def test_a_reset_forgets_what_waits_and_counts_again(receiver: Receiver) -> None:
    with _sending(receiver, held=True) as sandbox:
        sandbox.edit("update", "Customer", "1")
        sandbox.reset_webhooks()
        assert sandbox.flush_webhooks().events == 0
        assert sandbox.deliveries() == []
    assert receiver.posted == []


def test_webhooks_can_be_asked_for_on_the_command_line(receiver: Receiver) -> None:
    arguments = [
        *("--webhook-url", receiver.url, "--webhook-token", TOKEN),
        *("--webhook", "connected_only=false", "--webhook", "time_scale=0"),
    ]
    with SandboxProcess(invoices=3, arguments=arguments) as sandbox:
        sandbox.edit("update", "Invoice")
        assert sandbox.settle_webhooks().acknowledged == 1
    assert [posted.genuine for posted in receiver.posted] == [True]
