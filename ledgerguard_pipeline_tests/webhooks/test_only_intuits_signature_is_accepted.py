from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.webhooks.signature import Verifier, shaped, sign

TOKEN = "made-up-verifier-token"
BODY = b'[{"id": "\xc3\xa9"}]'
GOOD = base64.b64encode(hmac.new(TOKEN.encode(), BODY, hashlib.sha256).digest()).decode()


def test_the_signature_covers_the_raw_bytes() -> None:
    verifier = Verifier([TOKEN])
    assert verifier.matching(BODY, GOOD) == 0
    assert verifier.matching(BODY, GOOD.encode()) == 0
    assert verifier.matching(BODY + b" ", GOOD) is None
    assert sign(BODY, TOKEN) == GOOD


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        " ",
        "sha256=" + GOOD,
        GOOD[:-1],
        GOOD + "=",
        GOOD + "\n" + GOOD,
        GOOD.replace(GOOD[0], "!", 1),
        GOOD.lower(),
        "é" * 44,
        "\ud800" * 44,
        "\x00" * 44,
        b"\xff" * 44,
        "A" * 43 + "=",
        "A" * 1_000_000,
        hmac.new(TOKEN.encode(), BODY, hashlib.sha256).hexdigest(),
    ],
)
def test_anything_else_is_refused_without_an_error(signature: str | bytes | None) -> None:
    assert Verifier([TOKEN]).matching(BODY, signature) is None


def test_blanks_around_the_header_do_not_matter() -> None:
    assert Verifier([TOKEN]).matching(BODY, f" {GOOD} ") == 0


def test_during_a_rotation_both_tokens_are_accepted_and_distinguished() -> None:
    verifier = Verifier.of(SecretStr(f"new-token , {TOKEN},"))
    assert verifier.matching(BODY, sign(BODY, "new-token")) == 0
    assert verifier.matching(BODY, GOOD) == 1
    assert verifier.matching(BODY, sign(BODY, "retired-token")) is None


@pytest.mark.parametrize("setting", [None, "", " , ", SecretStr(",")])
def test_without_a_token_nothing_is_accepted(setting: SecretStr | str | None) -> None:
    verifier = Verifier.of(setting)
    assert not verifier.configured
    assert verifier.matching(BODY, sign(BODY, "")) is None


def test_a_token_that_is_named_twice_is_the_newest() -> None:
    assert Verifier(["same", "same"]).matching(b"[]", sign(b"[]", "same")) == 0


def test_a_garbled_header_is_known_before_any_body_is_read() -> None:
    assert shaped(GOOD) == GOOD.encode()
    assert shaped("garbage") is None


def test_no_token_shows_in_a_repr() -> None:
    assert TOKEN not in repr(Verifier([TOKEN]))
