from __future__ import annotations

from ledgerguard_pipeline.sandbox.api.limits import Limits
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline_tests.sandbox.caller import OTHER_REALM, Caller, calling, tiny_company

COUNT = "select count(*) from Customer"


def admitted(limits: Limits, times: list[float], *, batch: bool = False) -> int:
    return sum(limits.admit("1", at, batch=batch) for at in times)


def test_ten_calls_pass_in_any_second() -> None:
    limits = Limits(Switches())
    assert admitted(limits, [0.5] * 11) == 10
    assert admitted(limits, [1.25]) == 0  # still within a second of the ten
    assert admitted(limits, [1.5] * 12) == 10


def test_five_hundred_calls_pass_in_any_minute() -> None:
    limits = Limits(Switches(requests_per_second=1000))
    assert admitted(limits, [number / 20 for number in range(520)]) == 500
    assert admitted(limits, [59.9]) == 0
    assert admitted(limits, [60.0, 60.01]) == 1  # one of the first minute has left


def test_forty_batches_pass_in_any_minute_and_other_calls_go_on() -> None:
    limits = Limits(Switches(requests_per_second=1000))
    assert admitted(limits, [float(number) for number in range(41)], batch=True) == 40
    assert admitted(limits, [41.0]) == 1


def test_companies_have_limits_of_their_own() -> None:
    with (
        calling(
            tiny_company(), tiny_company(OTHER_REALM), limits=True, requests_per_minute=3
        ) as caller,
        Caller(caller.server, OTHER_REALM) as other,
    ):
        assert [caller.query(COUNT).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert other.query(COUNT).status_code == 200


def test_a_throttled_call_gets_the_gateways_429() -> None:
    with calling(limits=True, requests_per_minute=1) as caller:
        assert caller.query(COUNT).status_code == 200
        answer = caller.query(COUNT)
        assert answer.status_code == 429
        (error,) = answer.json()["fault"]["error"]
        assert error["message"] == "message=ThrottleExceeded; errorCode=003001; statusCode=429"
        assert error["code"] == "3001"
        assert "Retry-After" not in answer.headers
        caller.server.set(retry_after_seconds=7)
        assert caller.query(COUNT).headers["Retry-After"] == "7"
        caller.server.reset_limits()
        assert caller.query(COUNT).status_code == 200


def test_calls_at_the_same_time_can_be_limited() -> None:
    limits = Limits(Switches(concurrent_requests=2))

    def begin() -> bool:
        limits.begin("1")
        return limits.admit("1", 1.0, batch=False)

    assert [begin(), begin(), begin()] == [True, True, False]
    limits.end("1")
    limits.end("1")
    assert begin()


def test_the_most_calls_of_any_window_are_reported() -> None:
    with calling() as caller:
        for _ in range(5):
            caller.query(COUNT)
        caller.batch({"bId": "1", "Query": COUNT})
        most = caller.server.stats()["most"]
        assert isinstance(most, dict)
        assert most[caller.realm]["per_minute"] == 6
        assert most[caller.realm]["batches_per_minute"] == 1
        assert 1 <= most[caller.realm]["per_second"] <= 6
