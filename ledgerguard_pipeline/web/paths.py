"""The addresses of the web edge that pages link to."""

from __future__ import annotations

from fastapi import Request

from ledgerguard_pipeline.values import RealmId, parse_realm

HOME_PATH = "/"
CONNECT_PATH = "/api/v1/auth/connect"
CALLBACK_PATH = "/api/v1/auth/callback"
COMPANY_PATH = "/companies/{realm}"
CONFIRM_PATH = "/companies/{realm}/disconnect"
DISCONNECT_PATH = "/api/v1/auth/disconnect/{realm}"
SYNC_PATH = "/companies/{realm}/sync"
SIGN_IN_PATH = "/sign-in"
SIGN_OUT_PATH = "/sign-out"


def named_realm(request: Request) -> RealmId:
    """The company an address names.

    Raises:
        BadInputError: it is no company id.
    """
    return parse_realm(str(request.path_params["realm"]))
