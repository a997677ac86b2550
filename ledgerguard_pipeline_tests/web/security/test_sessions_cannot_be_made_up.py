from __future__ import annotations

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.web.security.sessions import SESSION_SECONDS, Sessions
from ledgerguard_pipeline_tests.clocks import FakeClock

OLD, NEW = b"o" * 32, b"n" * 32
TOKEN = SecretStr("made-up-admin-token")


def sessions(
    *keys: bytes, token: SecretStr | None = TOKEN, clock: FakeClock | None = None
) -> Sessions:
    return Sessions(lambda _purpose: keys or (NEW,), token, clock=clock or FakeClock())


def carried(cookie: str) -> str:
    """What the browser sends back of a ``Set-Cookie`` header."""
    return cookie.partition(";")[0]


def test_a_session_is_read_as_it_was_given() -> None:
    desk = sessions()
    session = desk.start(admin=True)

    cookie = desk.cookie(session, secure=False)

    assert desk.read(carried(cookie), secure=False) == session
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert session.id not in repr(session)


def test_over_https_the_cookie_belongs_to_this_host_and_to_https_alone() -> None:
    desk = sessions()
    session = desk.start()

    cookie = desk.cookie(session, secure=True)

    assert cookie.startswith("__Host-")
    assert cookie.endswith("; Secure")
    assert desk.read(carried(cookie), secure=True) == session
    assert desk.read(carried(cookie), secure=False) is None


@pytest.mark.parametrize("index", range(0, 108, 7))
def test_a_changed_cookie_is_none(index: int) -> None:
    desk = sessions()
    cookie = carried(desk.cookie(desk.start(), secure=False))
    at = len("ledgerguard=") + index
    forged = cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]

    assert desk.read(forged, secure=False) is None


def test_nobody_makes_himself_admin() -> None:
    desk = sessions()
    cookie = carried(desk.cookie(desk.start(), secure=False))

    assert desk.read(cookie.replace(".u.", ".a."), secure=False) is None


def test_of_two_cookies_of_one_name_neither_is_believed() -> None:
    desk = sessions()
    cookie = carried(desk.cookie(desk.start(), secure=False))

    assert desk.read(f"{cookie}; other=1", secure=False) is not None
    assert desk.read(f"{cookie}; {cookie}", secure=False) is None


def test_a_session_ends_but_a_consent_begun_in_it_can_still_come_back() -> None:
    clock = FakeClock()
    desk = sessions(clock=clock)
    session = desk.start()
    cookie = carried(desk.cookie(session, secure=False))

    clock.advance(SESSION_SECONDS)

    assert desk.read(cookie, secure=False) is None
    assert desk.known(cookie, secure=False) == session


def test_a_rotated_key_still_reads_and_a_new_admin_token_signs_everybody_out() -> None:
    session = sessions(OLD).start(admin=True)
    cookie = carried(sessions(OLD).cookie(session, secure=False))

    assert sessions(NEW, OLD).read(cookie, secure=False) == session
    assert sessions(NEW).read(cookie, secure=False) is None
    changed = SecretStr("another-admin-token")
    assert sessions(OLD, token=changed).read(cookie, secure=False) is None


def test_a_forms_token_is_good_for_its_session_and_its_action() -> None:
    desk = sessions()
    mine, other = desk.start(), desk.start()
    token = desk.form_token(mine, "/here")

    assert desk.genuine(mine, "/here", token)
    assert not desk.genuine(mine, "/there", token)
    assert not desk.genuine(other, "/here", token)
    assert not desk.genuine(mine, "/here", "ä\ud800")
    assert not desk.genuine(mine, "/here", "")
