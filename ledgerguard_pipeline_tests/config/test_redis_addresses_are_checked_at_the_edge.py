from __future__ import annotations

import pytest

from ledgerguard_pipeline.config.redis_url import redis_address
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.errors import ConfigurationError


@pytest.mark.parametrize(
    "url, shown",
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://:secret@127.0.0.1:6380/3", "redis://127.0.0.1:6380/3"),
        ("redis://[::1]:6380", "redis://[::1]:6380/0"),
        ("rediss://me:secret@redis.example:6390/2", "rediss://redis.example:6390/2"),
        ("rediss://redis.example?db=4&ssl_ca_certs=/etc/ca.pem", "rediss://redis.example:6379/4"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    address = redis_address(url)
    assert (address.shown, address.in_clear) == (shown, False)
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    "url, why",
    [
        ("http://localhost", "must look like"),
        ("redis://", "must look like"),
        ("unix://relative", "must look like"),
        ("redis://localhost:99999999", "must look like"),
        ("redis://localhost/books", "must be a number"),
        ("redis://localhost?retry=yes", "retry is not an option"),
        ("rediss://redis.example?tls=off", "tls is not an option"),
        ("redis://localhost?tls=on", "rediss:// turns it on"),
        ("redis://:secret@redis.example", "plain redis:// is accepted for loopback hosts only"),
        ("rediss://redis.example?ssl_cert_reqs=none", "certificate"),
        ("rediss://redis.example?ssl_check_hostname=False", "certificate"),
    ],
)
def test_an_address_that_is_wrong_or_unsafe_is_refused_in_one_sentence(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_REDIS_URL") as caught:
        load_settings(ledgerguard_redis_url=url)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_open_network_has_to_be_asked_for_by_name() -> None:
    address = redis_address("redis://:secret@redis:6379/0?tls=off&db=2")
    assert address.in_clear
    assert address.url == "redis://:secret@redis:6379/0?db=2"
