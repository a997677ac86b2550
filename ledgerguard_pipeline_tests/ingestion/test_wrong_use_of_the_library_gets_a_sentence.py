"""What a newcomer tries and what is wrong about it, said in a sentence before anything is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline import (
    BadInputError,
    ConfigurationError,
    DuckDBStorage,
    Environment,
    IngestionService,
    LedgerGuard,
    LedgerGuardError,
    QBOAuthError,
    QBOClient,
    WebhookHandler,
)
from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.errors import WrongEnvironment

CALLBACK = "http://localhost:8000/api/v1/auth/callback"
REALM = "123146096291789"
FUTURE = datetime.now(UTC) + timedelta(days=2)


def client(**options: object) -> QBOClient:
    """A client that would reach nothing: whatever is refused is refused before a call."""
    made = QBOClient(
        "id", "secret", CALLBACK, "sandbox", base_url="http://127.0.0.1:9", **options  # type: ignore[arg-type]  # as given
    )  # fmt: skip
    made.set_tokens("access", "refresh")
    return made


def of_company() -> QBOClient:
    return client(realm_id=REALM)


def service() -> IngestionService:
    return IngestionService(of_company(), DuckDBStorage("books.duckdb"))


def app(**changed: object) -> QBOClient:
    given = {"client_id": "id", "client_secret": "secret", "redirect_uri": CALLBACK,
             "environment": "sandbox", **changed}  # fmt: skip
    return QBOClient(**given)  # type: ignore[arg-type]  # the wrong use


def set_realm(value: object) -> None:
    client().realm_id = value  # type: ignore[assignment]  # the wrong use


def memory_of(environment: str) -> BronzeStore:
    return DuckDBStorage("other.duckdb", environment)


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    # The app
    "an environment that is none": (lambda: app(environment="prod"), "sandbox or production"),
    "not an environment": (lambda: app(environment=None), "sandbox or production"),
    "no client id": (lambda: app(client_id=None), "client_id is missing"),
    "an ellipsis for a client id": (lambda: app(client_id=...), "client_id is missing"),
    "an empty secret": (lambda: app(client_secret=" "), "client_secret is missing"),
    "an empty wrapped secret": (lambda: app(client_secret=SecretStr("")), "client_secret is"),
    "no redirect": (lambda: app(redirect_uri=None), "redirect_uri is missing"),
    "plain http": (lambda: app(base_url="http://example.com"), "must be an https URL"),
    "a company id of letters": (lambda: app(realm_id="Acme"), "not a company id"),
    "a company id of another type": (lambda: set_realm(123146096291789), "in quotes"),
    "no company id": (lambda: set_realm(None), "not a company id"),
    # Consent and tokens
    "a state that is none": (lambda: client().exchange_code("c", None, REALM), "unknown, expired"),  # type: ignore[arg-type]
    "a forged state": (lambda: client().exchange_code("c", "forged", REALM), "unknown, expired"),
    "no code": (lambda: client().exchange_code("", "s", REALM), "needs the `code`"),
    "an expiry that is none": (
        lambda: client().set_tokens("a", access_token_expiry="soon"), "access_token_expiry='soon'"),
    "an expiry of another type": (
        lambda: client().set_tokens("a", access_token_expiry=3600), "not int"),  # type: ignore[arg-type]
    "a lifetime that is none": (
        lambda: client().set_tokens("a", expires_in="3600"), "number of seconds"),  # type: ignore[arg-type]
    "all tokens for one": (lambda: client().set_tokens({"access_token": "a"}), r"\*\*saved"),  # type: ignore[arg-type]
    # Entities
    "no company chosen": (lambda: client().get_entity("Invoice", "1"), "set client.realm_id"),
    "no company chosen, lazily": (lambda: client().get_all_entities("Invoice"), "client.realm_id"),
    "a type that is none": (lambda: of_company().get_entity("Ledger", "1"), "Known: Account"),
    "a type that is misspelt": (lambda: of_company().get_entity("Invoices", "1"), "mean Invoice"),
    "no type": (lambda: of_company().query_entities(None), "not a supported entity type"),  # type: ignore[arg-type]
    "no id": (lambda: of_company().get_entity("Invoice", ""), "not an object id"),
    "an id of a path": (lambda: of_company().get_entity("Invoice", "../1"), "not an object id"),
    "a clause of SQL": (
        lambda: of_company().query_entities("Invoice", "A = '1' OR B = '2'"), "joined by AND"),
    "a clause that is no text": (
        lambda: of_company().query_entities("Invoice", {"Id": "1"}), "WHERE clause"),  # type: ignore[arg-type]
    "fewer than none": (
        lambda: of_company().get_all_entities("Invoice", max_results=-1), "whole number"),
    "a number that is a text": (
        lambda: of_company().get_all_entities("Invoice", max_results="5"), "whole number"),  # type: ignore[arg-type]
    "a time that is none": (
        lambda: of_company().get_all_entities("Invoice", since="yesterday"), "since='yesterday'"),
    "changes of a type that is none": (
        lambda: of_company().changes(["Invoices"], FUTURE), "not a supported entity type"),
    "changes of a number": (lambda: of_company().changes(7, FUTURE), "in a list"),  # type: ignore[arg-type]
    "counts of a type that is none": (
        lambda: of_company().count_batch(["Invoices"]), "not a supported entity type"),
    # Storage and ingestion
    "a path for a storage": (
        lambda: IngestionService(of_company(), "books.duckdb"), "This is a path, not a storage"),  # type: ignore[arg-type]
    "a Path for a storage": (
        lambda: IngestionService(of_company(), Path("books.duckdb")), "DuckDBStorage"),  # type: ignore[arg-type]
    "nothing for a storage": (lambda: IngestionService(of_company(), None), "not NoneType"),  # type: ignore[arg-type]
    "a storage for a client": (
        lambda: IngestionService(DuckDBStorage("b.duckdb"), of_company()), "through a QBOClient"),  # type: ignore[arg-type]
    "a storage of the other environment": (
        lambda: IngestionService(of_company(), memory_of("production")), "production environment"),
    "no path": (lambda: DuckDBStorage(""), "db_path is the path"),
    "a connection for a path": (lambda: DuckDBStorage(object()), "not object"),  # type: ignore[arg-type]
    "a store in memory": (lambda: DuckDBStorage(":memory:"), "not kept in memory"),
    "a URL for a path": (lambda: DuckDBStorage("duckdb:///b.duckdb"), "names a file, not duckdb"),
    "a lake for a path": (lambda: DuckDBStorage("ducklake:postgres:x"), "LedgerGuard.open"),
    "a folder for a path": (lambda: DuckDBStorage("."), "is a folder"),
    "a file named like its schema": (lambda: DuckDBStorage("bronze.duckdb"), "another name"),
    "an environment of a store": (lambda: DuckDBStorage("b.duckdb", "prod"), "not an environment"),
    "types that are none": (
        lambda: service().run_batch_ingestion(["Invoice", "Nonsense"]), "'Nonsense' is not"),
    "no types": (lambda: service().run_batch_ingestion([]), "No entity type was named"),
    "a number for types": (lambda: service().run_batch_ingestion(7), "in a list"),  # type: ignore[arg-type]
    "a future": (lambda: service().run_batch_ingestion(since=FUTURE), "is in the future"),
    "a since that is none": (lambda: service().run_batch_ingestion(since=7), "not int"),  # type: ignore[arg-type]
    "a service without a company": (
        lambda: IngestionService(client(), DuckDBStorage("b.duckdb")).run_batch_ingestion(),
        "connected to no company"),
    # Webhooks
    "a number for a verifier token": (lambda: WebhookHandler(7), "verifier_token is the text"),  # type: ignore[arg-type]
    "bytes for a verifier token": (lambda: WebhookHandler(b"token"), "not bytes"),  # type: ignore[arg-type]
    "a signature over decoded JSON": (
        lambda: WebhookHandler("t").verify_webhook_signature({}, "s"), "before it is decoded"),  # type: ignore[arg-type]
    "a payload that is none": (
        lambda: WebhookHandler("t").process_webhook(None, of_company(), DuckDBStorage("b.duckdb")),  # type: ignore[arg-type]
        "raw bytes"),
    "a path for the handler's storage": (
        lambda: WebhookHandler("t").process_webhook(b"[]", of_company(), "b.duckdb"), "This is a path"),  # type: ignore[arg-type]
    # Installations
    "a number for a home": (lambda: LedgerGuard.open(7), "path of a folder"),  # type: ignore[arg-type]
    "a setting that is none": (lambda: LedgerGuard.open(homee="x"), "no setting 'homee'"),
    "an installation by its path": (lambda: LedgerGuard("home"), r"LedgerGuard\.open"),  # type: ignore[arg-type]
    "an installation without companies": (
        lambda: LedgerGuard.open("nowhere").client(), "No company is connected in nowhere"),
    "a company the installation does not know": (
        lambda: LedgerGuard.open("nowhere").sync(REALM), f"Company {REALM} is not connected"),
    "a setting that is not usable": (
        lambda: LedgerGuard.open("nowhere", intuit_env="prod"), "INTUIT_ENV"),
}  # fmt: skip


@pytest.mark.parametrize("use, sentence", WRONG.values(), ids=WRONG.keys())
def test_wrong_use_is_answered_in_a_sentence(
    use: Callable[[], object], sentence: str, clean_environment: Path
) -> None:
    with pytest.raises(
        (BadInputError, ConfigurationError, QBOAuthError, WrongEnvironment), match=sentence
    ) as caught:
        use()
    assert isinstance(caught.value, LedgerGuardError)
    assert caught.value.message.endswith((".", ".)"))
    assert list(clean_environment.iterdir()) == [], "asking leaves nothing behind"


def test_both_names_of_an_argument_at_once_are_refused_as_python_does() -> None:
    with pytest.raises(TypeError, match="'entity_type' and 'entity', which mean the same"):
        of_company().get_entity(entity_type="Invoice", entity="Invoice", id="1")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="entity_typ"):
        of_company().get_entity(entity_typ="Invoice", id="1")  # type: ignore[call-arg]


def test_a_client_of_an_installation_keeps_its_tokens_and_its_company(connected: object) -> None:
    from ledgerguard_pipeline.installation import Installation

    assert isinstance(connected, Installation)
    with LedgerGuard(connected) as books:
        shared = books.client()
        for refused in (shared.get_tokens, lambda: shared.set_tokens("a")):
            with pytest.raises(BadInputError, match="kept by its installation"):
                refused()
        with pytest.raises(BadInputError, match="ask the installation"):
            shared.realm_id = REALM
        status = shared.get_connection_status()
        assert status["is_connected"]
        assert status["access_token_expiry"] is not None
        assert status["refresh_token_expiry"] is not None


def test_right_uses_of_other_kinds_are_taken(clean_environment: Path) -> None:
    assert app(environment=Environment.SANDBOX).environment is Environment.SANDBOX
    assert app(client_secret=SecretStr("s")).realm_id is None
    assert repr(of_company()) == f"<QBOClient sandbox, company {REALM}>"
    assert "not chosen" in repr(client())
    with DuckDBStorage(Path("~") / "no-such-folder" / "b.duckdb") as storage:
        assert "~" not in repr(storage)
        assert storage.counts() == {}
        assert storage.frame("Invoice").empty
    assert WebhookHandler("t").verify_webhook_signature(bytearray(b"[]"), 7) is False  # type: ignore[arg-type]
    assert WebhookHandler(None).verify_webhook_signature(b"[]", None) is False
    assert isinstance(asyncio.run(asyncio.to_thread(client().get_authorization_url)), str)
    assert list(clean_environment.iterdir()) == []
